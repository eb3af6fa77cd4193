from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from skylift.actions.backend_traffic import DrainBackend, UndrainBackend
from skylift.engine.decide import Decision, Order, decide
from skylift.engine.fold import Run, fold
from skylift.engine.journal import (
    FORMAT,
    Event,
    Outcome,
    Reported,
    RunClosed,
    RunOpened,
    RunPaused,
    StepDone,
    StepFailed,
    StepPostponed,
    StepRetried,
    StepStarted,
    Why,
)
from skylift.engine.loans import kept_back
from skylift.model.ids import Digest, HostName, PoolName, RunId, StepId
from skylift.planning.plan import Plan, Stage, Step
from skylift.testing.plans import plan_of, planned, step_of
from skylift.testing.samples import sample_record
from skylift.testing.scripted import Script, Scripted

SCRIPT = Script()
SAID_NO = Reported("job.failed", "it said no", ())


def step(name: str, taken_back_by: str = "") -> Step:
    return step_of(Scripted(name, SCRIPT, taken_back_by), name=name)


def run_of(*events: Event, approved: tuple[StepId, ...] = ()) -> Run:
    opened = RunOpened(FORMAT, RunId("r"), "sample", Digest("sha256:0"), approved, "rey", 0)
    return fold((opened, *events))


def started(*steps: Step) -> list[Event]:
    return [StepStarted(s.id, 1, 1) for s in steps]


def done(*steps: Step) -> list[Event]:
    return [event for s in steps for event in (StepStarted(s.id, 1, 1), StepDone(s.id, 1, 2))]


def failed(*steps: Step) -> list[Event]:
    return [e for s in steps for e in (*started(s), StepFailed(s.id, 1, SAID_NO, ended=True, at_ms=2))]


def starts(plan: Plan, run: Run, at_once: int = 6) -> list[str]:
    return [s.id for s in decide(Order.of(plan), run, at_once=at_once).start]


A, B, C = step("a"), step("b"), step("c")


def test_a_step_starts_when_all_before_it_are_done() -> None:
    plan = plan_of([A, B, C], [(A, C), (B, C)])

    assert starts(plan, run_of()) == ["a", "b"]
    assert starts(plan, run_of(*done(A))) == ["b"]
    assert starts(plan, run_of(*done(A, B))) == ["c"]


def test_no_more_steps_are_in_flight_than_allowed_and_the_plan_orders_them() -> None:
    plan = plan_of([A, B, C])

    assert starts(plan, run_of(), at_once=2) == ["a", "b"]
    assert starts(plan, run_of(*started(B)), at_once=2) == ["a"]
    assert starts(plan, run_of(*started(A, B)), at_once=2) == []


def test_nothing_is_taken_that_would_wait_for_a_postponed_step_to_be_given_back() -> None:
    """A drained backend would stay out of its pool until an operator comes back."""
    take, work, give = step("take", "give"), step("work"), step("give")
    plan = plan_of([take, work, give, A], pairwise((take, work, give)))

    for later in (work, give):
        postponed = StepPostponed(later.id, "not tonight", "rey", 3)
        assert starts(plan, run_of(postponed)) == ["a"]
        assert starts(plan, run_of(postponed, StepRetried(later.id, 1, "rey", 4))) == ["take", "a"]
        assert kept_back(Order.of(plan).loans, run_of(postponed)) == {"take": {later.id}}
    assert starts(plan, run_of(*done(take), StepPostponed(give.id, "it failed", "rey", 3))) == ["work", "a"]


def test_a_step_under_way_is_watched_also_when_the_run_is_paused_or_halted() -> None:
    plan = plan_of([A, B, C])
    paused = run_of(*started(A), RunPaused(Why.SIGNAL, None, 3))
    halted = run_of(*started(A), *failed(B))

    assert decide(Order.of(plan), paused, at_once=6) == Decision((A,), ())
    assert decide(Order.of(plan), halted, at_once=6) == Decision((A,), ())


def test_a_finished_run_is_closed_once_and_then_it_is_over() -> None:
    plan = plan_of([A])
    finished = run_of(*done(A))
    closed = run_of(*done(A), RunClosed(Outcome.COMPLETED, 3))

    assert decide(Order.of(plan), finished, at_once=6) == Decision((), (), close=Outcome.COMPLETED)
    assert decide(Order.of(plan), closed, at_once=6).over


def test_a_run_finished_while_it_was_paused_is_closed() -> None:
    plan = plan_of([A])

    assert decide(Order.of(plan), run_of(RunPaused(Why.SIGNAL, None, 0), *done(A)), at_once=6).close


def test_a_point_of_no_return_never_starts_unless_it_was_approved_by_name() -> None:
    """DESIGN, invariant 6."""
    plan = planned(sample_record())
    (first, *_) = plan.no_returns
    rest = [e for s in plan.steps if s.id not in plan.no_returns for e in done(s)]

    assert first not in starts(plan, run_of(*rest))
    assert starts(plan, run_of(*rest, approved=(first,))) == [first]


