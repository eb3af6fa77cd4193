"""Other automation that is paused for as long as hosts are worked on, and given back on every way out.

Each is a pair of steps. What is paused already before the first of them is not the run's, and is never given
back. A run that rests (paused by an operator, between windows, halted) keeps nothing: it is given back, and
taken anew when the run goes on, by the next pair. So what a killed process has left is told by the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from skylift.actions.action import Action, Done
from skylift.actions.automation import GiveAutomationBack, PauseAutomation, is_paused
from skylift.actions.job import observe_job
from skylift.engine.fold import Phase, Run
from skylift.engine.journal import StepSkipped, milliseconds
from skylift.engine.ledger import Ledger
from skylift.engine.side_steps import SideSteps, push
from skylift.model.automation import AutomationEntry
from skylift.model.ids import Epoch, Seconds, StepId
from skylift.model.problem import Problem, Refused, Transient, Uncertain
from skylift.ports import Ports

_PAUSE, _BACK = "pause", "give-back"
_STUCK = {Phase.FAILED, Phase.POSTPONED}
"""What waits for an operator's word."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Pausing one thing for the nth time in a run, and giving it back."""

    name: str
    number: int

    @property
    def pause(self) -> StepId:
        """The step that pauses it."""
        return StepId(f"{_PAUSE}-{self.number}:{self.name}")

    @property
    def back(self) -> StepId:
        """The step that gives it back."""
        return StepId(f"{_BACK}-{self.number}:{self.name}")

    def is_owed(self, run: Run) -> bool:
        """Whether it was paused by the run, or perhaps in part, and is not given back yet."""
        at = run.steps.get(self.pause)
        return at is not None and at.begun and self.back not in run.within(Phase.DONE)


def gives_back(step: StepId) -> bool:
    """Whether this step gives something back that the run has paused."""
    return step.startswith(f"{_BACK}-")


def pairs_of(run: Run) -> Iterator[Pair]:
    """Everything that the run has ever set out to pause."""
    for step in run.steps:
        kind, _, name = step.partition(":")
        if name and kind.startswith(f"{_PAUSE}-"):
            yield Pair(name, int(kind.removeprefix(f"{_PAUSE}-")))


