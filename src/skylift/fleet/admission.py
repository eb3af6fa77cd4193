"""Which hosts may take which instances, but for room: zones, aggregates, traits and models of CPU.

Hosts that admit the same instances are of one kind; a set of kinds is an integer's bits. Sources: Nova's
admin guide, *Compute schedulers* (AvailabilityZoneFilter, AggregateInstanceExtraSpecsFilter,
ComputeCapabilitiesFilter) and *Resource provider traits*; libvirt's rule that a running guest needs the
model of CPU it was started with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skylift.fleet.fleet import Fleet, Host, Instance


class Admission:
    """Answers by kind of host, each worked out once."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        numbers: dict[object, int] = {}
        self._samples: list[Host] = []
        self.kind: list[int] = []
        """Per host, its kind."""
        for host in fleet.hosts.values():
            key = (host.zone, host.aggregates, host.traits, host.cpus)
            if key not in numbers:
                numbers[key] = len(numbers)
                self._samples.append(host)
            self.kind.append(numbers[key])
        self._others = self._without_each(list(fleet.hosts.values()))
        self._known: dict[tuple[str, str, str], int] = {}

    def live(self, instance: Instance) -> int:
        """The kinds that may take it while it runs."""
        key = (instance.flavor, instance.zone, instance.cpu)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._bits(instance, instance.cpu)
        return found

    def cold(self, instance: Instance) -> int:
        """The kinds that may take it stopped: it is started with the model of CPU that is there."""
        key = (instance.flavor, instance.zone, "")
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._bits(instance, "")
        return found

    def open_beside(self, admits: int, host: int) -> bool:
        """Whether a host of these kinds is up, other than this one."""
        return bool(admits & self._others[host])

    def pools(
        self, sources: Sequence[Iterable[int]], hosts: int
    ) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
        """Per host its pool, and per pool its hosts; ``sources`` has, per host, what its units admit."""
        parent = list(range(len(self._samples)))

        def root(kind: int) -> int:
            while parent[kind] != kind:
                kind = parent[kind]
            return kind

        for host, admitted in enumerate(sources):
            for bits in admitted:
                for kind in range(len(parent)):
                    if bits >> kind & 1:
                        parent[root(kind)] = root(self.kind[host])
        numbers: dict[int, int] = {}
        pool = tuple(numbers.setdefault(root(self.kind[h]), len(numbers)) for h in range(hosts))
        members: list[list[int]] = [[] for _ in numbers]
        for host, number in enumerate(pool):
            members[number].append(host)
        return pool, tuple(tuple(m) for m in members)

    def _without_each(self, hosts: list[Host]) -> list[int]:
        count = [0] * len(self._samples)
        for number, host in enumerate(hosts):
            count[self.kind[number]] += host.up
        all_up = sum(1 << kind for kind, up in enumerate(count) if up)
        alone = [all_up & ~(1 << kind) if up == 1 else all_up for kind, up in enumerate(count)]
        return [alone[self.kind[n]] if host.up else all_up for n, host in enumerate(hosts)]

    def _bits(self, instance: Instance, cpu: str) -> int:
        return sum(1 << n for n, host in enumerate(self._samples) if self._admits(host, instance, cpu))

    def _admits(self, host: Host, instance: Instance, cpu: str) -> bool:
        flavor = self._fleet.flavors[instance.flavor]
        isolated = [
            a for a in host.aggregates if a in self._fleet.aggregates and self._fleet.aggregates[a].isolated
        ]
        return (
            (not instance.zone or instance.zone == host.zone)
            and (not flavor.aggregate or flavor.aggregate in host.aggregates)
            and (not isolated or flavor.aggregate in isolated)
            and flavor.traits <= host.traits
            and not flavor.without & host.traits
            and (not cpu or not host.cpus or cpu in host.cpus)
        )
