"""Two workers share the short form of a core cloud's upgrade, and whoever drives it is killed.

Issue 5, proof 2. ``kill -9``, ten times, at moments from a seed, each time in the middle of a step; the other
goes on. Each worker has a folder and a record of its own, as on machines of their own: nothing is shared but
PostgreSQL.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.lab.hop import Hop, HopClaims, change, planned
from tests.lab.operating import own_record
from tests.lab.ordeal import Death, Ordeal

from skylift.app.audit import read_deed
from skylift.app.take_up import VERB
from skylift.app.wiring import audit_rows, runs_of
from skylift.gate.lab.host import Lab
from skylift.testing.crew.postgres_server import postgres_server
from skylift.testing.crew.shift import Shift, TakeOver, loses_driver

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(7200)]

SEED = "SKYLIFT_TEST_KILLS"
"""The environment's word for the seed of the kills, to see those of an earlier run again."""
KILLS, LATEST_S = 10, 8
"""How often, and how long at most after the start of a step that the seed chose."""
WORKERS = 2
WITHOUT = ("cinder", "heat", "horizon")
LIMIT_S = 4800
TAKE_OVER_MAX_S = 60
"""The lease and the looks need some 20 s; the rest is for two cores that also carry the cloud."""


@dataclass(frozen=True, slots=True)
class Story:
    """An upgrade that lost its driver again and again."""

    hop: Hop
    seed: int
    taken_over: tuple[TakeOver, ...]
    ended: tuple[int, ...]
    """How workers ended that were started again."""


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """A store of runs for this story alone, reached as one on another machine is."""
    with postgres_server(on_loopback=True) as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("PGPASSFILE", str(server.passfile))
        yield server.reference


@pytest.fixture(scope="module")
def story(workers_lab: Lab, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(1_000_000))
    sys.stderr.write(f"\nthe kills are those of {SEED}={seed}\n")
    chance = random.Random(seed)

    def shared(record: dict[str, Any]) -> None:
        change(record, WITHOUT, baseline=30, batch=2)
        record["store"] = store

    operator = own_record(workers_lab, tmp_path_factory.mktemp("desk"), shared)
    machines = [tmp_path_factory.mktemp(f"machine{number}") for number in range(WORKERS)]
    records = [own_record(workers_lab, machine, shared).record for machine in machines]
    file, plan = planned(operator, "2025.1")
    # Not among the last steps, so that there is one to be in the middle of.
    moments = sorted(chance.sample(range(1, len(plan.steps) * 9 // 10), KILLS))
    began = time.time()
    operator.does("apply", str(file), "--yes", "--detach")
    run = runs_of(operator.record).find(None)
    assert run.store is not None
    shift = Shift(store=run.store, id=run.id, start=worker_on(records), limit_s=LIMIT_S)
    try:
        shift.begin(WORKERS)
        taken_over = tuple(
            found
            for moment in moments
            for found in loses_driver(shift, start=moment, and_s=chance.uniform(0, LATEST_S))
        )
        shift.completes()
        shift.until(lambda: not shift.store.shelf.restless(), "the end of its probes")
        deaths = tuple(Death(step, "at work") for t in taken_over for step in t.under_way[:1])
        hop = Hop(
            Ordeal(workers_lab, operator, run, began), plan, deaths, WITHOUT, f"skylift by {WORKERS} workers"
        )
        yield Story(hop, seed, taken_over, tuple(shift.ended))
    finally:
        shift.end()
        run.store.close()


def worker_on(records: list[Path]) -> Callable[[int], subprocess.Popen[bytes]]:
    """Starts ``skylift worker`` on the machine of this number; what it says is kept beside its record."""

    def start(number: int) -> subprocess.Popen[bytes]:
        record = records[number]
        argv = [sys.executable, "-m", "skylift.cli.main", "--cloud", str(record), "worker"]
        with record.with_name("worker.said").open("ab") as said:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    return start


@pytest.fixture(scope="module")
def hop(story: Story) -> Hop:
    return story.hop


class TestOneOfTwoIsKilledTenTimes(HopClaims):
    """Whoever drove; and all of it is as if one process had done it undisturbed."""

    enough, enough_boots = 3000, 10

    def test_each_death_was_in_the_middle_of_a_step(self, story: Story, record_property: Any) -> None:
        steps = ", ".join(step for t in story.taken_over for step in t.under_way)
        record_property("figures", f"{SEED}={story.seed}, killed in the middle of {steps}")

        assert [bool(t.under_way) for t in story.taken_over].count(True) == KILLS
        assert story.ended.count(-signal.SIGKILL) == len(story.taken_over)

    def test_each_time_the_other_took_over_within_its_time(self, story: Story, record_property: Any) -> None:
        held, written = (
            ", ".join(f"{s:.1f}" for s in found)
            for found in zip(*((t.held_after_s, t.written_after_s) for t in story.taken_over), strict=True)
        )
        record_property("figures", f"held after {held} s, first event after {written} s")

        assert all(t.by_the_other for t in story.taken_over)
        assert max(t.written_after_s for t in story.taken_over) < TAKE_OVER_MAX_S

    def test_the_audit_trail_names_each_take_over(self, story: Story) -> None:
        runs = runs_of(story.hop.ordeal.operator.record)
        try:
            told = [read_deed(row.body) for row in audit_rows(runs)]
        finally:
            assert runs.store is not None
            runs.store.close()

        assert [deed.verb for deed in told if deed.outcome == "begun"].count(VERB) > KILLS

    def test_journal_plan_and_trail_are_whole(self, story: Story) -> None:
        story.hop.ordeal.operator.does("verify")
