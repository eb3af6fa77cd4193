"""What a journal tells: each occasion, where it belongs, under a key that never changes."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from skylift.app.story import Story
from skylift.app.subject import Upgrading
from skylift.engine.journal import (
    FORMAT,
    Event,
    Outcome,
    Reported,
    RunAborting,
    RunClosed,
    RunOpened,
    RunPaused,
    RunResumed,
    StepFailed,
    StepRetried,
    StepStarted,
    Why,
)
from skylift.model.ids import Digest, RunId
from skylift.model.notification import Notification, Occasion
from skylift.model.problem import Fix, Remedy
from skylift.planning.plan import Stage
from skylift.testing.plans import planned
from skylift.testing.samples import sample_record

PLAN = planned(sample_record())
ONE, TWO = (step.id for step in PLAN.steps[:2])
LOST = Reported("host.unreachable", "ctl1 does not answer", (Remedy(Fix.RETRY, "skylift retry"),))
SPENT = Reported("loss-budget.spent", "users lost 3 requests", ())
EVENTS: Sequence[Event] = (
    RunOpened(FORMAT, RunId("run-1"), "sample", Digest("sha256:0"), (), "rey@console", 1),
    StepStarted(ONE, 1, 2),
    StepStarted(TWO, 1, 3),
    StepFailed(ONE, 1, LOST, ended=True, at_ms=4),
    StepFailed(TWO, 1, LOST, ended=True, at_ms=5),
    StepRetried(ONE, 2, "rey@console", 6),
    StepRetried(TWO, 2, "rey@console", 7),
    StepStarted(ONE, 2, 8),
    StepFailed(ONE, 2, LOST, ended=True, at_ms=9),
    RunPaused(Why.LOSS_BUDGET, SPENT, 10),
    RunAborting("the window closes", leave=True, actor="rey@console", at_ms=11),
    RunClosed(Outcome.ABORTED, 12),
)


ABORTED = (RunAborting("no", leave=True, actor="rey@console", at_ms=3), RunClosed(Outcome.ABORTED, 4))


def told(events: Sequence[Event]) -> list[Notification]:
    return list(Story(Upgrading(PLAN)).goes_on(events))


def test_every_occasion_is_told_where_it_belongs() -> None:
    """Every failure is one, and the run is halted by the first since it last went on."""
    occasions = [(what.at_ms, what.occasion.value) for what in told(EVENTS)]

    assert occasions[2:] == [
        (2, "stage-begun"),
        (4, "step-failed"),
        (4, "halted"),
        (5, "step-failed"),
        (9, "step-failed"),
        (9, "halted"),
        (10, "paused"),
        (12, "aborted"),
        (12, "users-called-off"),
    ]
    assert [occasion for _, occasion in occasions[:2]] == ["opened", "users-before"]


def test_a_run_that_is_given_up_once_users_could_notice_it_has_ended_for_them() -> None:
    noticed = next(step.id for step in PLAN.steps if step.stage is not Stage.PREPARE)

    last = told([EVENTS[0], StepStarted(noticed, 1, 2), *ABORTED])[-1]

    assert last.occasion is Occasion.USERS_AFTER


def test_what_failed_is_told_with_why_and_what_may_be_done() -> None:
    failed = next(what for what in told(EVENTS) if what.occasion is Occasion.STEP_FAILED)
    aborted = next(what for what in told(EVENTS) if what.occasion is Occasion.ABORTED)

    assert failed.sentence == f"{ONE} failed: ctl1 does not answer"
    assert failed.details == ("fix and retry: skylift retry",)
    assert aborted.sentence == "the run was given up and is closed: the window closes"


def test_a_stage_that_waits_for_its_approval_is_told_once_and_not_while_the_run_is_paused() -> None:
    opened = RunOpened(
        FORMAT, RunId("run-1"), "sample", Digest("sha256:0"), (), "rey@console", 1, gated=(Stage.PREPARE,)
    )
    said: Sequence[Event] = [opened, RunPaused(Why.OPERATOR, None, 2), RunResumed("rey@console", 3)]

    awaited = [what for what in told(said) if what.occasion is Occasion.APPROVAL_AWAITED]

    assert [what.key for what in awaited] == ["run-1/1/approval-awaited/prepare"]
    assert awaited[0].sentence == "the run waits for the approval of prepare: skylift approve prepare"


@given(cuts=st.lists(st.integers(0, len(EVENTS))))
def test_however_it_is_heard_the_same_is_told_under_the_same_keys(cuts: list[int]) -> None:
    story, heard = Story(Upgrading(PLAN)), list[Notification]()

    for cut in (*sorted(cuts), len(EVENTS)):
        heard += story.goes_on(EVENTS[:cut])

    assert heard == told(EVENTS)
    assert len({what.key for what in heard}) == len(heard)
