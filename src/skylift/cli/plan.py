"""``skylift plan`` and ``skylift why``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from skylift.app.account import standing
from skylift.app.approvals import names_for, needs_approval
from skylift.app.control import meant
from skylift.app.fleet_recovery import recovery_of_hosts
from skylift.app.mandates import read_approved
from skylift.app.plan_seal import seal_plan, trusted
from skylift.app.propose import Proposal, propose
from skylift.app.propose_fleet import FleetProposal, propose_fleet, propose_maintenance
from skylift.app.record_file import catalog_of
from skylift.app.recovery import Recovery, recovery_of
from skylift.app.site import Site
from skylift.app.wiring import open_site
from skylift.checks.finding import Level
from skylift.cli.desk import Desk, answer, json_option, optional_goal_option, pass_desk, remark
from skylift.cli.exits import Exit
from skylift.cli.output_file import OutputFile, write_output
from skylift.cli.recovery import write_beside
from skylift.cli.views import findings as findings_view
from skylift.cli.views import fleet as fleet_view
from skylift.cli.views import plan as plan_view
from skylift.cli.views import turning as turning_view
from skylift.cli.views import why as why_view
from skylift.cli.views.fleet_picture import picture
from skylift.fleet.mandate import Mandate, Purpose, digest_of_mandate, is_mandate, write_mandate
from skylift.fleet.plan import Kind
from skylift.fleet.reasons import turning
from skylift.model.codec import canonical
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, HostName, StepId
from skylift.planning.text import digest_of, read_plan
from skylift.planning.why import why as reasons


@click.command("plan")
@optional_goal_option
@click.option("--reboot", is_flag=True, help="Reboot every compute host, each when it is empty.")
@click.option("--hypervisor", is_flag=True, help="Give every compute host a new hypervisor, and reboot it.")
@click.option(
    "--drain",
    "drained",
    multiple=True,
    metavar="HOST",
    help="Empty this host and leave it closed; may be given again.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="With --reboot or --hypervisor: only this host; may be given again.",
)
@click.option(
    "--afterwards",
    type=click.Choice([kind.value for kind in Kind]),
    help="With --reboot or --hypervisor: bring instances back when every host is through, or balance the "
    "hosts; without it they stay where they were moved.",
)
@click.option(
    "--fleet",
    "fleet_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Plan for the fleet in this file, and ask no cloud.",
)
@click.option("--partial", is_flag=True, help="Of a fleet: write the plan even if it leaves hosts out.")
@click.option("--frontier", is_flag=True, help="Of a fleet: also show what other first waves would cost.")
@click.option("--svg", type=OutputFile(), help="Of a fleet: draw its hosts over time into this file.")
@click.option("-o", "output", type=OutputFile(), help="Write the plan file here.")
@json_option
@pass_desk
def plan(
    desk: Desk,
    *,
    goal: Upgrade | None,
    reboot: bool,
    hypervisor: bool,
    drained: tuple[str, ...],
    hosts: tuple[str, ...],
    afterwards: str | None,
    fleet_file: Path | None,
    partial: bool,
    frontier: bool,
    svg: Path | None,
    output: Path | None,
    as_json: bool,
) -> Exit:
    """Propose a plan, below whatever speaks against it. A blocked plan is shown, but not written.

    With --to, the plan of an upgrade. With --reboot, --hypervisor or --drain, the plan of the compute
    hosts: when each is empty, and where its instances go, as Nova and Placement have them now. With --fleet
    it is made from a file: then it asks no cloud, reads no record, and is not for 'skylift apply'.
    """
    purposes = {Purpose.REBOOT: reboot, Purpose.HYPERVISOR: hypervisor, Purpose.DRAIN: bool(drained)}
    if sum([goal is not None, *purposes.values()]) != 1:
        raise click.UsageError("say one thing to plan: --to, --reboot, --hypervisor or --drain")
    if goal is not None:
        if fleet_file or frontier or svg or hosts or partial or afterwards:
            raise click.UsageError(
                "--fleet, --host, --afterwards, --partial, --frontier and --svg go with --reboot, "
                "--hypervisor or --drain"
            )
        return _upgrade(desk, goal, output, as_json=as_json)
    if hosts and (drained or fleet_file):
        raise click.UsageError("--host goes with --reboot or --hypervisor, and not with --fleet")
    if afterwards and drained:
        raise click.UsageError(
            "--afterwards goes with --reboot or --hypervisor: what --drain empties stays so"
        )
    named = tuple(map(HostName, drained or hosts))
    then = Kind(afterwards) if afterwards else None
    if fleet_file is not None:
        asked = propose_fleet(fleet_file, named, frontier=frontier, afterwards=then)
        text, sealed, told = canonical(asked.document), None, None
    else:
        (purpose,) = [purpose for purpose, wanted in purposes.items() if wanted]
        asked, text, sealed, told = _maintenance(desk, purpose, named, frontier=frontier, afterwards=then)
    return _fleet(
        asked,
        svg,
        output if partial or not asked.blocked else None,
        text=text,
        sealed=sealed,
        recovery=told,
        as_json=as_json,
    )


def _upgrade(desk: Desk, goal: Upgrade, output: Path | None, *, as_json: bool) -> Exit:
    return tell_proposal(desk, lambda site: propose(site, goal), output, as_json=as_json)


def tell_proposal(
    desk: Desk, make: Callable[[Site], Proposal], output: Path | None, *, as_json: bool
) -> Exit:
    """Show a plan below what speaks against it; if nothing blocks it, write it, its recovery and a seal."""
    with open_site(desk.record, desk.runs) as site:
        if output is not None:
            trusted(site.signer, site.record.signers)
        proposal = make(site)
        sealed = _sealed(site, digest_of(proposal.plan))
        needed = needs_approval(site, proposal.plan)
        names = names_for(site, proposal.plan.no_returns)
    goal = proposal.plan.goal
    complaints = any(f.level is not Level.PASSED for f in proposal.findings)
    told = [*findings_view.lines(proposal.findings, goal.to, passed=False), ""] if complaints else []
    document = {
        **plan_view.document(proposal.plan),
        "findings": findings_view.document(proposal.findings, goal.to),
    }
    lines = [*told, *plan_view.lines(proposal.plan), *plan_view.given_back(proposal)]
    lines += plan_view.measured_first(proposal.plan, site.record.policy.baseline)
    answer(lines, document | {"gives_back": proposal.gives_back}, as_json=as_json)
    if proposal.blocked:
        remark("nothing was written: repair what blocks, then plan again")
        return Exit.BLOCKED
    if output is not None:
        write_output(output, proposal.text)
        if sealed is not None:
            write_output(seal_of(output), sealed)
            remark(f"wrote {seal_of(output)}: your seal on it, for {site.record.policy.plan_valid_h} h")
        write_beside(output, recovery_of(proposal.plan, site.record, site.catalog))
        remark(f"wrote {output}; {_how_to_run(output, needed, names)}")
    return Exit.OK


def _how_to_run(output: Path, needed: tuple[str, ...], names: str) -> str:
    if needed:
        return f"approve {', '.join(needed)} and run it with: skylift apply {output} --yes{names}"
    return f"to run it is to approve it, and it begins at once: skylift apply {output}"


def seal_of(plan_file: Path) -> Path:
    """Where the seal on a plan file lies."""
    return plan_file.with_name(plan_file.name + ".seal")


def _sealed(site: Site, digest: Digest) -> bytes | None:
    if site.signer is None:
        return None
    return seal_plan(digest, site.signer, now=site.clock(), valid_h=site.record.policy.plan_valid_h)


def _maintenance(
    desk: Desk, purpose: Purpose, hosts: tuple[HostName, ...], *, frontier: bool, afterwards: Kind | None
) -> tuple[FleetProposal, bytes, bytes | None, Callable[[], Recovery]]:
    """The plan for the cloud as it is, its file, the seal on that, and what makes its recovery procedure."""
    with open_site(desk.record, desk.runs) as site:
        trusted(site.signer, site.record.signers)
        proposal = propose_maintenance(site, purpose, hosts, frontier=frontier, afterwards=afterwards)
        mandate = proposal.mandate
        if mandate is None:
            raise AssertionError("what was planned for a cloud has a mandate")
        sealed = _sealed(site, digest_of_mandate(mandate))
    made = (mandate, site.record, site.catalog)
    return proposal, write_mandate(mandate), sealed, lambda: recovery_of_hosts(*made)


def _fleet(
    proposal: FleetProposal,
    svg: Path | None,
    output: Path | None,
    *,
    text: bytes,
    sealed: bytes | None,
    recovery: Callable[[], Recovery] | None,
    as_json: bool,
) -> Exit:
    answer(fleet_view.lines(proposal), fleet_view.document(proposal), as_json=as_json)
    if svg is not None:
        write_output(svg, picture(proposal.plan).encode())
        remark(f"drew {svg}")
    if output is not None:
        write_output(output, text)
        if sealed is not None:
            write_output(seal_of(output), sealed)
        if recovery is not None:
            write_beside(output, recovery())
        then = f"; run it with: skylift apply {output}" if proposal.mandate else ""
        remark(f"wrote {output}{then}")
    if proposal.blocked:
        remark("some hosts are left out: settle what is in the way and plan again, or take --partial")
        return Exit.BLOCKED
    return Exit.OK


@click.command("why")
@click.argument("step")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="The plan file; without it, the plan of the newest run.",
)
@json_option
@pass_desk
def why(desk: Desk, step: str, *, plan_file: Path | None, as_json: bool) -> Exit:
    """Say why STEP is in a plan and where it stands, how users notice it, and the way back."""
    text = (plan_file or desk.find(None).plan).read_bytes()
    if is_mandate(text):
        return _why_of_host(read_approved(text), StepId(step), as_json=as_json)
    found = read_plan(text)
    try:
        told = reasons(found, StepId(step), catalog_of(desk.record))
    except KeyError:
        near = meant(StepId(step), [s.id for s in found.steps])
        raise click.UsageError(f"the plan has no step {step}: {near}") from None
    run = None if plan_file else standing(desk.runs, desk.find(None)).run
    answer(why_view.lines(told, run), why_view.document(told, run), as_json=as_json)
    return Exit.OK


def _why_of_host(mandate: Mandate, step: StepId, *, as_json: bool) -> Exit:
    if mandate.wanted and step == mandate.wanted.kind.value:
        of = mandate.plan["afterwards"]
        answer(turning_view.afterwards(of), of, as_json=as_json)
        return Exit.OK
    try:
        told = turning(mandate, step)
    except KeyError:
        known = ", ".join(f"empty@{host}" for host in mandate.hosts[:8])
        raise click.UsageError(f"the plan has no step {step}; it has {known} and what follows them") from None
    answer(turning_view.lines(told), turning_view.document(told), as_json=as_json)
    return Exit.OK