def test_nothing_is_taken_that_is_given_back_only_after_a_point_nobody_has_approved() -> None:
    """Users would be without it for as long as somebody thinks."""
    take, give = step("take", "give"), step("give")
    point = step_of(Scripted("point", SCRIPT, no_way_back=True), name="point")
    plan = plan_of([A, take, point, give], [(A, take), (take, point), (point, give)])

    waiting = decide(Order.of(plan), run_of(*done(A)), at_once=6)

    assert (waiting.start, [s.id for s in waiting.awaits]) == ((), ["point"])
    assert starts(plan, run_of(*done(A), approved=(point.id,))) == ["take"]
    assert starts(plan, run_of(*done(A), *started(take))) == [], "what has begun is seen to its end"


def test_a_stage_that_waits_for_its_approval_does_not_start_but_what_was_taken_is_given_back() -> None:
    """DESIGN, invariant 7: released on every way out."""
    take, far = step("take", taken_back_by="give"), step("far")
    give, last = (replace(step(name), stage=Stage.CONVERGE) for name in ("give", "last"))
    plan = plan_of([take, give, far, last], [(take, give), (give, last)])
    gated = replace(run_of(*done(take, far)), gated=frozenset({Stage.CONVERGE}))
    given_back = replace(run_of(*done(take, far, give)), gated=frozenset({Stage.CONVERGE}))

    assert starts(plan, gated) == ["give"]
    assert starts(plan, given_back) == []
    assert [s.id for s in decide(Order.of(plan), given_back, at_once=6).awaits] == ["last"]
    assert starts(plan, replace(given_back, gated=frozenset())) == ["last"]


class TestAfterAFailure:
    """Two hosts' chains in one plan: only what gives back what was taken goes on."""

    drain, work, undrain = step("drain", taken_back_by="undrain"), step("work"), step("undrain")
    later, bad = step("later"), step("bad")
    plan = plan_of([bad, drain, work, undrain, later], [(drain, work), (work, undrain), (undrain, later)])

    def test_nothing_new_starts_where_nothing_was_taken(self) -> None:
        assert starts(self.plan, run_of(*failed(self.bad))) == []

    def test_a_backend_that_is_out_goes_all_the_way_back_into_its_pool(self) -> None:
        out = [*failed(self.bad), *done(self.drain)]

        assert starts(self.plan, run_of(*out)) == ["work"]
        assert starts(self.plan, run_of(*out, *done(self.work))) == ["undrain"]

    def test_and_then_nothing_more_starts(self) -> None:
        back = [*failed(self.bad), *done(self.drain, self.work, self.undrain)]

        assert decide(Order.of(self.plan), run_of(*back), at_once=6).over

    def test_the_failed_chain_itself_stops_where_it_failed(self) -> None:
        assert starts(self.plan, run_of(*done(self.bad, self.drain), *failed(self.work))) == []

    def test_a_pause_is_a_pause_even_then(self) -> None:
        events = [*failed(self.bad), *done(self.drain), RunPaused(Why.OPERATOR, None, 5)]

        assert starts(self.plan, run_of(*events)) == []

    def test_a_step_that_an_operator_retries_starts_beside_another_failure(self) -> None:
        plan = plan_of([A, B, C], [(A, C)])
        events = [*failed(A, B), StepRetried(A.id, 2, "rey", 9)]

        assert starts(plan, run_of(*events)) == ["a"]


def test_putting_a_backend_back_is_not_taking_it_although_a_later_hop_takes_it_again() -> None:
    pool, host = PoolName("keystone"), HostName("ctl1")
    steps = [
        step_of(action, name=name)
        for name, action in (
            ("drain-1", DrainBackend(pool, host)),
            ("undrain-1", UndrainBackend(pool, host)),
            ("between", Scripted("between", SCRIPT)),
            ("drain-2", DrainBackend(pool, host)),
            ("undrain-2", UndrainBackend(pool, host)),
        )
    ]
    plan = plan_of(list(reversed(steps)), list(pairwise(steps)))

    loans = {(loan.taken_by, loan.given_back_by) for loan in Order.of(plan).loans}

    assert loans == {("drain-1", "undrain-1"), ("drain-2", "undrain-2")}


def test_every_backend_that_the_planner_takes_out_is_a_loan_with_a_way_back() -> None:
    plan = planned(sample_record())
    drains = [s.id for s in plan.steps if isinstance(s.action, DrainBackend)]
    undrains = {s.id for s in plan.steps if isinstance(s.action, UndrainBackend)}

    loans = {loan.taken_by: loan.given_back_by for loan in Order.of(plan).loans}

    assert len(drains) == 9
    assert {loans[d] for d in drains} == undrains
