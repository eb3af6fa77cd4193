"""A long plan, a journal of which so much is done, and what it takes to go on with it."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Progress, Reversal
from skylift.drivers.chain_journal import JOURNAL, ChainJournal
from skylift.drivers.postgres_store import PostgresStore
from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.engine.chain import Row
from skylift.engine.execute import Execution, Limits
from skylift.engine.journal import FORMAT, Event, RunOpened, StepDone, StepStarted, encode_event
from skylift.model.ids import Digest, Epoch, HostName, RunId, Seconds, StepId
from skylift.planning.plan import Plan, Step
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.plans import plan_of, step_of
from skylift.testing.samples import sample_record

STEPS_A_HOST = 50
AT_ONCE = 20
RUN = RunId("20260101-000000-run-0001")
CLOUD = "bench"


@dataclass(frozen=True, slots=True)
class Resumed:
    """What it took to go on with a run, until its first new event was on disk."""

    kept_in: str
    percent: int
    events: int
    read_cpu_s: float
    """Until the journal was read, each row verified, and decoded."""
    cpu_s: float
    """In all: and folded, the plan's order worked out, a step chosen, and its start written down."""
    wall_s: float
    peak_mib: int
    """Of the whole process, the plan included."""


@dataclass(frozen=True)
class _AtOnce(Action):
    """A step that is found done."""

    kind: ClassVar[str] = "at-once"

    host: HostName
    number: int

    @property
    def title(self) -> str:
        return f"do piece {self.number} of the work on {self.host}"

    def observe(self, ports: Ports) -> Progress:  # noqa: ARG002 - there is no cloud
        return Done()

    def advance(self, ports: Ports) -> None:
        """Nothing is left to push."""

    def reversal(self) -> Reversal:
        return NothingToUndo("a bench undoes nothing")


def long_plan(hosts: int) -> Plan:
    """So many hosts, some at a time, each with its row of steps."""
    rows = [[_step(HostName(f"cmp{h}"), number) for number in range(STEPS_A_HOST)] for h in range(hosts)]
    edges = [edge for row in rows for edge in pairwise(row)]
    edges += [(first[-1], then[0]) for first, then in zip(rows, rows[AT_ONCE:], strict=False)]
    return plan_of([step for row in rows for step in row], edges)


def _step(host: HostName, number: int) -> Step:
    return step_of(_AtOnce(host, number), name=f"step{number}@{host}")


def so_far(hosts: int, percent: int) -> Iterator[Event]:
    """The events of such a run until the work on so many of the hosts is done."""
    yield RunOpened(FORMAT, RUN, CLOUD, Digest("sha256:" + "0" * 64), (), "bench", 0)
    for at_ms in range(hosts * percent // 100 * STEPS_A_HOST):
        step = StepId(f"step{at_ms % STEPS_A_HOST}@cmp{at_ms // STEPS_A_HOST}")
        yield StepStarted(step, 1, at_ms)
        yield StepDone(step, 1, at_ms)


def _rows(hosts: int, percent: int) -> Iterator[Row]:
    tail: list[Row] = []
    for event in so_far(hosts, percent):
        tail = [JOURNAL.next_row(tail, encode_event(event), None, CLOUD)]
        yield tail[0]


def fill_file(path: Path, hosts: int, percent: int) -> None:
    """Make such a journal in a file, all at once."""
    SqliteJournal(path).close()
    with sqlite3.connect(path) as db:
        numbered = enumerate(_rows(hosts, percent), start=1)
        db.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", ((n, *row.stored) for n, row in numbered))
        db.execute("UPDATE head SET (rows, chain) = (SELECT row, chain FROM entry ORDER BY row DESC LIMIT 1)")
    db.close()


def fill_store(reference: str, psql: Path, hosts: int, percent: int) -> None:
    """Make such a journal in a store, all at once."""
    store = PostgresStore(reference, CLOUD)
    store.make()
    store.close()
    name = f"run/{RUN}"
    with tempfile.TemporaryDirectory() as folder:
        entries, head = Path(folder) / "entry", Path(folder) / "head"
        with entries.open("w") as file:
            for number, row in enumerate(_rows(hosts, percent), start=1):
                file.write(f"{CLOUD}\t{name}\t{number}\t\\\\x{row.body.hex()}\t\\\\x{row.chain.hex()}\t\t\n")
                head.write_text(f"{CLOUD}\t{name}\t{JOURNAL.version}\t{number}\t\\\\x{row.chain.hex()}\n")
        for table in (entries, head):
            copy = f"\\copy skylift.{table.name} from '{table}'"
            subprocess.run([psql, "-q", "-d", reference, "-c", copy], check=True)


def resumed(kept_in: str, where: str, hosts: int, percent: int) -> Resumed:
    """Go on with a run whose journal is in the file or store ``where``; for a fresh process."""
    plan, ports = long_plan(hosts), ports_of(FakeCloud(sample_record()))
    store = None if kept_in == "SQLite" else PostgresStore(where, CLOUD)
    cpu, wall = time.process_time(), time.monotonic()
    journal = store.journal(RUN, None) if store else SqliteJournal(Path(where))
    read = time.process_time() - cpu
    first = _First(journal)
    limits = Limits(at_once=AT_ONCE, unreachable=Seconds(60))
    execution = Execution(plan, first, ports, limits=limits)
    events = execution.run.length
    execution.tick(Epoch(time.time()))
    journal.close()
    if store:
        store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Resumed(kept_in, percent, events, read, first.cpu_s - cpu, first.wall_s - wall, peak)


class _First:
    """A journal that notes when the first event was appended."""

    def __init__(self, journal: ChainJournal) -> None:
        self._journal = journal
        self.cpu_s = self.wall_s = 0.0

    def append(self, event: Event, *, after: int) -> None:
        self._journal.append(event, after=after)
        if not self.wall_s:
            self.cpu_s, self.wall_s = time.process_time(), time.monotonic()

    def events(self, after: int = 0) -> tuple[Event, ...]:
        return self._journal.events(after)

    def close(self) -> None:
        self._journal.close()
