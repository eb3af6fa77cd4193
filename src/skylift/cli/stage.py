"""``skylift stage``: fetch an artifact to every host, and change nothing that serves."""

from __future__ import annotations

import click

from skylift.app.conduct import Start, begin
from skylift.app.inspect_target import ArtifactUndeclared
from skylift.app.site import run_id
from skylift.app.wiring import open_site
from skylift.cli.audited import Audited
from skylift.cli.bench import bench_of
from skylift.cli.desk import Desk, answer, goal_option, json_option, pass_desk
from skylift.cli.exits import Exit
from skylift.cli.views import run as run_view
from skylift.engine.fold import Standing
from skylift.model.goal import Upgrade
from skylift.planning.staging import plan_staging
from skylift.planning.text import write_plan


@click.command("stage", cls=Audited)
@goal_option
@json_option
@pass_desk
def stage(desk: Desk, *, goal: Upgrade, as_json: bool) -> Exit:
    """Fetch the goal's artifact to every host and verify each file of it there. No service is touched."""
    with open_site(desk.record, desk.runs) as site, bench_of() as bench:
        artifact = site.record.artifact_for(goal.to)
        if artifact is None:
            raise ArtifactUndeclared(f"of release {goal.to}")
        plan = plan_staging(site.record, artifact, site.catalog, site.digest)
        ended = begin(site, run_id(site, "stage"), plan, Start(write_plan(plan)), bench=bench)
    answer(run_view.lines(plan, ended, None), run_view.document(plan, ended, None), as_json=as_json)
    return Exit.OK if ended.standing is Standing.COMPLETED else Exit.FAILED
