"""Before its first step a run measures what users get, and says so to whoever looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at
from tests.record.conftest import PINNED, WHOLE

from skylift.app.account import standing
from skylift.app.approvals import Approval
from skylift.app.conduct import apply
from skylift.app.runs import Runs
from skylift.app.schedule import measures_until
from skylift.app.wiring import hold, open_journal
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.cli.views.plan import measured_first
from skylift.engine.fold import Run
from skylift.engine.journal import StepStarted
from skylift.engine.operate import Asked, open_run
from skylift.model.ids import Epoch, Seconds
from skylift.planning.text import digest_of, read_plan

BEGAN = Epoch(1_800_000_000.0)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """With a record beside its runs, as a second terminal reads it."""
    files = {"id_ed25519": "key", "known_hosts": PINNED, "clouds.yaml": "clouds: {lab: {auth: {}}}\n"}
    for name, text in {**files, "cloud.yaml": WHOLE}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    desk = desk_at(tmp_path)
    desk.site = replace(desk.site, runs=Runs.beside(tmp_path / "cloud.yaml"))
    return desk


def test_status_in_a_second_terminal_says_that_it_measures_and_until_when(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, status = read_plan(desk.plan()), ["--cloud", str(tmp_path / "cloud.yaml"), "status"]
    with hold(desk.site, RUN), open_journal(desk.site.runs.create(RUN, desk.plan())) as journal:
        open_run(
            journal, RUN, cloud="lab", plan=digest_of(plan), approved=(), asked=Asked("rey@console", BEGAN)
        )
        assert call(status) == Exit.OK
        first = capsys.readouterr().out
        journal.append(StepStarted(plan.steps[0].id, 1, int(BEGAN * 1000) + 31_000), after=1)
        assert call(status) == Exit.OK
        later = capsys.readouterr().out
    assert call(status) == Exit.OK

    until = f"{datetime.fromtimestamp(BEGAN + 30, UTC):%H:%M:%S} UTC"
    told = (
        f"measures what users get before anything changes: its first step begins at {until} at the earliest"
    )
    assert told in first
    assert "measures what users get" not in later
    assert "measures what users get" not in capsys.readouterr().out, "nobody works on it"


def test_it_is_the_time_for_which_a_run_measures(desk: Desk) -> None:
    """Seen from beside, whenever the one that drives looks up."""
    looks: list[tuple[Run, Epoch]] = []
    bench = desk.bench

    def pause() -> None:
        looks.append((standing(desk.site.runs, desk.site.runs.find(RUN)).run, desk.cloud.now))
        bench.pause()

    apply(desk.site, RUN, desk.plan(), replace(bench, pause=pause), approval=Approval.ALL)

    policy = desk.site.record.policy
    before = [at for run, at in looks if not run.steps]
    assert len(before) == policy.baseline
    assert {measures_until(run, policy.baseline) for run, at in looks if not run.steps} == {
        Epoch(before[0] + policy.baseline)
    }
    assert all(measures_until(run, policy.baseline) is None for run, at in looks if run.steps)


def test_the_plan_says_that_this_comes_on_top(desk: Desk) -> None:
    plan = read_plan(desk.plan())

    assert measured_first(plan, Seconds(270)) == [
        "on top, before the first step: users' requests are measured for 270 s (policy.baseline)"
    ]
    assert measured_first(plan, Seconds(0)) == []
