"""A fleet as the planner computes with it: hosts and units by number, in lists.

A unit is what moves as one: an instance, or the members of an affinity group that share a host. Tens of
thousands of hosts are planned in seconds because the inner loops see integers in lists and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skylift.fleet.admission import Admission
from skylift.fleet.fleet import Fleet, GroupName, Instance, InstanceId, Rule
from skylift.fleet.forecast import Answer, Guest, Link, answered
from skylift.fleet.verdict import HOLDS, MOVES, STAYS, Verdict, Way, is_plain, judge
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName

NO_GROUP = -1


@dataclass(frozen=True, slots=True)
class Unit:
    """What the inner loops need of a unit, in one object."""

    members: tuple[Instance, ...]
    ways: tuple[Way, ...]
    ms: tuple[int, ...]
    """How long each member's migration takes, in milliseconds."""
    lasts: int
    """The same for all of them, one after another."""
    ram: int
    vcpus: int
    disk: int
    admits: int
    """The kinds of host that may take it, as bits."""
    apart: int
    """Its anti-affinity group; ``NO_GROUP`` if it is in none."""
    rather: int = NO_GROUP
    """Its soft anti-affinity group."""
    special: bool = False
    """Whether it takes devices or cells of its host, so that room alone does not decide."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The compiled fleet."""

    fleet: Fleet
    policy: FleetPolicy
    names: tuple[HostName, ...]
    kind: Sequence[int]
    """Per host, what kind it is: hosts of a kind admit the same instances."""
    pool: Sequence[int]
    """Per host, its pool: the most hosts among which instances may move."""
    pools: Sequence[Sequence[int]]
    room: tuple[Sequence[int], Sequence[int], Sequence[int]]
    """Per resource (RAM, vCPUs, disk) and host, what may be used of it, headroom taken off."""
    free: tuple[Sequence[int], Sequence[int], Sequence[int]]
    """The same less what is used now; below nothing where a host is over its headroom."""
    units: Sequence[Sequence[Unit]]
    """Per host, what must move off it, the largest first."""
    verdicts: tuple[Verdict, ...]
    held: Mapping[int, tuple[Verdict, ...]]
    ready: Sequence[bool]
    """Per host, whether it takes instances from the start."""
    due: Sequence[bool]
    """Per host, whether it is to be worked on."""
    apart: Mapping[str, int]
    """Anti-affinity groups, hard and soft, by number."""


def ms_of(instance: Instance, ram_mib: int, disk_gib: int, policy: FleetPolicy) -> tuple[int, Answer]:
    """How long its live migration takes, in milliseconds, with what is done if it would not end."""
    network = policy.network
    memory = instance.used_mib or ram_mib
    disk = disk_gib * 1024 if instance.disk_copied else 0
    if instance.dirty_mib_s * 4 < network.mib_s:
        # The common case, short: the last round is far below a second, so the series is summed to its end.
        sent = memory / (1 - instance.dirty_mib_s / network.mib_s) + disk
        return math.ceil(sent / network.mib_s * 1000) + network.setup_ms, Answer.NONE
    consent = policy.projects.get(instance.project, policy.consent)
    found = answered(
        Guest(memory, instance.dirty_mib_s, disk),
        Link(network.mib_s, network.setup_ms / 1000, network.downtime_ms / 1000),
        post_copy=consent.post_copy,
    )
    seconds = found.forecast.seconds
    return (math.ceil(seconds * 1000) if math.isfinite(seconds) else 0), found.answer


