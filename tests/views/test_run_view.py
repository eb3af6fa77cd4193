"""A run as its operator sees it."""

from __future__ import annotations

from skylift.catalog.catalog import load
from skylift.cli.views.run import changes, document, lines, under_way
from skylift.engine.fold import Run, fold
from skylift.engine.journal import (
    Event,
    Reported,
    RunAborting,
    RunClosed,
    RunOpened,
    RunPaused,
    StepDone,
    StepFailed,
    StepStarted,
    Why,
)
from skylift.engine.journal import Outcome as Closing
from skylift.engine.problems import Holder
from skylift.model.ids import Digest, RunId, StepId
from skylift.model.problem import Fix, Remedy
from skylift.planning.staging import plan_staging
from skylift.testing.plans import planned
from skylift.testing.samples import R2024_1, artifact_name, sample_record

PLAN = planned(sample_record())
FIRST = PLAN.steps[0].id
RUN = RunId("r1")


def run(*events: Event) -> Run:
    return fold([RunOpened(1, RUN, "sample", Digest("sha256:0"), (), "rey@console", 0), *events])


def test_each_change_is_one_line_and_nothing_else_is() -> None:
    before = run()
    started = run(StepStarted(FIRST, 1, 1000))
    done = run(StepStarted(FIRST, 1, 1000), StepDone(FIRST, 1, 3500))

    assert changes(PLAN, before, started) == [f"00:01 [  0/{len(PLAN.steps)}] started   {FIRST}"]
    assert changes(PLAN, started, done) == [f"00:03 [  1/{len(PLAN.steps)}] done      {FIRST} (2.5 s)"]
    assert changes(PLAN, done, done) == []


def test_a_running_step_says_what_is_left() -> None:
    started = run(StepStarted(FIRST, 1, 1000))

    assert under_way(PLAN, started, {FIRST: "2 of 4 made"}, 61_000) == [f"01:00 {FIRST}: 2 of 4 made"]


def test_a_failure_is_shown_with_its_remedies_and_what_to_do_next() -> None:
    problem = Reported("service.died", "it could not run", (Remedy(Fix.RETRY, "skylift retry"),))
    halted = run(StepStarted(FIRST, 1, 0), StepFailed(FIRST, 1, problem, ended=True, at_ms=5))

    said = "\n".join(lines(PLAN, halted, None))

    assert "service.died: it could not run" in said
    assert "fix and retry: skylift retry" in said
    assert "next: follow a remedy, then: skylift retry" in said
    assert document(PLAN, halted, None)["standing"] == "halted"


def test_a_run_whose_process_is_gone_says_so_and_how_to_go_on() -> None:
    said = lines(PLAN, run(StepStarted(FIRST, 1, 0)), None)

    assert said[0].endswith("interrupted (its process is gone)")
    assert said[-1] == "  next: skylift resume"


def test_a_run_that_only_fetched_artifacts_is_no_upgrade_and_leads_to_the_checks() -> None:
    record = sample_record()
    artifact = record.artifacts[artifact_name(R2024_1)]
    staging = plan_staging(record, artifact, load(), Digest("sha256:0"))

    said = lines(staging, run(RunClosed(Closing.COMPLETED, 9)), None)

    assert said[0] == "run r1 of sample, artifacts of 2024.1 to its hosts: completed"
    assert said[-1] == "  next: skylift check --to 2024.1"


def test_what_was_not_fetched_when_a_fetch_was_given_up_is_fetched_by_another_one() -> None:
    record = sample_record()
    staging = plan_staging(record, record.artifacts[artifact_name(R2024_1)], load(), Digest("sha256:0"))
    given_up = run(RunAborting("enough", leave=False, actor="rey", at_ms=5), RunClosed(Closing.ABORTED, 9))

    said = lines(staging, given_up, None)

    assert said[-1] == "  next: skylift report; and for what is not done: skylift stage --to 2024.1"


def test_a_run_that_is_worked_on_names_who_does() -> None:
    holder = Holder(42, "console", "rey", 0, RUN)

    said = lines(PLAN, run(StepStarted(FIRST, 1, 0)), holder)

    assert "rey with process 42 on console" in said[0]
    assert document(PLAN, run(), holder)["holder"]["pid"] == 42


def test_a_paused_run_says_what_users_are_short_of_though_its_process_still_lives() -> None:
    drain = next(step.id for step in PLAN.steps if step.id.startswith("keystone:drain"))
    holder = Holder(42, "console", "rey", 0, RUN)
    taken = (StepStarted(drain, 1, 0), StepDone(drain, 1, 1))

    goes_on = lines(PLAN, run(*taken), holder)
    paused = lines(PLAN, run(*taken, RunPaused(Why.OPERATOR, None, 5, "")), holder)

    assert not any("taken by" in line for line in goes_on), "it gives it back by itself"
    assert any(line.startswith(f"  taken by {drain}, and given back by ") for line in paused)


def test_a_completed_run_leads_to_its_validation() -> None:
    events: list[Event] = []
    for step in PLAN.steps:
        events += [StepStarted(step.id, 1, 0), StepDone(step.id, 1, 1)]
    ended = run(*events, RunClosed(Closing.COMPLETED, 2))

    assert lines(PLAN, ended, None)[-1] == "  next: skylift validate; skylift report"
    assert document(PLAN, ended, None)["left"] == []
    assert StepId(FIRST) in document(PLAN, ended, None)["done"]


def test_a_run_that_was_paused_to_protect_users_leads_to_its_remedies_once_its_step_has_ended() -> None:
    problem = Reported("loss-budget.spent", "users lost", (Remedy(Fix.RETRY, "skylift resume --forward"),))
    paused = run(StepStarted(FIRST, 1, 0), RunPaused(Why.LOSS_BUDGET, problem, 5, ""))

    works = lines(PLAN, paused, Holder(42, "console", "rey", 0, RUN))
    rests = lines(PLAN, paused, None)

    assert works[-1] == f"  next: wait until it rests: {FIRST} ends first"
    assert rests[-1] == "  next: follow a remedy"
    assert "      fix and retry: skylift resume --forward" in rests
