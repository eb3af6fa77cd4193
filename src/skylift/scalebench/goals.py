"""What scale may cost, as ``docs/reference/scale.md`` says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from skylift.drainbench.goals import Judged
from skylift.scalebench.crews import Spread
from skylift.scalebench.long_run import STEPS_A_HOST, Resumed
from skylift.scalebench.share import Share
from skylift.testing.crew.shift import TakeOver

RESUME_S, SHARE_PERCENT, HOSTS = 10, 5, 10_000


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured."""

    cores: int
    load: float
    """Of the machine as it began, the bench's own apart."""
    hosts: int
    """Of the long run."""
    spread: Sequence[Spread]
    take_overs: Sequence[TakeOver]
    shares: Sequence[Share]
    resumed: Sequence[Resumed]


def judged(results: Results) -> Iterator[Judged]:
    """Every goal, in the order of the page."""
    for share in results.shares:
        yield Judged(
            share.percent <= SHARE_PERCENT,
            f"the journal in {share.kept_in} takes at most {SHARE_PERCENT} % of the CPU of who drives a run",
            f"{share.percent:.1f} %",
        )
    for found in results.resumed:
        yield _gone_on(found, results.hosts)


def _gone_on(found: Resumed, hosts: int) -> Judged:
    """A shorter run than the goal is about proves nothing."""
    return Judged(
        hosts >= HOSTS and found.wall_s <= RESUME_S,
        f"a run over {HOSTS:,} hosts with {STEPS_A_HOST} steps each, {found.percent} % done, kept in "
        f"{found.kept_in}, goes on within {RESUME_S} s",
        f"{found.wall_s:.1f} s ({found.cpu_s:.1f} s of CPU) with {hosts:,} hosts",
    )
