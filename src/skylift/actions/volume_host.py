"""What is done about the disks that a host serves to others, when it is rebooted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.actions.host_turn import RebootHost
from skylift.actions.storage_host import RebootStorageHost
from skylift.model.exports import (
    LocalVolumes,
    against_boot,
    came_since,
    local_volumes,
    not_served,
    told,
)
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Remedy
from skylift.ports import NoJob, Ports


@dataclass(frozen=True, slots=True)
class Exporting:
    """What a host was seen to export when that was approved; nothing, on most hosts."""

    host: HostName
    of: LocalVolumes | None

    def keeps_up(self, ports: Ports) -> str:
        """Why the host must not be rebooted now, for what it exports; empty if it may.

        Raises:
            Transient: nobody answers.
        """
        exports = ports.volumes.exports(self.host)
        attached = ports.volumes.attached(self.host) if self.of is not None or exports.targets else ()
        gone = not_served(self.of, exports, attached) if self.of is not None else ()
        since = came_since(self.of, local_volumes(exports, attached))
        found = [each.why for each in against_boot(self.host, exports, attached)]
        found += [f"not exported any more: {told(gone)}"] * bool(gone)
        return "; ".join([*found, since] if since else found)


@dataclass(frozen=True, slots=True)
class RebootVolumeHost(Action):
    """Reboot a host, if all that it exports in that very moment would be there after a boot.

    Hours may lie between the last look and this: a new hypervisor, or a death.
    """

    kind: ClassVar[str] = "reboot-volume-host"

    reboot: RebootHost | RebootStorageHost
    of: Exporting

    @property
    def title(self) -> str:
        return f"{self.reboot.title} when all that it exports is saved"

    @property
    def runs_on(self) -> HostName | None:
        return self.reboot.runs_on

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Look at it past the network, and at who has its volumes."""
        who = "see who has its volumes: openstack volume list --all-projects --long"
        return (*self.reboot.if_late, Remedy(Fix.REPAIR, who))

    def observe(self, ports: Ports) -> Progress:
        """As the reboot itself.

        Raises:
            JobFailed: it was not told to reboot.
        """
        why = self._against(ports)
        return Pending(f"not rebooted yet: {why}") if why else self.reboot.observe(ports)

    def advance(self, ports: Ports) -> None:
        if not self._against(ports):
            self.reboot.advance(ports)

    def _against(self, ports: Ports) -> str:
        told_to = not isinstance(ports.jobs.state(self.of.host), NoJob)
        return "" if told_to else self.of.keeps_up(ports)

    def reversal(self) -> Reversal:
        return NothingToUndo("a host that was rebooted is up")


@dataclass(frozen=True, slots=True)
class AwaitExports(Action):
    """Wait until a host exports again what it did, as far as that is attached yet.

    What it did is in the approved plan, what is attached Cinder tells: so nothing need be remembered.
    """

    kind: ClassVar[str] = "await-exports"

    host: HostName
    of: LocalVolumes

    @property
    def title(self) -> str:
        return f"wait until {self.host} exports its volumes again"

    @property
    def if_late(self) -> tuple[Remedy, ...]:
        """Let what restores them do it once more, and cinder-volume after it."""
        again = "systemctl restart tgt (or rtslib-fb-targetctl, or nvmet), then cinder-volume"
        return (
            Remedy(Fix.REPAIR, f"see why: skylift ssh {self.host} journalctl -b -n 100 -u 'cinder-volume*'"),
            Remedy(
                Fix.REPAIR, f"and what it exports: skylift ssh {self.host} tgt-admin --show (targetcli ls)"
            ),
            Remedy(Fix.REPAIR, f"export them again: skylift ssh {self.host} {again}"),
        )

    def observe(self, ports: Ports) -> Progress:
        exports = ports.volumes.exports(self.host)
        left = not_served(self.of, exports, ports.volumes.attached(self.host))
        return Pending(f"not exported again: {told(left)}") if left else Done()

    def advance(self, ports: Ports) -> None:
        """Nothing to push: its units restore them, and cinder-volume does as it starts."""

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")
