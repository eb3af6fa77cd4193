"""The last step of a run over a fleet: instances are brought where they shall be when every host is through.

Whom to move next the conductor says, as before; here it is one step, so an operator's words, the journal and
what comes of it are those of every step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skylift.engine.fleet_problems import PlacesMissed
from skylift.engine.fold import Phase, Run
from skylift.engine.host_turn import HostTurn
from skylift.engine.journal import Event, MovesAsked, Reported, StepDone, StepFailed, StepRetried, StepStarted
from skylift.engine.ledger import Ledger
from skylift.fleet.conductor import Conductor
from skylift.fleet.fleet import InstanceId
from skylift.fleet.plan import Kind
from skylift.fleet.sight import Migrate, Stage
from skylift.fleet.verdict import Way
from skylift.model.ids import HostName, StepId


def step_of(kind: Kind) -> StepId:
    """The step that begins when every host is through."""
    return StepId(kind.value)


@dataclass(slots=True)
class Before:
    """What earlier processes of the run have moved, by its journal."""

    homes: dict[InstanceId, HostName] = field(default_factory=dict)
    """Off which host each instance was moved first."""
    asked: list[Migrate] = field(default_factory=list)
    """What was asked for since the step began."""
    tried: list[Migrate] = field(default_factory=list)
    """The same since an operator had it tried again."""


def moved_before(events: Iterable[Event], step: StepId) -> Before:
    """What the journal tells of moves before this step, and in it."""
    found, begun = Before(), False
    for event in events:
        match event:
            case StepStarted(step=name) if name == step:
                begun = True
            case StepRetried(step=name) if name == step:
                found.tried.clear()
            case MovesAsked(moves) if begun:
                calls = [Migrate(InstanceId(m.instance), m.source, m.target, Way.LIVE) for m in moves]
                found.asked += calls
                found.tried += calls
            case MovesAsked(moves):
                for of in moves:
                    if of.source != of.target:
                        found.homes.setdefault(InstanceId(of.instance), of.source)
            case _:
                pass
    return found


class SettledPlaces:
    """Begins and ends the step. Without anything to be done afterwards there is none."""

    def __init__(self, ledger: Ledger, turns: Mapping[HostName, HostTurn], conductor: Conductor) -> None:
        self._ledger, self._turns, self._conductor = ledger, turns, conductor
        settling = conductor.settling
        self.step = step_of(settling.wanted.kind) if settling else None

    @property
    def left(self) -> dict[StepId, str]:
        """What is left of it while it is under way."""
        settling = self._conductor.settling
        if settling is None or self.step not in self._ledger.run.within(Phase.RUNNING):
            return {}
        return {self.step: f"{settling.yet} instances are yet to be moved"} if self.step else {}

    def is_due(self, run: Run) -> bool:
        """Whether every host is through, and instances are yet to be moved."""
        if self.step is None or run.abort or self.step in run.passed:
            return False
        at = run.steps.get(self.step)
        if at is not None and at.phase not in {Phase.RUNNING, Phase.WAITING}:
            return False
        return all(self._is_through(turn, run) for turn in self._turns.values())

    def is_over(self, run: Run) -> bool:
        """Whether it was done, or somebody answers for it; so it is if there is none."""
        return self.step is None or self.step in run.passed

    def obey(self, at_ms: int) -> None:
        """Let the conductor begin with it, or not: by what was said, and how hosts stand."""
        run, conductor = self._ledger.run, self._conductor
        conductor.settles = self.is_due(run)
        if self.step is None or conductor.settling is None:
            return
        if self.step in run.within(Phase.WAITING):
            conductor.settling.try_again()
        if run.abort and self.step in run.within(Phase.RUNNING):
            self._fail(PlacesMissed(self.step, {}, given_up=run.abort.reason), at_ms)

    def begin(self, at_ms: int) -> bool:
        """Write down that it starts, before anything is asked for; false if somebody said something."""
        settling, run = self._conductor.settling, self._ledger.run
        begins = self._conductor.settles and settling is not None and settling.plan is not None
        if not begins or self.step is None or self.step in run.within(Phase.RUNNING):
            return True
        attempt = run.steps[self.step].attempt if self.step in run.steps else 1
        return self._ledger.write(StepStarted(self.step, attempt, at_ms))

    def end(self, at_ms: int) -> None:
        """Write down what came of it, once nobody is left who could be moved."""
        settling, run = self._conductor.settling, self._ledger.run
        going = self._conductor.settles and self._conductor.begins and self._conductor.over
        if settling is None or self.step is None or not (going and settling.over):
            return
        if self.step not in run.within(Phase.RUNNING):
            return
        if missed := settling.missed():
            self._fail(PlacesMissed(self.step, {str(name): why for name, why in missed.items()}), at_ms)
        else:
            self._ledger.record(StepDone(self.step, run.steps[self.step].attempt, at_ms))

    def _fail(self, problem: PlacesMissed, at_ms: int) -> None:
        if self.step is not None:
            attempt = self._ledger.run.steps[self.step].attempt
            failed = StepFailed(self.step, attempt, Reported.of(problem), ended=True, at_ms=at_ms)
            self._ledger.record(failed)

    def _is_through(self, turn: HostTurn, run: Run) -> bool:
        open_steps = set(turn.steps) & (run.steps.keys() - run.passed)
        return not open_steps and (turn.stage(run) is Stage.DONE or turn.emptying in run.passed)
