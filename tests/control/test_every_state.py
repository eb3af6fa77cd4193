"""Every verb in every state that a run can get into: explored whole, for three small plans.

A state is how each step and the run stand; times, attempts and reasons are left out of it. The engine's
part is played by its own decision, and each step under way may end well or badly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial

import pytest

from skylift.engine.decide import Order, decide
from skylift.engine.fold import Phase, Run, Standing, after, fold
from skylift.engine.journal import (
    FORMAT,
    Event,
    Outcome,
    Reported,
    RunClosed,
    RunOpened,
    StepDone,
    StepFailed,
    StepStarted,
)
from skylift.engine.operate import Asked, abort, approve, hand_over, pause, postpone, resume, retry, skip
from skylift.engine.verbs import TABLE, Verb, allowed
from skylift.model.ids import Digest, Epoch, RunId, Seconds, StepId
from skylift.model.problem import Refused
from skylift.planning.plan import Plan, Stage
from skylift.testing.plans import plan_of, step_of
from skylift.testing.scripted import Script, Scripted

ASKED = Asked("rey@console", Epoch(1.0))
OPENED = RunOpened(
    FORMAT, RunId("r"), "sample", Digest("sha256:0"), (), "rey@console", 0, gated=(Stage.CONVERGE,)
)
SAID_NO = Reported("job.failed", "it said no", ())
SCRIPT = Script()
VERIFY = StepId("verify")
"""Of an approval: which of the two stages is meant."""


def taking(*, hold_s: Seconds | None) -> Plan:
    """Something is taken, worked under, and given back."""
    take = step_of(Scripted("take", SCRIPT, taken_back_by="give", hold_s=hold_s), name="take")
    work, give = (step_of(Scripted(name, SCRIPT), name=name) for name in ("work", "give"))
    return plan_of([take, work, give], [(take, work), (work, give)])


def side_by_side() -> Plan:
    """Nothing is taken; one step waits for another, and a third one for none."""
    first, then, far = (step_of(Scripted(name, SCRIPT), name=name) for name in ("first", "then", "far"))
    return plan_of([first, then, far], [(first, then)])


def gated() -> Plan:
    """The first step is in a stage that needs an approval, the last one is a point of no return."""
    first = step_of(Scripted("first", SCRIPT), name="first", stage=Stage.CONVERGE)
    last = step_of(Scripted("last", SCRIPT, no_way_back=True), name="last", stage=Stage.VERIFY)
    return plan_of([first, last], [(first, last)])


PLANS = {
    "what is taken lasts": taking(hold_s=None),
    "what is taken is held": taking(hold_s=Seconds(600)),
    "nothing is taken": side_by_side(),
    "the end needs an approval": gated(),
}


class Tape:
    """A journal in memory, without bytes: there are many."""

    def __init__(self, events: tuple[Event, ...]) -> None:
        self.kept = events

    def append(self, event: Event, *, after: int) -> None:
        assert after == len(self.kept)
        self.kept = (*self.kept, event)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        return self.kept[after:]

    def close(self) -> None:
        """Nothing to let go of."""


Key = tuple[object, ...]
Word = tuple[Verb, StepId | None]


@dataclass
class State:
    """One state, the shortest journal that leads to it, and where it leads."""

    run: Run
    journal: tuple[Event, ...]
    by_engine: dict[Key, Event] = field(default_factory=dict)
    by_word: dict[Word, Key | str] = field(default_factory=dict)
    """The state that a word leads to, or the code of the problem it met."""


def key(run: Run, order: Order) -> Key:
    held = any(loan.hold_s for loan in order.loans)
    return (
        frozenset((step, at.phase) for step, at in run.steps.items()),
        run.pause is not None,
        run.abort and run.abort.leave,
        run.closed,
        run.gated,
        run.approved,
        frozenset(run.since_resume) if held else None,
    )


def engine_may(order: Order, run: Run) -> Iterator[Event]:
    chosen = decide(order, run, at_once=2)
    for step in chosen.start:
        at = run.steps.get(step.id)
        yield StepStarted(step.id, at.attempt if at else 1, 0)
    for step in chosen.watch:
        yield StepDone(step.id, run.steps[step.id].attempt, 0)
        yield StepFailed(step.id, run.steps[step.id].attempt, SAID_NO, ended=False, at_ms=0)
    if chosen.close:
        yield RunClosed(chosen.close, 0)


def words(order: Order) -> Iterator[tuple[Word, Callable[[Tape], Run]]]:
    yield (Verb.APPROVE, None), lambda tape: approve(tape, order, ASKED, Stage.CONVERGE)
    yield (Verb.APPROVE, VERIFY), lambda tape: approve(tape, order, ASKED, Stage.VERIFY)
    yield (Verb.PAUSE, None), lambda tape: pause(tape, ASKED)
    yield (Verb.RESUME, None), lambda tape: resume(tape, ASKED)
    yield (Verb.ABORT, None), lambda tape: abort(tape, ASKED, reason="no more", leave=False)
    yield (Verb.ABORT, StepId("leave")), lambda tape: abort(tape, ASKED, reason="as it is", leave=True)
    yield (Verb.ROLLBACK, None), lambda tape: hand_over(tape, ASKED, RunId("back"))
    for s in (step.id for step in order.steps):
        yield (Verb.RETRY, s), partial(retry, asked=ASKED, step=s)
        yield (Verb.SKIP, s), partial(skip, order=order, asked=ASKED, step=s, reason="done by hand")
        yield (Verb.POSTPONE, s), partial(postpone, order=order, asked=ASKED, step=s, reason="later")


@cache
def explored(which: str) -> tuple[Order, dict[Key, State]]:
    """Every state there is, and what leads from each to which."""
    order = Order.of(PLANS[which])
    first = fold([OPENED])
    states = {key(first, order): State(first, (OPENED,))}
    todo = deque(states.values())

    def reached(run: Run, journal: tuple[Event, ...]) -> Key:
        name = key(run, order)
        if name not in states:
            states[name] = State(run, journal)
            todo.append(states[name])
        return name

    while todo:
        state = todo.popleft()
        for event in engine_may(order, state.run):
            name = reached(after(state.run, event), (*state.journal, event))
            state.by_engine[name] = event
        for word, say in words(order):
            tape = Tape(state.journal)
            try:
                state.by_word[word] = reached(say(tape), tape.kept)
            except Refused as refused:
                state.by_word[word] = refused.code
    return order, states


def ends_of(name: Key, states: dict[Key, State]) -> set[Key]:
    """Where the engine comes to rest if nobody says a word, whatever becomes of the steps."""
    seen, todo, rest = {name}, [name], set[Key]()
    while todo:
        state = todo.pop()
        following = states[state].by_engine.keys()
        rest |= set() if following else {state}
        todo += following - seen
        seen |= following
    return rest


each_plan = pytest.mark.parametrize("which", PLANS)


@each_plan
def test_a_word_is_taken_exactly_where_the_table_says_so(which: str) -> None:
    order, states = explored(which)
    taken = refused = 0

    for state in states.values():
        for (verb, step), result in state.by_word.items():
            rule, run = TABLE[verb], state.run
            fits = run.standing in rule.standings
            fits = fits and not (rule.at_rest and not run.closed and run.within(Phase.RUNNING))
            if rule.phases is not None and step:
                at = run.steps.get(step)
                fits = fits and (at.phase if at else None) in rule.phases
                fits = fits and not (verb is Verb.SKIP and order.guards(step))
                owed = {loan.given_back_by for loan in order.taken(run)}
                fits = fits and not (verb is Verb.POSTPONE and at is None and step in owed)
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
            assert allowed(state.run) == (Verb.ROLLBACK,)
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
                assert order.kept(run) or run.within(Phase.RUNNING)
                assert run.within(Phase.FAILED, Phase.POSTPONED)


@each_plan
def test_nothing_starts_once_a_run_is_paused(which: str) -> None:
    _, states = explored(which)

    for state in states.values():
        if state.run.pause:
            assert not any(isinstance(event, StepStarted) for event in state.by_engine.values())


def test_nothing_that_was_not_approved_ever_starts() -> None:
    """DESIGN, invariant 6."""
    _, states = explored("the end needs an approval")

    starts = [
        (state.run, event)
        for state in states.values()
        for event in state.by_engine.values()
        if isinstance(event, StepStarted)
    ]

    assert {event.step for _, event in starts} == {"first", "last"}
    assert all(not run.gated for run, event in starts if event.step == "first")
    assert all(run.approved == {"last"} for run, event in starts if event.step == "last")


@each_plan
def test_a_run_in_which_all_goes_well_from_here_on_can_be_completed(which: str) -> None:
    """Unless it was given up: every step that failed or was put aside may be taken up again."""
    _, states = explored(which)

    good = {name for name, state in states.items() if state.run.closed is Outcome.COMPLETED}
    back: dict[Key, set[Key]] = {}
    for name, state in states.items():
        for following in (*state.by_engine, *(r for r in state.by_word.values() if isinstance(r, tuple))):
            back.setdefault(following, set()).add(name)
    todo = list(good)
    while todo:
        new = back.get(todo.pop(), set()) - good
        good |= new
        todo += new

    assert {n for n, state in states.items() if not state.run.abort} <= good
