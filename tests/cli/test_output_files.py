"""A file that an operator names for an answer and that cannot be written is told before any work is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.small_disk import fill, make_read_only, only_root, small_disk

from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.cli.output_file import write_output
from skylift.drainbench.make import main as make

ASKING = [
    ("plan", "--to", "2024.1", "-o"),
    ("plan", "--reboot", "-o"),
    ("plan", "--reboot", "--svg"),
    ("rollback", "-o"),
    ("report", "--html"),
    ("inspect", "--fleet", "-o"),
    ("init",),
]
"""Each way to name one. No record is here: whoever looked at it first would say so."""


def problem_of(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit code, the sentence and the remedies of what is refused."""
    capsys.readouterr()
    code = call([*words, "--json"] if words[0] != "init" else list(words))
    told = capsys.readouterr()
    if words[0] == "init":
        return code, told.err, told.err
    problem = json.loads(told.out)["problem"]
    assert problem["code"] == "output.unwritable"
    return code, problem["sentence"], " ".join(remedy["how"] for remedy in problem["remedies"])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as found:
        yield found


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_a_folder_that_is_not_there_is_named_before_anything_is_looked_at(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    code, sentence, hows = problem_of(capsys, *words, "nowhere/x")

    assert code == Exit.BLOCKED
    assert "cannot write nowhere/x: the folder nowhere is not there" in sentence
    assert "name another" in hows
    assert list(tmp_path.iterdir()) == []


@only_root
@pytest.mark.parametrize("words", ASKING, ids=" ".join)
@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_a_read_only_disk_is_named_before_anything_is_looked_at(
    words: tuple[str, ...],
    there: bool,  # noqa: FBT001 - the two cases
    disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(disk)
    if there and words[0] != "init":
        (disk / "x").touch()
    make_read_only(disk)

    code, sentence, _ = problem_of(capsys, *words, "x")
    monkeypatch.undo()

    assert code == Exit.BLOCKED
    assert "cannot write x: its disk is mounted read-only" in sentence


@only_root
def test_a_disk_that_fills_up_meanwhile_is_named_and_leaves_nothing_that_looks_whole(
    disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(["30", "50", "1"])
    fleet, plan = tmp_path / "fleet.json", disk / "up.plan"
    fleet.write_text(capsys.readouterr().out)
    fill(disk)

    code = call(["plan", "--reboot", "--fleet", str(fleet), "-o", str(plan)])

    told = capsys.readouterr().err
    assert code == Exit.BLOCKED
    assert f"cannot write {plan}: no space left on device" in told
    assert not plan.exists()


def test_a_file_that_is_made_anew_never_takes_the_place_of_one_that_came_meanwhile(tmp_path: Path) -> None:
    """Two who say init at once: the record of the first is hers."""
    file = tmp_path / "cloud.yaml"
    write_output(file, b"mine", anew=True)

    with pytest.raises(FileExistsError):
        write_output(file, b"yours", anew=True)

    assert file.read_bytes() == b"mine"
