"""The page of the bench: one table, the goals, and on what it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from skylift.drainbench.page import goals_told
from skylift.sshbench.ansible import VERSION
from skylift.sshbench.goals import Results, judged
from skylift.sshbench.spent import Spent


def page(results: Results) -> list[str]:
    """The lines below the page's first words."""
    size = (
        f"{results.hosts} hosts, {results.tasks} tasks on each, {results.at_once} at once, medians of "
        f"{len(results.rounds)} rounds. {results.cores} cores, load {results.load:.0f} from others "
        "when it began."
    )
    return [
        size,
        "",
        *_table(results),
        "",
        *goals_told("bench-ssh", list(judged(results))),
    ]


def _table(results: Results) -> Iterator[str]:
    yield "| way | tasks | CPU of whoever asks, for each | CPU of the host, for each |"
    yield "| --- | --: | --: | --: |"
    ours = [r.ours for r in results.rounds]
    yield _row("**Skylift**, a task with a connection of its own", [o.connecting for o in ours])
    yield _row("**Skylift**, a task on a held connection", [o.held for o in ours])
    yield _row("**Skylift**, the whole job", [o.job for o in ours])
    for module in results.rounds[0].ansible:
        yield _row(f"{VERSION} `{module}`, the whole job", [r.ansible[module] for r in results.rounds])


def _row(way: str, rounds: Sequence[Spent]) -> str:
    asking, hosts = (median(s.asking_ms for s in rounds), median(s.hosts_ms for s in rounds))
    return f"| {way} | {rounds[0].tasks:,} | {asking:.2f} ms | {hosts:.1f} ms |"
