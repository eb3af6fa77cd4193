"""What a component's file may say of where its services report: each class here is a table of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from skylift.model.ids import Seconds, ServiceName
from skylift.model.release import Release
from skylift.model.roster import RosterKind, RowName


@dataclass(frozen=True, slots=True)
class Renamed:
    """A service whose rows do not bear its own name."""

    row: str
    """The name that they bear."""
    service: ServiceName
    database: str = ""
    """Where they do, by the database's name in the record; empty if everywhere."""


@dataclass(frozen=True, slots=True)
class Versions:
    """How new services say they are, release by release."""

    services: tuple[ServiceName, ...]
    numbers: Mapping[str, int]
    """The lowest number that any version of a release writes."""
    source: str
    oldest: Mapping[str, int] = field(default_factory=dict)
    """The lowest number beside which a release starts; of a release that is not here, none is known."""


@dataclass(frozen=True, slots=True)
class KnownRoster:
    """Where a component's services report that they live."""

    kind: RosterKind
    """Whose form the table has: the layout is the driver's."""
    services: tuple[ServiceName, ...]
    """Those that report again and again; what writes a row at its start only is not among them."""
    down_s: Seconds
    """After how many seconds without a report upstream takes a service for down."""
    remove: tuple[str, ...]
    """The command that removes a row, with ``{id}``, ``{row}`` for the name it bears, and ``{host}``."""
    source: str
    schema: str = ""
    """Which of the component's schemas has the table."""
    names: tuple[Renamed, ...] = ()
    versions: tuple[Versions, ...] = ()
    at_start: tuple[Renamed, ...] = ()
    """Services that write a row there at their start only, by the name it bears: it is no sign of life."""
    floor: str = ""
    """Who says that no service starts while all rows of its name tell of newer ones; empty if nobody does."""

    def version(self, service: ServiceName, release: Release) -> int | None:
        """The lowest number that ``service`` of ``release`` writes; none if it is not known."""
        found = (v.numbers.get(str(release)) for v in self.versions if service in v.services)
        return next(found, None)

    def oldest(self, service: ServiceName, release: Release) -> int | None:
        """The lowest number of ``service`` that ``release`` bears beside it; none if it is not known."""
        return next((v.oldest.get(str(release)) for v in self.versions if service in v.services), None)

    def names_in(self, name: str, present: Collection[ServiceName]) -> tuple[RowName, ...]:
        """What the rows of services are called, in the database that is ``name`` in the record.

        Where two would be called alike, the one that has that name here by a rule of its own.
        """
        renamed = {known.service for known in self.names}
        found = {str(s): s for s in self.services if s in present and s not in renamed}
        for known in self.names:
            if known.service in present and known.database in {"", name}:
                found[known.row] = known.service
        return tuple(RowName(row, service) for row, service in found.items())

    def names_at_start(self, present: Collection[ServiceName]) -> tuple[RowName, ...]:
        """What the rows of those are called that write one at their start only."""
        return tuple(RowName(r.row, r.service) for r in self.at_start if r.service in present)
