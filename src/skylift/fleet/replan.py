"""From a plan under way to what is left of it, after anything happened that the plan did not know.

There is no second planner: what is left of a plan is the plan of the fleet as it is now. Hosts that are done
take instances, those that are out come back when they come back, and those that were being emptied go on
first. A host that died, an instance that appeared and a migration that failed are facts of the new fleet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skylift.fleet.fleet import Fleet, Instance, InstanceId
from skylift.fleet.plan import FleetPlan
from skylift.fleet.planner import ORDERS, plan_fleet
from skylift.model.fleet_policy import FleetPolicy, Window
from skylift.model.ids import HostName, Seconds


@dataclass(frozen=True, slots=True)
class HostDied:
    """A host is down, and what was on it with it: Nova evacuates that, and nobody moves it."""

    host: HostName


@dataclass(frozen=True, slots=True)
class InstanceAppeared:
    """The scheduler put a new instance on a host that was open."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class MigrationFailed:
    """An instance is back on the host that it should have left."""

    instance: InstanceId
    host: HostName


Deviation = HostDied | InstanceAppeared | MigrationFailed


def present(fleet: Fleet, plan: FleetPlan, moment_ms: int) -> Fleet:
    """The fleet as a plan would have left it at some moment, migrations under way taken for ended."""
    at = {move.instance: move.target for move in plan.moves if move.start < moment_ms}
    hosts = dict(fleet.hosts)
    for turn in plan.turns:
        host = hosts[turn.host]
        if turn.back <= moment_ms:
            hosts[turn.host] = replace(host, done=True, begun=False, out_s=Seconds(0))
        elif turn.empty <= moment_ms:
            left = Seconds(-((moment_ms - turn.back) // 1000))
            hosts[turn.host] = replace(host, begun=False, out_s=left)
        elif turn.closed < moment_ms:
            hosts[turn.host] = replace(host, begun=True)
    instances = tuple(
        replace(instance, host=at[instance.id]) if instance.id in at else instance
        for instance in fleet.instances
    )
    return replace(fleet, hosts=hosts, instances=instances)


def after(fleet: Fleet, deviation: Deviation) -> Fleet:
    """The fleet once this has happened."""
    match deviation:
        case HostDied(name):
            died = replace(fleet.hosts[name], up=False, begun=False, out_s=Seconds(0))
            return replace(fleet, hosts={**fleet.hosts, name: died})
        case InstanceAppeared(instance):
            return replace(fleet, instances=(*fleet.instances, instance))
        case MigrationFailed(name, host):
            instances = tuple(replace(i, host=host) if i.id == name else i for i in fleet.instances)
            return replace(fleet, instances=instances)


def replan(
    fleet: Fleet, policy: FleetPolicy, *deviations: Deviation, moment_ms: int = 0, orders: int = ORDERS
) -> tuple[Fleet, FleetPlan]:
    """What the fleet is after these deviations, and the plan for what is left to be done with it.

    Its times count from now, which is ``moment_ms`` after the start of the run that the policy's windows
    count from. When all windows are over, nothing is begun any more.
    """
    for deviation in deviations:
        fleet = after(fleet, deviation)
    passed = moment_ms // 1000
    windows = tuple(
        Window(Seconds(max(0, w.opens - passed)), Seconds(w.closes - passed))
        for w in policy.windows
        if w.closes > passed
    ) or (policy.windows[:1] and (Window(Seconds(0), Seconds(0)),))
    return fleet, plan_fleet(fleet, replace(policy, windows=windows), orders=orders)
