"""What an operator does with a run, up to the way back of it."""

from __future__ import annotations

from collections.abc import Callable

from tests.app.desk import RUN, Desk

from skylift.app.account import standing
from skylift.app.approvals import Approval
from skylift.app.conduct import apply
from skylift.app.propose_rollback import propose_rollback
from skylift.app.wiring import open_journal
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.operate import pause
from skylift.model.ids import ComponentName, RunId, StepId

BACK = RunId("20260102-000000-run-0002")
GLANCE_OUT = StepId("glance-api:drain@ctl2")
"""When this is done, Keystone is new, Glance is mixed, and a backend is out of its pool."""


def run_of(desk: Desk, run: RunId = RUN) -> Run:
    return standing(desk.site.runs, desk.site.runs.find(run)).run


def say(desk: Desk, word: Callable[..., Run], **how: object) -> None:
    with open_journal(desk.site.runs.find(RUN)) as journal:
        word(journal, desk.asked_now, **how)


def paused_at(desk: Desk, step: StepId) -> Run:
    """An upgrade that was paused as soon as this step was done."""

    def look(run: Run) -> None:
        if step in run.within(Phase.DONE) and run.standing is Standing.RUNNING:
            say(desk, pause)

    desk.at_each_look = look
    ended = desk.apply(desk.plan())
    desk.at_each_look = lambda _run: None
    return ended


def way_back(desk: Desk, *components: str) -> bytes:
    folder = desk.site.runs.find(RUN)
    proposal = propose_rollback(desk.site, folder, tuple(map(ComponentName, components)))
    assert not proposal.blocked
    return proposal.text


def apply_back(desk: Desk, text: bytes) -> Run:
    return apply(desk.site, BACK, text, desk.bench, approval=Approval.ALL)
