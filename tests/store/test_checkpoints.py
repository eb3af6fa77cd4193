"""Row 156: the names of states are in the store, so that every machine has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import desk_at
from tests.store.conftest import Processes

from skylift.app.checkpoints import NoSingleWay, checkpoints, name_state, run_since
from skylift.app.runs import Runs
from skylift.drivers.postgres_store import PostgresStore
from skylift.engine.journal import StepStarted
from skylift.engine.operate import Asked, open_run
from skylift.model.goal import Upgrade
from skylift.model.ids import Epoch, RunId, StepId
from skylift.planning.text import digest_of, read_plan
from skylift.testing.samples import R2023_1

LATER = RunId("20260102-000000-run-0002")


def test_a_name_that_one_machine_gave_is_known_on_another_with_what_ran_by_then(
    processes: Processes, store: PostgresStore, tmp_path: Path
) -> None:
    """By the heads in the trail, whatever the clocks of the two say."""
    desk = desk_at(tmp_path)
    text = desk.plan()
    plan = read_plan(text)
    here = Runs(tmp_path / "here", store)
    desk.site = replace(desk.site, runs=here)

    of = name_state(desk.site, "before", Upgrade(R2023_1))
    there = Runs(tmp_path / "there", processes.another())
    assert checkpoints(there) == (of,)
    with pytest.raises(NoSingleWay, match="nothing to take back"):
        run_since(there, desk.site.catalog, of)

    store.shelf.add(LATER, text, None)
    journal, asked = store.journal(LATER, None), Asked("rey@console", Epoch(0))
    open_run(journal, LATER, cloud="sample", plan=digest_of(plan), approved=(), asked=asked)
    journal.append(StepStarted(StepId("keystone:drain@ctl1"), 1, 1), after=1)

    assert run_since(there, desk.site.catalog, of).id == LATER
