"""``python -m skylift.testing.simulation.run``: so many seeds, a table, and 1 if anything was broken.

``--seed N`` plays one of them again, to the same bytes, and tells its whole story. ``--keep FILE`` writes the
table down every 500 seeds; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from skylift.gate.stamp import stamp
from skylift.testing.simulation.kept import begun, keep
from skylift.testing.simulation.play import Ran, play
from skylift.testing.simulation.table import Table

_CHUNK = 8
BLOCK = 500
"""Seeds after which it is told how far we are, and written down: minutes at most are lost."""
_UNCOMMITTED = (
    "nothing is kept: nobody else has this source. Commit it (git status), then say it again; "
    "or leave KEEP out, and only see the table"
)


def main(argv: Sequence[str]) -> int:
    """Returns 1 if an invariant was broken or a kind of fault never befell, 2 if nothing can be kept here."""
    words = argparse.ArgumentParser(prog="simulate", description=__doc__)
    words.add_argument("--seeds", type=int, default=500, help="how many")
    words.add_argument("--first", type=int, default=0, help="the first of them")
    words.add_argument("--seed", type=int, help="this one alone, with its story")
    words.add_argument("--jobs", type=int, default=1, help="processes to spread them over")
    words.add_argument("--keep", type=Path, help="keep the table in this JSON file, and a page beside it")
    asked = words.parse_args(argv)
    if asked.seed is not None:
        return _again(asked.seed)
    seeds, table, write = range(asked.first, asked.first + asked.seeds), Table(), _nowhere
    if asked.keep:
        now = stamp()
        if not now.is_of_a_commit:
            _say(_UNCOMMITTED)
            return 2
        kept, remark = begun(asked.keep, now, asked.first)
        if remark:
            _say(remark)
        seeds, table, write = range(kept.end, seeds.stop), kept.table, partial(keep, asked.keep, kept)
    add_up(table, _played(seeds, asked.jobs), write)
    for line in table.lines():
        _say(line)
    for kind in table.missing:
        _say(f"never befell: {kind.value}")
    _say(table.verdict)
    return 1 if table.broken or table.missing else 0


def add_up(table: Table, played: Iterable[Ran], write: Callable[[], None]) -> None:
    """Add what is played to ``table``, told and written down after each block, and in the end."""
    for ran in played:
        table.add(ran)
        if ran.broken:
            _say(f"{ran}\n  see it again: make simulate SEED={ran.seed}")
        if table.seeds % BLOCK == 0:
            _say(f"{table.seeds} seeds")
            write()
    write()


def _nowhere() -> None:
    """A developer's seeds are for her own eyes."""


def _played(seeds: range, jobs: int) -> Iterator[Ran]:
    """In the order of the seeds, whoever plays them."""
    if jobs <= 1:
        yield from map(play, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(play, seeds, chunksize=_CHUNK)


def _again(seed: int) -> int:
    ran = play(seed)
    for line in (*ran.story, str(ran)):
        _say(line)
    return 1 if ran.broken else 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
