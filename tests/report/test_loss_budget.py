"""A run halts by itself when users lose more than the policy allows, and not for anything else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.actions.backend_traffic import DrainBackend, UndrainBackend
from skylift.actions.parking import ParkPool
from skylift.app.loss_budget import (
    LossBudgetSpent,
    LossGuard,
    ProbesSilent,
    counted,
    outage_of,
    with_announced,
)
from skylift.app.loss_budget import over_budget as over
from skylift.engine.fold import fold
from skylift.engine.journal import Journal, LossCounted, StepDone, StepStarted
from skylift.engine.operate import Asked, open_run, resume, take_up
from skylift.engine.store_problems import LeaseUnsure
from skylift.model.ids import Epoch, HostName, PoolName, Seconds, StepId
from skylift.model.problem import Problem
from skylift.model.record import LossBudget
from skylift.model.sample import BOOT, GUEST_COUNTER, GUEST_PING, LOST, RESTARTED, TIMEOUT, Sample
from skylift.planning.plan import Impact, Notice
from skylift.ports import ProbeTally
from skylift.ports.hosts import HostUnreachable
from skylift.probe.counting import Count
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_services import FakeVantage
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import PLAN_DIGEST, RUN, plan_of, step_of
from skylift.testing.samples import sample_record

LOSS = LossBudget(failed_requests=5, gap=Seconds(5))


def tally(failed: int = 0, gap: float = 0.3, *, alive: bool = True) -> ProbeTally:
    return ProbeTally(1000, failed, {"glance": gap, "keystone": 0.2}, Epoch(1.0), alive=alive)


def over_budget(now: ProbeTally, before: ProbeTally, loss: LossBudget, *, blackout: int = 0) -> str | None:
    return over(now, counted(before, Epoch(0)), loss, blackout=blackout)


@given(st.integers(0, 20), st.floats(0, 20), st.integers(0, 20), st.floats(0, 20))
def test_only_what_was_lost_since_counts(failed: int, gap: float, more: int, other: float) -> None:
    before, now = tally(failed, gap), tally(failed + more, max(gap, other))

    spent = over_budget(now, before, LOSS)

    longer = round(other * 1000) > round(gap * 1000), round(other * 1000) > 5000
    assert (spent is not None) == (more > 5 or all(longer))


def test_the_problem_names_the_api_and_the_ways_out() -> None:
    """Row 10."""
    lost = over_budget(tally(gap=7.25), tally(), LOSS)

    assert lost is not None
    spent = LossBudgetSpent(lost)
    assert str(spent) == ("glance gave no good answer for 7.2 s, and the policy allows 5 s")
    assert spent.remedies


@pytest.mark.parametrize(
    "lost",
    [
        Sample(1.0, 9000.0, BOOT, "nova", LOST, 0),
        Sample(1.0, 2000.0, GUEST_PING, "guest 10.0.0.5", TIMEOUT, 0),
        Sample(1.0, 20.0, GUEST_COUNTER, "guest 10.0.0.5", RESTARTED, 0),
    ],
)
def test_lost_boots_lost_pings_and_restarted_guests_spend_the_budget(lost: Sample) -> None:
    count = Count()

    for _ in range(LOSS.failed_requests):
        count.add(lost)
    within = tally(count.document(2.0)["failed"])
    count.add(lost)
    beyond = tally(count.document(2.0)["failed"])

    assert over_budget(within, tally(), LOSS) is None
    assert "6 requests failed or were lost" in str(over_budget(beyond, tally(), LOSS))


def test_a_gap_that_the_plan_announces_spends_nothing() -> None:
    """Requests to a parked pool wait, and are answered."""
    parks = plan_of([step_of(ParkPool(PoolName(name), Seconds(s))) for name, s in (("a", 12), ("b", 20))])

    assert with_announced(LOSS, parks) == LossBudget(failed_requests=5, gap=Seconds(25))
    assert with_announced(LOSS, plan_of([])) == LOSS


@dataclass(frozen=True, slots=True)
class Counted(FakeVantage):
    """A vantage whose counts a test has written down; a string is a host out of reach."""

    counts: list[ProbeTally | Problem | str] = field(default_factory=list)

    def tally(self, label: str) -> ProbeTally:
        assert label == "run-1"
        count = self.counts.pop(0)
        if isinstance(count, str):
            raise HostUnreachable(self.cloud.record.vantage.host, count)
        if isinstance(count, Problem):
            raise count
        return count


REY = Asked("rey@console", Epoch(1e9))


@pytest.fixture
def journal() -> Journal:
    journal = MemoryJournal()
    open_run(journal, RUN, cloud="sample", plan=PLAN_DIGEST, approved=(), asked=REY)
    return journal


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 12))
def test_a_blackout_is_allowed_to_guests_and_never_to_apis(apis: int, guests: int, blackout: int) -> None:
    now = replace(tally(apis + guests), failed_guests=guests)

    spent = over_budget(now, tally(), LOSS, blackout=blackout)

    assert (spent is not None) == (apis + max(guests - blackout, 0) > LOSS.failed_requests)


def test_what_guests_lost_is_counted_apart() -> None:
    count = Count()

    for api in ("nova", "guest 10.0.0.5"):
        stream = GUEST_PING if api != "nova" else BOOT
        count.add(Sample(1.0, 2000.0, stream, api, TIMEOUT, 0))

    assert (count.failed, count.failed_guests, count.document(2.0)["failed_guests"]) == (2, 1, 1)


def guard_of(journal: Journal, counts: Iterable[ProbeTally | Problem | str]) -> LossGuard:
    """As a process has one."""
    vantage = Counted(FakeCloud(sample_record()), list(counts))
    return LossGuard(vantage, journal, "run-1", loss=LOSS, host="client")


def guarded(journal: Journal, counts: Iterable[ProbeTally | Problem | str]) -> list[Problem | None]:
    """What the guard of one process says of each count, one after another."""
    asked = list(counts)
    guard = guard_of(journal, asked)
    return [guard(fold(journal.events()), Epoch(1e9 + n * 3)) for n in range(len(asked))]


def test_whoever_is_called_is_told_which_balancer_is_silent(journal: Journal) -> None:
    """Users lose most by one that died, and no API of theirs has failed then."""
    vantage = Counted(FakeCloud(sample_record()), [tally(0), tally(6)])
    guard = LossGuard(
        vantage, journal, "run-1", loss=LOSS, host="client", balancers=lambda: (HostName("ctl2"),)
    )

    problems = [guard(fold(journal.events()), Epoch(1e9 + n * 3)) for n in range(2)]

    assert problems[0] is None
    assert str(problems[1]).endswith("the policy allows 5; the balancer on ctl2 does not answer")
    assert problems[1] is not None
    assert "skylift ssh ctl2 systemctl status haproxy" in problems[1].remedies[0].how
    assert "skylift ssh ctl2 systemctl start haproxy" in problems[1].remedies[1].how


def test_a_run_within_its_budget_goes_on(journal: Journal) -> None:
    assert guarded(journal, [tally(0), tally(3), tally(5)]) == [None, None, None]


def test_a_run_that_spends_its_budget_is_stopped(journal: Journal) -> None:
    last = guarded(journal, [tally(0), tally(6)])[-1]

    assert isinstance(last, LossBudgetSpent)


def test_whoever_takes_a_run_over_goes_on_with_its_budget(journal: Journal) -> None:
    """However often: what counts is lost since the operator's word, and between death and take-over, too."""
    said = []
    for lost in range(0, 8, 2):
        said += guarded(journal, [tally(lost), tally(lost + 1)])
        take_up(journal, Asked("worker@ops2", Epoch(1e9)))

    assert [isinstance(spent, LossBudgetSpent) for spent in said] == [False] * 6 + [True] * 2
    assert sum(isinstance(event, LossCounted) for event in journal.events()) == 1


