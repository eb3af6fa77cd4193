"""Issue 5, 3: workers that die, stand still, are told to end, or lose the store.

Real processes, and a real PostgreSQL.

What was done is judged from the cloud's own log: everything once, and the cloud as after a run that nobody
disturbed.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.crash.worlds import deeds, shape
from tests.store.conftest import Processes

from skylift.app.approvals import Approval
from skylift.app.audit import read_deed
from skylift.app.conduct import apply, go_on
from skylift.app.propose import propose
from skylift.app.runs import Runs
from skylift.app.site import Site
from skylift.app.verify import verify
from skylift.app.wiring import audit_rows
from skylift.catalog.catalog import load
from skylift.cli.exits import Exit
from skylift.drivers.procrastinate_queue import ProcrastinateQueue
from skylift.engine.fold import Standing
from skylift.engine.journal import RunResumed, RunTakenUp, StepStarted
from skylift.engine.operate import Asked, pause, resume
from skylift.testing.crew.crew import GOAL, LIMIT_S, RUN, Crew, crew_at, new_cloud
from skylift.testing.crew.postgres_server import Server
from skylift.testing.crew.shift import loses_driver
from skylift.testing.crew.worker import bench, record
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of

SEED = 7
KILLS = 3
ENDS = {Exit.TAKEN_OVER, Exit.FAILED}
"""Of one that wakes up: the second if the server had to end a write that it was stopped in."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> FakeCloud:
    """The same cloud after the same run in one process, with nothing in its way."""
    cloud = new_cloud()
    home = Runs(tmp_path_factory.mktemp("undisturbed") / "home")
    site = Site(record(), load(), ports_of(cloud), home, lambda: cloud.now, "rey@console")
    waits = bench()
    own = type(waits)(lambda: cloud.pass_time(1), waits.asked_to_stop, waits.view, waits.remark)
    run = apply(site, RUN, propose(site, GOAL).text, own, approval=Approval.ALL)
    assert run.standing is Standing.COMPLETED
    return cloud


@pytest.fixture
def crew(processes: Processes, tmp_path: Path) -> Iterator[Crew]:
    with crew_at(tmp_path, processes.reference, processes.cloud) as crew:
        yield crew


def assert_all_was_done_once(crew: Crew, undisturbed: FakeCloud) -> None:
    crew.completes()
    with crew.alone:
        assert crew.run().standing is Standing.COMPLETED
        assert shape(crew.cloud) == shape(undisturbed)
        assert deeds(crew.cloud) == deeds(undisturbed)
        assert max(deeds(crew.cloud).values()) == 1
        assert crew.cloud.failed == []


def test_a_driver_that_is_killed_at_any_moment_is_taken_over(crew: Crew, undisturbed: FakeCloud) -> None:
    """``kill -9`` at moments from a seed, each time of whoever drives, without a human in between."""
    chance = random.Random(SEED)
    moments = sorted(chance.sample(range(1, 80), KILLS))
    crew.begin(workers=2)

    taken_over = [t for m in moments for t in loses_driver(crew, start=m, and_s=chance.random() / 10)]

    assert_all_was_done_once(crew, undisturbed)
    assert crew.ended.count(-signal.SIGKILL) == len(taken_over)
    assert [t.events for t in taken_over if t.under_way and t.by_the_other][KILLS - 1 :], taken_over
    proofs = verify(crew.site.runs, crew.site.runs.find(RUN), crew.site.record)
    assert all(proof.holds for proof in proofs), proofs
    drives = [d for row in audit_rows(crew.site.runs) if (d := read_deed(row.body)).verb == "take up"]
    assert [d.outcome for d in drives].count("begun") > KILLS


def test_a_cloud_is_driven_by_the_workers_that_serve_it_and_by_no_others(
    crew: Crew, undisturbed: FakeCloud, processes: Processes, tmp_path: Path
) -> None:
    """Two regions share a store: each has a record, a queue and a worker of its own, near its hosts."""
    (tmp_path / "west").mkdir()
    with crew_at(tmp_path / "west", processes.reference, f"{processes.cloud}-west") as west:
        for here in (crew, west):
            here.begin(workers=1)
        for here in (crew, west):
            assert_all_was_done_once(here, undisturbed)

        drove = [{e.actor for e in here.events() if isinstance(e, RunTakenUp)} for here in (crew, west)]
        own = [{f"worker-{worker.pid}@test" for worker in here.started} for here in (crew, west)]
    assert all(drove)
    assert [who - of for who, of in zip(drove, own, strict=True)] == [set(), set()]


def test_one_that_was_stopped_wakes_up_to_nothing(crew: Crew, undisturbed: FakeCloud, tmp_path: Path) -> None:
    """``SIGSTOP``, until another has taken over and gone on; then ``SIGCONT``."""
    crew.begin(workers=2)
    crew.reaches(40)
    stopped = crew.driver()
    stopped.send_signal(signal.SIGSTOP)
    crew.until(lambda: crew.taken_over_from(stopped), "the take-over")
    crew.reaches(len(crew.events()) + 10)

    stopped.send_signal(signal.SIGCONT)

    assert stopped.wait(timeout=LIMIT_S) in ENDS
    assert_all_was_done_once(crew, undisturbed)
    assert f"{stopped.pid}: this worker ends" in (tmp_path / "said").read_text()


