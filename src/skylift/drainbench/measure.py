"""One cloud, one way to empty it, and what the verifier and the bounds say of that."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from skylift.drainbench.clouds import Chance, Cloud, generate
from skylift.drainbench.rivals import Rival, run_rival
from skylift.fleet.document import document_of, plan_document
from skylift.fleet.fleet import Fleet, Instance, InstanceId
from skylift.fleet.plan import FleetPlan
from skylift.fleet.planner import plan_fleet
from skylift.fleet.replan import Deviation, HostDied, InstanceAppeared, MigrationFailed, present, replan
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName
from skylift.verifier.fleet.verify import verify_fleet

T = TypeVar("T")

PLANS = {
    "default": FleetPolicy(),
    "batch of 1": FleetPolicy(batch_hosts=1),
    "10 % out at most": FleetPolicy(out_percent=10),
}
"""Ours, by the policies that the goals are about."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One way over one cloud."""

    cloud: Cloud
    way: str
    instances: int
    moves: int
    least_moves: int
    """B1."""
    waves: int
    least_waves: int
    """B3, for ours; nothing for others."""
    stranded: int
    proofs: int
    """Pools refused with a proof."""
    makespan_s: int
    least_s: int
    """The greatest bound on the makespan; nothing for others."""
    cpu_s: float
    verifier_s: float
    rss_mib: int
    broken: dict[str, int]
    """Rules that the verifier found broken, and how often."""


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What some work gives, and the CPU seconds that it took."""
    begun = time.process_time()
    found = work()
    return found, time.process_time() - begun


def measure_ours(cloud: Cloud, fleet: Fleet, name: str) -> tuple[Measured, FleetPlan]:
    """Plan a cloud under one of our policies, and let the verifier judge that."""
    policy = PLANS[name]
    plan, cpu = timed(lambda: plan_fleet(fleet, policy))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    broken, judged = timed(lambda: _broken(fleet, policy, plan_document(plan)))
    bounds = plan.bounds
    slots = policy.out_percent < 100  # noqa: PLR2004 - all of them is no limit
    least = max(bounds.area_s, bounds.slots_s if slots else bounds.waves * policy.host_s)
    stranded = set(plan.stranded)
    left = sum(instance.host in stranded for instance in fleet.instances)
    return (
        Measured(
            cloud, name, plan.instances, len(plan.moves), bounds.moves, plan.waves, bounds.waves, left,
            len(plan.refused), plan.makespan, least, cpu, judged, rss, broken,
        ),
        plan,
    )  # fmt: skip


def measure_rival(cloud: Cloud, fleet: Fleet, rival: Rival, ours: Measured) -> Measured:
    """Empty a cloud another way, and let the same verifier judge that."""
    policy = FleetPolicy()
    run, cpu = timed(lambda: run_rival(rival, fleet, policy))
    broken, judged = timed(lambda: _broken(fleet, policy, run.document()))
    return Measured(
        cloud, rival.value, ours.instances, len(run.moves), ours.least_moves, run.waves, 0, len(run.stranded),
        0, run.makespan_ms // 1000, 0, cpu, judged, 0, broken,
    )  # fmt: skip


def _broken(fleet: Fleet, policy: FleetPolicy, plan: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for violation in verify_fleet(document_of(fleet, policy), plan):
        found[violation.rule] = found.get(violation.rule, 0) + 1
    return found


@dataclass(frozen=True, slots=True)
class Replanned:
    """One deviation, halfway through a plan."""

    what: str
    cpu_s: float
    broken: dict[str, int]
    more_moves: float
    """Moves over those of the plan without the deviation, as a share of them."""


def measure_replans(fleet: Fleet, plan: FleetPlan, count: int, seed: int) -> Iterator[Replanned]:
    """Deviations of every kind, each at a moment of its own."""
    chance = Chance(seed)
    policy = PLANS["default"]
    for number in range(count):
        moment = plan.makespan * 1000 * (1 + chance.below(90)) // 100
        before = present(fleet, plan, moment)
        deviation = _deviation(before, plan, moment, (number, chance))
        (now, left), cpu = timed(
            lambda before=before, deviation=deviation, moment=moment: replan(  # type: ignore[misc]
                before, policy, deviation, moment_ms=moment
            )
        )
        made = sum(move.start < moment for move in plan.moves)
        yield Replanned(
            type(deviation).__name__,
            cpu,
            _broken(now, policy, plan_document(left)),
            (made + len(left.moves)) / len(plan.moves) - 1,
        )


def _deviation(fleet: Fleet, plan: FleetPlan, moment: int, nth: tuple[int, Chance]) -> Deviation:
    number, chance = nth
    names = list(fleet.hosts)
    if number % 3 == 0:
        return HostDied(names[chance.below(len(names))])
    if number % 3 == 1:
        # The scheduler takes a host that is open: one that is done, or one whose turn is yet to come.
        open_hosts = [n for n, h in fleet.hosts.items() if not h.begun and not h.out_s]
        like = fleet.instances[chance.below(len(fleet.instances))]
        host = next(n for n in open_hosts if _has_room(fleet, n, like))
        return InstanceAppeared(Instance(InstanceId("new"), host, like.flavor, zone=like.zone))
    under_way = [m for m in plan.moves if m.start < moment <= m.end] or list(plan.moves[:1])
    failed = under_way[chance.below(len(under_way))]
    return MigrationFailed(failed.instance, failed.source)


def _has_room(fleet: Fleet, name: HostName, like: Instance) -> bool:
    host = fleet.hosts[name]
    flavor = fleet.flavors[like.flavor]
    on = [fleet.flavors[i.flavor] for i in fleet.instances if i.host == name]
    return (
        host.zone == like.zone
        and bool(host.aggregates) == bool(flavor.aggregate)
        and sum(f.ram_mib for f in on) + flavor.ram_mib <= host.ram_mib
        and sum(f.vcpus for f in on) + flavor.vcpus <= host.vcpus
    )


@dataclass(frozen=True, slots=True)
class Task:
    """What to measure on one cloud."""

    cloud: Cloud
    rivals: bool
    replans: int


@dataclass(frozen=True, slots=True)
class Results:
    """What was measured on one cloud."""

    ways: tuple[Measured, ...]
    replans: tuple[Replanned, ...]
    hosts_by_instances: dict[int, int]
    """How many hosts have so many instances, in tens."""


def measure(task: Task) -> Results:
    """Make the cloud of a task, and measure all ways over it."""
    fleet = generate(task.cloud)
    first, plan = measure_ours(task.cloud, fleet, "default")
    others = (measure_ours(task.cloud, fleet, name)[0] for name in PLANS if name != "default")
    rivals = (measure_rival(task.cloud, fleet, rival, first) for rival in Rival if task.rivals)
    ways = (first, *others, *rivals)
    on = Counter(instance.host for instance in fleet.instances)
    return Results(
        ways,
        tuple(measure_replans(fleet, plan, task.replans, task.cloud.seed)),
        dict(Counter(on[name] // 10 * 10 for name in fleet.hosts)),
    )
