"""From a fleet, in a file or as Nova has it, to a plan that may be shown: read, plan, and verify."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from skylift.app.propose import PlanUnsafe
from skylift.app.read_fleet import closed_for_good, intended, read_fleet
from skylift.app.read_network import NetworksStuck, network_zones, planned_network
from skylift.app.read_storage import StorageStuck, planned_storage, storage_zones
from skylift.app.read_volume import VolumesStuck, planned_volumes, volume_zones
from skylift.app.site import Site
from skylift.fleet.afterwards import Wanted, spread, touched, with_afterwards
from skylift.fleet.document import document_of, fleet_of, plan_document
from skylift.fleet.estimator import prior
from skylift.fleet.fleet import Fleet
from skylift.fleet.interval import Interval, interval
from skylift.fleet.mandate import Mandate, Purpose, digest_of_fleet, plan_command, zones_of
from skylift.fleet.network import NetworkPlan
from skylift.fleet.plan import FORMAT, FleetPlan, Kind, Spread
from skylift.fleet.planner import plan_fleet
from skylift.fleet.storage import StoragePlan
from skylift.fleet.volume import VolumePlan, with_consent
from skylift.model.codec import Malformed
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName, Seconds
from skylift.model.problem import Fix, Refused, Remedy
from skylift.verifier.fleet.verify import verify_fleet

BATCHES = (1, 2, 5, 10, 20)
"""First waves that the frontier is drawn through, in per cent of hosts; 1 stands for one host."""
_OFF_BY = 1.5
"""How far off the policy's throughput is, as likely as not, while no migration was seen."""


class FleetInvalid(Refused):
    """The file of a fleet cannot be read, so nothing was planned."""

    code = "fleet.invalid"

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(
            f"{file} is no fleet: {why}",
            Remedy(
                Fix.REPAIR,
                "correct it, as docs/reference/fleet-file.md has it: skylift plan --reboot --fleet FILE",
            ),
        )


@dataclass(frozen=True, slots=True)
class Corner:
    """One point of the frontier between moves and time."""

    batch: str
    moves: int
    waves: int
    makespan: Seconds


@dataclass(frozen=True, slots=True)
class FleetProposal:
    """A plan that the verifier accepted, and what an operator chooses by."""

    fleet: Fleet
    policy: FleetPolicy
    plan: FleetPlan
    interval: Interval
    frontier: tuple[Corner, ...]
    full: Spread
    """How full the hosts of the plan are when its turns are through."""
    mandate: Mandate | None = None
    """What a run may do, if the plan was made for the cloud as it is."""
    network: NetworkPlan = field(default_factory=NetworkPlan)
    """What becomes of what agents of Neutron carry on the hosts, where there are any."""
    storage: StoragePlan = field(default_factory=StoragePlan)
    """What becomes of the storage cluster, where any of the hosts is of it."""
    volumes: VolumePlan = field(default_factory=VolumePlan)
    """What becomes of other services that a scheduler gives work to, where any host has them."""

    @property
    def blocked(self) -> bool:
        """Whether part of the fleet is not planned for."""
        apart = self.network.held or self.storage.held or self.volumes.held
        return bool(self.plan.refused or self.plan.stranded or self.plan.held or apart)

    @property
    def document(self) -> dict[str, Any]:
        """The plan's document."""
        return plan_document(self.plan)


def propose_fleet(
    file: Path, drained: tuple[HostName, ...], *, frontier: bool, afterwards: Kind | None = None
) -> FleetProposal:
    """A plan for the fleet in a file, or for the drained hosts of it alone, verified.

    Raises:
        FleetInvalid: the file is none of a fleet, or has no such host.
        PlanUnsafe: the verifier does not accept what the planner made: a bug.
    """
    fleet, policy = read_fleet_file(file)
    unknown = [name for name in drained if name not in fleet.hosts]
    if unknown:
        raise FleetInvalid(file, f"it has no host {', '.join(unknown)}")
    policy = replace(policy, only=drained or policy.only)
    purpose = shlex.join(word for host in drained for word in ("--drain", host)) or "--reboot"
    then_too = f" --afterwards {afterwards.value}" if afterwards else ""
    again = f"skylift plan {purpose} --fleet {shlex.quote(str(file))}{then_too}"
    then = Wanted(afterwards) if afterwards else None
    return _proposal(closed_for_good(fleet, drained), policy, frontier=frontier, again=again, then=then)


