"""What a check is: a pure question to a cloud, and complaints for an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from skylift.catalog.catalog import Catalog
from skylift.checks.finding import Level
from skylift.model.cloud import Cloud, UnitState
from skylift.model.goal import Goal
from skylift.model.ids import ComponentName, HostName
from skylift.model.problem import Fix, Remedy
from skylift.model.record import Artifact, Record, ServiceEntry
from skylift.model.release import Release


@dataclass(frozen=True, slots=True)
class Question:
    """All that a check may look at."""

    cloud: Cloud
    record: Record
    goal: Goal
    catalog: Catalog

    @property
    def serving(self) -> tuple[HostName, ...]:
        """The hosts that carry a component, by name."""
        roles = {service.role for service in self.record.services.values()}
        return tuple(sorted({host.name for role in roles for host in self.record.hosts_in(role)}))

    @property
    def target(self) -> Artifact | None:
        """The artifact of the goal's release; none if the record does not declare it."""
        return self.record.artifact_for(self.goal.to)

    def unread(self, *subject: str) -> bool:
        """Whether a subject, such as ``unit``, ``glance``, ``ctl1``, could not be read.

        Every such subject blocks the checks that need it, so they need not complain themselves.
        """
        return " ".join(subject) in self.cloud.unread

    def hosts_of(self, component: ComponentName) -> tuple[HostName, ...]:
        """The component's hosts, its bootstrap host first."""
        return tuple(host.name for host in self.record.hosts_of(component))

    def places_of(self, component: ComponentName) -> tuple[tuple[ServiceEntry, HostName], ...]:
        """Each of the component's services with each host it runs on."""
        services = self.record.components[component].services.values()
        return tuple(
            (service, host.name) for service in services for host in self.record.hosts_in(service.role)
        )

    def is_due(self, service: ServiceEntry, release: Release | None = None) -> bool:
        """Whether a service is to run now, by the oldest release of its component that was seen to run.

        With ``release``, whether it is to run with that one.
        """
        known = self.catalog.components[service.component].service(service.name)
        at = release or min(self.running(service.component), default=self.goal.to)
        return known.is_in(at) and service.is_in(at)

    def is_nowhere(self, service: ServiceEntry) -> bool:
        """Whether no host has the unit that the record names for ``service``; false if one was not seen."""
        places = self.record.hosts_in(service.role)
        seen = [self.cloud.units.get((service.name, host.name)) for host in places]
        return bool(seen) and all(unit and unit.state is UnitState.ABSENT for unit in seen)

    def running(self, component: ComponentName) -> dict[Release, tuple[HostName, ...]]:
        """The releases that the component's services were seen to run, oldest first, and where.

        What runs an artifact that the record does not declare is left out.
        """
        found: dict[Release, dict[HostName, None]] = {}
        for service, host in self.places_of(component):
            unit = self.cloud.units.get((service.name, host))
            artifact = self.record.artifact_at(unit.running) if unit else None
            if artifact:
                found.setdefault(artifact.release, {})[host] = None
        return {release: tuple(found[release]) for release in sorted(found)}


@dataclass(frozen=True, slots=True)
class Complaint:
    """What speaks against the upgrade, or what the operator should know before it."""

    level: Level
    sentence: str
    remedies: tuple[Remedy, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One question, and what it needs to have been read; without complaints it passes."""

    name: str
    claim: str
    """What holds if the check passes."""
    ask: Callable[[Question], Iterable[Complaint]]
    needs: tuple[str, ...]
    """Kinds of subjects: one of them unread blocks, for what was not seen cannot be trusted.

    If a kind as a whole is unread, such as ``backends``, nothing else is asked.
    """
    rows: tuple[int, ...] = ()


def blocks(sentence: str, *repairs: str) -> Complaint:
    """No upgrade may start; each of ``repairs`` is an imperative with the command to paste."""
    return Complaint(Level.BLOCKS, sentence, tuple(Remedy(Fix.REPAIR, how) for how in repairs))


def warns(sentence: str, *repairs: str) -> Complaint:
    """The operator should know; she may also accept it."""
    accept = Remedy(Fix.ACCEPT, "leave it as it is, and go on")
    return Complaint(Level.WARNS, sentence, (*(Remedy(Fix.REPAIR, how) for how in repairs), accept))


def listed(names: Iterable[object]) -> str:
    """Names in a sentence, in order."""
    return ", ".join(sorted(str(name) for name in names))
