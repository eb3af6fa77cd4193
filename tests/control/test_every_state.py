"""Every verb in every state that a run can get into: explored whole, for some small plans."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.control.states import PLANS, VERIFY, Key, Word, ends_of, explored, going_on

from skylift.cli.views import run as run_view
from skylift.engine.decide import decide, may_run
from skylift.engine.fold import Phase, Standing
from skylift.engine.journal import (
    Outcome,
    StepStarted,
)
from skylift.engine.problems import Holder
from skylift.engine.verbs import TABLE, Kind, Verb, allowed
from skylift.model.ids import RunId, StepId
from skylift.planning.plan import Stage

each_plan = pytest.mark.parametrize("which", PLANS)
with_commands = pytest.mark.parametrize(
    "which", [name for name, plan in PLANS.items() if any(step.action.runs_on for step in plan.steps)]
)


@each_plan
def test_a_word_is_taken_exactly_where_the_table_says_so(which: str) -> None:
    order, states = explored(which)
    taken = refused = 0

    for name, state in states.items():
        for (verb, step), result in state.by_word.items():
            rule, run = TABLE[verb], state.run
            fits = run.standing in rule.standings
            if verb is Verb.PAUSE and run.pause and run.closed is None:
                assert result == name, "what is paused is left as it is"
                continue
            under_way = run.within(Phase.RUNNING) or going_on(order, state)
            fits = fits and not (rule.at_rest and not run.closed and under_way)
            if rule.phases is not None and step:
                at = run.steps.get(step)
                fits = fits and (at.phase if at else None) in rule.phases
                fits = fits and not (verb is Verb.SKIP and order.guards(step))
                owed = {loan.given_back_by for loan in order.taken(run)}
                fits = fits and not (verb is Verb.POSTPONE and at is None and step in owed)
            if verb is Verb.RETRY and step is None:
                fits = fits and bool(run.within(Phase.FAILED))
            taken, refused = taken + fits, refused + (not fits)
            if verb is Verb.APPROVE:
                stage = Stage.VERIFY if step == VERIFY else Stage.CONVERGE
                fits = fits and stage in order.unapproved(run)
            assert (result not in {"run.refuses", "step.refuses", "stage.refuses"}) == fits, (
                verb,
                step,
                state.journal,
            )

    assert taken > 200
    assert refused > 200


@each_plan
def test_every_standing_and_phase_there_is_was_reached(which: str) -> None:
    _, states = explored(which)

    assert {state.run.standing for state in states.values()} == set(Standing)
    assert {at.phase for state in states.values() for at in state.run.steps.values()} == set(Phase)
    assert len(states) > 80


@each_plan
def test_no_state_is_without_a_way_out(which: str) -> None:
    """Give it up as it is, and whatever becomes of the steps the run is closed."""
    _, states = explored(which)
    for name, state in states.items():
        if state.run.closed:
            assert allowed(state.run, Kind.UPGRADE) == (Verb.ROLLBACK,)
            assert state.by_word[Verb.ROLLBACK, None] == name, "it is closed already"
            continue
        given_up = state.by_word[Verb.ABORT, StepId("leave")]
        assert isinstance(given_up, tuple)
        for end in ends_of(given_up, states):
            assert states[end].run.closed, states[end].journal


@each_plan
def test_a_run_that_was_given_up_is_closed_only_when_it_has_given_back_what_it_took(which: str) -> None:
    order, states = explored(which)

    for state in states.values():
        given_up = state.by_word[Verb.ABORT, None]
        if not isinstance(given_up, tuple):
            continue
        for run in (states[end].run for end in ends_of(given_up, states)):
            if run.closed:
                assert not order.kept(run) or (run.abort and run.abort.leave)
            else:
                assert order.kept(run) or run.within(Phase.RUNNING) or may_run(order, run)
                # Nobody consents any more to a point of no return that lies before the giving back.
                barred = any(order.passes.get(loan.taken_by) for loan in order.kept(run))
                assert barred or run.within(Phase.FAILED, Phase.POSTPONED) or may_run(order, run)


@with_commands
def test_no_run_is_closed_over_a_command_that_runs_but_by_an_operators_word(which: str) -> None:
    """Hers who leaves it as it is, or who answers for the step and for what comes of its command."""
    order, states = explored(which)
    left = 0

    for state in (state for state in states.values() if state.run.closed and state.live):
        run = state.run
        as_it_is = run.closed is Outcome.ABORTED and run.abort and run.abort.reason == "as it is"
        assert as_it_is or state.live <= run.within(Phase.SKIPPED)
        assert state.live <= may_run(order, run).keys() | run.within(Phase.RUNNING)
        left += 1

    assert left > 0


@each_plan
def test_a_run_that_was_given_up_is_closed_once_its_commands_have_ended(which: str) -> None:
    order, states = explored(which)

    for state in states.values():
        given_up = state.by_word[Verb.ABORT, None]
        ends = ends_of(given_up, states) if isinstance(given_up, tuple) else ()
        for rest in (states[end] for end in ends):
            waits = order.kept(rest.run) or rest.run.within(Phase.RUNNING)
            assert rest.run.closed or rest.live or waits


@pytest.mark.parametrize("holder", [None, Holder(7, "console", "rey", 0, RunId("r"))])
@each_plan
def test_every_word_that_status_tells_is_taken_as_the_run_stands(which: str, holder: Holder | None) -> None:
    """What to do next, above all: whatever becomes of it, it is not refused."""
    _, states = explored(which)
    told = 0

    for state in states.values():
        for word in told_words(run_view.lines(PLANS[which], state.run, holder)):
            assert not isinstance(state.by_word[word], str), (word, state.by_word[word], state.journal)
            told += 1

    assert told > len(states) / 2


def told_words(lines: list[str]) -> Iterator[Word]:
    for line in lines:
        for verb, option, name in re.findall(r"skylift (\w+)(?: (--?\w+))?(?: ([a-z]\w*))?", line):
            if verb == "approve":
                yield Verb.APPROVE, VERIFY if name == Stage.VERIFY.value else None
            elif verb == "abort":
                yield Verb.ABORT, StepId("leave") if option == "--leave" else None
            elif verb in {known.value for known in Verb}:
                yield Verb(verb), StepId(name) if name else None


@each_plan
def test_nothing_starts_once_a_run_is_paused(which: str) -> None:
    _, states = explored(which)

    for state in states.values():
        if state.run.pause:
            assert not any(isinstance(event, StepStarted) for event in state.by_engine.values())


@each_plan
def test_nothing_is_taken_while_a_step_that_leads_to_its_giving_back_is_postponed(which: str) -> None:
    """What had begun to be taken goes on; all else would be taken until an operator comes back."""
    order, states = explored(which)
    kept_back = 0

    for run in (state.run for state in states.values() if not state.run.pause and not state.run.closed):
        for loan in order.loans:
            begun = loan.taken_by in run.steps and run.steps[loan.taken_by].begun
            if not begun and loan.way & run.within(Phase.POSTPONED):
                assert loan.taken_by not in {step.id for step in decide(order, run, at_once=9).start}
                kept_back += 1

    assert kept_back > 0 or not order.loans


def test_nothing_that_was_not_approved_ever_starts() -> None:
    """DESIGN, invariant 6."""
    _, states = explored("the end needs an approval")

    written = ((state.run, event) for state in states.values() for event in state.by_engine.values())
    starts = [(run, event) for run, event in written if isinstance(event, StepStarted)]

    assert {event.step for _, event in starts} == {"first", "last"}
    assert all(not run.gated for run, event in starts if event.step == "first")
    assert all(run.approved == {"last"} for run, event in starts if event.step == "last")


def test_nothing_is_taken_that_would_wait_for_an_approval_to_be_given_back() -> None:
    """Else a service that was stopped to be restored is down until somebody says yes."""
    order, states = explored("what is taken needs an approval")

    starts = [
        state.run
        for state in states.values()
        for event in state.by_engine.values()
        if isinstance(event, StepStarted) and event.step == "take"
    ]
    at_first = next(iter(states.values())).run

    assert starts
    assert all("point" in run.approved | run.passed for run in starts)
    assert [step.id for step in decide(order, at_first, at_once=1).awaits] == ["point"]


@each_plan
def test_a_run_in_which_all_goes_well_from_here_on_can_be_completed(which: str) -> None:
    """Unless it was given up: every step that failed or was put aside may be taken up again."""
    _, states = explored(which)

    good = {name for name, state in states.items() if state.run.closed is Outcome.COMPLETED}
    back: dict[Key, set[Key]] = {}
    for name, state in states.items():
        said = (result for result in state.by_word.values() if isinstance(result, tuple))
        for following in (*state.by_engine, *state.by_hosts, *said):
            back.setdefault(following, set()).add(name)
    todo = list(good)
    while todo:
        new = back.get(todo.pop(), set()) - good
        good |= new
        todo += new

    assert {n for n, state in states.items() if not state.run.abort} <= good
