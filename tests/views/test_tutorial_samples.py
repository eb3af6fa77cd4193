"""What the tutorial shows of an answer is what the command prints today."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from tests.app.desk import desk_at

from skylift.app.inspect import observe_cloud
from skylift.checks.finding import Level
from skylift.checks.registry import check_all
from skylift.cli.views import findings as findings_view
from skylift.cli.views import inspect as inspect_view
from skylift.model.goal import Upgrade
from skylift.testing.samples import R2024_1

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-upgrade.md"
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def shown(command: str) -> list[str]:
    """The lines of a sample below its command, without times, and without what stands for more of them."""
    found = re.search(rf"\$ skylift {command}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return [TIME.sub("", line) for line in found[1].splitlines() if line not in {"...", ""}]


def test_the_samples_of_inspect_and_check_are_as_they_are_printed(tmp_path: Path) -> None:
    site, goal = desk_at(tmp_path).site, Upgrade(R2024_1)
    cloud = observe_cloud(site.record, site.catalog, site.ports, now=site.clock(), goal=goal)
    found = check_all(cloud, site.record, goal, site.catalog)
    passed = [replace(finding, level=Level.PASSED) for finding in found]

    inspected = {TIME.sub("", line) for line in inspect_view.lines(cloud, site.record)}

    assert [line for line in shown("inspect") if line not in inspected] == []
    assert [line for line in shown("check --to .*") if line not in findings_view.lines(passed, goal.to)] == []
