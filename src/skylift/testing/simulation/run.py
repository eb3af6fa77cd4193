"""``python -m skylift.testing.simulation.run``: so many seeds, a table, and 1 if anything was broken.

``--seed N`` plays one of them again, to the same bytes, and tells its whole story.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from skylift.testing.simulation.kept import keep
from skylift.testing.simulation.play import Ran, play
from skylift.testing.simulation.table import Table

_CHUNK = 8
_TOLD_EVERY = 500


def main(argv: Sequence[str]) -> int:
    """Returns 1 if an invariant was broken, or a kind of fault never befell."""
    words = argparse.ArgumentParser(prog="simulate", description=__doc__)
    words.add_argument("--seeds", type=int, default=500, help="how many")
    words.add_argument("--first", type=int, default=0, help="the first of them")
    words.add_argument("--seed", type=int, help="this one alone, with its story")
    words.add_argument("--jobs", type=int, default=1, help="processes to spread them over")
    words.add_argument("--keep", type=Path, help="keep the table in this JSON file, and a page beside it")
    asked = words.parse_args(argv)
    if asked.seed is not None:
        return _again(asked.seed)
    table = Table()
    for ran in _played(range(asked.first, asked.first + asked.seeds), asked.jobs):
        table.add(ran)
        if ran.broken:
            _say(f"{ran}\n  see it again: make simulate SEED={ran.seed}")
        elif table.seeds % _TOLD_EVERY == 0:
            _say(f"{table.seeds} seeds")
    for line in table.lines():
        _say(line)
    for kind in table.missing:
        _say(f"never befell: {kind.value}")
    if asked.keep and keep(asked.keep, table, first=asked.first):
        _say(f"kept in {asked.keep}")
    _say(table.verdict)
    return 1 if table.broken or table.missing else 0


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
