"""How a cloud stands at one moment: what is seen, and what was asked for, which counts as begun."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from skylift.fleet.fleet import Fleet, Host, Instance, InstanceId, Rule
from skylift.fleet.plan import Move
from skylift.fleet.sight import Action, Close, Migrate, Sight
from skylift.fleet.special import fits
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName


class Caps:
    """How many hosts may be out at once, in all, in each zone and in each aggregate."""

    def __init__(self, fleet: Fleet, policy: FleetPolicy) -> None:
        percents = {
            "all": policy.out_percent,
            "zone": policy.zone_percent,
            "aggregate": policy.aggregate_percent,
        }
        places = {name: list(_places(host)) for name, host in fleet.hosts.items()}
        sizes = Counter(place for of in places.values() for place in of)
        self.most = {place: policy.share(percents[place[0]], size) for place, size in sizes.items()}
        # A share of all of them is no limit, and is not counted.
        self.places = {
            name: [place for place in of if percents[place[0]] < 100]  # noqa: PLR2004
            for name, of in places.items()
        }


def _places(host: Host) -> Iterator[tuple[str, str]]:
    yield "all", ""
    yield "zone", host.zone
    yield from (("aggregate", name) for name in host.aggregates)


class Standing:
    """Says what there is room for now: on a host, in its lanes, and among the hosts that may be out."""

    def __init__(
        self, fleet: Fleet, policy: FleetPolicy, caps: Caps, *, sight: Sight, calls: Iterable[Action]
    ) -> None:
        self._fleet, self._policy, self._caps, self._sight = fleet, policy, caps, sight
        self.coming: dict[InstanceId, Migrate] = {}
        """What is on its way, or may be."""
        self.leaving: Counter[HostName] = Counter()
        self.arriving: defaultdict[HostName, list[Instance]] = defaultdict(list)
        self._out: Counter[tuple[str, str]] = Counter()
        for name, seen in sight.hosts.items():
            if seen.ours:
                self._out.update(caps.places[name])
        for action in (*sight.moving.values(), *calls):
            self.count(action)

    def count(self, action: Action) -> None:
        """Take into account what is begun, or asked for."""
        match action:
            case Migrate(instance, source, target):
                self.coming[instance] = action
                self.leaving[source] += 1
                self.arriving[target].append(self._sight.on[source][instance])
            case Close(host):
                self._out.update(self._caps.places[host])
            case _:
                pass

    def lanes_free(self, move: Move) -> bool:
        """Whether one more migration may be under way, between these hosts."""
        policy = self._policy
        return (
            self.leaving[move.source] < policy.leaving
            and len(self.arriving[move.target]) < policy.arriving
            and not 0 < policy.migrations <= len(self.coming)
        )

    def has_room(self, move: Move) -> bool:
        """Whether the target has room for the instance, and its group lets it go there.

        Who moves together needs room together: the first must not go where the second cannot follow.
        """
        host, on = self._fleet.hosts[move.target], self._sight.on[move.source]
        instance = on[move.instance]
        together = self._is(instance, Rule.TOGETHER)
        along = [
            i
            for i in (on.values() if together else ())
            if i.group == instance.group and i is not instance and i.id not in self.coming
        ]
        there = [*self._sight.on[move.target].values(), *self.arriving[move.target]]
        flavors = [self._fleet.flavors[i.flavor] for i in (*there, *along, instance)]
        left = 100 - self._policy.headroom_percent
        return (
            sum(f.ram_mib for f in flavors) <= host.ram_mib * left // 100
            and sum(f.vcpus for f in flavors) <= host.vcpus * left // 100
            and sum(f.disk_gib for f in flavors) <= host.disk_gib * left // 100
            and not (self._is(instance, Rule.APART) and any(i.group == instance.group for i in there))
            and fits(host, flavors)
        )

    def evens(self, move: Move) -> bool:
        """Whether the target is the emptier of the two, or the instance follows its group there."""
        if self._is(self._sight.on[move.source][move.instance], Rule.TOGETHER):
            return True
        uses = zip(self._use(move.source), self._use(move.target), strict=True)
        return any(left > come for left, come in uses)

    def _use(self, name: HostName) -> tuple[float, float]:
        """How much of a host's memory and processors is taken, what is on its way there included."""
        host = self._fleet.hosts[name]
        there = [*self._sight.on[name].values(), *self.arriving[name]]
        flavors = [self._fleet.flavors[i.flavor] for i in there]
        ram, vcpus = sum(f.ram_mib for f in flavors), sum(f.vcpus for f in flavors)
        return ram / (host.ram_mib or 1), vcpus / (host.vcpus or 1)

    def _is(self, instance: Instance, rule: Rule) -> bool:
        return bool(instance.group) and self._fleet.groups[instance.group].rule is rule

    def may_be_out(self, host: HostName) -> bool:
        """Whether one more host, this one, may be out."""
        return all(self._out[place] < self._caps.most[place] for place in self._caps.places[host])