class _Compiler:
    def __init__(self, fleet: Fleet, policy: FleetPolicy, *, holds: bool) -> None:
        self.fleet, self.policy, self.holds = fleet, policy, holds
        self.names = tuple(fleet.hosts)
        self.number = {name: n for n, name in enumerate(self.names)}
        self.admission = Admission(fleet)
        self.verdicts: list[Verdict] = []
        self.held: dict[int, list[Verdict]] = {}
        self.apart: dict[str, int] = {}
        self.used = ([0] * len(self.names), [0] * len(self.names), [0] * len(self.names))
        self.units: list[list[Unit]] = [[] for _ in self.names]
        self.together: dict[tuple[int, str], list[Unit]] = {}
        self.stays: dict[tuple[int, str], InstanceId] = {}
        """Per host and group that is to be together, one that stays where it is."""
        self.groups: dict[GroupName, tuple[int, int, bool]] = {}
        self.plain_host = [host.up and not policy.in_place for host in fleet.hosts.values()]
        only = set(policy.only) or set(self.names)
        self.asked = [name in only and not host.done for name, host in fleet.hosts.items()]
        """Per host, whether it is to be worked on, as far as the operator is concerned."""

    def add(self, instance: Instance) -> None:
        """Count one instance, and judge it."""
        host = self.number[instance.host]
        flavor = self.fleet.flavors[instance.flavor]
        disk = flavor.disk_gib
        self.used[0][host] += flavor.ram_mib
        self.used[1][host] += flavor.vcpus
        self.used[2][host] += disk
        if not self.asked[host]:
            return
        admits = self.admission.live(instance)
        way = Way.LIVE
        ms, answer = ms_of(instance, flavor.ram_mib, disk, self.policy)
        plain = self.plain_host[host] and is_plain(instance) and not flavor.devices and answer is Answer.NONE
        if not (plain and self.admission.open_beside(admits, host)):
            verdict = self._judged(instance, admits, host, answer)
            way = verdict.way
            if way is Way.COLD:
                admits = self.admission.cold(instance)
                ms = self._cold_ms(instance, disk)
            if verdict.way is not Way.LIVE or answer is not Answer.NONE:
                self.verdicts.append(verdict)
            if verdict.way in HOLDS:
                self.held.setdefault(host, []).append(verdict)
        if way in STAYS and instance.group and self.fleet.groups[instance.group].rule is Rule.TOGETHER:
            self.stays[host, instance.group] = instance.id
        if way not in MOVES:
            return
        special = bool(flavor.devices or flavor.cells)
        apart, rather, together = (
            self._group(instance.group) if instance.group else (NO_GROUP, NO_GROUP, False)
        )
        unit = Unit(
            (instance,), (way,), (ms,), ms, flavor.ram_mib, flavor.vcpus, disk, admits, apart, rather, special
        )
        if together:
            self.together.setdefault((host, instance.group), []).append(unit)
        else:
            self.units[host].append(unit)

    def _cold_ms(self, instance: Instance, disk_gib: int) -> int:
        """A stopped instance sends no memory; its disk is copied if it is the host's own."""
        sent = disk_gib * 1024 if instance.disk_copied else 0
        return math.ceil(sent / self.policy.network.mib_s * 1000) + self.policy.network.setup_ms

    def _judged(self, instance: Instance, admits: int, host: int, answer: Answer) -> Verdict:
        if not self.fleet.hosts[instance.host].up:
            return Verdict(
                instance.id,
                Way.BLOCKED,
                "its host is down",
                f"fence the host, then: openstack server evacuate {instance.id}",
            )
        flavor = self.fleet.flavors[instance.flavor]
        rule = self.fleet.groups[instance.group].rule if instance.group else None
        live = self.admission.open_beside(admits, host)
        verdict = judge(instance, flavor, self.policy, live_targets=live, group=rule)
        if verdict.way is not Way.LIVE or answer is Answer.NONE:
            return verdict
        if answer is Answer.ASK:
            consent = self.policy.projects.get(instance.project, self.policy.consent)
            reason = "it writes its memory faster than a migration sends it"
            if consent.cold:
                return Verdict(instance.id, Way.COLD, reason, "", consent.notice_h)
            return Verdict(instance.id, Way.ASK, reason, answer.value)
        return Verdict(instance.id, Way.LIVE, f"it writes much to its memory: {answer.value}")

    def _group(self, name: GroupName) -> tuple[int, int, bool]:
        """Its number if it is hard, its number if it is soft, and whether its members move as one."""
        found = self.groups.get(name)
        if found is None:
            rule = self.fleet.groups[name].rule
            number = NO_GROUP
            if rule in {Rule.APART, Rule.RATHER_APART}:
                number = self.apart.setdefault(name, len(self.apart))
            hard = number if rule is Rule.APART else NO_GROUP
            soft = number if rule is Rule.RATHER_APART else NO_GROUP
            found = self.groups[name] = (hard, soft, rule is Rule.TOGETHER)
        return found

    def _hold(self, host: int, parts: Sequence[Unit], stays: InstanceId) -> None:
        """Leave a host alone: who would be moved off it must be with one that is not."""
        reason = f"it must be on one host with {stays}, which stays where it is"
        asked = [
            Verdict(member.id, Way.ASK, reason, f"let it stay, too: {_let_stay(member.id)}", member.notice_h)
            for part in parts
            for member in part.members
        ]
        again = {verdict.instance for verdict in asked}
        self.verdicts = [v for v in self.verdicts if v.instance not in again] + asked
        self.held.setdefault(host, []).extend(asked)

    def layout(self) -> Layout:
        """The whole, once all instances were added."""
        for (host, group), parts in self.together.items():
            if (host, group) in self.stays:
                self._hold(host, parts, self.stays[host, group])
            else:
                self.units[host].append(_joined(parts))
        for units in self.units:
            units.sort(key=lambda u: (-u.ram, -u.vcpus))
        left = 100 - self.policy.headroom_percent
        hosts = [self.fleet.hosts[name] for name in self.names]
        room = (
            [h.ram_mib * left // 100 for h in hosts],
            [h.vcpus * left // 100 for h in hosts],
            [h.disk_gib * left // 100 for h in hosts],
        )
        free = tuple(
            [r - u for r, u in zip(rooms, used, strict=True)]
            for rooms, used in zip(room, self.used, strict=True)
        )
        held = self.held if self.holds else {}
        due = [asked and hosts[n].up and n not in held for n, asked in enumerate(self.asked)]
        self.units = [units if due[n] else [] for n, units in enumerate(self.units)]
        ready = [h.up and not h.closed and not asked for h, asked in zip(hosts, self.asked, strict=True)]
        admitted = [{unit.admits for unit in units} for units in self.units]
        pool, pools = self.admission.pools(admitted, len(hosts))
        return Layout(
            self.fleet, self.policy, self.names, self.admission.kind, pool, pools, room,
            (free[0], free[1], free[2]), self.units, tuple(self.verdicts),
            {n: tuple(v) for n, v in held.items()}, ready, due, self.apart,
        )  # fmt: skip


def _let_stay(instance: InstanceId) -> str:
    return f"openstack server set --tag maintenance=stop {instance}"


def _joined(parts: Sequence[Unit]) -> Unit:
    admits = -1
    for part in parts:
        admits &= part.admits
    return Unit(
        tuple(m for p in parts for m in p.members),
        tuple(w for p in parts for w in p.ways),
        tuple(ms for p in parts for ms in p.ms),
        sum(p.lasts for p in parts),
        sum(p.ram for p in parts),
        sum(p.vcpus for p in parts),
        sum(p.disk for p in parts),
        admits,
        NO_GROUP,
        NO_GROUP,
        any(p.special for p in parts),
    )


def compiled(fleet: Fleet, policy: FleetPolicy, *, holds: bool = True) -> Layout:
    """The layout of a fleet under a policy, with a verdict on every instance.

    ``holds`` says whether one that waits for somebody keeps its host, and with it all others there, as it is.
    """
    compiler = _Compiler(fleet, policy, holds=holds)
    for instance in fleet.instances:
        compiler.add(instance)
    return compiler.layout()
