"""What is kept of simulated runs: as the lab's results are, with day and commit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from skylift.testing.simulation.kept import keep, page_of, read_kept
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.play import Ran, play
from skylift.testing.simulation.table import ENOUGH, Table


@cache
def ran() -> Ran:
    return play(1)


def table_of(seeds: int) -> Table:
    table = Table()
    for _ in range(seeds):
        table.add(ran())
    return table


def test_parts_of_the_same_commit_are_joined_and_a_page_is_made_of_them(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"

    assert keep(kept, table_of(ENOUGH), first=0)
    assert keep(kept, table_of(100), first=ENOUGH)

    found = read_kept(kept)
    assert found is not None
    assert (found.first, found.table.document()) == (0, table_of(ENOUGH + 100).document())
    page = kept.with_suffix(".md").read_text()
    assert f"`simulate: {ENOUGH + 100} seeds, " in page
    assert f"commit {found.commit}" in page
    assert page == "\n".join(page_of(found)) + "\n"
    assert all(f"| {kind.value} |" in page for kind in FaultKind)


def test_a_few_seeds_replace_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    keep(kept, table_of(ENOUGH), first=0)

    assert not keep(kept, table_of(20), first=7)

    found = read_kept(kept)
    assert found is not None
    assert found.table.seeds == ENOUGH
