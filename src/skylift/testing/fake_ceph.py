"""Ceph of the fake cloud: OSDs, monitors, and placement groups that lack copies while a host is down.

What users would feel is counted: seconds in which a group could not be written, or no quorum was there; and
OSDs that were taken out, whose data the cluster would move.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skylift.model.ids import HostName
from skylift.model.storage import Monitor, Osd, StorageSeen

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

START_S = 3
"""How long a daemon takes to be up, once its host is."""
RECOVER_S = 6
"""How long copies take to be as new as the others, once their OSD is up."""
OUT_S = 20
"""After so long an OSD that is down is taken out: shorter than a reboot, so that this shows."""
LEAST = 2
"""Copies without which a group is not written."""


@dataclass(slots=True)
class FakeDaemon:
    """An OSD or a monitor."""

    host: HostName
    dead: bool = False
    """Whether it stays down though its host is up."""
    up_since: float | None = None
    """None while it is down."""
    down_since: float = 0.0
    fresh_at: float = 0.0
    """When its copies are as new as the others."""
    within: bool = True
    since: int = 1
    """The epoch in which it came up."""


class FakeCeph:
    """A cluster; a test puts daemons and placement groups there, and without any there is none."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.osds: dict[int, FakeDaemon] = {}
        self.monitors: dict[str, FakeDaemon] = {}
        self.groups: dict[str, tuple[int, ...]] = {}
        """The OSDs that keep the copies of each group."""
        self.kept_in: set[str] = set()
        self.silent = False
        """Whether nobody may ask it."""
        self.notices_s = 2
        """After so long the cluster notices that a daemon is down, if that is not up again."""
        self.epoch = 1
        self.elections = 2
        self.against = ""
        """What it says against stopping anything, whatever its state."""
        self.taken_out: Counter[int] = Counter()
        """How often each OSD was taken out."""
        self.stalled_s = 0
        """Seconds in which some group could not be written."""
        self.headless_s = 0
        """Seconds in which there was no quorum."""

    def add(self, host: str, *osds: int, monitor: bool = False) -> None:
        """Daemons that are up on a host."""
        for number in osds:
            self.osds[number] = FakeDaemon(HostName(host), up_since=self._cloud.now)
        if monitor:
            self.monitors[host] = FakeDaemon(HostName(host), up_since=self._cloud.now)

    def pass_moment(self) -> None:
        """Let daemons start and stop with their hosts, and count what users feel."""
        for daemon in (*self.osds.values(), *self.monitors.values()):
            self._follow_host(daemon)
        for number, osd in self.osds.items():
            late = self._cloud.now - osd.down_since > OUT_S
            if osd.up_since is not None:
                osd.within = True
            elif osd.within and late and osd.host not in self.kept_in:
                osd.within = False
                self.taken_out[number] += 1
        self.stalled_s += any("active" not in state for state in self.states().values())
        self.headless_s += bool(self.monitors) and len(self._quorum()) * 2 <= len(self.monitors)

    def states(self, without: frozenset[int] = frozenset(), *, told: bool = False) -> dict[str, str]:
        """The state of each group, if these OSDs were stopped; or as the cluster ``told`` it."""
        now = self._cloud.now
        up = {n for n, osd in self.osds.items() if self._is_up(osd, told=told)} - without
        found = {}
        for name, of in self.groups.items():
            fresh = [n for n in of if n in up and self.osds[n].fresh_at <= now]
            if len(fresh) == len(of):
                found[name] = "active+clean"
            elif len(fresh) < LEAST:
                found[name] = "undersized+degraded+peered"
            else:
                back = len([n for n in of if n in up]) == len(of)
                found[name] = "active+recovering+degraded" if back else "active+undersized+degraded"
        return found

    def seen(self) -> StorageSeen:
        """All of it, as a monitor tells it."""
        quorum = self._quorum(told=True)
        return StorageSeen(
            osds=tuple(
                Osd(
                    n,
                    osd.host,
                    osd.host,
                    up=self._is_up(osd, told=True),
                    within=osd.within,
                    since=osd.since,
                )
                for n, osd in self.osds.items()
            ),
            monitors=tuple(
                Monitor(name, of.host, in_quorum=name in quorum) for name, of in self.monitors.items()
            ),
            groups=Counter(self.states(told=True).values()),
            kept_in=frozenset(self.kept_in),
            epoch=self.epoch,
            elections=self.elections,
        )

    def _quorum(self, *, told: bool = False) -> set[str]:
        return {name for name, of in self.monitors.items() if self._is_up(of, told=told)}

    def _is_up(self, daemon: FakeDaemon, *, told: bool) -> bool:
        """Whether it is, or, as the cluster tells it, was until it is noticed."""
        unseen = told and self._cloud.now - daemon.down_since <= self.notices_s
        return daemon.up_since is not None or unseen

    def _follow_host(self, daemon: FakeDaemon) -> None:
        now = self._cloud.now
        host = self._cloud.hosts[daemon.host]
        runs = self._cloud.is_up(daemon.host) and not daemon.dead
        started = host.booted_at is None or host.booted_at + START_S <= now
        if not runs or host.booting:
            if daemon.up_since is not None:
                daemon.up_since, daemon.down_since = None, now
        elif daemon.up_since is None and started:
            daemon.up_since, daemon.fresh_at = now, now + RECOVER_S
            self.epoch += 1
            self.elections += 2
            daemon.since = self.epoch