def propose_maintenance(
    site: Site,
    purpose: Purpose,
    hosts: tuple[HostName, ...],
    *,
    frontier: bool,
    afterwards: Kind | None = None,
) -> FleetProposal:
    """A plan for ``hosts`` as Nova and Placement have them now, or for all if none is named, verified.

    Raises:
        FleetHostUnknown, NoHypervisor: not with what Nova, Neutron and the record have.
        NetworksStuck: what the agents of these hosts carry has nowhere to go.
        StorageStuck: the storage cluster bears the stop of none of them.
        VolumesStuck: what else they serve would be cut off.
        PlanUnsafe: the verifier does not accept what the planner made: a bug.
    """
    seen = read_fleet(site)
    zones = network_zones(site, purpose, hosts, seen.hosts)
    zones |= storage_zones(site, purpose, hosts, {*seen.hosts, *zones})
    alone = volume_zones(site, purpose, hosts, {*seen.hosts, *zones})
    zones |= alone
    fleet, policy = intended(seen, site.record, purpose, hosts, others=zones)
    wanted = hosts or tuple(fleet.hosts)
    again = plan_command(purpose, hosts, afterwards=afterwards)
    network = planned_network(site, wanted, site.record.maintenance.limits.first, again=again)
    storage = planned_storage(site, purpose, wanted)
    volumes = planned_volumes(site, purpose, wanted, alone=alone)
    volumes = with_consent(volumes, seen.instances, agreed=site.record.maintenance.cut_off)
    able = _without_held(policy, wanted, (network, storage, volumes))
    then = Wanted(afterwards, site.record.maintenance.band) if afterwards else None
    proposal = _proposal(fleet, able, frontier=frontier, again=again, then=then)
    emptied = {turn.host for turn in proposal.plan.turns} | zones.keys()
    emptied -= {*network.held, *storage.held, *volumes.held}
    mandate = Mandate(
        FORMAT,
        purpose,
        site.record.name,
        site.digest,
        able,
        digest_of_fleet(fleet, able),
        proposal.document,
        zones_of(fleet, policy, zones),
        tuple(turn for turn in network.turns if turn.host in emptied),
        tuple(turn for turn in storage.turns if turn.host in emptied),
        tuple(turn for turn in volumes.turns if turn.host in emptied),
    )
    return replace(proposal, mandate=mandate, network=network, storage=storage, volumes=volumes)


def _without_held(
    policy: FleetPolicy,
    wanted: tuple[HostName, ...],
    plans: tuple[NetworkPlan, StoragePlan, VolumePlan],
) -> FleetPolicy:
    """The policy for hosts that can be done: of the others none of the instances need be moved either."""
    network, storage, volumes = plans
    held = {**network.held, **storage.held, **volumes.held}
    if not held:
        return policy
    able = replace(policy, only=tuple(host for host in wanted if host not in held))
    if not able.only:
        if network.held:
            raise NetworksStuck(network.held)
        raise StorageStuck(storage.held) if storage.held else VolumesStuck(volumes.held)
    return able


def _proposal(
    fleet: Fleet, policy: FleetPolicy, *, frontier: bool, again: str, then: Wanted | None
) -> FleetProposal:
    plan = accepted(fleet, policy, again=again, then=then)
    known = prior(policy.network.mib_s, 0, off_by=_OFF_BY)
    corners = tuple(_corner(fleet, policy, percent, again=again) for percent in BATCHES if frontier)
    took = interval(plan, len(fleet.hosts), policy, known)
    full = spread(fleet, plan.moves, touched(plan))
    return FleetProposal(fleet, policy, plan, took, corners, full)


def read_fleet_file(file: Path) -> tuple[Fleet, FleetPolicy]:
    """The fleet and the policy in a file.

    Raises:
        FleetInvalid: it is none of a fleet.
    """
    try:
        return fleet_of(json.loads(file.read_bytes()))
    except OSError as error:
        raise FleetInvalid(file, str(error.strerror).lower()) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FleetInvalid(file, f"it is no JSON: {error}") from None
    except Malformed as error:
        raise FleetInvalid(file, str(error)) from None


def accepted(fleet: Fleet, policy: FleetPolicy, *, again: str, then: Wanted | None = None) -> FleetPlan:
    """The plan for a fleet, once the verifier has accepted it; ``again`` is the command that makes it.

    ``then`` is what is wanted when every host is through.

    Raises:
        PlanUnsafe: it does not: a bug in the planner.
    """
    plan = plan_fleet(fleet, policy)
    if then is not None:
        plan = with_afterwards(fleet, policy, plan, then.kind, band=then.band)
    if violations := verify_fleet(document_of(fleet, policy), plan_document(plan)):
        sentences = tuple(violation.sentence for violation in violations)
        raise PlanUnsafe(sentences, again=again)
    return plan


def _corner(fleet: Fleet, policy: FleetPolicy, percent: int, *, again: str) -> Corner:
    one = percent == 1
    # Here the batch alone shall decide, and not the share of instances that may move twice.
    asked = replace(policy, batch_percent=percent, batch_hosts=int(one), twice_percent=100)
    plan = accepted(fleet, asked, again=again)
    return Corner("1 host" if one else f"{percent} %", len(plan.moves), plan.waves, plan.makespan)
