"""What becomes of services beside nova-compute that get work from a scheduler, when their host stops.

And of the disks that such a host serves to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skylift.fleet.fleet import Instance
from skylift.model.exports import Against, LocalVolumes, told
from skylift.model.ids import HostName, ServiceName

BY_HAND = "take it out of its pools and clusters by hand, reboot it, and give it back"
_ASKED = {"ask", "never"}


@dataclass(frozen=True, slots=True)
class VolumeService:
    """One of them on one host, such as cinder-volume."""

    service: ServiceName
    closes: bool
    """Whether it is closed to new work before the reboot, and opened after it."""
    idles: bool
    """Whether it is waited for until it has nothing in hand."""
    left_by: tuple[str, ...] = ()
    """Labels of plans that left it closed: this one opens it."""
    why_not: str = ""
    """Why it is not closed; empty if it is."""


@dataclass(frozen=True, slots=True)
class VolumeTurn:
    """What is planned for one host."""

    host: HostName
    services: tuple[VolumeService, ...]
    local: LocalVolumes | None = None
    """What it serves from its own disks; none if nothing is seen of that."""

    @property
    def ends(self) -> str:
        """The first part of the name of the step that comes last of all that is done about them."""
        opened = [f"open-{of.service}" for of in self.services if of.closes]
        return (opened or ["exports"] * (self.local is not None) or [self.services[-1].service])[-1]

    @property
    def cut_off(self) -> str:
        """Who misses what while the host is down, in words; empty if nobody does."""
        if self.local is None:
            return ""
        of, users, others = self.local.in_use, self.local.users, self.local.others
        found = [f"{of} volumes of {len(users)} instances"] * bool(users)
        found += [f"{len(others)} targets of which nobody knows who has them"] * bool(others)
        return f"{' and '.join(found)} are cut off while {self.host} is down" if found else ""


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """The hosts in their order, one after another, and those that are left alone, with the reasons."""

    turns: tuple[VolumeTurn, ...] = ()
    held: Mapping[HostName, tuple[Against, ...]] = field(default_factory=dict)


def with_consent(plan: VolumePlan, instances: Iterable[Instance], *, agreed: bool) -> VolumePlan:
    """The plan without the hosts whose volumes are in use by somebody who agreed to nothing.

    The operator may have ``agreed`` for all, but not for an instance whose owner wants to be asked.
    """
    asks = {str(of.id) for of in instances if of.wish in _ASKED}
    turns, held = [], dict(plan.held)
    for turn in plan.turns:
        users = turn.local.users if turn.local is not None else ()
        asked = [user for user in users if user in asks or not agreed]
        if asked or (turn.cut_off and not agreed):
            held[turn.host] = (_cut_off(turn, asked, agreed=agreed),)
        else:
            turns.append(turn)
    return VolumePlan(tuple(turns), held)


def _cut_off(turn: VolumeTurn, asked: list[str], *, agreed: bool) -> Against:
    others = [target.name for target in turn.local.others] if turn.local is not None else []
    whose = f"; ask the owners of {told(asked)}" if asked else f": {told(others)}"
    away = (
        f"openstack server stop {asked[0]}, detach its volumes, or openstack volume migrate" if asked else ""
    )
    all_of_them = (
        "" if agreed else "agree for all whose owners do not want to be asked: maintenance.cut_off: true"
    )
    return Against(f"{turn.cut_off}{whose}", "; or ".join(filter(None, (away, all_of_them))))


def changed(planned: VolumeTurn, now: VolumeTurn | None) -> str:
    """What of a planned host's services holds no more; empty if all does."""
    found = {of.service: of for of in now.services} if now is not None else {}
    for of in planned.services:
        new = found.get(of.service)
        if new is None or (new.closes, new.idles) != (of.closes, of.idles):
            was = "was to be closed" if of.closes else "was to stay open"
            return f"{of.service} {was}, and is not now{f': {new.why_not}' if new and new.why_not else ''}"
    return ""
