"""``python -m skylift.sshbench.run``: run the bench, print its table, write it into a page."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from skylift.drainbench.page import told_of
from skylift.gate.lab.host import LabProblem
from skylift.sshbench.ansible import MODULES, measure_ansible
from skylift.sshbench.farm import Farm, farm
from skylift.sshbench.goals import CONNECTIONS, Results, Round, judged
from skylift.sshbench.measure import Memory, measure_memory, measure_ours
from skylift.sshbench.page import page


def main(argv: Sequence[str]) -> int:
    """Returns 1 if a goal was missed, 2 if nothing could be measured."""
    words = argparse.ArgumentParser(prog="bench-ssh", description=__doc__)
    words.add_argument("--page", type=Path, help="the page to write the table into")
    words.add_argument("--hosts", type=int, default=100, help="on which the job runs")
    words.add_argument("--tasks", type=int, default=5, help="of the job, on each host; at least 2")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--at-once", type=int, default=20, help="our threads, and Ansible's forks")
    words.add_argument("--connections", type=int, default=CONNECTIONS, help="that are held at once")
    asked = words.parse_args(argv)
    if asked.tasks < 2:  # noqa: PLR2004 - the first is the one that connects
        words.error("--tasks must be at least 2: the first on each host is the one that connects")
    try:
        results = measured(asked)
    except LabProblem as problem:
        print(problem, *problem.remedies, sep="\n", file=sys.stderr)  # noqa: T201 - a command's complaint
        return 2
    return told_of("bench-ssh", page(results), asked.page, list(judged(results)))


def measured(asked: argparse.Namespace) -> Results:
    """Everything, on hosts of our own.

    Raises:
        LabProblem: the hosts cannot be made, or ansible-core cannot be installed or fails.
    """
    load = os.getloadavg()[0]
    with farm(max(asked.hosts, asked.connections)) as hosts:
        rounds = list(_rounds(hosts, asked))
        memory = _remembered(hosts, asked)
    return Results(asked.hosts, asked.tasks, asked.at_once, os.cpu_count() or 1, load, rounds, memory)


def _rounds(hosts: Farm, asked: argparse.Namespace) -> Iterator[Round]:
    """One way after the other, after each has run once: then all is compiled and in the page cache."""
    size = {"hosts": asked.hosts, "tasks": asked.tasks, "at_once": asked.at_once}
    one = {"hosts": 1, "tasks": 2, "at_once": 1}
    measure_ours(hosts, **one)
    for module in MODULES:
        measure_ansible(hosts, module, **one)
    for number in range(1, asked.rounds + 1):
        ours = measure_ours(hosts, **size)
        _progress(f"round {number}: ours {ours.job.asking_ms:.2f} ms for each task")
        ansible = {}
        for module in MODULES:
            ansible[module] = measure_ansible(hosts, module, **size)
            _progress(f"round {number}: ansible {module} {ansible[module].asking_ms:.1f} ms")
        yield Round(ours, ansible)


def _remembered(hosts: Farm, asked: argparse.Namespace) -> Memory:
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(measure_memory, hosts, asked.connections, asked.at_once).result()


def _progress(said: str) -> None:
    print(said, file=sys.stderr, flush=True)  # noqa: T201 - progress


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
