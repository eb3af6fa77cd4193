"""What a plan takes and gives back, and what it relies on meanwhile: pure, and worked out once per run.

Each is looked for from where it begins, and no further than to where it ends. So what a plan costs here
goes by how long its loans are, and not by how many there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from skylift.actions.action import Action, Undo
from skylift.engine.fold import ASIDE, Phase, Run
from skylift.model.ids import Seconds, StepId
from skylift.planning.plan import Step

Ways = Mapping[StepId, Collection[StepId]]
"""By step: those directly before it, or directly after it."""


@dataclass(frozen=True, slots=True)
class Loan:
    """Something taken for the run, and the steps that lead to its giving back, that one included."""

    taken_by: StepId
    given_back_by: StepId
    way: frozenset[StepId]
    hold_s: Seconds | None
    """For how long it is to be held; none if it lasts by itself."""

    def on(self, run: Run) -> bool:
        """Whether it was taken, and its giving back has not begun."""
        taken = run.steps.get(self.taken_by)
        return taken is not None and taken.phase is Phase.DONE and self.given_back_by not in run.steps

    def is_taken(self, run: Run) -> bool:
        """Whether it was taken, or perhaps in part, and is not given back yet."""
        taken, back = run.steps.get(self.taken_by), run.steps.get(self.given_back_by)
        return (
            taken is not None and taken.phase not in ASIDE and (back is None or back.phase is not Phase.DONE)
        )


def has_begun(run: Run, step: StepId) -> bool:
    """Whether any attempt of a step was started."""
    return step in run.steps and run.steps[step].begun


def kept_back(loans: tuple[Loan, ...], run: Run) -> Mapping[StepId, frozenset[StepId]]:
    """What does not begin to be taken, and the postponed steps without which it is not given back."""
    postponed = run.within(Phase.POSTPONED)
    if not postponed:
        return {}
    return {
        loan.taken_by: frozenset(loan.way & postponed)
        for loan in loans
        if not has_begun(run, loan.taken_by) and not loan.way.isdisjoint(postponed)
    }


def loans_of(steps: tuple[Step, ...], before: Ways, following: Ways) -> tuple[Loan, ...]:
    """All that is taken and given back later, what is taken first coming first."""
    undoes = {step.id: r.action for step in steps if isinstance(r := step.action.reversal(), Undo)}
    if not undoes:
        return ()
    rank = _ranks(steps, before, following)
    doers: dict[Action, list[StepId]] = {action: [] for action in undoes.values()}
    for step in steps:
        if step.action in doers:
            doers[step.action].append(step.id)
    loans: list[Loan] = []
    givers: set[StepId] = set()
    for step in sorted((step for step in steps if step.id in undoes), key=lambda step: rank[step.id]):
        # A backend put back may be taken again by a later hop: giving back is not itself a taking.
        if step.id in givers:
            continue
        later = (by for by in doers[undoes[step.id]] if rank[by] > rank[step.id])
        for by in sorted(later, key=rank.__getitem__):
            if way := _way(step.id, by, before, following, rank=rank):
                loans.append(Loan(step.id, by, way, step.action.hold_s))
                givers.add(by)
                break
    return tuple(loans)


def _way(
    first: StepId, last: StepId, before: Ways, following: Ways, *, rank: Mapping[StepId, tuple[int, int]]
) -> frozenset[StepId]:
    """The steps between two, and the last; none if that does not come after the first."""
    later = _reached(first, following, lambda step: rank[step] <= rank[last])
    return frozenset(_reached(last, before, later.__contains__) | {last}) if last in later else frozenset()


def relied_on(
    steps: tuple[Step, ...], before: Ways, loans: tuple[Loan, ...]
) -> Mapping[StepId, tuple[Step, ...]]:
    """By step that cuts: what keeps users away from it, of all that was taken and is given back after it."""
    if not loans:
        return {}
    lasting = {step.id: number for number, step in enumerate(steps) if step.action.must_last}
    cutting = {step.id for step in steps if step.action.cuts}
    during: dict[StepId, set[StepId]] = defaultdict(set)
    for loan in loans:
        for step in loan.way & cutting:
            during[step] |= loan.way | {loan.taken_by}
    found: dict[StepId, tuple[Step, ...]] = {}
    for step, ways in during.items():
        # Whatever lies between two steps of a way is on it.
        earlier = _reached(step, before, ways.__contains__) & lasting.keys()
        if earlier:
            found[step] = tuple(steps[number] for number in sorted(lasting[s] for s in earlier))
    return found


def _ranks(steps: tuple[Step, ...], before: Ways, following: Ways) -> dict[StepId, tuple[int, int]]:
    """Each after those it waits for: by the longest row that leads to it, then as the plan has them."""
    rank: dict[StepId, tuple[int, int]] = {}
    number = {step.id: n for n, step in enumerate(steps)}
    waits = {step.id: len(before[step.id]) for step in steps}
    row, depth = [step for step, count in waits.items() if not count], 0
    while row:
        rank |= {step: (depth, number[step]) for step in row}
        then: list[StepId] = []
        for step in (after for first in row for after in following[first]):
            waits[step] -= 1
            if not waits[step]:
                then.append(step)
        row, depth = then, depth + 1
    return rank


def _reached(start: StepId, along: Ways, within: Callable[[StepId], bool]) -> set[StepId]:
    """All that is reached from ``start`` over steps that are ``within``."""
    found: set[StepId] = set()
    todo = [start]
    while todo:
        new = {step for step in along[todo.pop()] if step not in found and within(step)}
        found |= new
        todo += new
    return found
