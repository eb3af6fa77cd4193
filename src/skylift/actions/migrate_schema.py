"""Bring one database's schema further, by the target artifact's own command (rows 93 to 95)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, NoWayBack, Pending, Progress, Reversal
from skylift.actions.job import observe_job
from skylift.model.ids import ComponentName, HostName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.schema import SchemaHead
from skylift.ports import Command, Ports


class SchemaNotReached(Refused):
    """A migration command reported success, but the database does not have the schema it promised."""

    code = "schema.not-reached"
    job_ended = True

    def __init__(self, component: ComponentName, phase: str, seen: SchemaHead, wanted: SchemaHead) -> None:
        super().__init__(
            f"{phase} of {component} reported success, but the schema of {seen} instead of "
            f"{', '.join(sorted(wanted.rows))}",
            Remedy(Fix.REPAIR, "find out who else migrates this database, and end it"),
            Remedy(Fix.RETRY, "then: skylift retry"),
        )


@dataclass(frozen=True, slots=True)
class MigrateSchema(Action):
    """Run one phase (``expand``, ``migrate``, ``contract``) once, and see its heads in the databases."""

    kind: ClassVar[str] = "migrate-schema"

    host: HostName
    component: ComponentName
    phase: str
    command: Command
    heads: tuple[SchemaHead, ...]
    """Where its databases are after this phase, computed from the artifact's migration files."""
    destructive: bool
    """Whether nobody says that old code runs on what this phase leaves behind."""
    cold: bool
    """Whether none of the component's services may run meanwhile."""

    @property
    def title(self) -> str:
        return f"{self.phase} the schema of {self.component}"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    def observe(self, ports: Ports) -> Progress:
        """Done when the command has ended well and the databases show their heads.

        Raises:
            JobFailed: the command failed.
            SchemaNotReached: it reported success and did not do it.
        """
        progress = observe_job(ports, self.host, self.title)
        if isinstance(progress, Pending):
            return progress
        for wanted in self.heads:
            seen = SchemaHead(
                wanted.database, wanted.table, ports.database.rows(wanted.database, wanted.table)
            )
            if seen != wanted:
                raise SchemaNotReached(self.component, self.phase, seen, wanted)
        return Done()

    def advance(self, ports: Ports) -> None:
        ports.jobs.start(self.host, self.command)

    def reversal(self) -> Reversal:
        if self.destructive:
            return NoWayBack("what it drops, or brings to a new form, comes back only from a backup")
        return NothingToUndo("the old release ignores what it adds to a schema; rows it rewrites stay so")
