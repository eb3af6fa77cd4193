"""``skylift inspect`` and ``skylift check``: they only look."""

from __future__ import annotations

from pathlib import Path

import click

from skylift.app.inspect import observe_cloud
from skylift.app.read_fleet import read_fleet
from skylift.app.wiring import open_site
from skylift.checks.finding import blocked
from skylift.checks.registry import check_all
from skylift.cli.desk import Desk, answer, goal_option, json_option, pass_desk, remark
from skylift.cli.exits import Exit
from skylift.cli.output_file import OutputFile, write_output
from skylift.cli.views import findings as findings_view
from skylift.cli.views import inspect as inspect_view
from skylift.fleet.document import document_of
from skylift.model.codec import canonical
from skylift.model.goal import Upgrade


@click.command("inspect")
@click.option("--fleet", "of_fleet", is_flag=True, help="The compute hosts and the instances on them, alone.")
@click.option(
    "-o",
    "output",
    type=OutputFile(),
    help="With --fleet: write the file that 'skylift plan --fleet' reads.",
)
@json_option
@pass_desk
def inspect(desk: Desk, *, of_fleet: bool, output: Path | None, as_json: bool) -> Exit:
    """Show what the cloud is: what really runs, schemas, database, balancers, catalog. Reads only."""
    if output is not None and not of_fleet:
        raise click.UsageError("-o goes with --fleet")
    if of_fleet:
        return _fleet(desk, output, as_json=as_json)
    with open_site(desk.record, desk.runs) as site:
        cloud = observe_cloud(site.record, site.catalog, site.ports, now=site.clock())
    answer(inspect_view.lines(cloud, site.record), inspect_view.document(cloud, site.record), as_json=as_json)
    return Exit.FAILED if cloud.unread else Exit.OK


def _fleet(desk: Desk, output: Path | None, *, as_json: bool) -> Exit:
    with open_site(desk.record, desk.runs) as site:
        fleet, policy = read_fleet(site), site.record.maintenance.limits
    document = document_of(fleet, policy)
    answer(inspect_view.fleet_lines(fleet), document, as_json=as_json)
    if output is not None:
        write_output(output, canonical(document))
        remark(f"wrote {output}; plan from it with: skylift plan --reboot --fleet {output}")
    return Exit.OK


@click.command("check")
@goal_option
@json_option
@pass_desk
def check(desk: Desk, *, goal: Upgrade, as_json: bool) -> Exit:
    """Ask whether the cloud may be upgraded: every check runs, each complaint has its remedies."""
    with open_site(desk.record, desk.runs) as site:
        cloud = observe_cloud(site.record, site.catalog, site.ports, now=site.clock(), goal=goal)
    findings = check_all(cloud, site.record, goal, site.catalog)
    answer(findings_view.lines(findings, goal.to), findings_view.document(findings, goal.to), as_json=as_json)
    return Exit.BLOCKED if blocked(findings) else Exit.OK
