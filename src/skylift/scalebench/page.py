"""The page of the bench: its tables, the goals, and on what it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skylift.drainbench.page import goals_told
from skylift.scalebench.crews import CLOUDS, PRODUCT_LEASE_S, Spread
from skylift.scalebench.goals import Results, judged
from skylift.scalebench.long_run import STEPS_A_HOST, Resumed
from skylift.scalebench.share import Share
from skylift.testing.crew.shift import TakeOver


def page(results: Results) -> list[str]:
    """The lines below the page's first words."""
    return [
        f"{results.cores} cores, load {results.load:.0f} from others when it began.",
        "",
        *_spread(results.spread),
        "",
        *_take_overs(results.take_overs),
        "",
        *_shares(results.shares),
        "",
        *_resumed(results.resumed, results.hosts),
        "",
        *goals_told("bench-scale", list(judged(results))),
    ]


def _spread(spread: Sequence[Spread]) -> Iterator[str]:
    yield f"| workers, {CLOUDS} clouds | steps | steps/s | worker CPU, ms/step | PostgreSQL CPU, ms/step |"
    yield "| --: | --: | --: | --: | --: |"
    for s in spread:
        rate = s.steps / s.wall_s
        yield f"| {s.workers} | {s.steps} | {rate:.0f} | {s.client_ms:.1f} | {s.server_ms:.1f} |"


def _take_overs(taken_over: Sequence[TakeOver]) -> Iterator[str]:
    yield (f"| take-over (lease {PRODUCT_LEASE_S} s) | killed | held after, s | went on after, s |")
    yield "| --- | --- | --: | --: |"
    for number, t in enumerate(taken_over, start=1):
        where = "in the middle of a step" if t.under_way else "between two"
        yield f"| kill {number} | {where} | {t.held_after_s:.1f} | {t.written_after_s:.1f} |"


def _shares(shares: Sequence[Share]) -> Iterator[str]:
    yield "| journal | steps | events | CPU of the process, ms/step | of the journal, ms/event | share |"
    yield "| --- | --: | --: | --: | --: | --: |"
    for s in shares:
        step_ms = 1000 * s.process_cpu_s / s.steps
        yield (
            f"| {s.kept_in} | {s.steps} | {s.events} | {step_ms:.1f} | {s.event_ms:.2f} | {s.percent:.1f} % |"
        )


def _resumed(resumed: Sequence[Resumed], hosts: int) -> Iterator[str]:
    yield (
        f"| {hosts:,} hosts, {STEPS_A_HOST} steps each | done | events | read, CPU s "
        "| first new event, CPU s | wall s | peak, MiB |"
    )
    yield "| --- | --: | --: | --: | --: | --: | --: |"
    for r in resumed:
        yield (
            f"| {r.kept_in} | {r.percent} % | {r.events:,} | {r.read_cpu_s:.1f} | {r.cpu_s:.1f} "
            f"| {r.wall_s:.1f} | {r.peak_mib:,} |"
        )
