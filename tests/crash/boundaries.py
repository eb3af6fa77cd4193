"""Every durable boundary of a run, and how often the tests of this folder die at each.

A boundary is the append of one kind of event, or one kind of change that a run asks of the cloud. A death
before it leaves a world without it, a death after it one in which nobody knows that it happened. The
tests take each world between two touches, and see a run that goes on from there end like one that was
not disturbed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.app import network_run
from tests.crash import (
    test_a_failure,
    test_closed,
    test_die_everywhere,
    test_first_and_last,
    test_fleet_killed,
    test_lowered,
    test_network_killed,
    test_storage_killed,
    test_together,
    test_warned,
    test_words,
)
from tests.crash.worlds import Snapshots, is_durable

from skylift.engine.journal import EVENTS
from skylift.planning.plan import Plan
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import Fuse, FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, planned
from skylift.testing.samples import sample_record
from skylift.testing.simulation.wire import CHANGES

OUTSIDE = {
    "vantage.start_probes": "measures, and changes nothing of the cloud; starting it again has no effect",
    "vantage.stop_probes": "as its start; a run that is resumed starts it again",
    "jobs.forget": "comes before the first step, of closed runs alone: tests/app/test_old_jobs.py dies at it",
    "vantage.destroy_witnesses": "is no part of a run: `skylift validate --clean-up`",
}
"""Changes that no step of a run asks for, with why no test dies at them here."""
ELSEWHERE = {
    "run-taken-up": "is of workers and windows: tests/app/test_take_up.py, tests/store with real deaths",
    "loss-counted": "is of whoever measures: a death before it leaves the count to the next process",
}
"""Events that no scene here writes, with why."""


@dataclass(frozen=True, slots=True)
class Deaths:
    """How often a death was tried just before and just after one boundary."""

    boundary: str
    before: int
    after: int

    @property
    def tried(self) -> bool:
        """Whether both were."""
        return self.before > 0 and (self.after > 0 or self.boundary == "journal run-closed")


class _Touches(Snapshots):
    """Counts the touches that the tests die at, without keeping the worlds."""

    def touch(self, what: str) -> None:
        Fuse.touch(self, what)


def _of(plan: Plan, here: FakeCloud) -> Snapshots:
    journal = MemoryJournal()
    snapshots = _Touches((here, journal))
    runner = Runner(
        cloud=here, journal=FusedJournal(journal, snapshots), ports=fused(ports_of(here), snapshots)
    )
    runner.run(plan)
    return snapshots


def _words(*, gives_up: bool) -> Snapshots:
    world: test_words.World = (FakeCloud(test_words.RECORD), MemoryJournal())
    snapshots = _Touches(world)
    test_words.Operator(world, snapshots, gives_up=gives_up).run()
    return snapshots


def _failed() -> Snapshots:
    world = test_a_failure.broken()
    snapshots = _Touches(world)
    test_a_failure.repaired(world, snapshots)
    return snapshots


def _lowered() -> Snapshots:
    return _of(test_lowered.plan(), test_lowered.cloud())


def _warned() -> Snapshots:
    half_way, journal = test_warned.half_way(), MemoryJournal()
    snapshots = _Touches((half_way.cloud, journal))
    ports = fused(ports_of(half_way.cloud), snapshots)
    runner = test_warned.taking_back(half_way.cloud, FusedJournal(journal, snapshots), ports)
    runner.run(half_way.way_back())
    return snapshots


def _of_fleet() -> Snapshots:
    with TemporaryDirectory() as folder:
        at, journal = test_fleet_killed.scene(Path(folder)), MemoryJournal()
        snapshots = _Touches((at.cloud, journal))
        ports = fused(ports_of(at.cloud), snapshots)
        mandate = test_fleet_killed.mandate_of(at)
        test_fleet_killed.run_of(at, mandate, at.cloud, FusedJournal(journal, snapshots), ports=ports)
    return snapshots


def _of_network() -> Snapshots:
    with TemporaryDirectory() as folder:
        at, journal = network_run.scene(Path(folder)), MemoryJournal()
        snapshots = _Touches((at.cloud, journal))
        ports = fused(ports_of(at.cloud), snapshots)
        mandate = network_run.mandate_of(at, *test_network_killed.NET)
        network_run.run_of(at, mandate, at.cloud, FusedJournal(journal, snapshots), ports=ports)
    return snapshots


def _of_storage() -> Snapshots:
    with TemporaryDirectory() as folder:
        at, journal = test_storage_killed.scene(Path(folder)), MemoryJournal()
        snapshots = _Touches((at.cloud, journal))
        ports = fused(ports_of(at.cloud), snapshots)
        mandate = test_storage_killed.mandate_of(at)
        network_run.run_of(at, mandate, at.cloud, FusedJournal(journal, snapshots), ports=ports)
    return snapshots


def _turned(name: str) -> Snapshots:
    case = test_first_and_last.CASES[name]
    return _of(test_first_and_last.part(case), test_first_and_last.before(case))


SCENES: Mapping[str, Callable[[], Snapshots]] = {
    "test_die_everywhere": lambda: _of(planned(sample_record()), test_die_everywhere.cloud()),
    "test_words, to its end": lambda: _words(gives_up=False),
    "test_words, given up": lambda: _words(gives_up=True),
    "test_a_failure": _failed,
    "test_closed": lambda: _of(test_closed.of_compute(), test_closed.cloud(every_s=5)),
    "test_together": lambda: _of(test_together.PLAN, test_together.cloud()),
    "test_first_and_last, begins": lambda: _turned("begins"),
    "test_first_and_last, ends": lambda: _turned("ends"),
    "test_lowered": _lowered,
    "test_warned": _warned,
    "test_fleet_killed": _of_fleet,
    "test_network_killed": _of_network,
    "test_storage_killed": _of_storage,
}
"""Each with the test that dies at every touch of it."""


SAMPLED = {"test_fleet_killed", "test_network_killed", "test_storage_killed"}
"""These die at every durable boundary, and of looks only at some, which are not counted."""


def boundaries() -> tuple[str, ...]:
    """All there are: from the journal's kinds of event, and from the ports' changes."""
    events = (f"journal {kind}" for kind in EVENTS if kind not in ELSEWHERE)
    return (*events, *sorted(CHANGES - OUTSIDE.keys()))


def deaths() -> tuple[tuple[Deaths, ...], Mapping[str, int]]:
    """How often each boundary is died at, and at how many touches each scene dies."""
    touched = {name: scene().touched for name, scene in SCENES.items()}
    before = Counter(touch for found in touched.values() for touch in found)
    after = Counter(first for found in touched.values() for first, _ in pairwise(found))
    died = {
        name: [touch for touch in found if name not in SAMPLED or is_durable(touch)]
        for name, found in touched.items()
    }
    return (
        tuple(Deaths(name, before[name], after[name]) for name in boundaries()),
        {name: len(found) for name, found in died.items()},
    )


def page_of_crash_points() -> Iterator[str]:
    """The table, as a page of the reference."""
    found, scenes = deaths()
    tried = sum(death.tried for death in found)
    yield "# Crash points"
    yield ""
    yield from (__doc__ or "").splitlines()
    yield ""
    yield "| boundary | died before | died after |"
    yield "| --- | --: | --: |"
    for death in found:
        over = "the run is over" if death.boundary == "journal run-closed" else str(death.after)
        yield f"| `{death.boundary}` | {death.before} | {over} |"
    yield ""
    yield f"{tried} of {len(found)} boundaries, {tried * 100 // len(found)} %."
    yield ""
    yield "Looks are touches, too: the tests die before each of them as well; of a fleet's run before some,"
    yield "which are not counted."
    yield ""
    yield "| test in `tests/crash` | touches died at |"
    yield "| --- | --: |"
    yield from (f"| {name} | {number} |" for name, number in scenes.items())
    yield f"| all | {sum(scenes.values())} |"
    yield ""
    yield "Not among them:"
    yield ""
    yield from (f"- `{name}` {why}" for name, why in OUTSIDE.items())
    yield from (f"- `journal {kind}` {why}" for kind, why in ELSEWHERE.items())
