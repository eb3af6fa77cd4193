"""The command line's frame: words in, words and exit codes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from skylift.app.runs import Runs, RunUnknown
from skylift.cli.exits import Exit, exit_for
from skylift.cli.main import VERBS, call, skylift
from skylift.cli.views import problem as problem_view
from skylift.model.ids import RunId
from skylift.model.problem import Fix, Refused, Remedy, Transient


def test_a_word_that_is_no_verb_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code = call(["upgarde"])

    assert code == Exit.USAGE
    assert "upgarde" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = call([verb, "--help"])

    assert code == Exit.OK
    assert "Usage: skylift" in capsys.readouterr().out


def test_every_verb_is_listed_in_the_order_an_operator_meets_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call(["--help"])

    said = capsys.readouterr().out
    assert sorted(VERBS, key=lambda verb: said.index(f"\n  {verb} ")) == list(VERBS)
    assert list(VERBS) == skylift.list_commands(None)  # type: ignore[arg-type] # not looked at


def test_a_refusal_blocks_and_a_cloud_out_of_reach_fails() -> None:
    assert exit_for(Refused("no")) is Exit.BLOCKED
    assert exit_for(Transient("later")) is Exit.FAILED


def test_a_problem_is_its_sentence_and_then_each_way_out() -> None:
    problem = Refused("it could not be done: why", Remedy(Fix.RETRY, "skylift retry"))

    assert problem_view.lines(problem) == [
        "refused: it could not be done: why",
        "  fix and retry: skylift retry",
    ]
    assert problem_view.document(problem)["remedies"] == [{"fix": "fix and retry", "how": "skylift retry"}]


def test_a_run_is_found_by_its_id_or_as_the_newest(tmp_path: Path) -> None:
    runs = Runs(tmp_path / ".skylift")
    for name in ("20260101-000000-aa", "20260102-000000-bb"):
        runs.create(RunId(name), b"plan\n").journal.touch()

    assert runs.find(None).id == "20260102-000000-bb"
    assert runs.find("20260101-000000-aa").plan.read_bytes() == b"plan\n"
    with pytest.raises(RunUnknown):
        runs.find("20990101-000000-cc")


def test_a_run_folder_is_the_operators_alone(tmp_path: Path) -> None:
    folder = Runs(tmp_path / ".skylift").create(RunId("r1"), b"plan\n")

    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.plan.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b"])
def test_a_run_cannot_be_named_out_of_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a run"):
        Runs(tmp_path).create(RunId(name), b"")


def test_a_run_that_is_not_there_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    runs = Runs(tmp_path / ".skylift")
    with pytest.raises(RunUnknown, match=f"there is no run yet in {tmp_path}") as none_yet:
        runs.find(None)
    runs.create(RunId("20260101-000000-aa"), b"plan\n").journal.touch()
    with pytest.raises(RunUnknown, match=f"run nope is not known: it is not in {tmp_path}") as misspelt:
        runs.find("nope")

    assert none_yet.value.remedies[0].how.startswith("name the record")
    assert misspelt.value.remedies[0].how.endswith(": 20260101-000000-aa")


def test_a_record_that_is_not_there_is_what_is_told_when_no_run_is_found_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = call(["--cloud", str(tmp_path / "nosuch.yaml"), "status"])

    told = capsys.readouterr().err
    assert code == Exit.BLOCKED
    assert "nosuch.yaml cannot be used" in told
    assert "no such file" in told
