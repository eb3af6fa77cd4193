"""Watching a stand-in for a while, and what it recorded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from skylift.model.sample import TIME_LIMIT_S, Sample, read_samples
from skylift.probe.access import Access
from skylift.probe.folder import Folder
from skylift.probe.watch import STOPS, Limits, Watch
from skylift.testing.api_standin import ApiStandIn, Exchange
from skylift.testing.core_standin import CORE

UNTIL_S = 120.0
"""For what is waited for."""


def access(apis: ApiStandIn) -> Access:
    return Access(f"{apis.url}/identity", "admin", "right", "admin")


def offer_all(apis: ApiStandIn) -> None:
    """Let the catalog offer the core services, with an image and a network that servers can use."""
    apis.offered |= CORE
    apis.images["i-guest"] = {
        "id": "i-guest",
        "name": "guest",
        "tags": [],
        "status": "active",
        "container_format": "bare",
        "disk_format": "raw",
        "size": 1 << 20,
    }
    apis.core.add("networks", name="provider", shared=True, subnets=["s-provider"])


def stays_silent(ex: Exchange) -> bool:
    """Answer nothing for as long as the client waits: one that gives up late has no answer either."""
    ex.rfile.read()
    return True


def recorded(where: Path) -> list[Sample]:
    folder = Folder.of("run-1", where / "state", where / "run")
    return list(read_samples(folder.samples.read_text().splitlines(keepends=True)))


def watched(
    apis: ApiStandIn,
    where: Path,
    rates: dict[str, float],
    *,
    seconds: float = UNTIL_S,
    answer_s: float = TIME_LIMIT_S,
    work_s: float = 60.0,
    witnesses: str = "",
    until: Collection[str] | Callable[[], bool] = (),
) -> list[Sample]:
    """What the streams record in ``seconds``, or until those called ``until`` have, or until that holds.

    Their users look for accepted work 50 times a second.
    """
    if callable(until) or until:

        def watch() -> list[Sample]:
            return watched(apis, where, rates, seconds=seconds, work_s=work_s, witnesses=witnesses)

        return _watched_until(until if callable(until) else _recording(where, set(until)), watch)
    folder = Folder.of("run-1", where / "state", where / "run")
    limits = Limits(seconds=seconds, in_flight=16, answer_s=answer_s, work_s=work_s, look_every_s=0.02)
    theirs = Folder.of(witnesses, where / "state", where / "run") if witnesses else None
    Watch(folder, access(apis), rates, limits, witnesses=theirs).run()
    return recorded(where)


def _recording(where: Path, streams: set[str]) -> Callable[[], bool]:
    """Whether each of these streams has recorded anything by now."""

    def all_have() -> bool:
        there = (where / "state/run-1/samples.tsv").exists()
        return there and streams <= {sample.stream for sample in recorded(where)}

    return all_have


def _watched_until(holds: Callable[[], bool], watch: Callable[[], list[Sample]]) -> list[Sample]:
    """Run ``watch`` in this thread, and tell it to stop as the agent is told."""
    over, me = threading.Event(), threading.main_thread().ident
    assert me is not None

    def look() -> None:
        while not over.wait(0.1):
            if holds():
                signal.pthread_kill(me, signal.SIGTERM)
                return

    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    looking = threading.Thread(target=look)
    looking.start()
    try:
        return watch()
    finally:
        over.set()
        looking.join()
        # A signal that came when all was over already is nobody's.
        signal.sigtimedwait(STOPS, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
