"""Room, groups, devices and cells of all hosts, as the plan so far leaves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from skylift.fleet.fleet import Flavor
from skylift.fleet.layout import NO_GROUP, Layout, Unit
from skylift.fleet.special import fits, is_special

Placed = list[tuple[Unit, int]]
"""Units with their targets."""

_NOBODY: Mapping[int, int] = {}


class Room:
    """Says where a unit fits, and counts where it went."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.ram, self.vcpus, self.disk = (list(free) for free in layout.free)
        self._at, self._special = _present(layout)

    def first(self, unit: Unit, hosts: Iterable[int]) -> int | None:
        """The first of some hosts that may take a unit and has room for it.

        A soft group is kept if one of these hosts lets it.
        """
        ram, vcpus, disk = self.ram, self.vcpus, self.disk
        kind, admits = self.layout.kind, unit.admits
        taken = self._at[unit.apart] if unit.apart != NO_GROUP else _NOBODY
        second = None
        for host in hosts:
            if (
                unit.ram <= ram[host]
                and unit.vcpus <= vcpus[host]
                and unit.disk <= disk[host]
                and admits >> kind[host] & 1
                and host not in taken
                and (not unit.special or self._special_fits(unit, host))
            ):
                if unit.rather == NO_GROUP or host not in self._at[unit.rather]:
                    return host
                second = host if second is None else second
        return second

    def take(self, unit: Unit, source: int, target: int) -> None:
        """The unit is on its target from now on."""
        self.book(unit, target)
        self.release(unit, source)

    def book(self, unit: Unit, host: int) -> None:
        """The unit is on one more host: while it migrates, it is on two."""
        self.ram[host] -= unit.ram
        self.vcpus[host] -= unit.vcpus
        self.disk[host] -= unit.disk
        for group in (unit.apart, unit.rather):
            if group != NO_GROUP:
                self._at[group][host] = self._at[group].get(host, 0) + 1
        if unit.special:
            self._special.setdefault(host, []).extend(self._specials(unit))

    def release(self, unit: Unit, host: int) -> None:
        """The unit has left a host."""
        self.ram[host] += unit.ram
        self.vcpus[host] += unit.vcpus
        self.disk[host] += unit.disk
        for group in (unit.apart, unit.rather):
            if group != NO_GROUP:
                at = self._at[group]
                at[host] -= 1
                if not at[host]:
                    del at[host]
        if unit.special:
            for flavor in self._specials(unit):
                self._special[host].remove(flavor)

    def undo(self, source: int, placed: Placed) -> None:
        """All these are on their source again."""
        for unit, target in reversed(placed):
            self.take(unit, target, source)

    def _special_fits(self, unit: Unit, host: int) -> bool:
        there = self._special.get(host, [])
        return fits(self.layout.fleet.hosts[self.layout.names[host]], (*there, *self._specials(unit)))

    def _specials(self, unit: Unit) -> list[Flavor]:
        wanted = (self.layout.fleet.flavors[member.flavor] for member in unit.members)
        return [flavor for flavor in wanted if is_special(flavor)]


def _present(layout: Layout) -> tuple[list[dict[int, int]], dict[int, list[Flavor]]]:
    """Per anti-affinity group its members by host, and per host the flavors that take more than room."""
    fleet, apart = layout.fleet, layout.apart
    at: list[dict[int, int]] = [{} for _ in apart]
    special: dict[int, list[Flavor]] = {}
    odd = {name for name, flavor in fleet.flavors.items() if is_special(flavor)}
    number = {name: n for n, name in enumerate(layout.names)}
    for instance in fleet.instances:
        if instance.flavor in odd:
            special.setdefault(number[instance.host], []).append(fleet.flavors[instance.flavor])
        if instance.group in apart:
            hosts, host = at[apart[instance.group]], number[instance.host]
            hosts[host] = hosts.get(host, 0) + 1
    return at, special
