"""How much may go wrong in a run over a fleet before it pauses: hosts that failed, and what users lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import CMP, QUICK, SiteOf, at_desk, folder, ran, site_of

from skylift.app.wiring import open_journal
from skylift.engine.fold import Phase, fold
from skylift.engine.journal import Why
from skylift.engine.operate import resume
from skylift.model.ids import PoolName
from skylift.testing.fake_state import FailedRequest


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Four compute hosts, an instance on each of the first three."""
    made = site_of(tmp_path, computes=4)
    for n in (1, 2, 3):
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    return made


def test_whoever_resumes_a_run_excuses_the_failures_she_has_seen(at: SiteOf) -> None:
    """In the same process, too: a desk next to it says so, and it goes on."""
    at.cloud.nova.sick.update(CMP[2:])
    record = replace(at.site.record, maintenance=replace(QUICK, failures=0))
    at.site = replace(at.site, record=record)

    def say() -> None:
        with open_journal(folder(at)) as journal:
            seen = fold(journal.events())
            if seen.pause is not None and not at.said:
                at.said = True
                resume(journal, at_desk(at))

    at.meanwhile = say

    run = ran(at)

    assert at.said
    assert run.within(Phase.FAILED) == {"try@cmp3", "try@cmp4"}, "the second failure is one too many again"
    assert run.pause is not None


def test_failed_requests_of_apis_have_no_allowance_for_moves(at: SiteOf) -> None:
    def lose() -> None:
        if at.cloud.roster.closed and not at.said:
            at.said = True
            at.cloud.traffic.failed += [FailedRequest(at.cloud.now, PoolName("nova"), "it failed")] * 6

    at.meanwhile = lose

    run = ran(at)

    assert run.pause is not None
    assert run.pause.why is Why.LOSS_BUDGET
