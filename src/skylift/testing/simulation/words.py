"""What operators say in the midst of a run: at a random moment, from another terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count

from skylift.actions.action import Done
from skylift.engine.decide import Order
from skylift.engine.fold import Phase, Run
from skylift.engine.journal import Journal
from skylift.engine.operate import Asked, abort, approve, pause, postpone, resume, retry, skip
from skylift.engine.problems import Holder, RunHeld
from skylift.model.ids import StepId
from skylift.model.problem import Problem, Refused
from skylift.planning.plan import Step
from skylift.ports import Running
from skylift.testing.fake_ports import ports_of
from skylift.testing.plans import RUN
from skylift.testing.simulation.injector import Befalling, Rule
from skylift.testing.simulation.kinds import STAGES, FaultKind
from skylift.testing.simulation.wire import Call, Moment, Subject, WiredJournal, Wires
from skylift.testing.simulation.world import World, planned

_BY_HAND_S = 40
"""How long an operator waits for what she did herself."""


class Terminal:
    """Another terminal: it has the journal, and nothing of the process that works on the run."""

    def __init__(self, wires: Wires, broken: Callable[[str, str], None]) -> None:
        self._wires = wires
        self._broken = broken

    @property
    def asked(self) -> Asked:
        """Who asks, and when."""
        return Asked("ann@laptop", self._wires.world.now, "ann")

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """The journal, opened anew."""
        kept = self._wires.world.store.open()
        try:
            yield WiredJournal(self._wires, kept, 0)
        finally:
            if self._wires.world.store.tears:
                kept.close()

    def say(self, word: Callable[[Journal], object]) -> bool:
        """Say a word; whether it was taken. What is not must say why, and what to do instead."""
        with self.journal() as journal:
            try:
                word(journal)
            except Refused as refused:
                self._wires.world.note(f"refused: {refused.code}")
                if not refused.remedies:
                    self._broken("remedy", f"{refused.code} was refused without a way out: {refused}")
                return False
        return True

    def skip_by_hand(self, step: Step, order: Order) -> bool:
        """Do a step's work herself, and skip it; whether both went well.

        She loses her patience, but not while a command that she has started runs.
        """
        world = self._wires.world
        key = f"by-hand.{step.id}.{world.touches}"
        own = ports_of(world.cloud).under(key)
        for waited in count():
            with suppress(Problem):
                if isinstance(step.action.observe(own), Done):
                    return self.say(
                        lambda j: skip(j, order, self.asked, step.id, reason="she did it by hand")
                    )
                step.action.advance(own)
            if waited >= _BY_HAND_S and not _runs(world, key):
                break
            world.pass_time(1)
        return False

    def rules(self) -> Mapping[FaultKind, Rule]:
        """Words at random moments."""
        said: dict[FaultKind, Callable[[Befalling], object]] = {
            FaultKind.PAUSE: lambda _: self.say(lambda j: pause(j, self.asked)),
            FaultKind.ABORT: lambda _: self._give_up(leave=False),
            FaultKind.ABORT_AND_LEAVE: lambda _: self._give_up(leave=True),
            FaultKind.SKIP: self._skip,
            FaultKind.POSTPONE: self._postpone,
            FaultKind.RETRY: lambda _: self.say(lambda j: retry(j, self.asked)),
            FaultKind.APPROVE: self._approve,
            FaultKind.SECOND_APPLY: lambda _: self._resume_too(),
        }
        moments = frozenset({Moment.BEFORE_CALL, Moment.AFTER_CALL, Moment.IDLE})
        rules = {kind: Rule(moments, _works, _silently(word)) for kind, word in said.items()}
        racing = Rule(frozenset({Moment.BEFORE_APPEND}), _opened, _silently(self._race))
        return {**rules, FaultKind.WORD_RACES: racing}

    def _give_up(self, *, leave: bool) -> None:
        self.say(lambda j: abort(j, self.asked, reason="the window closes", leave=leave))

    def _resume_too(self) -> None:
        """She takes the process for dead: her word is taken, and the cloud is not."""
        world = self._wires.world
        self.say(lambda j: resume(j, self.asked))
        try:
            with world.store.hold(Holder(99, "laptop", "ann", 0, RUN)):
                self._broken("lease", "a second process works on the cloud")
        except RunHeld as held:
            if held.holder is None or held.holder.pid != world.worker:
                self._broken("lease", f"the holder is said to be {held.holder}")

    def _race(self, of: Befalling) -> None:
        words: tuple[Callable[[Journal], Run], ...] = (
            lambda j: pause(j, self.asked),
            lambda j: resume(j, self.asked),
            lambda j: abort(j, self.asked, reason="the window closes", leave=False),
        )
        # Of eight races, one ends the run.
        self.say(words[(0, 1, 0, 1, 0, 1, 0, 2)[of.number % 8]])

    def _skip(self, of: Befalling) -> None:
        """Any step at all: most she may not."""
        plan = planned(of.world)
        order = Order.of(plan)
        step = plan.steps[of.number // 7 % len(plan.steps)]
        free = {s.id for s in order.ready(of.world.run)} if of.world.run else set[StepId]()
        if step.id in free:
            self.skip_by_hand(step, order)
        elif of.world.run and step.id in of.world.run.within(Phase.RUNNING, Phase.DONE):
            self.say(lambda j: skip(j, order, self.asked, step.id, reason="by mistake"))

    def _postpone(self, of: Befalling) -> None:
        plan = planned(of.world)
        order = Order.of(plan)
        step = plan.steps[of.number // 7 % len(plan.steps)]
        self.say(lambda j: postpone(j, order, self.asked, step.id, reason="not tonight"))

    def _approve(self, of: Befalling) -> None:
        stage = STAGES[of.number // 7 % len(STAGES)]
        order, run = Order.of(planned(of.world)), of.world.run
        named = order.unapproved(run).get(stage, ()) if run else ()
        self.say(lambda j: approve(j, order, self.asked, stage, no_returns=named))


def _runs(world: World, key: str) -> bool:
    jobs = (host.jobs.get(key) for host in world.cloud.hosts.values())
    return any(job is not None and isinstance(job.state, Running) for job in jobs)


def _silently(word: Callable[[Befalling], object]) -> Callable[[Befalling], None]:
    def befall(of: Befalling) -> None:
        word(of)

    return befall


def _opened(world: World, subject: Subject) -> bool:
    return world.run is not None and subject is not None and not isinstance(subject, Call)


def _works(world: World, _: Subject) -> bool:
    return world.run is not None and world.run.closed is None and world.worker > 0