def test_a_gap_that_began_before_a_take_over_counts(journal: Journal) -> None:
    guarded(journal, [tally()])
    take_up(journal, Asked("worker@ops2", Epoch(1e9)))

    (spent,) = guarded(journal, [tally(gap=7.0)])

    assert isinstance(spent, LossBudgetSpent)


def test_an_operators_word_gives_the_budget_anew(journal: Journal) -> None:
    """To the process that goes on, and to whoever takes over from that one."""
    spent = guarded(journal, [tally(), tally(6, 9.0)])[-1]
    resume(journal, REY)

    assert isinstance(spent, LossBudgetSpent)
    assert guarded(journal, [tally(6, 9.0), tally(6, 9.0)]) == [None, None]
    take_up(journal, Asked("worker@ops2", Epoch(1e9)))
    assert [bool(s) for s in guarded(journal, [tally(11, 9.0), tally(11, 9.5)])] == [False, True]


def test_a_word_gives_it_anew_to_a_process_that_lives(journal: Journal) -> None:
    guard = guard_of(journal, [tally(), tally(6), tally(6), tally(11), tally(12)])
    said = []
    for n in range(5):
        said.append(guard(fold(journal.events()), Epoch(1e9 + n * 3)))
        if n == 1:
            resume(journal, REY)

    assert [bool(spent) for spent in said] == [False, True, False, False, True]


