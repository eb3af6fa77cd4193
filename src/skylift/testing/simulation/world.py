"""One simulated world: the cloud, the operator's machine beside it, and time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from skylift.drainbench.clouds import Chance
from skylift.engine.fold import Run
from skylift.model.ids import Epoch, HostName, PoolName
from skylift.planning.plan import Plan
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.scene import Scene
from skylift.testing.simulation.store import Store


@dataclass(slots=True)
class Ailment:
    """Something that is wrong, until it passes or an operator repairs it."""

    kind: FaultKind
    heal: Callable[[], None]
    until: float | None
    """When it passes by itself; none if it does not."""


@dataclass(slots=True)
class World:
    """All of it. A process that dies loses nothing that is here."""

    scene: Scene
    seed: int
    cloud: FakeCloud
    store: Store
    chance: Chance
    plan: Plan | None = None
    run: Run | None = None
    """As the watch folded it from what was appended."""
    skew: float = 0.0
    """How far our machine's clock is ahead of the cloud's."""
    touches: int = 0
    """Port calls and appends so far, of all processes."""
    ailments: list[Ailment] = field(default_factory=list)
    silent: dict[str, FaultKind] = field(default_factory=dict)
    """Ports that do not answer, with why."""
    slow: dict[HostName, float] = field(default_factory=dict)
    """Until when what was started on a host has not warmed up."""
    cursed: set[tuple[HostName, tuple[str, ...]]] = field(default_factory=set)
    """Commands that fail until they are repaired."""
    hurt: dict[tuple[PoolName, HostName], float] = field(default_factory=dict)
    """When a fault was last seen to keep a backend from serving."""
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    """What is on its way."""
    each_second: Callable[[], None] = lambda: None
    forgot_at: float = 0.0
    """When the balancer that users reach last forgot what it was told."""
    revived: set[int] = field(default_factory=set)
    """Processes that live because of a fault: by their number."""
    booted: set[HostName] = field(default_factory=set)
    """Hosts that were taken down by a fault: what starts with them lives because of it, too."""
    cut: set[str] = field(default_factory=set)
    """Stacks that were under way when a fault ended an engine."""
    story: list[str] = field(default_factory=list)
    worker: int = 0
    """The number of the process that works on the run; 0 if none does."""
    processes: int = 0

    @property
    def places(self) -> tuple[tuple[PoolName, HostName], ...]:
        """Every backend of every pool."""
        return tuple(next(iter(self.cloud.traffic.servers.values()), {}))

    @property
    def now(self) -> Epoch:
        """What our machine's clock shows."""
        return Epoch(self.cloud.now + self.skew)

    @property
    def digest(self) -> str:
        """The same for two runs only if the same happened in both, in the same order."""
        return hashlib.sha256("\n".join(self.story).encode()).hexdigest()

    def note(self, what: str) -> None:
        """Something happens now."""
        self.story.append(f"{self.cloud.now:.0f} {what}")

    def ail(self, kind: FaultKind, heal: Callable[[], None], *, for_s: float | None) -> None:
        """Something is wrong from now on."""
        until = None if for_s is None else self.cloud.now + for_s
        self.ailments.append(Ailment(kind, heal, until))

    def pass_time(self, seconds: int) -> None:
        """Let the cloud live on, and what is on its way arrive."""
        for _ in range(seconds):
            self.cloud.pass_time(1)
            due = [happens for at, happens in self.later if at <= self.cloud.now]
            self.later = [(at, happens) for at, happens in self.later if at > self.cloud.now]
            for happens in due:
                happens()
            for ailment in [a for a in self.ailments if a.until is not None and a.until <= self.cloud.now]:
                self.cure(ailment)
            self.each_second()

    def cure(self, ailment: Ailment) -> None:
        """It is over."""
        self.note(f"over: {ailment.kind.value}")
        self.ailments.remove(ailment)
        ailment.heal()

    def repair(self) -> None:
        """An operator mends all that is wrong."""
        for ailment in tuple(self.ailments):
            self.cure(ailment)


def planned(world: World) -> Plan:
    """The plan of a world in which one was made."""
    if world.plan is None:
        msg = "no plan was made yet"
        raise ValueError(msg)
    return world.plan
