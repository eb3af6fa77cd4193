"""The verbs that are said to a run, as typed: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skylift.app.runs import RunFolder, Runs
from skylift.app.wiring import open_journal
from skylift.catalog.catalog import load
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.journal import (
    Event,
    Reported,
    RunAborting,
    RunPaused,
    StepDone,
    StepFailed,
    StepRetried,
    StepSkipped,
    StepStarted,
    Why,
)
from skylift.engine.operate import Asked, open_run, retry
from skylift.engine.problems import StepRefuses
from skylift.model.ids import Digest, Epoch, RunId, StepId
from skylift.model.problem import Fix, Remedy
from skylift.planning.staging import plan_staging
from skylift.planning.text import digest_of, write_plan
from skylift.testing.plans import planned
from skylift.testing.samples import R2024_1, artifact_name, sample_record

PLAN = planned(sample_record())
FIRST = PLAN.steps[0].id
GUARD, UNDRAIN = StepId("keystone:drain@ctl1"), StepId("keystone:undrain@ctl1")


class Terminal:
    """A terminal on a machine on which a run was begun by another one."""

    def __init__(self, tmp_path: Path) -> None:
        self.record = tmp_path / "cloud.yaml"
        self.runs = Runs.beside(self.record)
        self.folder: RunFolder = self.runs.create(RunId("run-1"), write_plan(PLAN))
        with open_journal(self.folder) as journal:
            asked = Asked("rey@console", Epoch(0))
            open_run(journal, RunId("run-1"), cloud="sample", plan=digest_of(PLAN), approved=(), asked=asked)
            journal.append(StepStarted(FIRST, 1, 1), after=1)
            problem = Reported("witness.hurt", "it is not as it was made", ())
            journal.append(StepFailed(FIRST, 1, problem, ended=True, at_ms=2), after=2)

    def has_seen(self, *events: Event) -> None:
        with open_journal(self.folder) as journal:
            for event in events:
                journal.append(event, after=len(journal.events()))

    def types(self, *words: str) -> int:
        return call(["--cloud", str(self.record), *words])

    @property
    def run(self) -> Run:
        with open_journal(self.folder) as journal:
            return fold(journal.events())


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_a_pause_is_said_without_any_host_or_record_within_reach(terminal: Terminal) -> None:
    assert terminal.types("pause") == Exit.OK
    assert terminal.run.pause is not None
    assert terminal.types("resume", "no-such-run") == Exit.BLOCKED


def test_a_pause_of_what_is_paused_changes_nothing_and_says_so(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither why it was paused first, nor what to do about that."""
    spent = Reported("loss-budget.spent", "6 requests failed", ())
    terminal.has_seen(RunPaused(Why.LOSS_BUDGET, spent, 3))
    before = terminal.run

    code = terminal.types("pause")

    told = capsys.readouterr()
    assert code == Exit.OK
    assert told.err == "run run-1 was paused already: nothing was changed\n"
    assert "loss-budget.spent: 6 requests failed" in told.out
    assert terminal.run == before


def test_after_artifacts_were_only_fetched_there_is_nothing_to_validate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, cloud = tmp_path / "cloud.yaml", sample_record()
    staging = plan_staging(cloud, cloud.artifacts[artifact_name(R2024_1)], load(), Digest("sha256:0"))
    text = write_plan(staging)
    with open_journal(Runs.beside(record).create(RunId("stage-1"), text)) as journal:
        asked = Asked("rey@console", Epoch(0))
        open_run(journal, RunId("stage-1"), cloud="sample", plan=digest_of(staging), approved=(), asked=asked)

    code = call(["--cloud", str(record), "validate"])

    told = capsys.readouterr().err
    assert code == Exit.USAGE
    assert "nothing to validate: run stage-1 only fetched artifacts of 2024.1" in told
    assert "skylift check --to 2024.1" in told


