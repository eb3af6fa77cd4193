"""How compute hosts are maintained, as an operator declares it in the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skylift.model.automation import AutomationEntry
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import Seconds


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What is done on an empty compute host, and what may go wrong in a run over the fleet."""

    hypervisor: tuple[str, ...] = ()
    """The command that gives an empty host its new hypervisor, before it is rebooted: `plan --hypervisor`."""
    shared_storage: bool = False
    """Whether disks of instances that are no volumes are on storage that all hosts share; else they are
    copied. No API tells."""
    cut_off: bool = False
    """Whether instances may run on while a host that serves their volumes from its own disks is down; never
    those whose owners want to be asked."""
    canary: bool = True
    """Whether a server of our own must boot on a host and answer before it counts as done."""
    failures: int = 1
    """Hosts that may fail; with one more the run pauses: hosts under way go on, and no other begins."""
    back: Seconds = Seconds(1800)
    """Until a rebooted host is back with its services; then it is held, closed, for an operator."""
    trial: Seconds = Seconds(300)
    """Until a server of our own has booted on an opened host and answered; then that is closed again."""
    move: Seconds = Seconds(1800)
    """Until a migration is ended and tried again, on another host if there is one."""
    patience: Seconds = Seconds(1800)
    """How long somebody else's migration, or an owner's task on an instance, is waited for; then its host is
    given back, and named."""
    settle: Seconds = Seconds(60)
    """How long the cloud may take to begin what it was asked for: longer than its RPC timeout."""
    look: Seconds = Seconds(10)
    """How often a run looks at the hosts, instances and migrations."""
    band: int = 10
    """Of `plan --afterwards balance`: by how many points of per cent a host's use may be off the mean."""
    limits: FleetPolicy = field(default_factory=FleetPolicy)
    automation: Mapping[str, AutomationEntry] = field(default_factory=dict)
    """What would work against a run, by name: paused while hosts are worked on, and given back afterwards."""
