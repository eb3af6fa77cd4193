"""Devices and NUMA cells: what a few instances take of a host beside room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from skylift.fleet.fleet import Flavor, Host


def fits(host: Host, flavors: Iterable[Flavor]) -> bool:
    """Whether these, arriving one after another, all find devices and cells on an empty host.

    A pinned instance takes the first cells that have room, and stays there: so who arrives last is refused
    first, as on the host itself.
    """
    devices = dict(host.devices)
    cells = [[cell.vcpus, cell.ram_mib] for cell in host.cells]
    return all(
        _taken(devices, flavor.devices) and _pinned(cells, flavor) for flavor in flavors if is_special(flavor)
    )


def is_special(flavor: Flavor) -> bool:
    """Whether room alone does not decide where it fits."""
    return bool(flavor.devices or flavor.cells)


def _taken(free: dict[str, int], wanted: Mapping[str, int]) -> bool:
    for alias, count in wanted.items():
        if free.get(alias, 0) < count:
            return False
        free[alias] -= count
    return True


def _pinned(cells: list[list[int]], flavor: Flavor) -> bool:
    if not flavor.cells:
        return True
    vcpus, ram = -(-flavor.vcpus // flavor.cells), -(-flavor.ram_mib // flavor.cells)
    found = [cell for cell in cells if cell[0] >= vcpus and cell[1] >= ram][: flavor.cells]
    if len(found) < flavor.cells:
        return False
    for cell in found:
        cell[0] -= vcpus
        cell[1] -= ram
    return True
