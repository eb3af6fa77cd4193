"""What is done about a storage cluster when one of its hosts is rebooted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.actions.host_turn import RebootHost
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Remedy
from skylift.model.record import Record
from skylift.model.storage import StorageHost, against_stop, missing, not_anew, told_lacking
from skylift.ports import Ended, NoJob, Ports

_STATUS = Remedy(Fix.REPAIR, "see what it lacks: ceph status")


@dataclass(frozen=True, slots=True)
class KeepIn(Action):
    """Let no OSD under ``bucket`` be taken out while its host is down: its data would move for nothing.

    Whether that was so before is seen before this begins.
    """

    kind: ClassVar[str] = "keep-in"

    bucket: str
    """A node of the CRUSH tree."""

    @property
    def title(self) -> str:
        return f"keep the OSDs of {self.bucket} in"

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Do it by hand, or without."""
        return (
            Remedy(Fix.REPAIR, f"do it by hand: ceph osd set-group noout {self.bucket}"),
            Remedy(Fix.ACCEPT, "or let data move while it is down: skylift skip STEP --reason WHY"),
        )

    def observe(self, ports: Ports) -> Progress:
        kept = self.bucket in ports.storage.look().kept_in
        return Done() if kept else Pending(f"noout is not set for {self.bucket} yet")

    def advance(self, ports: Ports) -> None:
        ports.storage.keep_in(self.bucket)

    def reversal(self) -> Reversal:
        return Undo(LetOut(self.bucket))


@dataclass(frozen=True, slots=True)
class LetOut(Action):
    """Let OSDs under ``bucket`` be taken out again when they are down for long."""

    kind: ClassVar[str] = "let-out"

    bucket: str

    @property
    def title(self) -> str:
        return f"let the OSDs of {self.bucket} be taken out again"

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Do it by hand: a retry then sees it."""
        by_hand = f"do it by hand: {self._command}"
        return (Remedy(Fix.REPAIR, by_hand), Remedy(Fix.RETRY, "after that: skylift retry"))

    def by_hand(self, record: Record) -> tuple[str, ...]:
        """By the cluster's own tool."""
        del record
        return (self._command,)

    @property
    def _command(self) -> str:
        return f"ceph osd unset-group noout {self.bucket}"

    def observe(self, ports: Ports) -> Progress:
        kept = self.bucket in ports.storage.look().kept_in
        return Pending(f"noout is still set for {self.bucket}") if kept else Done()

    def advance(self, ports: Ports) -> None:
        ports.storage.let_out(self.bucket)

    def reversal(self) -> Reversal:
        return NothingToUndo("it is as it was before the run")


@dataclass(frozen=True, slots=True)
class RebootStorageHost(Action):
    """Reboot a host of the storage cluster, if the cluster lets it stop in that very moment.

    Hours may lie between the last look and this: a new hypervisor, or a death. Once it was told to reboot,
    only that is waited for, and that its daemons join the cluster anew: it may be back before the cluster has
    noticed. What the cluster was before, the host keeps, as it does its boot id.
    """

    kind: ClassVar[str] = "reboot-storage-host"

    reboot: RebootHost
    of: StorageHost

    @property
    def title(self) -> str:
        return f"{self.reboot.title} when the storage cluster lets it stop"

    @property
    def runs_on(self) -> HostName | None:
        return self.reboot.runs_on

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Look at it past the network, and at the cluster."""
        return (*self.reboot.if_late, _STATUS)

    def observe(self, ports: Ports) -> Progress:
        """As the reboot itself, and what came after.

        Raises:
            JobFailed: it was not told to reboot.
        """
        job = ports.jobs.state(self.reboot.host)
        if isinstance(job, NoJob):
            why = speaks_against(ports, self.of)
            return Pending(f"not rebooted yet: {why}" if why else f"about to {self.reboot.title}")
        found = self.reboot.observe(ports)
        if isinstance(found, Pending) or not isinstance(job, Ended):
            return found
        epoch, elections = map(int, job.tail.split()[1:3])
        left = not_anew(self.of, ports.storage.look(), epoch=epoch, elections=elections)
        return Pending(left) if left else Done()

    def advance(self, ports: Ports) -> None:
        if isinstance(ports.jobs.state(self.reboot.host), NoJob):
            seen = ports.storage.look()
            if not speaks_against(ports, self.of):
                self.reboot.tell(ports, f"{seen.epoch} {seen.elections}")

    def reversal(self) -> Reversal:
        return NothingToUndo("a host that was rebooted is up")


@dataclass(frozen=True, slots=True)
class AwaitStorage(Action):
    """Wait until the daemons of a host are back, and every placement group has all of its copies."""

    kind: ClassVar[str] = "await-storage"

    of: StorageHost

    @property
    def title(self) -> str:
        return f"wait until the storage cluster has what is on {self.of.host} again"

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Look at the cluster, and at the daemons."""
        return (
            _STATUS,
            Remedy(Fix.REPAIR, f"and why: skylift ssh {self.of.host} journalctl -n 100 -u 'ceph*'"),
        )

    def observe(self, ports: Ports) -> Progress:
        seen = ports.storage.look()
        left = missing(self.of, seen) or told_lacking(seen)
        return Pending(left) if left else Done()

    def advance(self, ports: Ports) -> None:
        """Nothing to push: the cluster mends itself."""

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")


def speaks_against(ports: Ports, of: StorageHost) -> str:
    """Why a host of the cluster must not stop now, by its state and by its own word; empty if it may.

    Raises:
        Transient: it cannot be asked.
    """
    return against_stop(of, ports.storage.look()) or ports.storage.stopping(of.osds, of.monitors).against
