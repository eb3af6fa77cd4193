"""What was seen, found and judged, as an operator reads it and as a script does."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.roster.shown import cloud_and_record, stray

from skylift.app.validate import validate
from skylift.catalog.catalog import load
from skylift.checks.registry import check_all
from skylift.cli.views import findings, inspect, validation
from skylift.cli.views.columns import columns
from skylift.model.cloud import Cloud, SchemaSeen, Unreached
from skylift.model.goal import Upgrade
from skylift.model.ids import HostName
from skylift.testing.samples import (
    GLANCE,
    GLANCE_API,
    KEYSTONE,
    R2024_1,
    artifact_name,
    sample_cloud,
    sample_record,
)

RECORD = sample_record()
GOAL = Upgrade(R2024_1)
CTL1, CTL2 = HostName("ctl1"), HostName("ctl2")


def _staged() -> Cloud:
    cloud = sample_cloud(RECORD)
    target = RECORD.artifacts[artifact_name(R2024_1)]
    return replace(cloud, staged={**cloud.staged, (target.name, CTL1): target.digest})


def test_columns_are_as_wide_as_their_widest_word_and_end_without_blanks() -> None:
    assert columns(("a", "bb"), ("ccc", "d")) == ["a    bb", "ccc  d"]


def test_an_inspection_is_read_by_subject() -> None:
    told = inspect.lines(sample_cloud(RECORD, upgraded=[(KEYSTONE, CTL1)]), RECORD)

    assert told[0] == "sample at 2025-11-24 16:00:00 UTC"
    assert "ctl1    az1   40.0 GiB   +3 ms  Debian GNU/Linux 12 (bookworm)" in told
    assert "keystone       ctl1  active  200      2024.1   2025-11-23 16:00:00 UTC  openstack-2024.1" in told
    assert "keystone   47147121, e25ffa003242  2 revisions short of 2024.1" in told
    assert "glance     2023_1_contract01       the head of 2023.1" in told
    assert "ctl3      Primary  Synced  3 of 3" in told
    assert "keystone   2025-11-24 15:00:00 UTC" in told
    assert "glance     ctl2    up       up       up" in told
    assert "image      public     http://10.77.0.10:9292" in told
    assert "could not be read:" not in told


def test_what_is_not_as_it_should_be_stands_in_its_place() -> None:
    cloud = sample_cloud(RECORD)
    unit = replace(cloud.units[GLANCE_API, CTL2], running="/srv/by-hand", started_at=None)
    cloud = replace(
        cloud,
        hosts={**cloud.hosts, CTL1: Unreached(CTL1, "ctl1 could not be reached: no route")},
        units={(GLANCE_API, CTL2): unit},
        answers={(GLANCE_API, CTL2): None},
        schemas={GLANCE: SchemaSeen(GLANCE, "", frozenset({"zed_expand01"}))},
        backups={KEYSTONE: None},
        backends=tuple(b for b in cloud.backends if b.balancer != CTL2),
        unread={"galera": "nobody answered", "backends ctl2": "no socket"},
    )

    told = inspect.lines(cloud, RECORD)

    assert "ctl1    az1   -          -      ctl1 could not be reached: no route" in told
    assert any(
        line.endswith("-        -        -      /srv/by-hand, next start /opt/openstack/artifacts/2023.1")
        for line in told
    )
    assert "glance  zed_expand01  not known to 2024.1" in told
    assert "keystone   there is none" in told
    assert told[-3:] == ["could not be read:", "  backends ctl2: no socket", "  galera: nobody answered"]
    assert "glance     ctl1    up       unread   up" in told


def test_a_cloud_of_which_nothing_was_read_is_still_shown() -> None:
    cloud = sample_cloud(RECORD)
    nothing = replace(
        cloud, hosts={}, units={}, schemas={}, galera={}, backups={}, backends=(), endpoints=(), migrations={}
    )

    assert inspect.lines(nothing, RECORD)[-1].endswith("was not asked")


def test_what_blocks_is_told_last_and_before_it_what_warns() -> None:
    cloud = replace(sample_cloud(RECORD, upgraded=[(KEYSTONE, CTL1)]))

    told = findings.lines(check_all(cloud, RECORD, GOAL, load()), R2024_1)

    assert told[0].startswith("passed  release-path: ")
    assert told[-6].startswith("warns   schema: ")
    assert told[-4].startswith("blocks  artifacts: ")
    assert told[-3] == "        repair: skylift stage --to 2024.1"
    assert told[-1] == "not ready for 2024.1: 1 finding blocks, of 21 checks"


def test_the_verdict_of_the_checks_is_one_of_three() -> None:
    """Row 8: capable, not capable, capable with warnings."""
    clouds = (
        _staged(),
        replace(_staged(), schemas=sample_cloud(RECORD, upgraded=[(KEYSTONE, CTL1)]).schemas),
        sample_cloud(RECORD),
    )

    found = [check_all(cloud, RECORD, GOAL, load()) for cloud in clouds]

    assert [findings.document(f, R2024_1)["verdict"] for f in found] == [
        "capable",
        "capable with warnings",
        "not capable",
    ]
    assert [findings.lines(f, R2024_1)[-1] for f in found[:2]] == [
        "ready for 2024.1: 21 checks, nothing blocks",
        "ready for 2024.1, with 1 warning: 21 checks, nothing blocks",
    ]


def test_a_validation_ends_with_its_verdict_and_shows_what_to_do() -> None:
    upgraded = sample_cloud(RECORD, release=R2024_1, goal=R2024_1)
    old = sample_cloud(RECORD)

    whole = validation.lines(validate(upgraded, RECORD, GOAL, load()))
    failed = validation.lines(validate(old, RECORD, GOAL, load()))

    assert whole[1] == "keystone       ctl1  2024.1  completed"
    assert whole[-1] == "the goal, 2024.1: completed"
    assert "failed: keystone on ctl1, ctl2, ctl3 runs 2023.1, not 2024.1" in failed
    assert "  repair: see where the run stands, and why: skylift status" in failed
    assert failed[-1] == "the goal, 2024.1: failed"


def test_above_a_plan_stands_what_speaks_against_it_out_of_all_that_was_asked() -> None:
    cloud = replace(sample_cloud(RECORD), galera={})
    found = check_all(cloud, RECORD, GOAL, load())

    whole, against = findings.lines(found, R2024_1), findings.lines(found, R2024_1, passed=False)

    assert against[-1] == whole[-1]
    assert whole[-1].endswith(f"of {len({f.check for f in found})} checks")
    assert not any(line.startswith("passed") for line in against)


def test_issues_with_the_same_way_out_are_told_it_once() -> None:
    cloud = sample_cloud(RECORD)

    told = validation.lines(validate(cloud, RECORD, GOAL, load()))

    assert len([line for line in told if line.startswith("failed: ")]) > 1
    assert len([line for line in told if "let it go on: skylift resume" in line]) == 1


def test_every_view_is_a_json_document_as_well() -> None:
    cloud = sample_cloud(RECORD)
    found = check_all(cloud, RECORD, GOAL, load())

    seen = json.loads(json.dumps(inspect.document(cloud, RECORD)))
    judged = json.loads(json.dumps(validation.document(validate(cloud, RECORD, GOAL, load()))))
    told = json.loads(json.dumps(findings.document(found, R2024_1)))

    assert seen["cloud"] == "sample"
    assert seen["units"]["keystone/ctl1"]["running"] == "/opt/openstack/artifacts/2023.1"
    assert judged["outcome"] == "failed"
    assert judged["services"][0]["release"] == "2023.1"
    assert told["goal"] == "2024.1"
    assert {f["level"] for f in told["findings"]} == {"passed", "blocks"}


def test_who_reports_is_read_with_the_row_that_the_others_keep_to() -> None:
    cloud, record = cloud_and_record()
    off = tuple(
        replace(r, enabled=False, reason="broken fan") if r.host == "cmp2" and r.component == "nova" else r
        for r in cloud.reports
    )

    told = inspect.lines(replace(cloud, reports=(*off, stray(cloud, version=61))), record)

    rows = {tuple(line.split()[:3]): line for line in told}
    assert rows["nova-compute", "cmp9", "nova_cell1"].endswith("61       the lowest: others keep to it")
    assert rows["nova-compute", "cmp2", "nova_cell1"].endswith("66       disabled: broken fan")
    assert rows["heat-engine", "ctl1", "heat"].split()[-1] == "-"
    document = inspect.document(replace(cloud, reports=off), record)
    assert len(document["reports"]) == len(off)
