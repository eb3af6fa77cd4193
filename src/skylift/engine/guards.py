"""What a run takes for as long as it needs it, and gives back on every way out: each a pair of steps.

What others have taken before the first of them is not the run's, and is never given back. What was given
back is taken anew by the next pair. So what a killed process has left is told by the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from skylift.actions.action import Action
from skylift.engine.fold import Phase, Run
from skylift.engine.journal import StepSkipped, milliseconds
from skylift.engine.ledger import Ledger
from skylift.engine.side_steps import SideSteps, push
from skylift.model.ids import Epoch, Seconds, StepId
from skylift.model.problem import Problem, Refused, Transient, Uncertain
from skylift.ports import Ports

_TAKE, _BACK = "pause", "give-back"
_STUCK = {Phase.FAILED, Phase.POSTPONED}
"""What waits for an operator's word."""


class Guard(Protocol):
    """One thing that can be taken and given back."""

    @property
    def name(self) -> str:
        """Its name in the steps."""
        ...

    @property
    def take(self) -> Action:
        """Takes it."""
        ...

    @property
    def back(self) -> Action:
        """Gives it back."""
        ...

    def is_taken(self, ports: Ports) -> bool:
        """Whether it is, by whomever.

        Raises:
            Transient, Uncertain: nobody says.
        """
        ...

    def was_taken(self, ports: Ports) -> bool:
        """Whether what takes it has ended well under the key of ``ports``, and is never run again there.

        Raises:
            Problem: nobody says, or it has not ended well.
        """
        ...


@dataclass(frozen=True, slots=True)
class Pair:
    """Taking one thing for the nth time in a run, and giving it back."""

    name: str
    number: int

    @property
    def pause(self) -> StepId:
        """The step that takes it."""
        return StepId(f"{_TAKE}-{self.number}:{self.name}")

    @property
    def back(self) -> StepId:
        """The step that gives it back."""
        return StepId(f"{_BACK}-{self.number}:{self.name}")

    def is_owed(self, run: Run) -> bool:
        """Whether the run has begun to take it, and has not given it back."""
        at = run.steps.get(self.pause)
        return at is not None and at.begun and self.back not in run.within(Phase.DONE)


def gives_back(step: StepId) -> bool:
    """Whether this step gives something back that the run has taken."""
    return step.startswith(f"{_BACK}-")


def pairs_of(run: Run) -> Iterator[Pair]:
    """Everything that the run has ever set out to take."""
    for step in run.steps:
        kind, _, name = step.partition(":")
        if name and kind.startswith(f"{_TAKE}-"):
            yield Pair(name, int(kind.removeprefix(f"{_TAKE}-")))


def newest_of(run: Run, names: Collection[str]) -> dict[str, Pair]:
    """The last pair of each of these, by name."""
    known = (pair for pair in pairs_of(run) if pair.name in names)
    return {pair.name: pair for pair in sorted(known, key=lambda pair: pair.number)}


class GuardSilent(Refused):
    """It cannot be told whether something is taken that the run needs, so no further host is begun."""

    code = "automation.silent"

    def __init__(self, name: str, silent: Problem) -> None:
        super().__init__(f"no further host is begun beside {name}: {silent}", *silent.remedies)


