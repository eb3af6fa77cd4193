"""Every state that a run of a small plan can get into, and what leads from each to which.

A state is how each step and the run stand, and which commands run on hosts; times, attempts and reasons are
left out of it. The engine's part is played by its own decision, which sees the hosts. Each step under way may
end well or badly, and its command with it or at any time later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

from skylift.engine.decide import Order, decide, may_run
from skylift.engine.fold import Run, after, fold
from skylift.engine.journal import (
    FORMAT,
    Event,
    Reported,
    RunClosed,
    RunOpened,
    StepDone,
    StepFailed,
    StepStarted,
)
from skylift.engine.operate import Asked, abort, approve, hand_over, pause, postpone, resume, retry, skip
from skylift.engine.verbs import Verb
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


def passing() -> Plan:
    """A point of no return lies between a taking and its giving back, as a restore between stop and start."""
    take = step_of(Scripted("take", SCRIPT, taken_back_by="give"), name="take")
    point = step_of(Scripted("point", SCRIPT, no_way_back=True), name="point", stage=Stage.VERIFY)
    give = step_of(Scripted("give", SCRIPT), name="give", stage=Stage.VERIFY)
    return plan_of([take, point, give], [(take, point), (point, give)])


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
    "what is taken needs an approval": passing(),
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
