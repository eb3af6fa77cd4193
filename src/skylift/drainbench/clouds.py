"""Clouds of any size from a seed: the same seed gives the same cloud, on every machine and for ever.

Three zones, and an aggregate of a tenth of the hosts that takes only its own flavor's instances. Hosts have
512 or 768 GiB; instances come in twelve flavors, the small ones the most common. The histograms are in
docs/reference/bench-drain.md.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from skylift.fleet.fleet import (
    Aggregate,
    Flavor,
    FlavorName,
    Fleet,
    Group,
    GroupName,
    Host,
    Instance,
    InstanceId,
    Rule,
)
from skylift.model.ids import HostName

GIB = 1024
FLAVORS = (
    # vCPUs, GiB of memory, weight
    (1, 2, 22),
    (1, 4, 12),
    (2, 4, 16),
    (2, 8, 16),
    (4, 8, 8),
    (4, 16, 11),
    (8, 16, 3),
    (8, 32, 6),
    (16, 32, 1),
    (16, 64, 3),
    (32, 128, 1),
    (48, 192, 1),
)
"""The mix of flavors, each with how many of a hundred instances have it."""
SMALL_HOST, LARGE_HOST = (256, 512 * GIB), (384, 768 * GIB)
"""vCPUs (64 and 96 cores at a ratio of 4) and memory."""
LARGE_SHARE = 30
"""Of a hundred hosts, how many are large."""
ZONES = ("az1", "az2", "az3")
DEDICATED = "dedicated"
GROUPED, PAIRED = 15, 3
"""Of a hundred instances, how many are in anti-affinity groups of 2 to 5, and in affinity pairs."""
CPUS = frozenset({"Cascadelake-Server", "IvyBridge"})


@dataclass(frozen=True, slots=True)
class Cloud:
    """What to make."""

    hosts: int
    percent: int
    """Of all memory, how much is used."""
    seed: int


class Chance:
    """SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): its numbers depend on the seed and on nothing else."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def below(self, limit: int) -> int:
        """A number from 0 up to, but not including, ``limit``; the bias is below one in 2**40."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) >> 8) % limit


_MASK = (1 << 64) - 1


def generate(cloud: Cloud) -> Fleet:
    """The fleet of a cloud."""
    chance = Chance(cloud.seed * 1_000_003 + cloud.hosts * 101 + cloud.percent)
    hosts = dict(_hosts(cloud, chance))
    flavors = {FlavorName(f"c{c}m{g}"): Flavor(c, g * GIB) for c, g, _ in FLAVORS}
    flavors |= {FlavorName(f"d{c}m{g}"): Flavor(c, g * GIB, aggregate=DEDICATED) for c, g, _ in FLAVORS}
    filling = _Filling(hosts, flavors, chance)
    filling.fill(cloud.percent)
    return Fleet(
        hosts, flavors, tuple(filling.instances), filling.groups, {DEDICATED: Aggregate(isolated=True)}
    )


def _hosts(cloud: Cloud, chance: Chance) -> Iterator[tuple[HostName, Host]]:
    width = len(str(cloud.hosts))
    for number in range(cloud.hosts):
        vcpus, ram = LARGE_HOST if chance.below(100) < LARGE_SHARE else SMALL_HOST
        dedicated = number >= cloud.hosts - cloud.hosts // 10
        yield (
            HostName(f"cmp{number + 1:0{width}}"),
            Host(
                vcpus,
                ram,
                zone=ZONES[number % len(ZONES)] if not dedicated else ZONES[0],
                aggregates=(DEDICATED,) if dedicated else (),
                cpus=CPUS,
            ),
        )


class _Filling:
    """Puts instances on hosts as a scheduler that spreads by chance would have over the years."""

    def __init__(
        self, hosts: dict[HostName, Host], flavors: dict[FlavorName, Flavor], chance: Chance
    ) -> None:
        self.instances: list[Instance] = []
        self.groups: dict[GroupName, Group] = {}
        self._hosts, self._flavors, self._chance = hosts, flavors, chance
        self._free = {name: [host.vcpus, host.ram_mib] for name, host in hosts.items()}
        self._edges = list(accumulate(weight for _, _, weight in FLAVORS))

    def fill(self, percent: int) -> None:
        """Fill each pool's hosts up to this share of their memory."""
        pools: dict[tuple[str, bool], list[HostName]] = {}
        for name, host in self._hosts.items():
            pools.setdefault((host.zone, bool(host.aggregates)), []).append(name)
        for (zone, dedicated), names in pools.items():
            left = sum(self._hosts[n].ram_mib for n in names) * percent // 100
            while left > 0:
                left -= self._some(names, zone, "d" if dedicated else "c")

    def _some(self, names: list[HostName], zone: str, prefix: str) -> int:
        """One instance, a pair, or a group; how much memory that took."""
        vcpus, gib, _ = FLAVORS[bisect(self._edges, self._chance.below(100))]
        flavor = FlavorName(f"{prefix}{vcpus}m{gib}")
        kind = self._chance.below(1000)
        # A group has 3.5 members on average, a pair 2: so these shares of draws are those of instances.
        apart, pair = GROUPED * 10 * 10 // 35, PAIRED * 10 // 2
        if kind < apart and len(names) > 8:  # noqa: PLR2004 - a smaller pool could not be emptied
            return self._group(Rule.APART, self._distinct(names, 2 + self._chance.below(4)), flavor, zone)
        host = self._pick(names)
        if kind < apart + pair:
            return self._group(Rule.TOGETHER, [host, host], flavor, zone)
        return self._add(host, flavor, zone, GroupName(""))

    def _distinct(self, names: list[HostName], count: int) -> list[HostName]:
        start = self._chance.below(len(names))
        step = 1 + self._chance.below(max(1, len(names) // 8))
        return list(dict.fromkeys(names[(start + n * step) % len(names)] for n in range(count)))

    def _pick(self, names: list[HostName]) -> HostName:
        """The freer of two by chance in the share of memory used, which spreads as real clouds are spread."""
        one, two = (names[self._chance.below(len(names))] for _ in range(2))
        return max(one, two, key=lambda n: self._free[n][1] / self._hosts[n].ram_mib)

    def _group(self, rule: Rule, hosts: list[HostName], flavor: FlavorName, zone: str) -> int:
        name = GroupName(f"g{len(self.groups) + 1}")
        self.groups[name] = Group(rule)
        return sum(self._add(host, flavor, zone, name) for host in hosts)

    def _add(self, host: HostName, flavor: FlavorName, zone: str, group: GroupName) -> int:
        """Add an instance if it has room there; the memory it took."""
        wanted = self._flavors[flavor]
        free = self._free[host]
        if free[0] < wanted.vcpus or free[1] < wanted.ram_mib:
            return 0
        free[0] -= wanted.vcpus
        free[1] -= wanted.ram_mib
        used = wanted.ram_mib * (40 + self._chance.below(56)) // 100
        self.instances.append(
            Instance(
                InstanceId(f"i{len(self.instances) + 1:06}"),
                host,
                flavor,
                project=f"p{self._chance.below(40):02}",
                group=group,
                zone=zone,
                used_mib=used,
                dirty_mib_s=5 + self._chance.below(60),
            )
        )
        return wanted.ram_mib
