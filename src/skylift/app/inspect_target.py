"""What artifacts tell: migrations of those that run and of the target, and the target's own questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skylift.app.inspect_host import HostsRead
from skylift.catalog.catalog import Catalog, filled
from skylift.catalog.component import Commands
from skylift.model.cloud import Answer, Revision, UnitSeen, migrations_subject
from skylift.model.goal import Goal, Upgrade
from skylift.model.ids import ArtifactName, ComponentName, HostName
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import Artifact, Record
from skylift.ports import Ports

_QUIET = ("env", "PYTHONWARNINGS=ignore")
"""Without it, keystone's answer drowns in 40 KiB of warnings on policy defaults (measured, 2024.1)."""


class ArtifactNotStaged(Refused):
    """A question needs an artifact that lies on none of the hosts that could answer it."""

    code = "artifact.not-staged"

    def __init__(self, artifact: Artifact) -> None:
        super().__init__(
            f"artifact {artifact.name} is not staged on any host that answers",
            Remedy(Fix.REPAIR, f"skylift stage --to {artifact.release}"),
        )


class ArtifactUndeclared(Refused):
    """The record has no artifact that could tell."""

    code = "artifact.undeclared"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the record has no artifact {what}",
            Remedy(Fix.REPAIR, "declare it under 'artifacts:' in the record"),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """The artifacts of a cloud whose hosts were read, with a goal in mind or none."""

    record: Record
    catalog: Catalog
    ports: Ports
    seen: HostsRead
    goal: Goal | None

    def migration_subjects(self) -> dict[tuple[ComponentName, str, ArtifactName], str]:
        """Each schema of each component with each artifact that it runs or is to run."""
        wanted = [self.artifact] if self.artifact else []
        return {
            (name, schema.name, artifact.name): migrations_subject(name, schema.name, artifact.name)
            for name in self.record.components
            for schema in self.catalog.components[name].schemas
            for artifact in (*self._running(name), *wanted)
        }

    def migrations(self, of: tuple[ComponentName, str, ArtifactName]) -> tuple[Revision, ...]:
        """The revisions that the artifact's files declare, read on a host where it lies whole.

        Raises:
            ArtifactNotStaged: there is no such host.
        """
        component, schema, name = of
        artifact = self.record.artifacts[name]
        folder = artifact.path / self.catalog.components[component].schema(schema).migrations
        return self.ports.artifacts.migrations(self._host_with(component, artifact), folder)

    def obtainable_subjects(self) -> dict[tuple[ArtifactName, HostName], str]:
        """The target artifact with each host that answers and lacks it."""
        target = self.artifact
        if target is None:
            return {}
        return {
            (name, host): f"obtainable {name} {host}"
            for (name, host), digest in self.seen.staged.items()
            if name == target.name and digest != target.digest
        }

    def obtainable(self, of: tuple[ArtifactName, HostName]) -> bool:
        """Whether the host could fetch the archive now."""
        name, host = of
        return self.ports.artifacts.obtainable(host, self.record.artifacts[name])

    def having(self, command: Callable[[Commands], tuple[str, ...]]) -> tuple[ComponentName, ...]:
        """The components that have such a command; none but for an upgrade, for nothing is asked then."""
        known, asked = self.catalog.components, isinstance(self.goal, Upgrade)
        return tuple(n for n in self.record.components if asked and command(known[n].commands))

    def upgrade_check(self, component: ComponentName) -> Answer:
        """The answer of ``COMPONENT-status upgrade check`` from the target artifact.

        Raises:
            ArtifactUndeclared: the record has no artifact of the goal's release.
            ArtifactNotStaged: it lies on no host that answers.
        """
        if self.artifact is None:
            raise ArtifactUndeclared(f"of {self.goal.to if self.goal else 'any goal'}")
        host = self._host_with(component, self.artifact)
        argv = filled(self.catalog.components[component].commands.upgrade_check, self.artifact.path)
        return self._ask(host, component, argv)

    def ask_running(self, component: ComponentName, command: Callable[[Commands], tuple[str, ...]]) -> Answer:
        """The answer of a command of the artifact that runs.

        Raises:
            ArtifactUndeclared: what runs is no artifact of the record, or nothing runs.
        """
        running = self._running(component)
        if not running:
            raise ArtifactUndeclared(f"at the path that {component} runs from, if it runs at all")
        host = self._host_with(component, running[0])
        argv = filled(command(self.catalog.components[component].commands), running[0].path)
        return self._ask(host, component, argv)

    @property
    def artifact(self) -> Artifact | None:
        """The target artifact; none without a goal, or if the record does not declare it."""
        return self.record.artifact_for(self.goal.to) if self.goal else None

    def _ask(self, host: HostName, component: ComponentName, argv: tuple[str, ...]) -> Answer:
        user = self.record.components[component].user
        return self.ports.hosts.ask(host, (*_QUIET, *argv), user=user)

    def _running(self, component: ComponentName) -> tuple[Artifact, ...]:
        own = self.record.components[component].services
        units: list[UnitSeen] = [u for (name, _), u in sorted(self.seen.units.items()) if name in own]
        found = (self.record.artifact_at(unit.running) for unit in units)
        return tuple(dict.fromkeys(artifact for artifact in found if artifact is not None))

    def _host_with(self, component: ComponentName, artifact: Artifact) -> HostName:
        for entry in self.record.hosts_of(component):
            if self.seen.staged.get((artifact.name, entry.name)) == artifact.digest:
                return entry.name
        raise ArtifactNotStaged(artifact)