def test_a_skipped_step_is_shown_with_who_answers_for_it_and_why(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    code = terminal.types("skip", FIRST, "--reason", "its owner deleted it")

    told = capsys.readouterr().out
    assert code == Exit.OK
    assert f"{FIRST} is skipped, by " in told
    assert "its owner deleted it" in told
    assert "next: skylift resume" in told
    assert terminal.run.standing is Standing.RUNNING


@pytest.mark.parametrize("step", ["backup:keystone", "rehearse:keystone"])
def test_who_skips_the_last_way_back_is_told_so_from_then_on(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    told = (
        "keystone cannot be restored any more, once keystone:contract has begun: no backup of database "
        "keystone was made and tried"
    )

    terminal.types("skip", step, "--reason", "the night is short")
    answer = capsys.readouterr().out
    terminal.types("status")
    later = capsys.readouterr().out

    assert told in answer
    assert told in later
    with open_journal(terminal.folder) as journal:
        (skipped,) = (event for event in journal.events() if isinstance(event, StepSkipped))
    assert (skipped.reason, skipped.costs) == ("the night is short", told)


def test_a_skip_that_costs_no_way_back_says_nothing_of_one(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.types("skip", FIRST, "--reason", "its owner deleted it")

    assert "restored" not in capsys.readouterr().out


def test_a_skip_without_a_reason_is_not_understood(terminal: Terminal) -> None:
    assert terminal.types("skip", FIRST) == Exit.USAGE
    assert terminal.run.steps[FIRST].phase is Phase.FAILED


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("skip", GUARD, "--reason", "no"), "step.refuses"),
        (("postpone", "keystone:nothing", "--reason", "no"), "step.unknown"),
        (("pause", "run-2"), "run.unknown"),
    ],
)
def test_what_is_refused_says_so_in_json_with_remedies_and_changes_nothing(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], problem: str
) -> None:
    before = terminal.run

    code = terminal.types(*words, "--json")

    told = json.loads(capsys.readouterr().out)["problem"]
    assert (code, told["code"]) == (Exit.BLOCKED, problem)
    assert told["remedies"]
    assert terminal.run == before


