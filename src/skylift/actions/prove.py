"""Prove that users' resources and the component itself are as they should be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.model.ids import ComponentName, HostName, UnitName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.schema import SchemaHead
from skylift.ports import Ports


class WitnessHurt(Refused):
    """A resource made before the run is not as it was made."""

    code = "witness.hurt"

    def __init__(self, hurt: str) -> None:
        super().__init__(
            f"users' resources are not intact: {hurt}",
            Remedy(
                Fix.REPAIR, "look at the resource itself with the openstack client; the report has its id"
            ),
            Remedy(Fix.RETRY, "after the repair: skylift retry"),
        )


class NotUpgraded(Refused):
    """A component does not run what the plan promised."""

    code = "component.not-upgraded"

    def __init__(self, component: ComponentName, why: str) -> None:
        super().__init__(
            f"{component} is not upgraded: {why}",
            Remedy(Fix.REPAIR, "see what runs: skylift inspect"),
            Remedy(Fix.RETRY, "after the repair: skylift retry"),
        )


@dataclass(frozen=True, slots=True)
class CreateWitnesses(Action):
    """Make the witnesses that the end of the run is judged by (grenade: create, verify, destroy).

    Which they are follows from the cloud's catalog; the vantage host knows it, and names each or none.
    """

    kind: ClassVar[str] = "create-witnesses"

    label: str

    @property
    def title(self) -> str:
        return "make witnesses: one resource of each kind that users keep in this cloud"

    def observe(self, ports: Ports) -> Progress:
        seen = ports.vantage.witnesses(self.label)
        intact = sum(w.intact for w in seen)
        if not seen:
            return Pending("the witnesses are not all made yet")
        return Done() if intact == len(seen) else Pending(f"{intact} of {len(seen)} witnesses are intact")

    def advance(self, ports: Ports) -> None:
        ports.vantage.create_witnesses(self.label)

    def reversal(self) -> Reversal:
        return NothingToUndo("witnesses are removed by 'skylift validate --clean-up', never in a hurry")


@dataclass(frozen=True, slots=True)
class VerifyWitnesses(Action):
    """See each witness through the APIs, as it was made."""

    kind: ClassVar[str] = "verify-witnesses"

    label: str

    @property
    def title(self) -> str:
        return "verify the witnesses through the APIs"

    def observe(self, ports: Ports) -> Progress:
        """Done when all are intact.

        Raises:
            WitnessHurt: one is gone or changed.
        """
        seen = ports.vantage.witnesses(self.label)
        hurt = [f"{w.name} ({w.detail})" for w in seen if not w.intact]
        if hurt or not seen:
            raise WitnessHurt(", ".join(hurt) or "none is known on the vantage host")
        return Done()

    def advance(self, ports: Ports) -> None:
        """Nothing to push."""

    def reversal(self) -> Reversal:
        return NothingToUndo("looking changes nothing")


@dataclass(frozen=True, slots=True)
class Placed:
    """One service of a component and the hosts it runs on."""

    unit: UnitName
    link: PurePosixPath
    hosts: tuple[HostName, ...]


@dataclass(frozen=True, slots=True)
class VerifyComponent(Action):
    """See, on every host, each running process on its new artifact, and each schema at its head."""

    kind: ClassVar[str] = "verify-component"

    component: ComponentName
    services: tuple[Placed, ...]
    path: PurePosixPath
    heads: tuple[SchemaHead, ...]

    @property
    def title(self) -> str:
        return f"verify that {self.component} runs {self.path.name} everywhere"

    def observe(self, ports: Ports) -> Progress:
        """Done when observed artifacts and schema are those of the plan.

        Raises:
            NotUpgraded: a host runs something else, or the schema is elsewhere.
        """
        for service in self.services:
            for host in service.hosts:
                running = ports.services.unit(host, service.unit, service.link).running
                if running != str(self.path):
                    raise NotUpgraded(self.component, f"{service.unit} on {host} runs {running or 'nothing'}")
        for wanted in self.heads:
            seen = SchemaHead(
                wanted.database, wanted.table, ports.database.rows(wanted.database, wanted.table)
            )
            if seen != wanted:
                raise NotUpgraded(self.component, f"the schema of {seen}")
        return Done()

    def advance(self, ports: Ports) -> None:
        """Nothing to push."""

    def reversal(self) -> Reversal:
        return NothingToUndo("looking changes nothing")
