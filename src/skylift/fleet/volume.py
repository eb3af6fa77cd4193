"""What becomes of services beside nova-compute that get work from a scheduler, when their host stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skylift.model.ids import HostName, ServiceName


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

    @property
    def ends(self) -> str:
        """The first part of the name of the step that comes last of all that is done about them."""
        opened = [f"open-{of.service}" for of in self.services if of.closes]
        return opened[-1] if opened else self.services[-1].service


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """The hosts in their order, one after another, and those that are left alone, with the reason."""

    turns: tuple[VolumeTurn, ...] = ()
    held: Mapping[HostName, str] = field(default_factory=dict)


def changed(planned: VolumeTurn, now: VolumeTurn | None) -> str:
    """What of a planned host holds no more; empty if all does."""
    found = {of.service: of for of in now.services} if now is not None else {}
    for of in planned.services:
        new = found.get(of.service)
        if new is None or (new.closes, new.idles) != (of.closes, of.idles):
            was = "was to be closed" if of.closes else "was to stay open"
            return f"{of.service} {was}, and is not now{f': {new.why_not}' if new and new.why_not else ''}"
    return ""
