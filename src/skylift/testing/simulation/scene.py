"""What is simulated: a cloud, what is wanted of it, and the plan for that."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from skylift.app.inspect import observe_cloud
from skylift.catalog.catalog import Catalog
from skylift.checks.finding import Finding
from skylift.model.cloud import Cloud
from skylift.model.goal import Goal
from skylift.model.problem import Fix, Remedy, Transient
from skylift.model.record import Artifact, Record
from skylift.planning.plan import Plan
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of

Findings = tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """One cloud and one goal; every seed begins with the same."""

    name: str
    catalog: Catalog
    record: Record
    goal: Goal
    build: Callable[[], FakeCloud]
    """The cloud as it is before the run."""
    propose: Callable[[Cloud], tuple[Plan, Findings]]
    """The plan for a cloud that was inspected, and what checks found."""
    is_given: bool = False
    """Whether the plan was made before, for a cloud that others have not touched since."""
    apart: frozenset[str] = frozenset()
    """Names of the plan's facts that this cloud cannot show: they are not held against it."""

    @property
    def target(self) -> Artifact | None:
        """What services are to run in the end; none if the record has no artifact of that release."""
        return self.record.artifact_for(self.goal.to)

    def seen(self, cloud: FakeCloud, goal: Goal | None, silent: Collection[str] = ()) -> Cloud:
        """What an inspection finds; ports of these names do not answer."""
        own = ports_of(cloud)
        ends: dict[str, Any] = {
            n: _Silent(n) if n in silent else getattr(own, n) for n in Ports.__dataclass_fields__
        }
        return observe_cloud(cloud.record, self.catalog, Ports(**ends), now=cloud.now, goal=goal)


class NoAnswer(Transient):
    """A part of the simulated cloud does not answer."""

    code = "fake.no-answer"

    def __init__(self, port: str) -> None:
        super().__init__(f"the {port} could not be asked: no answer", Remedy(Fix.REPAIR, "see its network"))


@dataclass(frozen=True, slots=True)
class _Silent:
    """A port that does not answer."""

    name: str

    def __getattr__(self, verb: str) -> Callable[..., object]:
        def call(*_: object, **__: object) -> object:
            raise NoAnswer(self.name)

        return call
