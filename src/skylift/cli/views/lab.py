"""How the lab looks on a terminal, and in a log."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import click

from skylift.gate.lab.stages import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status

    from skylift.gate.lab.stages import Progress
    from skylift.gate.lab.status import HostStatus, LabStatus

_SIGNS = {Outcome.ALREADY: "=", Outcome.DONE: "+", Outcome.FAILED: "!"}


class PlainProgress:
    """One line when a stage begins and one when it ends, with seconds since the start."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._start = time.monotonic()

    def started(self, stage: str) -> None:
        """Say that it begins."""
        self._begun[stage] = time.monotonic()
        self._say(f"> {stage}")

    def ended(self, stage: str, outcome: Outcome) -> None:
        """Say how it ended and how long it took."""
        self._say(_ended(stage, outcome, self._begun.get(stage)))

    def _say(self, line: str) -> None:
        click.echo(f"{time.monotonic() - self._start:7.1f} s  {line}", err=True)


class LiveProgress:
    """A line per stage that ended, and below them what is under way."""

    def __init__(self, below: Status) -> None:
        self._below = below
        self._running: dict[str, float] = {}
        self._lock = Lock()

    def started(self, stage: str) -> None:
        """Show it as under way."""
        with self._lock:
            self._running[stage] = time.monotonic()
            self._show()

    def ended(self, stage: str, outcome: Outcome) -> None:
        """Show how it ended and how long it took."""
        with self._lock:
            begun = self._running.pop(stage, None)
            self._below.console.print(f"  {_ended(stage, outcome, begun)}", highlight=False, markup=False)
            self._show()

    def _show(self) -> None:
        since = (f"{stage} (since {_clock(begun)})" for stage, begun in self._running.items())
        self._below.update(", ".join(since) or "looking")


@contextmanager
def progress() -> Iterator[Progress]:
    """Whom to tell how a build goes: a live display on a terminal, plain lines elsewhere."""
    from rich.console import Console  # noqa: PLC0415 - not needed in a log

    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainProgress()
        return
    with console.status("looking") as below:
        yield LiveProgress(below)


def lines(status: LabStatus) -> Iterator[str]:
    """The lab as a table: a line per host, and one for what they share."""
    if status.asked is None:
        yield f"no lab in {status.folder}"
        return
    artifacts = ", ".join(status.asked.artifacts)
    yield f"lab in {status.folder}: made for {status.asked.release}, artifacts {artifacts}"
    yield f"VIP on {status.vip_holder or 'no host'}, depot {'served' if status.depot else 'not served'}"
    for host in status.hosts:
        yield f"  {host.name:<7}{host.address:<12}{_power(host):<10}{_software(host)}".rstrip()


def _power(host: HostStatus) -> str:
    if host.answers:
        return "answers"
    return "silent" if host.powered else "off"


def _software(host: HostStatus) -> str:
    ill = [f"{unit} {state}" for unit, state in host.units.items() if state != "active"]
    runs = f"{len(host.units) - len(ill)} of {len(host.units)} units active" if host.units else ""
    releases = ", ".join(f"{component} {release}" for component, release in host.releases.items())
    member = f"database {host.database}" if host.database else ""
    return "; ".join(part for part in (releases, runs, ", ".join(ill), member) if part)


def _ended(stage: str, outcome: Outcome, begun: float | None) -> str:
    took = "" if begun is None else f" ({time.monotonic() - begun:.1f} s)"
    return f"{_SIGNS[outcome]} {stage}: {outcome.value}{took}"


def _clock(begun: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(time.time() - (time.monotonic() - begun)))
