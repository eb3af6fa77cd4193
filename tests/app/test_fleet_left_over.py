"""Servers of ours that a killed run left: they are counted nowhere, and removed, and nobody else's are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import (
    CMP,
    QUICK,
    RUN,
    SiteOf,
    bench_of,
    boots,
    folder,
    is_whole,
    planned,
    ran,
    site_of,
)

from skylift.app.maintain import go_on
from skylift.app.read_fleet import read_fleet
from skylift.engine.fold import Phase, Standing
from skylift.engine.operate import retry
from skylift.fleet.mandate import Purpose
from skylift.model.ids import RunId, Seconds
from skylift.model.marks import PROBE, canary_name

OLD = RunId("20250101-000000-run-0000")


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Three compute hosts, an instance on each of two; an earlier run is known here."""
    made = site_of(tmp_path, computes=3)
    for n in (1, 2):
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    made.site.runs.create(OLD, planned(made))
    (made.site.runs.home / "runs" / OLD / "journal").touch()
    return made


@pytest.mark.parametrize("name", [canary_name(OLD, "cmp2"), f"{PROBE}{OLD}-1a2b-boot"])
def test_what_an_earlier_run_left_is_no_instance_and_in_nobodys_way(at: SiteOf, name: str) -> None:
    at.cloud.nova.boot(name, "cmp2", ours=True)
    counted = Counter(i.host for i in read_fleet(at.site).instances)

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert counted == {"cmp1": 1, "cmp2": 1}
    assert (run.standing, boots(at)["cmp2"]) == (Standing.COMPLETED, 2)
    assert at.cloud.nova.servers[name].deleted
    assert is_whole(at)


def test_a_server_of_somebody_else_by_such_a_name_is_an_instance_like_any_other(at: SiteOf) -> None:
    theirs = at.cloud.nova.boot(canary_name(OLD, "cmp2"), "cmp2")

    run = ran(at, Purpose.REBOOT, CMP[1])

    assert run.standing is Standing.COMPLETED
    assert (theirs.deleted, theirs.moves, theirs.boots) == (False, 1, 1)


def test_a_host_that_was_mended_is_tried_with_a_new_server(at: SiteOf) -> None:
    """A server that ended in error stays in error, whatever becomes of its host."""
    record = replace(at.site.record, maintenance=replace(QUICK, trial=Seconds(20)))
    at.site = replace(at.site, record=record)
    at.cloud.nova.sick.add(CMP[2])
    first = ran(at)

    at.cloud.nova.sick.clear()
    run = go_on(at.site, folder(at), bench_of(at), retry)

    assert first.within(Phase.FAILED) == {"try@cmp3"}
    assert run.standing is Standing.COMPLETED
    assert is_whole(at)


def test_what_this_run_left_on_a_host_that_is_no_longer_worked_on_is_removed(at: SiteOf) -> None:
    at.cloud.nova.boot(canary_name(RUN, "cmp1"), "cmp1", ours=True)

    run = ran(at)

    assert (run.standing, boots(at)["cmp1"]) == (Standing.COMPLETED, 2)
    assert is_whole(at)
