"""What is kept of simulated runs: by an explicit word, of one commit, block by block."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import cache, partial
from itertools import repeat
from pathlib import Path

import pytest

from skylift.gate.stamp import Stamp, stamp
from skylift.testing.simulation.kept import Kept, begun, keep, page_of
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.play import Ran, play
from skylift.testing.simulation.run import BLOCK, add_up, main
from skylift.testing.simulation.table import ENOUGH, Table

NOW = Stamp("2026-01-01", "abc1234")


@cache
def ran() -> Ran:
    return play(1)


def table_of(seeds: int) -> Table:
    table = Table()
    for _ in range(seeds):
        table.add(ran())
    return table


def written(path: Path, *, first: int = 0, seeds: int = ENOUGH, commit: str = NOW.commit) -> Kept:
    kept = Kept("2025-12-31", commit, first, table_of(seeds))
    keep(path, kept)
    return kept


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results.json"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree of one commit, and the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "engine.py").write_text("whole\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("old\n")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "All of it")):
        git(*words)
    return tmp_path


def git(*words: str) -> str:
    own = ("-c", "user.name=rey", "-c", "user.email=rey@example.org")
    return subprocess.run(["git", *own, *words], capture_output=True, text=True, check=True).stdout.strip()


def test_a_page_is_made_of_what_is_kept(results: Path) -> None:
    kept = written(results)

    page = results.with_suffix(".md").read_text()
    assert page == "\n".join(page_of(kept)) + "\n"
    assert f"`simulate: {ENOUGH} seeds, " in page
    assert f"({kept.day}, commit {kept.commit})" in page
    assert all(f"| {kind.value} |" in page for kind in FaultKind)


@pytest.mark.parametrize("first", [0, 7, ENOUGH])
def test_seeds_of_the_same_commit_are_gone_on_with_where_they_ended(results: Path, first: int) -> None:
    there = written(results)

    kept, remark = begun(results, NOW, first)

    assert (kept.first, kept.end, kept.day) == (0, ENOUGH, NOW.day)
    assert kept.table.document() == there.table.document()
    assert f"goes on with seed {ENOUGH}" in remark


@pytest.mark.parametrize(
    ("commit", "first", "why"),
    [
        ("fff0000", 0, "is of commit fff0000, and is replaced"),
        (NOW.commit, ENOUGH + 1, "it is replaced"),
        (NOW.commit, 0, "it is replaced"),
    ],
)
def test_seeds_of_another_commit_or_with_a_gap_are_replaced(
    results: Path, commit: str, first: int, why: str
) -> None:
    written(results, first=int(first == 0), commit=commit)

    kept, remark = begun(results, NOW, first + int(first > 0))

    assert kept.table.seeds == 0
    assert why in remark


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"commit": "abc1234"}', "\xff", "null"])
def test_what_cannot_be_read_is_replaced_with_a_remark(results: Path, text: str) -> None:
    results.write_bytes(text.encode("latin-1"))

    kept, remark = begun(results, NOW, 3)

    assert (kept.first, kept.table.seeds) == (3, 0)
    assert remark == f"{results} cannot be read, and is replaced"


def test_a_table_with_a_kind_that_is_gone_cannot_be_read(results: Path) -> None:
    written(results, seeds=1)
    document = json.loads(results.read_text())
    document["table"]["faults"].append(["plague", "prepare", 1])
    results.write_text(json.dumps(document))

    assert "cannot be read" in begun(results, NOW, 0)[1]


def test_who_is_interrupted_goes_on_after_the_last_whole_block(results: Path) -> None:
    def interrupted() -> Iterator[Ran]:
        yield from repeat(ran(), BLOCK + 100)
        raise KeyboardInterrupt

    kept, _ = begun(results, NOW, 0)
    with pytest.raises(KeyboardInterrupt):
        add_up(kept.table, interrupted(), partial(keep, results, kept))

    again, _ = begun(results, NOW, 0)
    assert again.end == BLOCK
    add_up(again.table, repeat(ran(), 30), partial(keep, results, again))
    assert begun(results, NOW, 0)[0].table.document() == table_of(BLOCK + 30).document()


def test_the_same_command_again_plays_what_is_left(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(("--seeds", "1", "--keep", "docs/results.json")) == 0
    assert main(("--seeds", "2", "--keep", "docs/results.json")) == 0

    whole, _ = begun(tree / "docs" / "results.json", stamp(), 0)
    both = Table()
    for seed in range(2):
        both.add(play(seed))
    assert whole.table.document() == both.document()
    assert "goes on with seed 1" in capfd.readouterr().out


def test_nothing_is_kept_unless_it_is_said(tree: Path) -> None:
    assert main(("--seeds", "1")) == 0

    assert git("status", "--porcelain") == ""
    assert [path.name for path in (tree / "docs").iterdir()] == ["page.md"]


def test_of_changed_sources_nothing_is_kept_and_nothing_played(
    tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tree / "src" / "new.py").write_text("not committed\n")

    assert main(("--seeds", "1", "--keep", "docs/results.json")) == 2

    assert not (tree / "docs" / "results.json").exists()
    told = capfd.readouterr().out
    assert told.startswith("nothing is kept: ")
    assert "events" not in told


def test_a_stamp_names_the_commit_and_whether_the_source_is_all_of_it(tree: Path) -> None:
    clean = stamp()
    (tree / "docs" / "page.md").write_text("new\n")
    with_pages = stamp()
    (tree / "src" / "engine.py").write_text("changed\n")

    assert clean.commit == git("rev-parse", "--short", "HEAD")
    assert with_pages == clean
    assert stamp().commit == clean.commit + "+"
    assert (clean.is_of_a_commit, stamp().is_of_a_commit) == (True, False)


def test_where_there_is_no_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert not stamp().is_of_a_commit
