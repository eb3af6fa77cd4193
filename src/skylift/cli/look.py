"""``skylift inspect`` and ``skylift check``: they only look."""

from __future__ import annotations

import click

from skylift.app.inspect import observe_cloud
from skylift.app.wiring import open_site
from skylift.checks.finding import blocked
from skylift.checks.registry import check_all
from skylift.cli.desk import Desk, answer, goal_option, json_option, pass_desk
from skylift.cli.exits import Exit
from skylift.cli.views import findings as findings_view
from skylift.cli.views import inspect as inspect_view
from skylift.model.goal import Upgrade


@click.command("inspect")
@json_option
@pass_desk
def inspect(desk: Desk, *, as_json: bool) -> Exit:
    """Show what the cloud is: what really runs, schemas, database, balancers, catalog. Reads only."""
    with open_site(desk.record) as site:
        cloud = observe_cloud(site.record, site.catalog, site.ports, now=site.clock())
    answer(inspect_view.lines(cloud, site.record), inspect_view.document(cloud, site.record), as_json=as_json)
    return Exit.FAILED if cloud.unread else Exit.OK


@click.command("check")
@goal_option
@json_option
@pass_desk
def check(desk: Desk, *, goal: Upgrade, as_json: bool) -> Exit:
    """Ask whether the cloud may be upgraded: every check runs, each complaint has its remedies."""
    with open_site(desk.record) as site:
        cloud = observe_cloud(site.record, site.catalog, site.ports, now=site.clock(), goal=goal)
    findings = check_all(cloud, site.record, goal, site.catalog)
    answer(findings_view.lines(findings, goal.to), findings_view.document(findings, goal.to), as_json=as_json)
    return Exit.BLOCKED if blocked(findings) else Exit.OK
