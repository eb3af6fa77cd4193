"""The page of the bench: one table, the goals, and what the clouds are like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from skylift.drainbench.clouds import FLAVORS, GROUPED, LARGE_SHARE, PAIRED
from skylift.drainbench.goals import Judged, judged
from skylift.drainbench.measure import PLANS, Measured, Results
from skylift.drivers.clock import now

OURS = {
    "default": "**Skylift**, batch 5 %",
    "batch of 1": "**Skylift**, batch of 1 host",
    "10 % out at most": "**Skylift**, 10 % of hosts out",
}


_COLUMNS = (
    *("hosts", "use", "way", "clouds", "moves each (B1)", "waves (B3)", "left behind"),
    *("makespan", "CPU", "verifier"),
)
_WORDS = {"way", "verifier"}


def page(results: Sequence[Results]) -> list[str]:
    """The lines below the page's first words."""
    return [
        *_table(results),
        "",
        *goals_told("bench-drain", list(judged(results))),
        "",
        "## The clouds",
        "",
        *_clouds(results),
    ]


def goals_told(bench: str, verdicts: Sequence[Judged]) -> Iterator[str]:
    """The part of a bench's page that says which goals were held."""
    yield from ("## Goals", "", "| held | goal | seen |", "| --- | --- | --- |")
    yield from (f"| {'yes' if v.held else '**no**'} | {v.goal} | {v.seen} |" for v in verdicts)
    yield from ("", f"`{last_line(bench, verdicts)}`")


def told_of(bench: str, told: Sequence[str], file: Path | None, verdicts: Sequence[Judged]) -> int:
    """Print what a bench has measured, write it into its page if there is one; 1 if a goal was missed."""
    print("\n".join(told))  # noqa: T201 - the bench's answer
    if file:
        write_between(file, bench, told)
    print(last_line(bench, verdicts))  # noqa: T201 - the line that a script looks for
    return 0 if all(verdict.held for verdict in verdicts) else 1


def last_line(bench: str, verdicts: Sequence[Judged]) -> str:
    """What a script looks for."""
    return f"{bench}: {sum(v.held for v in verdicts)} of {len(verdicts)} goals held"


def write_between(file: Path, bench: str, told: Sequence[str]) -> None:
    """Put what was measured between the two marks that a page has for this bench."""
    begin, end = f"<!-- {bench}:begin -->", f"<!-- {bench}:end -->"
    before, _, rest = file.read_text(encoding="utf-8").partition(begin)
    _, _, behind = rest.partition(end)
    day = datetime.fromtimestamp(now(), UTC).date()
    block = (begin, *told, "", f"Measured by `make {bench}` on {day}.", end)
    file.write_text(before + "\n".join(block) + behind, encoding="utf-8")


def _table(results: Sequence[Results]) -> Iterator[str]:
    yield f"| {' | '.join(_COLUMNS)} |"
    yield f"| {' | '.join('---' if word in _WORDS else '--:' for word in _COLUMNS)} |"
    groups: dict[tuple[int, int, str], list[Measured]] = {}
    for result in results:
        for m in result.ways:
            groups.setdefault((m.cloud.hosts, m.cloud.percent, m.way), []).append(m)
    for (hosts, percent, way), of in groups.items():
        moves = median(m.moves / m.instances for m in of)
        least = median(m.least_moves / m.instances for m in of)
        waves = f"{median(m.waves for m in of):g}"
        if way in PLANS:
            waves += f" ({median(m.least_waves for m in of):g})"
        yield (
            f"| {hosts:,} | {percent} % | {OURS.get(way, way)} | {len(of)} "
            f"| {moves:.4f} ({least:.4f}) | {waves} "
            f"| {median(m.stranded for m in of):g} | {median(m.makespan_s for m in of) / 3600:.1f} h "
            f"| {median(m.cpu_s for m in of):.2f} s | {_verdict(of)} |"
        )


def _verdict(of: Sequence[Measured]) -> str:
    """Medians over the clouds of how often each rule was broken."""
    rules = sorted({rule for m in of for rule in m.broken})
    told = [f"{rule}: {median(m.broken.get(rule, 0) for m in of):g}" for rule in rules]
    return ", ".join(told) or "accepted"


def _clouds(results: Sequence[Results]) -> Iterator[str]:
    yield f"{LARGE_SHARE} % of hosts have 768 GiB and 384 vCPUs (96 cores at a ratio of 4), others 512, 256."
    yield "A tenth of them is an aggregate of its own; others are in three zones, which instances keep to."
    yield f"{GROUPED} % of instances are in anti-affinity groups of 2 to 5, {PAIRED} % in affinity pairs."
    yield "They have touched 40 to 95 % of their memory, and write 5 to 64 MiB/s to it."
    yield "Links carry 1,100 MiB/s."
    yield ""
    yield "| flavor (vCPUs, GiB) | share of instances |"
    yield "| --- | --: |"
    yield from (f"| {vcpus}, {gib} | {weight} % |" for vcpus, gib, weight in FLAVORS)
    yield ""
    yield "| instances on a host | hosts |"
    yield "| --- | --: |"
    total: Counter[int] = Counter()
    for result in results:
        total.update(result.hosts_by_instances)
    every = sum(total.values())
    yield from (f"| {n} to {n + 9} | {total[n] / every:.1%} |" for n in sorted(total))
