"""``skylift plan`` and ``skylift why``."""

from __future__ import annotations

from pathlib import Path

import click

from skylift.app.plan_seal import seal_plan, trusted
from skylift.app.propose import Proposal, propose
from skylift.app.site import Site
from skylift.app.wiring import open_site
from skylift.checks.finding import Level
from skylift.cli.desk import Desk, answer, goal_option, json_option, pass_desk, remark
from skylift.cli.exits import Exit
from skylift.cli.views import findings as findings_view
from skylift.cli.views import plan as plan_view
from skylift.cli.views import why as why_view
from skylift.model.goal import Upgrade
from skylift.model.ids import StepId
from skylift.planning.text import digest_of, read_plan
from skylift.planning.why import why as reasons


@click.command("plan")
@goal_option
@click.option(
    "-o", "output", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan file here."
)
@json_option
@pass_desk
def plan(desk: Desk, *, goal: Upgrade, output: Path | None, as_json: bool) -> Exit:
    """Propose a plan, below whatever speaks against it. A blocked plan is shown, but not written."""
    with open_site(desk.record) as site:
        if output is not None:
            trusted(site.signer, site.record.signers)
        proposal = propose(site, goal)
        sealed = _seal_of(site, proposal)
    complaints = tuple(f for f in proposal.findings if f.level is not Level.PASSED)
    told = [*findings_view.lines(complaints, goal.to), ""] if complaints else []
    document = {
        **plan_view.document(proposal.plan),
        "findings": findings_view.document(proposal.findings, goal.to),
    }
    answer([*told, *plan_view.lines(proposal.plan)], document, as_json=as_json)
    if proposal.blocked:
        remark("nothing was written: repair what blocks, then plan again")
        return Exit.BLOCKED
    if output is not None:
        output.write_bytes(proposal.text)
        if sealed is not None:
            seal_of(output).write_bytes(sealed)
            remark(f"wrote {seal_of(output)}: your seal on it, for {site.record.policy.plan_valid_h} h")
        remark(f"wrote {output}; approve and run it with: skylift apply {output}")
    return Exit.OK


def seal_of(plan_file: Path) -> Path:
    """Where the seal on a plan file lies."""
    return plan_file.with_name(plan_file.name + ".seal")


def _seal_of(site: Site, proposal: Proposal) -> bytes | None:
    if site.signer is None:
        return None
    valid_h = site.record.policy.plan_valid_h
    return seal_plan(digest_of(proposal.plan), site.signer, now=site.clock(), valid_h=valid_h)


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
    found = read_plan((plan_file or desk.runs.find(None).plan).read_bytes())
    try:
        told = reasons(found, StepId(step))
    except KeyError:
        near = [s.id for s in found.steps if step in s.id]
        known = ", ".join(near[:8]) or f"{found.steps[0].id} to {found.steps[-1].id}"
        raise click.UsageError(f"the plan has no step {step}; it has {known}") from None
    answer(why_view.lines(told), why_view.document(told), as_json=as_json)
    return Exit.OK
