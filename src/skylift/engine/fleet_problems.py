"""Problems of a run over a fleet."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from skylift.model.ids import HostName, StepId
from skylift.model.problem import Fix, Refused, Remedy


class HostGivenUp(Refused):
    """A run could not finish its work with a host."""

    code = "fleet.host-given-up"

    def __init__(self, host: HostName, why: str, *remedies: Remedy, closed: bool, see: str = "") -> None:
        """``see`` is the command that tells what is in the way, where it is no instance."""
        state = "it is held, closed to new work" if closed else "it is given back, and takes new work again"
        listed = see or f"openstack server list --all-projects --host {host}"
        super().__init__(
            f"{host} could not be finished: {why}; {state}",
            *remedies,
            Remedy(Fix.REPAIR, f"see what is in the way: {listed}"),
            Remedy(Fix.RETRY, "after the repair: skylift retry"),
            Remedy(Fix.ACCEPT, f"or leave it as it is: skylift skip empty@{host} --reason WHY"),
        )


class FleetFailing(Refused):
    """More hosts failed in a run over a fleet than may."""

    code = "fleet.failing"

    def __init__(self, hosts: Collection[HostName], allowed: int) -> None:
        super().__init__(
            f"{len(hosts)} hosts failed, and {allowed} may: {', '.join(hosts)}; no other host is begun",
            Remedy(Fix.REPAIR, "see what failed, and why: skylift status"),
            Remedy(Fix.RETRY, "after the repair: skylift retry"),
            Remedy(Fix.ACCEPT, "or go on without these hosts: skylift resume"),
        )


class PlacesMissed(Refused):
    """Every host is through, and instances are not where they should be then."""

    code = "fleet.places-missed"

    def __init__(self, step: StepId, missed: Mapping[str, str], *, given_up: str = "") -> None:
        """``given_up`` is why nobody is moved any more; empty if all that could be was."""
        told = [f"{name}: {why}" for name, why in sorted(missed.items())]
        more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
        what = f"{len(told)} instances are not where they should be: {'; '.join(told[:_TOLD])}{more}"
        super().__init__(
            f"{step} was given up: {given_up}" if given_up else what,
            Remedy(Fix.REPAIR, "see where they are: openstack server list --all-projects --long"),
            Remedy(Fix.RETRY, f"after the repair: skylift retry {step}"),
            Remedy(Fix.ACCEPT, f"or leave them where they are: skylift skip {step} --reason WHY"),
        )


_TOLD = 8
"""Instances of a kind that a problem names."""
