"""Nova and Placement, asked by the agent on the vantage host, with the record's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from skylift.model.ids import Epoch, HostName
from skylift.model.marks import canary_name
from skylift.model.record import VantageEntry
from skylift.ports.canaries import CanarySeen
from skylift.ports.compute import Changes, ComputeSeen, MigrationSeen, Tell

_LIVE, _RESIZE = "live-migration", "resize"
"""Source: nova/objects/fields.py, MigrationType."""


class Line(Protocol):
    """The way to the agent."""

    def tell(self, *words: str, changes: bool = False) -> Any:
        """Run it, and return its answer."""
        ...


class ApiCompute:
    """``Compute`` through the APIs."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def survey(self) -> ComputeSeen:
        providers = self._all("providers")
        return ComputeSeen(
            servers=self._all("servers"),
            services=self._all("services"),
            aggregates=self._all("aggregates"),
            groups=self.groups(),
            providers=tuple({"uuid": one["uuid"], "name": one["name"]} for one in providers),
            inventories={one["uuid"]: one["inventories"] for one in providers},
            traits={one["uuid"]: tuple(one["traits"]) for one in providers},
        )

    def groups(self) -> tuple[dict[str, Any], ...]:
        return self._all("groups")

    def changes(self, since: Epoch) -> Changes:
        said = self._line.tell("fleet", "changes", f"--since={_written(since)}")
        return Changes(
            tuple(said["services"]), tuple(said["servers"]), tuple(map(_migration, said["migrations"]))
        )

    def migrations(self, instance: str) -> tuple[MigrationSeen, ...]:
        return tuple(map(_migration, self._line.tell("fleet", "migrations", f"--instance={instance}")))

    def migrate(self, instance: str, target: HostName, *, live: bool) -> None:
        how = f"--live={'yes' if live else 'no'}"
        self._line.tell("move", "migrate", f"--instance={instance}", f"--target={target}", how, changes=True)

    def abort(self, instance: str, migration: str) -> None:
        which = f"--instance={instance}", f"--migration={migration}"
        self._line.tell("move", "abort", *which, changes=True)

    def tell(self, instance: str, word: Tell) -> None:
        self._line.tell("move", word.value, f"--instance={instance}", changes=True)

    def _all(self, what: str) -> tuple[dict[str, Any], ...]:
        """A whole list; each call of the agent gives as much of it as it can read in time."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            said = self._line.tell("fleet", what, f"--after={after}")
            found += said["things"]
            after = said["after"]
            if not after:
                return tuple(found)


class ApiCanaries:
    """``Canaries`` through the APIs; ``entry`` says what they boot and what they are put on."""

    def __init__(self, line: Line, entry: VantageEntry) -> None:
        self._line = line
        self._wanted = (f"--image={entry.image or ''}", f"--network={entry.network or ''}")

    def place(self, label: str, host: HostName) -> CanarySeen:
        return CanarySeen(**self._line.tell("canary", "place", *self._which(label, host), changes=True))

    def look(self, label: str, host: HostName) -> CanarySeen | None:
        said = self._line.tell("canary", "look", *self._which(label, host))
        return CanarySeen(**said) if said else None

    def remove(self, label: str, host: HostName) -> None:
        self._line.tell("canary", "remove", *self._which(label, host), changes=True)

    def _which(self, label: str, host: HostName) -> tuple[str, ...]:
        return (f"--name={canary_name(label, host)}", f"--host={host}", *self._wanted)


def _migration(said: Mapping[str, Any]) -> MigrationSeen:
    return MigrationSeen(
        id=said["id"],
        instance=said["instance"],
        source=HostName(said["source"] or ""),
        target=HostName(said["target"]) if said["target"] else None,
        live=said["migration_type"] == _LIVE,
        resize=said["migration_type"] == _RESIZE,
        status=said["status"],
        began_at=_read(said["created_at"]),
        left_mib=said["left_mib"],
    )


def _read(moment: str) -> Epoch:
    """Nova writes UTC, with or without saying so."""
    at = datetime.fromisoformat(moment)
    return Epoch((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _written(moment: Epoch) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
