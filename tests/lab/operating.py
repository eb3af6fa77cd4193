"""What an operator does, for tests: verbs as real processes, journals as they grow, and kills."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from skylift.app.runs import RunFolder, Runs
from skylift.engine.fold import Run, fold
from skylift.engine.journal import Event, decode_event
from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import Lab
from skylift.gate.matrix import BASELINE

TICK_S = 0.02
_CLOCK_HZ = os.sysconf("SC_CLK_TCK")
_SHORT_S = 600
RUN_S = 2700
_SILENCE_S = 1800
"""Longer than the longest baseline, in which nothing is written."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a verb ended."""

    code: int
    answer: str
    """What it printed on standard output."""
    remarks: str
    """What it printed on standard error."""
    cpu_s: float
    """Of the process, and of those it started and waited for."""


class Verb:
    """One ``skylift`` process under way, its output in a file."""

    def __init__(self, record: Path, *words: str) -> None:
        self.words = words
        self._out = record.parent / f"{words[0]}-{os.urandom(3).hex()}.out"
        self._err = self._out.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "skylift.cli.main", "--cloud", str(record), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self._ended: Ended | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def said(self) -> str:
        """What it printed so far, its remarks first."""
        return self._err.read_text(errors="replace") + self._out.read_text(errors="replace")

    def over(self) -> bool:
        """Whether it has ended."""
        if self._ended is None:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid == 0:
                return False
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._ended = Ended(
                self._process.returncode,
                self._out.read_text(errors="replace"),
                self._err.read_text(errors="replace"),
                used.ru_utime + used.ru_stime,
            )
        return True

    def end(self, limit_s: float = RUN_S) -> Ended:
        """Wait for its end."""
        if not poll(self.over, limit_s=limit_s):
            self.kill()
            raise AssertionError(f"{' '.join(self.words)} did not end within {limit_s} s:\n{self.said}")
        assert self._ended is not None
        return self._ended

    def kill(self) -> Ended:
        """SIGKILL, as a power cut on the operator's machine would end it."""
        os.kill(self.pid, signal.SIGKILL)
        return self.end(10)

    def cpu_s(self) -> float:
        """What it has used until now; nothing of what it started, unless that has ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _CLOCK_HZ


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody with a record of the cloud."""

    record: Path

    @property
    def runs(self) -> Runs:
        """The runs made from this record."""
        return Runs.beside(self.record)

    def start(self, *words: str) -> Verb:
        """Begin a verb."""
        return Verb(self.record, *words)

    def ends(self, *words: str, limit_s: float = _SHORT_S) -> Ended:
        """Run a verb to its end, whatever that is."""
        return self.start(*words).end(limit_s)

    def does(self, *words: str, limit_s: float = _SHORT_S) -> Ended:
        """Run a verb that must succeed."""
        ended = self.ends(*words, limit_s=limit_s)
        assert ended.code == 0, f"{' '.join(words)} ended with {ended.code}:\n{ended.remarks}{ended.answer}"
        return ended

    def report(self) -> dict[str, Any]:
        """The report of the newest run."""
        told: dict[str, Any] = json.loads(self.ends("report", "--json").answer)
        return told

    def new_run(self, verb: Verb, known: int, limit_s: float = 120) -> RunFolder:
        """The run that ``verb`` opens, when there were ``known`` before."""
        assert poll(lambda: len(self.runs.known()) > known or verb.over(), limit_s=limit_s, every_s=TICK_S), (
            f"no run was opened:\n{verb.said}"
        )
        assert len(self.runs.known()) > known, f"it opened no run:\n{verb.said}"
        return self.runs.find(None)


def events(run: RunFolder) -> tuple[Event, ...]:
    """The journal of ``run`` as it is now."""
    if run.store is not None:
        return run.store.journal(run.id, None).events()
    with closing(sqlite3.connect(f"file:{run.journal}?mode=ro", uri=True)) as db:
        try:
            rows = db.execute("SELECT body FROM entry ORDER BY row").fetchall()
        except sqlite3.OperationalError:
            return ()  # its tables are not made yet
    return tuple(decode_event(json.loads(body)) for (body,) in rows)


def standing(run: RunFolder) -> Run:
    """``run`` as its journal tells it now."""
    return fold(events(run))


def follow(run: RunFolder, verb: Verb, *, after: int = 0, limit_s: float = _SILENCE_S) -> Iterator[Event]:
    """Each event of ``run`` beyond the first ``after``, as soon as it is written, while ``verb`` runs."""
    seen = after

    def grown() -> bool:
        return _length(run) > seen or verb.over()

    while poll(grown, limit_s=limit_s, every_s=TICK_S):
        new = events(run)[seen:]
        if not new and verb.over():
            return
        seen += len(new)
        yield from new
    raise AssertionError(f"nothing was written for {limit_s} s:\n{verb.said}")


def await_event(
    run: RunFolder,
    verb: Verb,
    wanted: Callable[[Event], bool],
    *,
    after: int = 0,
    limit_s: float = _SILENCE_S,
) -> Event:
    """The first event beyond ``after`` that is ``wanted``; the test fails if ``verb`` ends before it."""
    for event in follow(run, verb, after=after, limit_s=limit_s):
        if wanted(event):
            return event
    raise AssertionError(f"{' '.join(verb.words)} ended before what was awaited:\n{verb.said}")


def own_record(lab: Lab, folder: Path, change: Callable[[dict[str, Any]], None]) -> Operator:
    """An operator with a record of her own of the lab's cloud, changed by ``change``."""
    reader = YAML()
    document = reader.load(lab.folder / "cloud.yaml")
    known_hosts = folder / "known_hosts"
    known_hosts.write_bytes(lab.known_hosts.read_bytes())
    document["ssh"] |= {"key": str(lab.key), "known_hosts": str(known_hosts)}
    document["vantage"]["clouds_yaml"] = str(lab.folder / "clouds.yaml")
    change(document)
    record = folder / "cloud.yaml"
    with record.open("w") as file:
        reader.dump(document, file)
    return Operator(record)


def baseline_s(usual: int) -> int:
    """For how long users' requests are measured before an upgrade; the whole matrix wants more of them."""
    return int(os.environ.get(BASELINE, usual))


def _length(run: RunFolder) -> int:
    with closing(sqlite3.connect(f"file:{run.journal}?mode=ro", uri=True)) as db:
        try:
            count: int = db.execute("SELECT count(*) FROM entry").fetchone()[0]
        except sqlite3.OperationalError:
            return 0
    return count