def test_one_that_is_told_to_end_hands_over_in_order(
    undisturbed: FakeCloud, processes: Processes, tmp_path: Path
) -> None:
    """``SIGTERM``, as ``systemctl stop`` sends it, under a lease that would outlive the test's patience."""
    with crew_at(tmp_path, processes.reference, processes.cloud, lasts_s=10 * LIMIT_S) as crew:
        crew.begin(workers=2)
        crew.reaches(40)
        ending = crew.driver()

        ending.send_signal(signal.SIGTERM)

        assert ending.wait(timeout=LIMIT_S) == Exit.OK
        crew.until(lambda: crew.taken_over_from(ending), "the take-over")
        assert_all_was_done_once(crew, undisturbed)
        assert crew.ended == [Exit.OK]


def test_a_hint_that_waits_beside_a_dead_driver_bars_nothing(
    crew: Crew, undisturbed: FakeCloud, processes: Processes
) -> None:
    """The queue's case of a waiting twin: a run is waked again while it is driven, and its driver dies."""
    crew.begin(workers=1)
    crew.reaches(30)
    queue = ProcrastinateQueue(processes.reference)
    with queue.opened():
        queue.wake(processes.cloud, RUN)

    crew.driver().kill()

    assert_all_was_done_once(crew, undisturbed)
    crew.until(lambda: hints(processes) == [], "an empty queue")


def hints(processes: Processes) -> list[object]:
    """What is left in the queue for whoever drives; the dead one's too, until it is struck out."""
    with psycopg.connect(ProcrastinateQueue(processes.reference).conninfo) as connection:
        return list(
            connection.execute(
                "SELECT id FROM procrastinate_jobs WHERE queue_name = %s AND task_name = 'drive'",
                (processes.cloud,),
            )
        )


def test_a_store_that_crashes_and_comes_back_costs_time_and_nothing_else(
    crew: Crew, undisturbed: FakeCloud, server: Server
) -> None:
    crew.begin(workers=2)
    crew.reaches(60)
    driver = crew.driver()

    server.stop(signal.SIGQUIT)
    assert driver.wait(timeout=LIMIT_S) in ENDS
    server.start()
    crew.store.close()

    assert_all_was_done_once(crew, undisturbed)
    assert 0 not in crew.ended


def test_a_resume_within_a_dead_drivers_lease_waits_for_its_end_and_drives(
    crew: Crew, undisturbed: FakeCloud, processes: Processes
) -> None:
    """No worker runs: until now it only said that another held the run, and then nobody drove.

    The lease ends once it was told that it is waited for: a test may be held up for longer than it lasts.
    """
    crew.begin(workers=1)
    crew.reaches(40)
    dead, said = crew.driver(), list[str]()
    dead.kill()
    dead.wait()
    crew.workers.clear()

    def ends(until: str) -> None:
        with psycopg.connect(processes.reference) as connection:
            connection.execute(
                "UPDATE skylift.lease SET until = %s WHERE cloud = %s", (until, processes.cloud)
            )

    def remark(line: str) -> None:
        said.append(line)
        ends("-infinity")

    ends("2100-01-01")
    ended = go_on(crew.site, crew.site.runs.find(RUN), replace(bench(), remark=remark))

    assert ended.standing is Standing.COMPLETED
    assert_all_was_done_once(crew, undisturbed)
    assert f"process {dead.pid} on test" in said[0]
    assert "until that process shows a sign of life, or its lease has ended" in said[0]


def test_a_resume_of_what_a_living_process_drives_is_that_ones_to_carry_out(
    undisturbed: FakeCloud, processes: Processes, tmp_path: Path
) -> None:
    """Under a lease that a busy machine does not lose: renewed every ten seconds."""
    with crew_at(tmp_path, processes.reference, processes.cloud, lasts_s=30) as crew:
        crew.begin(workers=1)
        crew.reaches(20)
        driver = crew.driver()

        seen = go_on(crew.site, crew.site.runs.find(RUN), bench())

        assert crew.taken_over_from(driver) is False
        assert not any(isinstance(e, RunTakenUp) and "worker" not in e.actor for e in crew.events())
        assert [e.actor for e in crew.events() if isinstance(e, RunResumed)] == ["rey@console"]
        assert seen.id == RUN
        assert_all_was_done_once(crew, undisturbed)


def test_what_an_operator_said_holds_for_whoever_takes_over(crew: Crew, undisturbed: FakeCloud) -> None:
    crew.begin(workers=2)
    crew.reaches(50)
    journal = crew.store.journal(RUN, None)
    pause(journal, Asked("ann@laptop", crew.site.clock()))
    said = len(journal.events())
    crew.driver().kill()
    crew.until(lambda: not crew.store.shelf.restless(), "rest")
    started = [e for e in crew.events()[said:] if isinstance(e, StepStarted)]
    then = crew.run().standing

    resume(crew.store.journal(RUN, None), Asked("ann@laptop", crew.site.clock()))

    assert (started, then) == ([], Standing.PAUSED)
    assert_all_was_done_once(crew, undisturbed)
