"""The disk of Skylift's own machine is full or read-only: verbs that look still do, the others say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, desk_at
from tests.record.conftest import PINNED, WHOLE
from tests.small_disk import fill, make_read_only, only_root, small_disk

from skylift.app.account import account
from skylift.app.runs import Runs
from skylift.cli.exits import Exit
from skylift.cli.main import call

pytestmark = only_root


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as found:
        files = {"id_ed25519": "key", "known_hosts": PINNED, "clouds.yaml": "clouds: {lab: {auth: {}}}\n"}
        for name, text in {**files, "cloud.yaml": WHOLE}.items():
            (found / name).write_text(text)
            (found / name).chmod(0o600)
        yield found


@pytest.fixture
def desk(disk: Path) -> Desk:
    """With a whole run behind it, of which the audit trail has a word."""
    desk = desk_at(disk)
    desk.apply(desk.plan())
    call(["--cloud", str(disk / "cloud.yaml"), "pause"])
    return desk


def says(disk: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = call(["--cloud", str(disk / "cloud.yaml"), *words])
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.mark.usefixtures("desk")
def test_a_run_on_a_read_only_disk_is_looked_at_as_ever(
    disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = says(disk, capsys, "status"), says(disk, capsys, "verify")
    make_read_only(disk)

    assert (says(disk, capsys, "status"), says(disk, capsys, "verify")) == before
    assert before[0][0] == Exit.OK


def test_a_report_without_files_is_told_from_a_read_only_disk(desk: Desk, disk: Path) -> None:
    (disk / ".skylift" / "runs" / RUN / "samples").unlink()
    make_read_only(disk)
    remarks: list[str] = []

    told = account(desk.site, desk.site.runs.find(RUN), remarks.append)

    assert told.run.id == RUN
    (remark,) = remarks
    assert "Read-only file system" in remark


@pytest.mark.parametrize("home", ["whole", "none"])
def test_a_verb_that_changes_something_names_the_read_only_disk(
    home: str, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if home == "whole":
        Runs.beside(disk / "cloud.yaml").make_home()
    make_read_only(disk)

    code, told = says(disk, capsys, "pause", "--json")

    assert code == Exit.BLOCKED
    assert '"journal.unwritable"' in told
    assert "mount -o remount,rw" in told


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("verb", ["pause", "stage"])
def test_a_verb_that_changes_something_names_the_full_disk_and_leaves_the_trail_alone(
    verb: str, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trail = disk / ".skylift" / "audit"
    before = trail.read_bytes()
    filler = fill(disk)

    code, told = says(disk, capsys, verb, *(["--to", "2024.1"] if verb == "stage" else []))

    assert code == Exit.BLOCKED
    assert "journal.unwritable" in told
    assert "free some space" in told
    assert "mv " not in told
    assert trail.read_bytes() == before
    filler.unlink()
    assert "DOES NOT HOLD" not in says(disk, capsys, "verify")[1].split("audit trail")[1]


@pytest.mark.usefixtures("desk")
def test_what_verify_cannot_read_is_not_said_to_be_edited(
    disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(disk)

    code, told = says(disk, capsys, "verify", "--json")

    proofs = {proof["document"]: proof for proof in json.loads(told)["proofs"]}
    assert code == Exit.FAILED
    assert not proofs["journal"]["read"]
    assert not proofs["audit trail"]["read"]
    words = says(disk, capsys, "verify")[1]
    assert "COULD NOT BE READ" in words
    assert "could not read" in words
    assert "DOES NOT HOLD" not in words


@pytest.mark.usefixtures("desk")
def test_a_way_back_that_finds_no_place_for_its_plan_says_how_to_name_one(
    disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(disk)
    make_read_only(disk)

    code, told = says(disk, capsys, "rollback", "--apply", "--yes")
    monkeypatch.undo()

    assert code == Exit.BLOCKED
    assert f"output.unwritable: cannot write back-of-{RUN}.plan: its disk is mounted read-only" in told
    assert "-o" in told


def test_a_folder_that_a_full_disk_made_by_half_is_kept_out_of_version_control_later(disk: Path) -> None:
    runs = Runs.beside(disk / "cloud.yaml")
    runs.make_home()
    (runs.home / ".gitignore").write_text("")

    runs.make_home()

    assert (runs.home / ".gitignore").read_text() == "*\n"
