"""What a server is made of, where its maker names nothing: the first that is usable of what the cloud has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from skylift.probe.access import GLANCE, NEUTRON, NOVA

_OURS = "skylift-"
_GIB = 1 << 30
_BOOTABLE = ("raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ploop")

Thing = Mapping[str, Any]
Look = Callable[[str, str, str], "Iterable[Thing] | None"]
"""What an API lists at a path under a key; none if it did not answer well."""


class Wanted(NamedTuple):
    """What the operator's record names for servers: names or ids; empty for the first that is usable."""

    image: str = ""
    network: str = ""


NOTHING_WANTED = Wanted()


class Choice(NamedTuple):
    """The ids of what a server is made of; ``network`` is empty where there is none to be used."""

    flavor: str
    image: str
    network: str

    def server(self, name: str) -> dict[str, Any]:
        """The server that is asked for."""
        networks: Any = [{"uuid": self.network}] if self.network else "none"
        return {"name": name, "flavorRef": self.flavor, "imageRef": self.image, "networks": networks}


def choose(look: Look, offered: Iterable[str], project: str, wanted: Wanted) -> list[Choice] | None:
    """The one choice; an empty list if the cloud has no image or flavor for it, none if that is unknown."""
    images = look(GLANCE, "/v2/images?status=active&limit=1000", "images")
    flavors = look(NOVA, "/flavors/detail", "flavors") if images is not None else None
    network = network_for(look, project, wanted.network) if NEUTRON in offered else ""
    if images is None or flavors is None or network is None:
        return None
    image = min(filter(_usable(wanted.image), images), key=_size, default=None)
    if image is None:
        return []
    flavor = min((f for f in flavors if _fits(f, image)), key=_weight, default=None)
    return [] if flavor is None else [Choice(flavor["id"], image["id"], network)]


def network_for(look: Look, project: str, wanted: str) -> str | None:
    """The network that a server or port is put on; empty if there is none, none if that is unknown."""
    networks = look(NEUTRON, "/networks?status=ACTIVE&admin_state_up=true", "networks")
    if networks is None:
        return None
    usable = [n for n in networks if _joinable(n, project, wanted)]
    first = min(usable, key=lambda n: (not n.get("shared"), str(n.get("name"))), default=None)
    return "" if first is None else str(first["id"])


def _joinable(network: Thing, project: str, wanted: str) -> bool:
    if wanted:
        return wanted in {network.get("name"), network["id"]}
    open_to_us = network.get("shared") or network.get("project_id", network.get("tenant_id")) == project
    return bool(open_to_us and network.get("subnets")) and not str(network.get("name")).startswith(_OURS)


def _usable(wanted: str) -> Callable[[Thing], bool]:
    def usable(image: Thing) -> bool:
        if wanted:
            return wanted in {image.get("name"), image["id"]}
        whole = image.get("container_format") == "bare" and image.get("disk_format") in _BOOTABLE
        return whole and not str(image.get("name")).startswith(_OURS)

    return usable


def _size(image: Thing) -> tuple[int, int, int, str]:
    return image.get("min_ram", 0), image.get("min_disk", 0), image.get("size") or 0, str(image.get("name"))


def _fits(flavor: Thing, image: Thing) -> bool:
    """A flavor without a disk of its own gives the server one as large as its image."""
    needs = max(image.get("min_disk", 0) * _GIB, image.get("virtual_size") or image.get("size") or 0)
    return flavor["ram"] >= image.get("min_ram", 0) and (not flavor["disk"] or flavor["disk"] * _GIB >= needs)


def _weight(flavor: Thing) -> tuple[int, int, int, str]:
    return flavor["ram"], flavor["vcpus"], flavor["disk"], flavor["id"]
