"""The part of a plan that matters as its run stands, followed as the run goes on.

A decision looks at all steps and loans it is given. Of a long run most are done, and most others cannot begin
yet; so it is given the rest alone. What a tick costs goes by what is under way, what could begin and what has
changed since the tick before, and not by the plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace

from skylift.engine.decide import Order, is_ahead
from skylift.engine.fold import ASIDE, Phase, Run
from skylift.model.ids import StepId


class Near:
    """Of one plan, for whoever follows one run of it."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._number = {step.id: number for number, step in enumerate(order.steps)}
        self._loans: dict[StepId, list[int]] = defaultdict(list)
        """Those that begin or end with a step, by their numbers."""
        for number, loan in enumerate(order.loans):
            self._loans[loan.taken_by].append(number)
            self._loans[loan.given_back_by].append(number)
        self._run: Run | None = None
        self._found = order
        self._next: set[StepId] = set()
        """What has not begun, and waits for nothing that is not done."""
        self._taken: set[int] = set()
        self._looks: set[StepId] = set()
        """Those that are done, and have nothing after them that has begun."""

    def order(self, run: Run) -> Order:
        """So much of the plan's order that a decision on ``run`` by it is the same as by all of it."""
        if run is not self._run:
            if self._run is None:
                self._look_at(run, self._number, range(len(self._order.loans)), self._order.looks)
            else:
                self._follow(run, run.steps.differing(self._run.steps))
            self._run, self._found = run, self._part(run)
        return self._found

    def _part(self, run: Run) -> Order:
        loans = tuple(self._order.loans[number] for number in sorted(self._taken | self._to_be_taken(run)))
        near = self._next | self._looks | {loan.taken_by for loan in loans}
        near |= run.within(Phase.RUNNING, Phase.WAITING)
        near |= {s for s in run.within(Phase.FAILED, *ASIDE) if run.steps[s].unsettled}
        numbers = sorted(self._number[step] for step in near)
        return replace(
            self._order,
            steps=tuple(self._order.steps[number] for number in numbers),
            loans=loans,
            looks={look: self._order.looks[look] for look in self._looks},
        )

    def _to_be_taken(self, run: Run) -> set[int]:
        """The loans that could begin, where one may have to wait for a step on its way back."""
        if not run.within(Phase.POSTPONED):
            return set()
        begin = {number for step in self._next for number in self._loans.get(step, ())}
        return {number for number in begin if self._order.loans[number].taken_by in self._next}

    def _follow(self, run: Run, moved: Collection[StepId]) -> None:
        """Weigh anew what has moved, and what may have become of others by that."""
        after = {step for at in moved for step in self._order.following[at]}
        before = {step for at in moved for step in self._order.before[at]}
        loans = {number for at in moved for number in self._loans.get(at, ())}
        self._look_at(run, after.union(moved), loans, self._order.looks.keys() & before.union(moved))

    def _look_at(
        self, run: Run, steps: Iterable[StepId], loans: Iterable[int], looks: Iterable[StepId]
    ) -> None:
        passed, done, order = run.passed, run.within(Phase.DONE), self._order
        for step in steps:
            is_next = step not in run.steps and order.before[step] <= passed
            (self._next.add if is_next else self._next.discard)(step)
        for number in loans:
            is_taken = order.loans[number].is_taken(run)
            (self._taken.add if is_taken else self._taken.discard)(number)
        for look in looks:
            counts = look in done and is_ahead(order, look, run)
            (self._looks.add if counts else self._looks.discard)(look)
