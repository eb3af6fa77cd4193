"""A mistake of Skylift's own is told like any problem, and kept whole for whoever mends it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at

from skylift.app.approvals import Approval
from skylift.app.audit import read_deed
from skylift.app.bugs import Unexpected, told_as_problem
from skylift.app.conduct import apply
from skylift.app.runs import Runs
from skylift.app.take_up import take_up
from skylift.app.wiring import open_audit, open_journal
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.engine.operate import Asked, open_run
from skylift.model.ids import Epoch, RunId
from skylift.planning.text import digest_of, write_plan
from skylift.ports.watched import watched
from skylift.testing.fuse import Fuse, Killed, fused
from skylift.testing.plans import planned
from skylift.testing.samples import sample_record


def odd(record: Path) -> None:
    """A run whose plan is a folder: of this nobody has thought."""
    plan = planned(sample_record())
    folder = Runs.beside(record).create(RunId("run-1"), write_plan(plan))
    with open_journal(folder) as journal:
        asked = Asked("rey@console", Epoch(0))
        open_run(journal, folder.id, cloud="sample", plan=digest_of(plan), approved=(), asked=asked)
    folder.plan.unlink()
    folder.plan.mkdir()


def outcomes(runs: Runs) -> list[str]:
    with open_audit(runs) as trail:
        return [read_deed(row.body).outcome for row in trail.rows()]


@pytest.mark.parametrize("verb", ["status", "pause"])
def test_a_mistake_has_a_code_remedies_and_a_file_of_its_owners_alone(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd(tmp_path / "cloud.yaml")

    code = call(["--cloud", str(tmp_path / "cloud.yaml"), verb, "--json"])

    said = capsys.readouterr()
    problem = json.loads(said.out)["problem"]
    (kept,) = (tmp_path / ".skylift").glob("bug-*.txt")
    assert (code, problem["code"]) == (Exit.FAILED, "bug.unexpected")
    assert "IsADirectoryError" in problem["sentence"]
    assert str(kept) in problem["sentence"]
    assert any("skylift resume" in remedy["how"] for remedy in problem["remedies"])
    assert "Traceback" not in said.err
    assert "Traceback" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_the_trail_counts_it_as_what_came_of_the_verb(tmp_path: Path) -> None:
    record = tmp_path / "cloud.yaml"
    odd(record)

    call(["--cloud", str(record), "pause"])

    assert outcomes(Runs.beside(record)) == ["begun", "bug.unexpected"]


def test_words_that_a_verb_does_not_understand_are_told_with_their_exit_code(tmp_path: Path) -> None:
    """Whoever reads the trail is not to think that somebody cut it short."""
    record = tmp_path / "cloud.yaml"
    odd(record)

    code = call(["--cloud", str(record), "skip", "--reason", "why"])

    assert outcomes(Runs.beside(record)) == ["begun", f"exit {code:d}"]


def test_words_that_are_not_understood_are_no_mistake_of_ours(tmp_path: Path) -> None:
    odd(tmp_path / "cloud.yaml")

    assert call(["--cloud", str(tmp_path / "cloud.yaml"), "skip", "--reason", "why"]) == Exit.USAGE
    assert list((tmp_path / ".skylift").glob("bug-*")) == []


def test_a_secret_in_it_is_masked_on_the_screen_and_in_the_file(tmp_path: Path) -> None:
    told = meets(ValueError("mysql+pymysql://nova:open-sesame@vip/nova"), tmp_path)

    (kept,) = tmp_path.glob("bug-*.txt")
    assert "open-sesame" not in told
    assert "ValueError: mysql+pymysql://nova:***@vip/nova" in kept.read_text()


def test_where_no_file_can_be_had_the_whole_of_it_is_told(tmp_path: Path) -> None:
    told = meets(ValueError("odd"), tmp_path / "not" / "there")

    assert "it could not be kept in" in told
    assert "Traceback" in told


def meets(error: Exception, home: Path) -> str:
    """What is told of a mistake."""
    try:
        with told_as_problem(home):
            raise error
    except Unexpected as told:
        return str(told)


def test_a_worker_tells_it_and_the_trail_counts_it(tmp_path: Path) -> None:
    desk = desk_at(tmp_path)
    interrupted(desk)

    def breaks(_what: str) -> None:
        raise LookupError

    site = replace(desk.site, ports=watched(desk.site.ports, breaks))
    with pytest.raises(Unexpected, match="LookupError"):
        take_up(site, RUN, desk.bench, show=lambda _proposal: None)

    assert outcomes(desk.site.runs)[-2:] == ["begun", "bug.unexpected"]


def interrupted(desk: Desk) -> None:
    """A run whose process was killed after so many calls."""
    site = replace(desk.site, ports=fused(desk.site.ports, Fuse(700)))
    with pytest.raises(Killed):
        apply(site, RUN, desk.plan(), desk.bench, approval=Approval.ALL)