class Guards:
    """Some of them, by name. A push may take as long as a host may take to answer."""

    def __init__(self, ledger: Ledger, ports: Ports, guards: Iterable[Guard], limit: Seconds) -> None:
        self._ledger, self._ports, self._limit = ledger, ports, limit
        self._guards = {guard.name: guard for guard in guards}
        self._steps = SideSteps(ledger, ports)
        self._others: set[str] = set()
        """What others had taken before."""
        self._own: set[StepId] = set()
        """What this process has begun or watched, or seen to be taken; all else may have been undone."""
        self._silent: dict[str, Epoch] = {}

    @property
    def left(self) -> dict[StepId, str]:
        """What is left of each step under way, as last seen."""
        return self._steps.left

    def is_stuck(self) -> bool:
        """Whether taking one of them waits for an operator's word."""
        stuck = self._ledger.run.within(*_STUCK)
        return any(pair.pause in stuck for pair in newest_of(self._ledger.run, self._guards).values())

    def hold(self, name: str, now: Epoch) -> bool:
        """Push its taking once; whether it is taken, by the run or by others, or an operator does without.

        One that failed waits for an operator.

        Raises:
            GuardSilent: it cannot be told whether it is taken, and time is up.
        """
        guard, last = self._guards[name], newest_of(self._ledger.run, self._guards).get(name)
        if last is None:
            return self._begun(guard, Pair(name, 1), now)
        following = Pair(name, last.number + 1)
        pause, back = self._steps.phase(last.pause), self._steps.phase(last.back)
        aside = self._ledger.run.steps[last.pause].aside
        if aside is not None and aside.actor:
            return True  # an operator's word; what the run itself puts aside is followed by another pair
        if back is Phase.RUNNING:
            self._push(last.back, guard.back, now)
            return False
        if pause in _STUCK:
            return False
        if back is Phase.DONE:
            # What had failed was given back then: what is tried again is another pair.
            again = StepSkipped(last.pause, f"begun anew as {following.pause}", "", milliseconds(now))
            ready = pause is not Phase.WAITING or self._ledger.write(again)
            return ready and self._begun(guard, following, now)
        if pause is not Phase.DONE:
            self._take(guard, last, now)
        return self._steps.phase(last.pause) is Phase.DONE and self._lasts(guard, last, now)

    def give_back(self, now: Epoch, but: Collection[str] = ()) -> None:
        """Push the giving back of each once that the run has taken, but of those that it needs yet."""
        for pair, guard in self._owed(but):
            at = self._ledger.run.steps[pair.pause]
            if at.phase is Phase.RUNNING:
                self._take(guard, pair, now)
            elif self._steps.phase(pair.back) not in _STUCK:
                self._push(pair.back, guard.back, now)

    def owes(self, but: Collection[str] = ()) -> bool:
        """Whether anything is yet to be given back that needs no operator for it."""
        return any(self._steps.phase(pair.back) not in _STUCK for pair, _ in self._owed(but))

    def _owed(self, but: Collection[str]) -> Iterator[tuple[Pair, Guard]]:
        for pair in tuple(pairs_of(self._ledger.run)):
            if pair.name in self._guards and pair.name not in but and pair.is_owed(self._ledger.run):
                yield pair, self._guards[pair.name]

    def _take(self, guard: Guard, pair: Pair, now: Epoch) -> None:
        """Push it, unless what takes it has ended well for a process that is gone.

        Under its key that is never run again: the step is over, and whether it lasts is asked then.
        """
        at = self._ledger.run.steps[pair.pause]
        if at.phase is Phase.RUNNING and pair.pause not in self._own:
            with suppress(Problem):  # the push meets it, too, and says so
                if guard.was_taken(self._steps.lent(pair.pause)):
                    self._steps.end(pair.pause, now)
                    return
                self._own.add(pair.pause)
        self._push(pair.pause, guard.take, now)

    def _lasts(self, guard: Guard, last: Pair, now: Epoch) -> bool:
        """Whether what is taken still is: by a process that is gone, so somebody may have let it go."""
        if last.pause in self._own:
            return True
        taken = self._asked(guard, now)
        if taken:
            self._own.add(last.pause)
        elif taken is False:
            return self._begun(guard, Pair(guard.name, last.number + 1), now)
        return bool(taken)

    def _begun(self, guard: Guard, pair: Pair, now: Epoch) -> bool:
        """Take it, unless it is taken already, which is somebody else's doing then."""
        if guard.name in self._others:
            return True
        taken = self._asked(guard, now)
        if taken:
            self._others.add(guard.name)
        elif taken is False:
            self._push(pair.pause, guard.take, now)
        return bool(taken)

    def _asked(self, guard: Guard, now: Epoch) -> bool | None:
        """Whether it is taken; none if nobody says."""
        try:
            taken = guard.is_taken(self._ports)
        except (Transient, Uncertain) as silent:
            if now - self._silent.setdefault(guard.name, now) > self._limit:
                raise GuardSilent(guard.name, silent) from None
            return None
        self._silent.pop(guard.name, None)
        return taken

    def _push(self, step: StepId, action: Action, now: Epoch) -> None:
        """Start a step, or go on with it, and write down what came of it."""
        if self._steps.phase(step) in {None, Phase.WAITING}:
            if not self._steps.begin(step, now):
                return
            self._own.add(step)
        came = push(action, self._steps.lent(step))
        self._steps.settle(step, action, came, limit=self._limit, now=now)
