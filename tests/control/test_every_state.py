"""Every verb in every state that a run can get into: explored whole, for three small plans.

A state is how each step and the run stand, and which commands run on hosts; times, attempts and reasons are
left out of it. The engine's part is played by its own decision, which sees the hosts. Each step under way may
end well or badly, and its command with it or at any time later.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

import pytest

from skylift.cli.views import run as run_view
from skylift.engine.decide import Order, decide, may_run
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
from skylift.engine.problems import Holder
from skylift.engine.verbs import TABLE, Kind, Verb, allowed
from skylift.model.ids import Digest, Epoch, HostName, RunId, Seconds, StepId
from skylift.model.problem import Refused
from skylift.planning.plan import Plan, Stage, Step
from skylift.testing.plans import plan_of, step_of
from skylift.testing.scripted import Script, Scripted

ASKED = Asked("rey@console", Epoch(1.0))
OPENED = RunOpened(
    FORMAT, RunId("r"), "sample", Digest("sha256:0"), (), "rey@console", 0, gated=(Stage.CONVERGE,)
)
SAID_NO = Reported("job.failed", "it said no", ())
SCRIPT = Script()
HOST = HostName("ctl1")
VERIFY = StepId("verify")
"""Of an approval: which of the two stages is meant."""


def taking(*, hold_s: Seconds | None, host: HostName | None = None) -> Plan:
    """Something is taken, worked under, on a ``host`` if it is a long command, and given back."""
    take = step_of(Scripted("take", SCRIPT, taken_back_by="give", hold_s=hold_s), name="take")
    work = step_of(Scripted("work", SCRIPT, host=host), name="work")
    give = step_of(Scripted("give", SCRIPT), name="give")
    return plan_of([take, work, give], [(take, work), (work, give)])


def side_by_side() -> Plan:
    """Nothing is taken; one step waits for another, and a third one for none."""
    first, then, far = (step_of(Scripted(name, SCRIPT), name=name) for name in ("first", "then", "far"))
    return plan_of([first, then, far], [(first, then)])


def gated() -> Plan:
    """The first step is in a stage that needs an approval, the last one is a point of no return."""
    first = step_of(Scripted("first", SCRIPT), name="first", stage=Stage.CONVERGE)
    last = step_of(Scripted("last", SCRIPT, no_way_back=True, host=HOST), name="last", stage=Stage.VERIFY)
    return plan_of([first, last], [(first, last)])


PLANS = {
    "what is taken lasts": taking(hold_s=None, host=HOST),
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
    live: frozenset[StepId] = frozenset()
    """The steps whose command runs on its host."""
    by_engine: dict[Key, Event] = field(default_factory=dict)
    by_hosts: set[Key] = field(default_factory=set)
    """Where the end of a command leads."""
    by_word: dict[Word, Key | str] = field(default_factory=dict)
    """The state that a word leads to, or the code of the problem it met."""


def key(run: Run, order: Order, live: frozenset[StepId]) -> Key:
    held = any(loan.hold_s for loan in order.loans)
    return (
        live,
        frozenset(may_run(order, run)),
        frozenset((step, at.phase) for step, at in run.steps.items()),
        run.pause is not None,
        run.abort and run.abort.leave,
        run.closed,
        run.gated,
        run.approved,
        frozenset(run.since_resume) if held else None,
    )


def engine_may(order: Order, state: State) -> Iterator[tuple[Event, frozenset[StepId]]]:
    """What the engine may write down, and which commands run then."""
    run, live = state.run, state.live
    chosen = decide(order, run, at_once=2, ended=may_run(order, run).keys() - live)
    for step in chosen.start:
        at = run.steps.get(step.id)
        yield StepStarted(step.id, at.attempt if at else 1, 0), live | commands(step)
    for step in chosen.watch:
        attempt = run.steps[step.id].attempt
        yield StepDone(step.id, attempt, 0), live - {step.id}
        yield StepFailed(step.id, attempt, SAID_NO, ended=False, at_ms=0), live
        if step.id in live:
            yield StepFailed(step.id, attempt, SAID_NO, ended=True, at_ms=0), live - {step.id}
    if chosen.close:
        yield RunClosed(chosen.close, 0), live


def commands(step: Step) -> frozenset[StepId]:
    return frozenset({step.id} if step.action.runs_on else ())


def going_on(order: Order, state: State) -> Mapping[StepId, HostName]:
    """What is seen on the hosts of commands that have outlived their step."""
    return {step: host for step, host in may_run(order, state.run).items() if step in state.live}


def approved(tape: Tape, order: Order, stage: Stage) -> Run:
    named = order.unapproved(fold(tape.events())).get(stage, ())
    return approve(tape, order, ASKED, stage, no_returns=named)


def words(order: Order, state: State) -> Iterator[tuple[Word, Callable[[Tape], Run]]]:
    left = going_on(order, state)
    yield (Verb.APPROVE, None), lambda tape: approved(tape, order, Stage.CONVERGE)
    yield (Verb.APPROVE, VERIFY), lambda tape: approved(tape, order, Stage.VERIFY)
    yield (Verb.PAUSE, None), lambda tape: pause(tape, ASKED)
    yield (Verb.RESUME, None), lambda tape: resume(tape, ASKED)
    yield (Verb.ABORT, None), lambda tape: abort(tape, ASKED, reason="no more", leave=False)
    yield (Verb.ABORT, StepId("leave")), lambda tape: abort(tape, ASKED, reason="as it is", leave=True)
    yield (Verb.ROLLBACK, None), lambda tape: hand_over(tape, ASKED, RunId("back"), going_on=left)
    yield (Verb.RETRY, None), lambda tape: retry(tape, ASKED)
    for s in (step.id for step in order.steps):
        yield (Verb.RETRY, s), partial(retry, asked=ASKED, step=s)
        yield (Verb.SKIP, s), partial(skip, order=order, asked=ASKED, step=s, reason="done by hand")
        yield (Verb.POSTPONE, s), partial(postpone, order=order, asked=ASKED, step=s, reason="later")


@cache
def explored(which: str) -> tuple[Order, dict[Key, State]]:
    """Every state there is, and what leads from each to which."""
    order = Order.of(PLANS[which])
    first = fold([OPENED])
    states = {key(first, order, frozenset()): State(first, (OPENED,))}
    todo = deque(states.values())

    def reached(run: Run, journal: tuple[Event, ...], live: frozenset[StepId]) -> Key:
        name = key(run, order, live)
        if name not in states:
            states[name] = State(run, journal, live)
            todo.append(states[name])
        return name

    while todo:
        state = todo.popleft()
        for event, live in engine_may(order, state):
            name = reached(after(state.run, event), (*state.journal, event), live)
            state.by_engine[name] = event
        for step in state.live:
            state.by_hosts.add(reached(state.run, state.journal, state.live - {step}))
        for word, say in words(order, state):
            tape = Tape(state.journal)
            try:
                state.by_word[word] = reached(say(tape), tape.kept, state.live)
            except Refused as refused:
                state.by_word[word] = refused.code
    return order, states


def ends_of(name: Key, states: dict[Key, State]) -> set[Key]:
    """Where the engine comes to rest if nobody says a word, whatever becomes of the steps.

    A command may never end, so that it rests where only that could lead on.
    """
    seen, todo, rest = {name}, [name], set[Key]()
    while todo:
        state = todo.pop()
        following = states[state].by_engine.keys() | states[state].by_hosts
        rest |= set() if states[state].by_engine else {state}
        todo += following - seen
        seen |= following
    return rest


each_plan = pytest.mark.parametrize("which", PLANS)
with_commands = pytest.mark.parametrize(
    "which", [name for name, plan in PLANS.items() if any(step.action.runs_on for step in plan.steps)]
)


@each_plan
def test_a_word_is_taken_exactly_where_the_table_says_so(which: str) -> None:
    order, states = explored(which)
    taken = refused = 0

    for state in states.values():
        for (verb, step), result in state.by_word.items():
            rule, run = TABLE[verb], state.run
            fits = run.standing in rule.standings
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
                assert run.within(Phase.FAILED, Phase.POSTPONED) or may_run(order, run)


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