class PausedAutomation:
    """What is to be paused, by name. A push may take as long as a host may take to answer."""

    def __init__(
        self, ledger: Ledger, ports: Ports, entries: tuple[tuple[str, AutomationEntry], ...], limit: Seconds
    ) -> None:
        self._ledger, self._ports, self._entries, self._limit = ledger, ports, entries, limit
        self._steps = SideSteps(ledger, ports)
        self._others: set[str] = set()
        """What others had paused before."""
        self._own: set[StepId] = set()
        """What this process has begun or watched, or seen to be paused; all else may have been undone."""
        self._silent: dict[str, Epoch] = {}
        self.pending = False
        """Whether something is on its way to be paused, so that the run only waits for that."""

    @property
    def left(self) -> dict[StepId, str]:
        """What is left of each step under way, as last seen."""
        return self._steps.left

    def hold(self, now: Epoch, *, wanted: bool) -> bool:
        """Push each once, if a host is to be begun; whether none of them is in the way of that.

        Raises:
            Refused: it cannot be told of one whether it is paused, and time is up; nothing is begun then.
        """
        run, self.pending = self._ledger.run, False
        if not wanted:
            return True
        newest = {pair.name: pair for pair in sorted(pairs_of(run), key=lambda pair: pair.number)}
        stuck = run.within(Phase.FAILED, Phase.POSTPONED)
        if any(pair.pause in stuck for pair in newest.values()):
            return False  # an operator chooses, and meanwhile none of the others is paused either
        held = [self._held(name, entry, newest.get(name), now) for name, entry in self._entries]
        self.pending = not all(held)
        return all(held)

    def give_back(self, now: Epoch) -> None:
        """Push the giving back of each once that the run has paused."""
        for pair, entry in self._owed():
            at = self._ledger.run.steps[pair.pause]
            if at.phase is Phase.RUNNING:
                self._pause(pair, entry, now)
            elif self._steps.phase(pair.back) not in _STUCK:
                self._push(pair.back, GiveAutomationBack(pair.name, entry), now)

    def owes(self) -> bool:
        """Whether anything is yet to be given back that needs no operator for it."""
        return any(self._steps.phase(pair.back) not in _STUCK for pair, _ in self._owed())

    def _owed(self) -> Iterator[tuple[Pair, AutomationEntry]]:
        entries = dict(self._entries)
        for pair in tuple(pairs_of(self._ledger.run)):
            if pair.is_owed(self._ledger.run) and pair.name in entries:
                yield pair, entries[pair.name]

    def _held(self, name: str, entry: AutomationEntry, last: Pair | None, now: Epoch) -> bool:
        if last is None:
            return self._begun(name, entry, Pair(name, 1), now)
        following = Pair(name, last.number + 1)
        pause, back = self._steps.phase(last.pause), self._steps.phase(last.back)
        aside = self._ledger.run.steps[last.pause].aside
        if aside is not None and aside.actor:
            return True  # an operator's word; what the run itself puts aside is followed by another pair
        if back is Phase.RUNNING:
            self._push(last.back, GiveAutomationBack(name, entry), now)
            return False
        if back is Phase.DONE:
            # What had failed was given back then: what is tried again is another pair.
            again = StepSkipped(last.pause, f"begun anew as {following.pause}", "", milliseconds(now))
            ready = pause is not Phase.WAITING or self._ledger.write(again)
            return ready and self._begun(name, entry, following, now)
        if pause is not Phase.DONE:
            self._pause(last, entry, now)
        return self._steps.phase(last.pause) is Phase.DONE and self._lasts(name, entry, last, now)

    def _pause(self, pair: Pair, entry: AutomationEntry, now: Epoch) -> None:
        """Push it, unless its command has ended well for a process that is gone.

        Under its key that is never run again: the step is over, and whether it lasts is asked then.
        """
        at = self._ledger.run.steps[pair.pause]
        if at.phase is Phase.RUNNING and pair.pause not in self._own:
            with suppress(Problem):  # the push meets it, too, and says so
                if isinstance(observe_job(self._steps.lent(pair.pause), entry.host, pair.pause), Done):
                    self._steps.end(pair.pause, now)
                    return
                self._own.add(pair.pause)
        self._push(pair.pause, PauseAutomation(pair.name, entry), now)

    def _lasts(self, name: str, entry: AutomationEntry, last: Pair, now: Epoch) -> bool:
        """Whether what is paused still is: by a process that is gone, so somebody may have let it go on."""
        if last.pause in self._own:
            return True
        paused = self._asked(name, entry, now)
        if paused:
            self._own.add(last.pause)
        elif paused is False:
            return self._begun(name, entry, Pair(name, last.number + 1), now)
        return bool(paused)

    def _begun(self, name: str, entry: AutomationEntry, pair: Pair, now: Epoch) -> bool:
        """Pause it, unless it is paused already, which is somebody else's doing then."""
        if name in self._others:
            return True
        paused = self._asked(name, entry, now)
        if paused:
            self._others.add(name)
        elif paused is False:
            self._push(pair.pause, PauseAutomation(name, entry), now)
        return bool(paused)

    def _asked(self, name: str, entry: AutomationEntry, now: Epoch) -> bool | None:
        """Whether it is paused; none if nobody says."""
        try:
            paused = is_paused(self._ports, name, entry)
        except (Transient, Uncertain) as silent:
            if now - self._silent.setdefault(name, now) > self._limit:
                raise AutomationSilent(name, silent) from None
            return None
        self._silent.pop(name, None)
        return paused

    def _push(self, step: StepId, action: Action, now: Epoch) -> None:
        """Start a step, or go on with it, and write down what came of it."""
        if self._steps.phase(step) in {None, Phase.WAITING}:
            if not self._steps.begin(step, now):
                return
            self._own.add(step)
        came = push(action, self._steps.lent(step))
        self._steps.settle(step, action, came, limit=self._limit, now=now)


class AutomationSilent(Refused):
    """It cannot be told whether some automation is paused, so no further host is begun."""

    code = "automation.silent"

    def __init__(self, name: str, silent: Problem) -> None:
        super().__init__(f"no further host is begun beside {name}: {silent}", *silent.remedies)
