"""Where a contract is played: a cloud behind its ports, and the parts of it that may be touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from skylift.model.ids import HostName
from skylift.model.record import Artifact, Record, ServiceEntry
from skylift.ports import Command, Ended, JobState, Ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A whole cloud, and how to wait in it."""

    ports: Ports
    record: Record
    entry: ServiceEntry
    """A balanced service whose backend on ``host`` may be taken out for a moment."""
    database: str
    """The database of its component, which has just one."""
    host: HostName
    gone: HostName
    """A host of the record that cannot be reached."""
    until: Callable[[Callable[[], bool]], bool]
    """Wait, within a limit, until something holds; whether it came to hold."""
    good: Command
    """Ends with 0 within a moment."""
    bad: Command
    """Ends with another code within a moment, and says why."""
    guest: str = ""
    """An instance that may be moved, where the cloud has one."""
    label: str
    """Of probes and witnesses; nobody else's."""

    @property
    def artifact(self) -> Artifact:
        """The artifact that ``entry`` runs."""
        return self.record.artifact_of(self.entry.component)

    def key(self) -> str:
        """A key that no job ever had."""
        return f"test-{uuid4()}"

    def run(self, command: Command, key: str | None = None) -> Ended:
        """Run ``command`` on ``host`` to its end, as a job."""
        jobs = self.ports.under(key or self.key()).jobs
        jobs.start(self.host, command)
        seen: list[JobState] = []

        def ended() -> bool:
            seen.append(jobs.state(self.host))
            return isinstance(seen[-1], Ended)

        assert self.until(ended), f"{command.argv[0]} did not end: {seen[-1:]}"
        (*_, last) = seen
        assert isinstance(last, Ended)
        return last