def test_a_look_between_two_ticks_counts_from_what_is_written_down(journal: Journal) -> None:
    """The run that it is given is as old as the last tick."""
    guard, before = guard_of(journal, [tally(), tally(6)]), fold(journal.events())

    said = [guard(before, Epoch(1e9 + n * 3)) for n in range(2)]

    assert isinstance(said[-1], LossBudgetSpent)


def test_a_vantage_host_out_of_reach_for_a_short_while_stops_nothing(journal: Journal) -> None:
    assert guarded(journal, [tally(), *["it is restarting"] * 10, tally()]) == [None] * 12


def test_a_process_that_stood_still_takes_that_for_no_silence(journal: Journal) -> None:
    """It was suspended, or had to wait for its turn; its connection was lost meanwhile."""
    guard, run = guard_of(journal, [tally(), "the connection broke", tally()]), fold(journal.events())

    assert [guard(run, Epoch(1e9 + at)) for at in (0, 600, 603)] == [None] * 3


def test_a_process_that_may_not_look_says_nothing_of_users(journal: Journal) -> None:
    """Its lease may have ended; seen on a busy machine, where the run was paused by that."""
    assert guarded(journal, [tally(), *[LeaseUnsure()] * 25, tally()]) == [None] * 27


def test_nobody_measuring_for_a_minute_stops_the_run(journal: Journal) -> None:
    last = guarded(journal, [tally(), *[tally(alive=False)] * 25])[-1]

    assert isinstance(last, ProbesSilent)


def test_the_count_is_not_read_at_every_tick(journal: Journal) -> None:
    vantage = Counted(FakeCloud(sample_record()), [tally()] * 100)
    guard, run = LossGuard(vantage, journal, "run-1", loss=LOSS, host="client"), fold(journal.events())

    for n in range(100):
        guard(run, Epoch(1e9 + n / 10))

    assert 100 - len(vantage.counts) == 5


def begun(journal: Journal, *steps: str) -> None:
    """What the run has done so far; of the last one, that it began."""
    for at, step in enumerate(steps):
        journal.append(StepStarted(StepId(step), 1, at), after=len(journal.events()))
        if step != steps[-1]:
            journal.append(StepDone(StepId(step), 1, at), after=len(journal.events()))


POOL = PoolName("cinder-api")
OUT = tuple(
    replace(step_of(action(POOL, HostName(f"ctl{n}"))), impact=Impact(notice, "cinder"))
    for action, notice in ((DrainBackend, Notice.DOWN), (UndrainBackend, Notice.NONE))
    for n in (1, 2)
)
ROLLED = tuple(replace(step, impact=Impact(Notice.FEWER_BACKENDS, "cinder")) for step in OUT)
WAYS = {"out": OUT, "rolled": ROLLED}


@pytest.mark.parametrize(
    ("way", "steps", "out"),
    [("out", 1, False), ("out", 2, True), ("out", 3, True), ("out", 4, False), ("rolled", 2, False)],
)
def test_an_outage_lasts_from_the_last_backend_that_is_taken_to_the_first_given_back(
    journal: Journal, *, way: str, steps: int, out: bool
) -> None:
    """While one serves a plan announces no loss, nor where backends go one after the other."""
    plan = plan_of(WAYS[way], pairwise(WAYS[way]))

    begun(journal, *(step.id for step in WAYS[way][:steps]))

    assert outage_of(plan)(fold(journal.events())) is out


def test_what_is_lost_in_an_announced_outage_pauses_nothing_and_what_is_lost_after_it_does(
    journal: Journal,
) -> None:
    """Until now the first seconds of a stop that had been announced, and approved, paused the run in it."""
    counts: list[ProbeTally | Problem | str] = [
        tally(0),
        tally(90, gap=90),
        tally(91, gap=90),
        tally(97, gap=90),
    ]
    out = iter([False, True, False, False, False])
    vantage = Counted(FakeCloud(sample_record()), counts)
    guard = LossGuard(vantage, journal, "run-1", loss=LOSS, host="client", outage=lambda _: next(out))

    said = [guard(fold(journal.events()), Epoch(1e9 + n * 90)) for n in range(5)]

    assert said[:4] == [None] * 4
    assert "7 requests failed" in str(said[4])
