"""Who shares a host: groups that keep apart or together, devices, and NUMA cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from skylift.verifier.fleet.seen import FleetSeen, Violation

APART, TOGETHER = "anti-affinity", "affinity"


class Company:
    """Kept for the few instances that need it; most have no group, no device and no pinned processor."""

    def __init__(self, fleet: FleetSeen, at: Mapping[str, str]) -> None:
        self._fleet = fleet
        self._members: dict[tuple[str, str], set[str]] = {}
        """Per group and host, who is there or on the way there."""
        self._special: dict[str, list[str]] = {}
        self._is_special = {
            name for name, of in fleet.flavors.items() if of.get("devices") or of.get("cells")
        }
        for name, host in at.items():
            self._add(name, host)

    def arrives(self, name: str, host: str) -> Iterator[Violation]:
        """An instance is booked on one more host."""
        entry = self._fleet.instances[name]
        group = entry.get("group", "")
        if group and self._fleet.rules[group] == APART:
            others = self._members.get((group, host), set()) - {name}
            if others:
                yield Violation(
                    "apart", f"{name} joins {min(others)} on {host}, and {group} keeps them apart"
                )
        self._add(name, host)
        if entry["flavor"] in self._is_special and not self._fits(host):
            yield Violation("special", f"{host} lacks devices or cells for {name}")

    def left(self, name: str, host: str) -> None:
        """An instance is no longer booked on a host."""
        entry = self._fleet.instances[name]
        if entry.get("group"):
            self._members.get((entry["group"], host), set()).discard(name)
        if entry["flavor"] in self._is_special and name in self._special.get(host, ()):
            self._special[host].remove(name)

    def _add(self, name: str, host: str) -> None:
        entry = self._fleet.instances[name]
        if entry.get("group"):
            self._members.setdefault((entry["group"], host), set()).add(name)
        if entry["flavor"] in self._is_special:
            self._special.setdefault(host, []).append(name)

    def _fits(self, host: str) -> bool:
        flavors = [self._fleet.flavors[self._fleet.instances[name]["flavor"]] for name in self._special[host]]
        taken: Counter[str] = Counter()
        for flavor in flavors:
            taken.update(flavor.get("devices", {}))
        has = self._fleet.hosts[host].get("devices", {})
        if any(has.get(alias, 0) < count for alias, count in taken.items()):
            return False
        cells = [(cell["vcpus"], cell["ram_mib"]) for cell in self._fleet.hosts[host].get("cells", ())]
        pinned = sorted((f for f in flavors if f.get("cells")), key=lambda f: -f["ram_mib"] // f["cells"])
        return _some_way(cells, pinned)


def _some_way(cells: list[tuple[int, int]], flavors: list[Mapping[str, Any]]) -> bool:
    """Whether there is any way to put these on cells, each on as many different ones as it asks for."""
    if not flavors:
        return True
    first, *rest = flavors
    vcpus, ram = -(-first["vcpus"] // first["cells"]), -(-first["ram_mib"] // first["cells"])
    return any(_some_way(left, rest) for left in _taking(cells, first["cells"], (vcpus, ram), 0))


def _taking(
    cells: list[tuple[int, int]], count: int, part: tuple[int, int], start: int
) -> Iterator[list[tuple[int, int]]]:
    if count == 0:
        yield cells
        return
    for number in range(start, len(cells)):
        vcpus, ram = cells[number]
        if vcpus >= part[0] and ram >= part[1]:
            taken = [*cells[:number], (vcpus - part[0], ram - part[1]), *cells[number + 1 :]]
            yield from _taking(taken, count - 1, part, number + 1)
