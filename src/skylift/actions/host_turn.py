"""What is done with an empty compute host: reboot it, try it with a server of our own, remove that."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.actions.closing import CloseService, OpenService
from skylift.actions.job import JobFailed
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Problem, Refused, Remedy, Transient
from skylift.ports import Command, Ended, NoJob, Ports

# One line, so that there is all of it or nothing.
_REBOOT = (
    'boot=$(cat /proc/sys/kernel/random/boot_id) && echo "$boot $0" && sync && systemctl --no-block reboot'
)
_CUT_SHORT = 255
_WRONG = "no such boot"


@dataclass(frozen=True, slots=True)
class RebootHost(Action):
    """Reboot ``host``, and wait until it is up again: by its boot id, which is another one after each boot.

    The id before is what the job printed, so it is the host that keeps it, through a kill of this process.
    """

    kind: ClassVar[str] = "reboot-host"

    host: HostName

    @property
    def title(self) -> str:
        return f"reboot {self.host}"

    @property
    def runs_on(self) -> HostName | None:
        return self.host

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Look at it past the network."""
        return (Remedy(Fix.REPAIR, f"look at the console of {self.host}, and power it on if it is off"),)

    def observe(self, ports: Ports) -> Progress:
        """Done if the host has another boot id than before.

        Raises:
            JobFailed: it was not told to reboot.
        """
        job = ports.jobs.state(self.host)
        if isinstance(job, NoJob):
            return Pending(f"about to reboot {self.host}")
        if not isinstance(job, Ended):
            return Pending(f"{self.host} is being told to reboot")
        before = job.tail.split(maxsplit=1)[0] if job.tail.strip() else _WRONG
        if before == _WRONG or job.code not in {0, _CUT_SHORT}:
            raise JobFailed(self.title, self.host, job)
        if ports.hosts.look(self.host).boot_id == before:
            return Pending(f"{self.host} goes down")
        return Done()

    def advance(self, ports: Ports) -> None:
        """Tell it once: a job is never started twice under the same key."""
        self.tell(ports, "reboot")

    def tell(self, ports: Ports, note: str) -> None:
        """Tell it once, and let it keep a note of ours, of one line, through its reboot."""
        ports.jobs.start(self.host, Command(("sh", "-c", _REBOOT, note)))

    def reversal(self) -> Reversal:
        return NothingToUndo("a host that was rebooted is up")


class HostUnfit(Transient):
    """A server of our own did not come about on a host; just after its opening that may pass."""

    code = "host.unfit"

    def __init__(self, host: HostName, refused: Refused) -> None:
        super().__init__(
            f"{host} did not boot a server of our own: {refused}",
            Remedy(Fix.REPAIR, f"see why: skylift ssh {host} journalctl -n 100 -u 'nova-compute*'"),
            Remedy(Fix.RETRY, "after the repair: skylift retry"),
        )


@dataclass(frozen=True, slots=True)
class TryHost(Action):
    """Open a host, and have a server of our own boot there and answer.

    Nova places nothing on a closed host, whoever asks (read: nova/scheduler/request_filter.py,
    compute_status_filter, 2024.2 and 2025.1), so it is open while it is tried.
    """

    kind: ClassVar[str] = "try-host"

    opening: OpenService
    label: str
    """Of the canary."""

    @property
    def title(self) -> str:
        return f"open {self.opening.host} and boot a server of our own there"

    def observe(self, ports: Ports) -> Progress:
        opened = self.opening.observe(ports)
        if isinstance(opened, Pending):
            return opened
        if isinstance(self._closing.observe(ports), Done):
            return Done()  # its operator had closed it, so nobody can be placed there
        seen = ports.canaries.look(self.label, self.opening.host)
        if seen is None:
            return Pending("there is no canary yet")
        return Pending(seen.left) if seen.left else Done()

    def advance(self, ports: Ports) -> None:
        opened = self.opening.observe(ports)
        self.opening.advance(ports)
        if isinstance(opened, Done):
            try:
                ports.canaries.place(self.label, self.opening.host)
            except Refused as refused:
                # What ended in error stays so: the next try begins with a new one.
                with suppress(Problem):
                    ports.canaries.remove(self.label, self.opening.host)
                raise HostUnfit(self.opening.host, refused) from None

    def reversal(self) -> Reversal:
        of = self.opening
        return Undo(CloseService(of.host, of.service, of.rosters, of.labels))

    @property
    def _closing(self) -> CloseService:
        of = self.opening
        return CloseService(of.host, of.service, of.rosters, of.labels)


@dataclass(frozen=True, slots=True)
class RemoveCanary(Action):
    """Remove the server of our own that a host was tried with."""

    kind: ClassVar[str] = "remove-canary"

    host: HostName
    label: str

    @property
    def title(self) -> str:
        return f"remove the server of our own from {self.host}"

    def observe(self, ports: Ports) -> Progress:
        seen = ports.canaries.look(self.label, self.host)
        return Done() if seen is None else Pending("it is still there")

    def advance(self, ports: Ports) -> None:
        ports.canaries.remove(self.label, self.host)

    def reversal(self) -> Reversal:
        return NothingToUndo("nobody else uses it")
