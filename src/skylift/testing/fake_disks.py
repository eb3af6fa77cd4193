"""Disks that hosts of the fake cloud serve to others: what a boot brings back is what was saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skylift.model.exports import Attached, Exports, Served, Software, Target
from skylift.model.ids import HostName
from skylift.model.storage import is_named

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

START_S = 2
"""How long targets take to be restored, once their host is up."""
FILE = "/etc/tgt/targets.conf"
_SHUT_OFF = "stopped"


@dataclass(slots=True)
class FakeDisks:
    """What one host serves, by tgt."""

    targets: list[Target] = field(default_factory=list)
    saved: list[Target] = field(default_factory=list)
    starts: bool = True
    """Whether what restores them starts with the host."""
    since: int = 1
    """The boot in which the targets were exported."""


@dataclass(slots=True)
class FakeVolume:
    """A volume of Cinder on a host's back end."""

    id: str
    host: HostName
    users: set[str]


class FakeVolumesOfHosts:
    """What hosts serve and who has it; a test puts it there, and without that there is nothing."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.on: dict[HostName, FakeDisks] = {}
        self.volumes: dict[str, FakeVolume] = {}

    def attach(self, volume: str, host: str, *users: str, saved: bool = True) -> Target:
        """A volume that instances have, and its target, as cinder-volume makes it."""
        name = HostName(host)
        self.volumes[volume] = FakeVolume(volume, name, set(users))
        target = Target(f"iqn.2010-10.org.openstack:volume-{volume}", 1, f"/dev/vg/volume-{volume}")
        self.export(name, target, saved=saved)
        return target

    def export(self, host: HostName, target: Target, *, saved: bool = True) -> None:
        """A target, of cinder's or not."""
        disks = self.on.setdefault(host, FakeDisks(since=self._cloud.hosts[host].boots))
        disks.targets.append(target)
        disks.saved += [target] * saved

    def exports(self, host: HostName) -> Exports:
        """What a host that is up serves."""
        disks, own = self.on.get(host), self._cloud.hosts[host]
        if disks is None:
            return Exports()
        if disks.since != own.boots:
            if own.booting or (own.booted_at is not None and own.booted_at + START_S > self._cloud.now):
                return Exports()
            disks.targets, disks.since = (list(disks.saved) if disks.starts else []), own.boots
        targets = tuple(disks.targets)
        served = Served(Software.TGT, targets, {FILE: tuple(disks.saved)}, disks.starts)
        return Exports((served,)) if targets else Exports()

    def attached(self, host: HostName) -> tuple[Attached, ...]:
        """The volumes of a host's back end, as Cinder has them."""
        servers = self._cloud.nova.servers
        off = {name for name, server in servers.items() if server.vm_state == _SHUT_OFF}
        return tuple(
            Attached(of.id, of.id, f"{of.host}@lvm", frozenset(of.users - off))
            for of in self.volumes.values()
            if of.users and is_named(of.host, host)
        )
