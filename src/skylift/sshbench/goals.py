"""What reaching hosts may cost, judged over the medians of all rounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from skylift.drainbench.goals import Judged
from skylift.sshbench.measure import Memory, Ours
from skylift.sshbench.spent import Spent

CONNECTING_MS, HELD_MS, MEMORY_MB, CONNECTIONS, TIMES_LESS = 4.0, 2.0, 100, 1000, 15


@dataclass(frozen=True, slots=True)
class Round:
    """The same job on the same hosts, one way after the other."""

    ours: Ours
    ansible: Mapping[str, Spent]
    """By the module that it ran."""


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was measured."""

    hosts: int
    tasks: int
    at_once: int
    cores: int
    load: float
    """Of the machine as it began, the bench's own apart."""
    rounds: Sequence[Round]
    memory: Memory


def judged(results: Results) -> Iterator[Judged]:
    """Every goal, in the order of the page."""
    connecting = median(r.ours.connecting.asking_ms for r in results.rounds)
    held = median(r.ours.held.asking_ms for r in results.rounds)
    yield Judged(
        connecting <= CONNECTING_MS,
        f"at most {CONNECTING_MS:g} ms for a task with a connection of its own",
        f"{connecting:.2f} ms",
    )
    yield Judged(held <= HELD_MS, f"at most {HELD_MS:g} ms for a task on a held connection", f"{held:.2f} ms")
    yield _remembered(results.memory)
    yield _beside_ansible(results.rounds)


def _remembered(memory: Memory) -> Judged:
    """Fewer connections than the goal is about prove nothing."""
    return Judged(
        memory.connections >= CONNECTIONS and memory.at_most_mb <= MEMORY_MB,
        f"at most {MEMORY_MB} MB of memory with {CONNECTIONS:,} connections open",
        f"{memory.at_most_mb:.0f} MB with {memory.connections:,} open, {memory.before_mb:.0f} MB before",
    )


def _beside_ansible(rounds: Sequence[Round]) -> Judged:
    """Against the module that costs less."""
    times = {
        module: median(r.ansible[module].asking_ms / r.ours.job.asking_ms for r in rounds)
        for module in rounds[0].ansible
    }
    return Judged(
        min(times.values()) >= TIMES_LESS,
        f"at least {TIMES_LESS} times less CPU than ansible-core for the same job",
        ", ".join(f"{ratio:.1f} times less than `{module}`" for module, ratio in times.items()),
    )