def test_a_failure_that_was_put_aside_is_still_told(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.types("postpone", FIRST, "--reason", "tomorrow")
    capsys.readouterr()

    terminal.types("status")

    told = capsys.readouterr().out
    assert f"{FIRST} is postponed, by " in told
    assert "witness.hurt: it is not as it was made" in told


def test_a_postponed_step_is_named_when_nothing_else_is_left(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.types("postpone", FIRST, "--reason", "ctl1 waits for a disk", "--json")

    told = json.loads(capsys.readouterr().out)
    assert told["steps"][FIRST]["phase"] == "postponed"
    assert told["steps"][FIRST]["aside"]["reason"] == "ctl1 waits for a disk"
    assert told["allowed"] == ["pause", "resume", "approve", "retry", "skip", "postpone", "abort"]


def test_after_a_pause_of_a_run_at_rest_nobody_is_told_to_resume_what_does_nothing(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    every = [step.id for step in PLAN.steps if step.id != FIRST]
    terminal.has_seen(*(event for step in every for event in (StepStarted(step, 1, 3), StepDone(step, 1, 4))))
    terminal.types("postpone", FIRST, "--reason", "not tonight")
    capsys.readouterr()

    terminal.types("pause")

    told = capsys.readouterr().out
    assert told.endswith(f"  next: nothing is left but what was postponed: skylift retry {FIRST}\n")


def test_a_paused_run_that_waits_for_an_approval_says_so(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = PLAN.no_returns
    every = [step.id for step in PLAN.steps if step.id not in {FIRST, *PLAN.no_returns, *after(first)}]
    terminal.has_seen(
        StepRetried(FIRST, 2, "rey@console", 3), StepStarted(FIRST, 2, 4), StepDone(FIRST, 2, 5)
    )
    terminal.has_seen(*(event for step in every for event in (StepStarted(step, 1, 3), StepDone(step, 1, 4))))

    terminal.types("pause")

    told = capsys.readouterr().out
    assert f"skylift approve converge --no-return {first}" in told
    assert told.endswith("  next: approve it, then: skylift resume\n")


def after(step: StepId) -> set[StepId]:
    """All that waits for it, over however many steps."""
    later = {edge.after for edge in PLAN.edges if edge.before == step}
    return later.union(*map(after, later)) if later else later


def test_what_a_postponed_step_was_to_give_back_is_not_taken_and_status_says_so(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.types("postpone", UNDRAIN, "--reason", "ctl1 waits for a disk") == Exit.OK

    told = capsys.readouterr().out
    assert f"  {UNDRAIN} is postponed, by " in told
    assert f"until then nothing could give back what these take, so they wait, too: {GUARD}" in told


def test_a_failed_giving_back_that_is_put_aside_is_told_as_taken_and_why_it_failed(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that it holds up no others, and is not forgotten either."""
    remedies = (Remedy(Fix.REPAIR, "start haproxy on ctl1"), Remedy(Fix.RETRY, "then: skylift retry"))
    problem = Reported("balancer.silent", "the balancer on ctl1 does not answer", remedies)
    terminal.has_seen(StepStarted(GUARD, 1, 3), StepDone(GUARD, 1, 4), StepStarted(UNDRAIN, 1, 5))
    terminal.has_seen(StepFailed(UNDRAIN, 1, problem, ended=True, at_ms=6))

    assert terminal.types("skip", UNDRAIN, "--reason", "no") == Exit.BLOCKED
    instead = " ".join(capsys.readouterr().err.split())
    assert terminal.types("postpone", UNDRAIN, "--reason", "the rest goes on") == Exit.OK
    told = capsys.readouterr().out

    assert f"skylift postpone {UNDRAIN} --reason WHY" in instead
    assert "    balancer.silent: the balancer on ctl1 does not answer" in told
    assert "start haproxy on ctl1" in told
    assert "then: skylift retry\n" not in told, "that is about steps that failed"
    assert f"  taken by {GUARD}, and given back by {UNDRAIN}" in told


def test_what_is_yet_to_give_back_what_is_taken_is_not_postponed_and_nobody_is_told_to(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.has_seen(StepStarted(GUARD, 1, 3), StepDone(GUARD, 1, 4))

    assert terminal.types("postpone", UNDRAIN, "--reason", "later") == Exit.BLOCKED
    postponed = " ".join(capsys.readouterr().err.split())
    assert terminal.types("skip", UNDRAIN, "--reason", "no") == Exit.BLOCKED
    skipped = capsys.readouterr().err

    assert f"it is yet to give back what {GUARD} took, and has not failed" in postponed
    assert "postpone" not in skipped


def test_of_a_run_that_is_not_the_newest_every_command_names_it(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command without a name would be said to the newest run."""
    open_another(terminal, RunId("run-2"))

    terminal.types("status", "run-1")
    told = capsys.readouterr().out
    refused = terminal.types("postpone", "keystone:nothing", "--reason", "no", "--run", "run-1")
    remedies = capsys.readouterr().err
    terminal.types("status")
    newest = capsys.readouterr().out

    assert "then: skylift retry --run run-1; or take it back: skylift rollback run-1 -o FILE" in told
    assert refused == Exit.BLOCKED
    assert "see how they stand: skylift status run-1" in remedies
    assert newest.rstrip().endswith("next: skylift resume")


def open_another(terminal: Terminal, run: RunId) -> None:
    folder = Runs.beside(terminal.record).create(run, write_plan(PLAN))
    with open_journal(folder) as journal:
        asked = Asked("rey@console", Epoch(9))
        open_run(journal, run, cloud="sample", plan=digest_of(PLAN), approved=(), asked=asked)


def test_a_run_that_takes_nothing_of_a_word_names_what_it_takes_one_by_one(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.has_seen(RunAborting("the window closes", leave=False, actor="rey@console", at_ms=3))

    code = terminal.types("postpone", FIRST, "--reason", "not tonight", "--json")

    told = json.loads(capsys.readouterr().out)["problem"]
    hows = [remedy["how"] for remedy in told["remedies"]]
    assert (code, told["code"]) == (Exit.BLOCKED, "run.refuses")
    assert "let it go on: skylift resume" in hows
    assert "give it up: skylift abort --reason WHY" in hows
    assert not any("|" in how for how in hows), "a pipe is what a shell makes of that"


def test_a_retry_with_nothing_to_retry_does_not_offer_to_resume_what_works(
    terminal: Terminal,
) -> None:
    open_another(terminal, RunId("run-2"))
    folder = Runs.beside(terminal.record).find("run-2")

    with open_journal(folder) as journal, pytest.raises(StepRefuses) as refused:
        retry(journal, Asked("rey@console", Epoch(10)))

    offered = refused.value.remedies[-1].how
    assert offered == "it goes on by itself; if its process is gone: skylift resume"


def test_a_step_that_is_asked_for_says_where_it_stands_in_the_newest_run(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.types("why", FIRST)
    failed = capsys.readouterr().out
    terminal.types("why", GUARD)
    waits = capsys.readouterr().out

    assert "  stands     failed: witness.hurt: it is not as it was made (run run-1)" in failed
    assert "  stands     not begun, waits for " in waits


def test_a_step_that_is_misspelt_is_guessed_and_a_line_of_the_plan_names_its_steps(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.types("skip", "keystone:contrakt", "--reason", "no")
    misspelt = capsys.readouterr().err
    code = terminal.types("why", "keystone@ctl1")
    of_line = capsys.readouterr().err

    assert "did you mean keystone:contract" in misspelt
    assert code == Exit.USAGE
    assert f"name one of the steps of that line: {GUARD}, " in " ".join(of_line.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--apply",), "without a terminal say --yes"),
        (("--apply", "--yes", "--json"), "--json goes with -o"),
        (("--yes",), "--yes goes with --apply"),
    ],
)
def test_a_way_back_that_nobody_said_yes_to_is_not_even_planned(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    """Row 5: one command takes a run back, but not by mistake. That it does is seen in the lab."""
    assert terminal.types("rollback", *words) == Exit.USAGE
    assert told in capsys.readouterr().err
    assert [run.id for run in terminal.runs.known()] == ["run-1"]
