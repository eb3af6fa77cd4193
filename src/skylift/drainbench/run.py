"""``python -m skylift.drainbench.run``: run the bench, print its table, write it into a page."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from skylift.drainbench.clouds import Cloud
from skylift.drainbench.goals import judged
from skylift.drainbench.measure import Results, Task, measure
from skylift.drainbench.page import page, told_of

SIZES = {100: 10, 1000: 10, 10_000: 1}
"""Hosts, and how many seeds."""
USES = (50, 70, 85)
RIVALS_UP_TO = 1000
REPLANS = {1000: 3}
"""Deviations on each cloud of that size."""


def main(argv: Sequence[str]) -> int:
    """Returns 1 if a goal was missed."""
    words = argparse.ArgumentParser(prog="bench-drain", description=__doc__)
    words.add_argument("--page", type=Path, help="the page to write the table into")
    words.add_argument("--hosts", type=int, action="append", choices=SIZES, help="only clouds of this size")
    words.add_argument("--seeds", type=int, help="at most so many seeds")
    asked = words.parse_args(argv)
    tasks = list(_tasks(asked.hosts or list(SIZES), asked.seeds))
    results = list(_measured(tasks))
    return told_of("bench-drain", page(results), asked.page, list(judged(results)))


def _tasks(sizes: Sequence[int], seeds: int | None) -> Iterator[Task]:
    for hosts in sizes:
        for percent in USES:
            for seed in range(1, min(seeds or SIZES[hosts], SIZES[hosts]) + 1):
                yield Task(Cloud(hosts, percent, seed), hosts <= RIVALS_UP_TO, REPLANS.get(hosts, 0))


def _measured(tasks: Sequence[Task]) -> Iterator[Results]:
    """Each cloud in a process of its own, so that none is charged for the memory of another."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        for number, (task, found) in enumerate(zip(tasks, pool.map(measure, tasks), strict=True), start=1):
            first = found.ways[0]
            print(  # noqa: T201 - progress
                f"{number}/{len(tasks)} {task.cloud}: {first.moves / first.instances:.4f} moves each, "
                f"{first.waves} waves (B3 {first.least_waves}), {first.cpu_s:.2f} CPU-s",
                file=sys.stderr,
                flush=True,
            )
            yield found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
