"""Can the hosts of a mandate still be done? Asked when its run is opened, and when that begins later."""

from __future__ import annotations

from collections.abc import Mapping

from skylift.app.as_planned import pause_for
from skylift.app.bench import Bench
from skylift.app.host_turns import turns_of
from skylift.app.old_jobs import JobGoesOn, jobs_on
from skylift.app.open_runs import RunOpen, none_open
from skylift.app.propose_fleet import accepted
from skylift.app.read_fleet import closed_for_good, read_fleet
from skylift.app.read_network import lost_network
from skylift.app.read_storage import lost_storage
from skylift.app.read_volume import changed_volumes
from skylift.app.schedule import has_begun
from skylift.app.site import Site
from skylift.engine.journal import Journal
from skylift.engine.ledger import Ledger
from skylift.fleet.fleet import Fleet
from skylift.fleet.mandate import Mandate, Purpose, digest_of_fleet, digest_of_mandate
from skylift.model.ids import RunId
from skylift.model.problem import Fix, Refused, Remedy


class FleetDrifted(Refused):
    """Hosts that a plan was made for can no longer be done."""

    code = "fleet.drifted"

    def __init__(self, lost: Mapping[str, str], *, again: str) -> None:
        told = "; ".join(f"{host}: {why}" for host, why in lost.items())
        super().__init__(
            f"the fleet has changed since this plan was made, and hosts of it cannot be done now: {told}",
            Remedy(Fix.RETRY, f"plan from what it is now: {again}"),
            Remedy(Fix.REPAIR, "or bring back what changed: skylift inspect --fleet"),
        )


def fleet_as_planned(site: Site, run: RunId, mandate: Mandate, bench: Bench) -> None:
    """See that every host of the mandate can still be done, and say what is not as it was.

    Raises:
        RunOpen, JobGoesOn, FleetDrifted, NoComputeService, FleetHostUnknown: it is not.
    """
    none_open(site, digest_of_mandate(mandate), of_fleet=True, but=(run,))
    jobs_on(site, mandate.hosts).require_ended()
    turns_of(site.record, site.catalog, mandate, (str(run),))
    stuck = dict(lost_network(site, [turn.host for turn in mandate.network], again=mandate.again))
    stuck |= lost_storage(site, mandate.storage)
    if stuck := stuck | changed_volumes(site, mandate.volumes):
        raise FleetDrifted({str(host): why for host, why in stuck.items()}, again=mandate.again)
    _, changed = as_it_is(read_fleet(site), mandate)
    if changed:
        bench.remark(changed)


def fleet_sets_out(site: Site, mandate: Mandate, journal: Journal, bench: Bench) -> None:
    """Look again before the first host of a run that was opened earlier; as ``as_planned.sets_out``."""
    ledger = Ledger(journal)
    run = ledger.run
    if has_begun(run) or run.gated or run.pause or run.abort or run.closed:
        return
    try:
        fleet_as_planned(site, run.id, mandate, bench)
    except (FleetDrifted, JobGoesOn, RunOpen) as problem:
        pause_for(ledger, problem, site)
    else:
        jobs_on(site, mandate.hosts).forget()


def as_it_is(fleet: Fleet, mandate: Mandate) -> tuple[Fleet, str]:
    """The fleet that a run of the mandate begins with, and what to say of it if it is not what it was.

    Raises:
        FleetDrifted: hosts of the mandate can no longer be done.
    """
    fleet = _as_planned(fleet, mandate)
    if digest_of_fleet(fleet, mandate.policy) == mandate.fleet:
        return fleet, ""
    plan = accepted(fleet, mandate.policy, again=mandate.again)
    held = {h.host: "; ".join(f"{v.instance}: {v.reason}" for v in h.because) for h in plan.held}
    refused = "; ".join(proof.sentence for proof in plan.refused) or "no way was found to empty it"
    done = {turn.host for turn in plan.turns}
    lost = {str(h): held.get(h, refused) for h in mandate.hosts if h in fleet.hosts and h not in done}
    if lost:
        raise FleetDrifted(lost, again=mandate.again)
    return fleet, (
        f"the fleet has changed since this plan was made: {len(plan.moves)} moves instead of "
        f"{len(mandate.plan['moves'])}, for the same {len(mandate.hosts)} hosts"
    )


def _as_planned(fleet: Fleet, mandate: Mandate) -> Fleet:
    there = tuple(host for host in mandate.policy.only if host in fleet.hosts)
    return closed_for_good(fleet, there) if mandate.purpose is Purpose.DRAIN else fleet
