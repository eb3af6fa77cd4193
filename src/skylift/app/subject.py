"""What a run is about, as it is told to those who are not at the desk: an upgrade, or a fleet of hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from skylift.app.account import account
from skylift.app.report import announced
from skylift.app.runs import RunFolder
from skylift.app.schedule import begins_at
from skylift.app.site import Site
from skylift.app.windows import Windows
from skylift.engine.decide import Order, decide
from skylift.engine.fold import Run
from skylift.model.goal import Rollback
from skylift.model.ids import Epoch, StepId
from skylift.planning.estimate import critical_path
from skylift.planning.plan import Notice, Plan, Stage


@dataclass(frozen=True, slots=True)
class Got:
    """What users got, as the report has it."""

    summary: str
    details: tuple[str, ...] = ()


class Subject(Protocol):
    """All that is told of a run beside its journal."""

    @property
    def cloud(self) -> str:
        """Where it is."""
        ...

    @property
    def what(self) -> str:
        """Of what it consists and what for, such as ``12 steps to 2025.1``."""
        ...

    @property
    def touches_users(self) -> bool:
        """Whether it changes anything that serves."""
        ...

    @property
    def recurs(self) -> bool:
        """Whether the next one is due when the policy says so: not of what only prepares, or goes back."""
        ...

    @property
    def lasts(self) -> str:
        """How long it takes, in words."""
        ...

    @property
    def noticed(self) -> tuple[str, ...]:
        """What users will notice."""
        ...

    def stage_of(self, step: StepId) -> Stage:
        """The stage that a step is of."""
        ...

    def halted_by(self, step: StepId) -> str:
        """What a failure of this step keeps from starting, in words; empty if the rest goes on."""
        ...

    def awaiting(self, run: Run) -> Mapping[Stage, tuple[StepId, ...]]:
        """The stages that could begin, or go on, but for an approval, each with its points of no return."""
        ...

    def begins(self, windows: Windows, run: Run, now: Epoch) -> Epoch | None:
        """When a run begins that waits for its time, or for a window; none if it waits for neither."""
        ...

    def got(self, site: Site, folder: RunFolder, remark: Callable[[str], None]) -> Got:
        """What users got; what cannot be fetched is told to ``remark``."""
        ...


@dataclass(frozen=True)
class Upgrading:
    """A run of a plan, which goes to a release, forth or back."""

    plan: Plan

    @property
    def cloud(self) -> str:
        return self.plan.cloud

    @property
    def what(self) -> str:
        return f"{len(self.plan.steps)} steps to {self.plan.goal.to}"

    @property
    def touches_users(self) -> bool:
        return touches_users(self.plan)

    @property
    def recurs(self) -> bool:
        return self.touches_users and not isinstance(self.plan.goal, Rollback)

    @property
    def lasts(self) -> str:
        _, whole = critical_path(self.plan)
        return f"likely {minutes(whole.likely)}, {minutes(whole.high)} at most"

    @property
    def noticed(self) -> tuple[str, ...]:
        apis = dict.fromkeys(s.impact.api for s in self.plan.steps if s.impact.notice is not Notice.NONE)
        return tuple(f"{api}: {announced(self.plan, api)}" for api in apis if api)

    def stage_of(self, step: StepId) -> Stage:
        return self.plan.step(step).stage

    def halted_by(self, step: StepId) -> str:
        return f"the run is halted, for {step} failed: nothing new starts but what gives back"

    def awaiting(self, run: Run) -> Mapping[Stage, tuple[StepId, ...]]:
        unapproved = self._order.unapproved(run)
        if not unapproved:
            return {}
        return {step.stage: unapproved[step.stage] for step in decide(self._order, run, at_once=1).awaits}

    def begins(self, windows: Windows, run: Run, now: Epoch) -> Epoch | None:
        def opens(moment: Epoch) -> Epoch | None:
            first = decide(self._order, run, at_once=len(self.plan.steps))
            return windows.waits_until(self._order, run, first, moment)

        return begins_at(run, now, opens)

    def got(self, site: Site, folder: RunFolder, remark: Callable[[str], None]) -> Got:
        seen = account(site, folder, remark)
        apis = tuple(f"{i.api}: {i.measured} (announced: {i.planned})" for i in seen.impacts)
        return Got(seen.summary, apis)

    @cached_property
    def _order(self) -> Order:
        return Order.of(self.plan)


def touches_users(plan: Plan) -> bool:
    """Whether a plan changes anything that serves; one that only prepares does not."""
    return any(step.stage is not Stage.PREPARE for step in plan.steps)


def minutes(seconds: int) -> str:
    """So many minutes, rounded up."""
    return f"{-(-seconds // 60)} min"
