"""What the planner is to reach, judged over everything that was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from skylift.drainbench.measure import PLANS, Measured, Results

DEFAULT, ONE, CAPPED = PLANS
MORE_MOVES, MORE_WAVES, OFTEN = 0.02, 1, 0.95
UNCAPPED, UNDER_CAP = 1.5, 1.25
CPU_1000_S, CPU_10000_S, RSS_MIB, REPLAN_S, REPLAN_MOVES = 1.0, 15.0, 1024, 1.0, 0.005


@dataclass(frozen=True, slots=True)
class Judged:
    """One goal: whether it was held, what was to be reached, and the worst that was seen."""

    held: bool
    goal: str
    seen: str


def judged(results: Sequence[Results]) -> Iterator[Judged]:
    """Every goal, in the order of the page."""
    ours = [m for r in results for m in r.ways if m.way in PLANS]
    yield from _moves(ours)
    yield from _waves(ours)
    yield from _nothing_left(ours)
    yield from _makespan(ours)
    yield from _cost(ours)
    yield from _replans(results)


def _of(ours: Sequence[Measured], way: str) -> list[Measured]:
    return [m for m in ours if m.way == way]


def _moves(ours: Sequence[Measured]) -> Iterator[Judged]:
    worst = max((m.moves - m.least_moves) / m.instances for m in _of(ours, DEFAULT))
    yield Judged(worst <= MORE_MOVES, "moves for each instance at most B1 + 2 %", f"at most B1 + {worst:.2%}")
    over = sum(m.moves > m.least_moves for m in _of(ours, ONE))
    yield Judged(
        over == 0, "moves exactly B1 with batches of 1", f"above it in {over} of {len(_of(ours, ONE))}"
    )


def _waves(ours: Sequence[Measured]) -> Iterator[Judged]:
    plans = _of(ours, DEFAULT)
    good = sum(m.waves <= m.least_waves + MORE_WAVES for m in plans)
    most = max(m.waves - m.least_waves for m in plans)
    yield Judged(
        good >= OFTEN * len(plans),
        "waves at most B3 + 1 in 95 % of clouds",
        f"in {good} of {len(plans)}, at most B3 + {most}",
    )


def _nothing_left(ours: Sequence[Measured]) -> Iterator[Judged]:
    left, proofs = sum(m.stranded for m in ours), sum(m.proofs for m in ours)
    yield Judged(left == 0, "no instance left behind without a proof", f"{left} left, {proofs} pools refused")
    broken = sum(bool(m.broken) for m in ours)
    yield Judged(
        broken == 0, "every plan accepted by the verifier", f"{len(ours) - broken} of {len(ours)} accepted"
    )


def _makespan(ours: Sequence[Measured]) -> Iterator[Judged]:
    for way, limit, bound in ((DEFAULT, UNCAPPED, "max(B4, B3 x U)"), (CAPPED, UNDER_CAP, "max(B4, B5)")):
        plans = [m.makespan_s / m.least_s for m in _of(ours, way) if m.least_s]
        good, worst = sum(ratio <= limit for ratio in plans), max(plans)
        capped = " with 10 % out" if way == CAPPED else ""
        yield Judged(
            good == len(plans),
            f"makespan at most {limit} x {bound}{capped}",
            f"in {good} of {len(plans)}, at most {worst:.2f} x",
        )


def _cost(ours: Sequence[Measured]) -> Iterator[Judged]:
    thousand = [m.cpu_s for m in ours if m.cloud.hosts == 1000]  # noqa: PLR2004 - the goal's size
    large = [m for m in ours if m.cloud.hosts == 10_000]  # noqa: PLR2004 - the goal's size
    if thousand:
        yield Judged(
            max(thousand) <= CPU_1000_S, "1,000 hosts planned in 1 CPU-s", f"at most {max(thousand):.2f} s"
        )
    if large:
        cpu, rss = max(m.cpu_s for m in large), max(m.rss_mib for m in large)
        most = max(m.instances for m in large)
        yield Judged(
            cpu <= CPU_10000_S, "10,000 hosts planned in 15 CPU-s", f"at most {cpu:.1f} s, {most:,} instances"
        )
        yield Judged(rss <= RSS_MIB, "10,000 hosts planned in 1 GiB", f"at most {rss} MiB")


def _replans(results: Sequence[Results]) -> Iterator[Judged]:
    seen = [r for result in results for r in result.replans]
    if seen:
        slowest, most = max(r.cpu_s for r in seen), max(r.more_moves for r in seen)
        broken = sum(bool(r.broken) for r in seen)
        yield Judged(
            slowest <= REPLAN_S and not broken,
            "re-planned in 1 CPU-s at 1,000 hosts, and accepted",
            f"{len(seen)} times, at most {slowest:.2f} s, {broken} refused",
        )
        yield Judged(most <= REPLAN_MOVES, "at most 0.5 % more moves for it", f"at most {most:.2%}")
