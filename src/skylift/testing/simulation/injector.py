"""Which faults a seed brings, and when: each waits for the first moment that it fits after its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skylift.engine.fold import Phase
from skylift.model.ids import StepId
from skylift.testing.samples import NOW
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.wire import Call, Moment, Subject
from skylift.testing.simulation.world import World

_MANY = 10
"""One seed in so many has a bad day."""
_TOUCHES_PER_STEP = 11
"""About how often a run that nothing disturbs touches its world, for each step of its plan."""
_FIRST = 1 << 30
_EARLY = {FaultKind.HOST_DISK_FULL: 5}
"""What fits only in a part of a run comes in that part: the first fifth writes to disks."""


@dataclass(frozen=True, slots=True)
class Befalling:
    """A fault on its way into a world."""

    world: World
    subject: Subject
    number: int
    """Chance's: what is left open of the fault follows from it."""

    @property
    def call(self) -> Call:
        """The call that it befalls."""
        assert isinstance(self.subject, Call), self.subject  # noqa: S101 - rules fit calls only
        return self.subject

    def among(self, few: int, many: int) -> int:
        """A number from ``few`` to ``many``, both included."""
        return few + self.number % (many - few + 1)


def _anywhere(_: World) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """When a kind of fault may befall a run, and what it is."""

    moments: frozenset[Moment]
    fits: Callable[[World, Subject], bool]
    befall: Callable[[Befalling], None]
    possible: Callable[[World], bool] = _anywhere
    """Whether a world has what it befalls at all."""


@dataclass(frozen=True, slots=True)
class Befell:
    """A fault that befell a run."""

    kind: FaultKind
    phase: str
    step: StepId
    """The step that was at work, if one was: its own if it is a step's fault."""
    at_s: int
    """After how many seconds."""


@dataclass(frozen=True, slots=True)
class _Due:
    at: int
    kind: FaultKind
    number: int


class Injector:
    """The faults of one seed."""

    def __init__(self, world: World, *, around: Callable[[Callable[[], None]], None]) -> None:
        self._world = world
        self.rules: dict[FaultKind, Rule] = {}
        self._around = around
        """Calls what befalls the cloud, so that what users lose by it can be told apart."""
        self._left: list[_Due] = []
        self._ahead: dict[Moment, int] = {}
        """How many touches early a fault may come: no process touches anything while none lives."""
        self._busy = False
        self.first: FaultKind | None = None
        """The kind that goes by the seed's number."""
        self.befell: list[Befell] = []
        """What befell, in its order."""

    def deal(self, steps: int, kinds: tuple[FaultKind, ...]) -> None:
        """Choose what befalls a run of so many steps, of what can; the first kind goes by the seed.

        By how many seeds there were before it, too: what the seed's number decides otherwise, such as
        where its journal lies, then comes with every kind.
        """
        chance, seed = self._world.chance, self._world.seed
        number = 8 if chance.below(_MANY) == 0 else 1 + chance.below(4)
        able = [kind for kind in kinds if self.rules[kind].possible(self._world)]
        if not able:
            return
        chosen = [able[(seed + seed // len(able)) % len(able)]]
        chosen += [able[chance.below(len(able))] for _ in range(number - 1)]
        self.first = chosen[0]
        span = steps * _TOUCHES_PER_STEP
        self._ahead = {Moment.DEAD: span // 5, Moment.PLANNED: span}
        self._left = [
            _Due(chance.below(span // _EARLY.get(kind, 1)), kind, chance.below(_FIRST)) for kind in chosen
        ]
        self._left.sort(key=lambda due: due.at)

    def meet(self, moment: Moment, subject: Subject = None) -> None:
        """Let befall what is due and fits; at most one fault at a time, and none while one befalls."""
        if self._busy or not self._left:
            return
        now = self._world.touches
        for due in self._left:
            if due.at > now + self._ahead.get(moment, 0):
                return
            rule = self.rules[due.kind]
            if moment in rule.moments and rule.fits(self._world, subject):
                self._left.remove(due)
                self._befall(due, rule, subject)
                return

    def _befall(self, due: _Due, rule: Rule, subject: Subject) -> None:
        world = self._world
        at_s = round(world.cloud.now - NOW)
        self.befell.append(Befell(due.kind, phase_of(world), _at_work(world, subject), at_s))
        world.note(f"fault: {due.kind.value}{_told(subject)}")
        self._busy = True
        try:
            self._around(lambda: rule.befall(Befalling(world, subject, due.number)))
        finally:
            self._busy = False


def phase_of(world: World) -> str:
    """The part of the run that is under way: the stage of what was started last."""
    if world.plan is None or world.run is None:
        return "opening"
    if world.run.abort:
        return "giving up"
    begun = world.run.steps
    stages = [step.stage.value for step in world.plan.steps if step.id in begun]
    return stages[-1] if stages else "opening"


def _at_work(world: World, subject: Subject) -> StepId:
    if isinstance(subject, Call) and subject.key:
        return subject.step
    running = world.run.within(Phase.RUNNING) if world.run else frozenset[StepId]()
    return min(running, default=StepId(""))


def _told(subject: Subject) -> str:
    if isinstance(subject, Call):
        return f" at {subject.name} {subject.key}"
    return f" at {subject.kind}" if subject is not None else ""
