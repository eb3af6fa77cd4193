"""The plan: a DAG of steps from what was observed to a goal, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from skylift.actions.action import Action, NoWayBack
from skylift.model.goal import Goal
from skylift.model.ids import ComponentName, Digest, Seconds, ServiceName, StepId
from skylift.model.release import Release

FORMAT = 2
"""Version of the plan file; a reader refuses any other, and nothing migrates one silently."""


class Stage(Enum):
    """The named parts of a plan, in their order."""

    PREPARE = "prepare"
    EXPAND = "expand"
    CONTROL_PLANE = "control-plane"
    DATA_PLANE = "data-plane"
    """Of runs over compute hosts."""
    CONVERGE = "converge"
    VERIFY = "verify"


class Notice(Enum):
    """What users notice while a step runs."""

    NONE = "none"
    FEWER_BACKENDS = "one backend fewer"
    ELSEWHERE = "new work goes to other hosts"
    SLOW = "slow"
    DOWN = "does not answer"


@dataclass(frozen=True, slots=True)
class Impact:
    """What users notice, and of what: ``api`` is the component's name, or empty for none."""

    notice: Notice
    api: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a step takes, in seconds, with its spread and where the figure comes from."""

    low: Seconds
    likely: Seconds
    high: Seconds
    origin: str


@dataclass(frozen=True, slots=True)
class Edge:
    """``before`` ends before ``after`` starts, ``because`` of a rule that has a source."""

    before: StepId
    after: StepId
    because: str
    source: str


@dataclass(frozen=True, slots=True)
class Step:
    """The unit of progress, retry and way back."""

    id: StepId
    stage: Stage
    action: Action
    impact: Impact
    estimate: Estimate
    deadline: Seconds
    """How long the engine lets it take before it fails."""

    @property
    def no_return(self) -> bool:
        """Whether the run cannot be taken back by steps once this one has started."""
        return isinstance(self.action.reversal(), NoWayBack)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was approved is what runs: the file's bytes are this value in canonical form."""

    format: int
    cloud: str
    goal: Goal
    source: Release
    """The release that the cloud was observed to run."""
    record: Digest
    """Of the record file it was made from."""
    services: Mapping[ServiceName, ComponentName]
    """Every service of the cloud, with its component."""
    facts: Mapping[str, str]
    """Facts it relies on, by name; ``apply`` observes each again and names those that changed."""
    notes: tuple[str, ...]
    """What the operator must know before she approves: mode and why, points of no return, limits."""
    steps: tuple[Step, ...]
    edges: tuple[Edge, ...]

    @property
    def stages_only(self) -> bool:
        """Whether it fetches artifacts and touches no service."""
        return all(step.stage is Stage.PREPARE for step in self.steps)

    @property
    def again(self) -> str:
        """The command for what is not done of it, to be pasted: a fetch of artifacts needs no plan first."""
        fetches = self.steps and self.stages_only
        return f"skylift stage --to {self.goal.to}" if fetches else self.goal.again

    @property
    def headline(self) -> str:
        """The cloud and what is to become of it, in a few words."""
        if self.stages_only:
            return f"{self.cloud}, artifacts of {self.goal.to} to its hosts"
        return f"{self.cloud}, {self.source} to {self.goal.to}"

    @property
    def no_returns(self) -> tuple[StepId, ...]:
        """The points of no return, in the plan's order: each must be approved by name."""
        return tuple(step.id for step in self.steps if step.no_return)

    def before(self, step: StepId) -> frozenset[StepId]:
        """The steps that must be done before ``step`` starts."""
        return frozenset(e.before for e in self.edges if e.after == step)

    def step(self, wanted: StepId) -> Step:
        """The step with this id.

        Raises:
            KeyError: there is none.
        """
        for step in self.steps:
            if step.id == wanted:
                return step
        raise KeyError(wanted)


def edge_between(before: Step, after: Step, because: str, source: str) -> Edge:
    """The edge from one step to another."""
    return Edge(before.id, after.id, because, source)
