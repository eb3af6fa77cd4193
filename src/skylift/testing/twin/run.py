"""``python -m skylift.testing.twin.run``: whole runs over a fleet in simulated time, one for each seed.

``--seed N`` runs one of them again, to the same bytes; ``--hosts`` says how large, ``--seeds`` how many.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from skylift.drainbench.clouds import Chance, Cloud, generate
from skylift.fleet.afterwards import Wanted
from skylift.fleet.conductor import Conductor, Pace
from skylift.fleet.fleet import Fleet
from skylift.fleet.plan import Kind
from skylift.fleet.settling import Settling
from skylift.fleet.sight import Stage
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName
from skylift.testing.twin.clock import Happened
from skylift.testing.twin.cloud import Faults, Twin
from skylift.verifier.fleet.seen import Violation

TICK_MS = 15_000
LONGEST_MS = 100_000_000
"""A run that takes longer does not end."""
PACE = Pace(orders=1)
AFTERWARDS = (None, Kind.BRING_BACK, Kind.BALANCE)
"""What becomes of instances when every host is through, by the seed."""
Conducts = Callable[[Fleet, FleetPolicy, Pace], Conductor]


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one seed."""

    seed: int
    hosts: int
    events: int
    plans: int
    took_s: int
    left: dict[str, str]
    """Hosts that are not done, and why."""
    afterwards: str
    """What was done when every host was through, and how many moves were begun for it."""
    digest: str
    broken: tuple[tuple[int, Violation], ...]
    """What broke an invariant, and when, in milliseconds."""
    done: frozenset[HostName]
    counts: Mapping[str, int]
    """How often each kind of thing happened."""
    story: tuple[Happened, ...]
    """All of it, if that was to be told."""

    def __str__(self) -> str:
        told = (
            f"seed {self.seed}: {self.hosts} hosts, {self.events} events, {self.plans} plans, "
            f"{self.took_s} s, {len(self.left)} left, afterwards {self.afterwards}, {self.digest[:16]}"
        )
        return "\n".join((told, *(f"  at {ms} ms: {v.rule}: {v.sentence}" for ms, v in self.broken[:5])))


def policy_of(seed: int) -> FleetPolicy:
    """Limits of every kind, by the seed."""
    chance = Chance(seed)
    return FleetPolicy(
        out_percent=(100, 30, 15)[chance.below(3)],
        zone_percent=(100, 100, 40)[chance.below(3)],
        leaving=1 + chance.below(2),
        arriving=1 + chance.below(2),
        headroom_percent=(0, 5)[chance.below(2)],
    )


def run(
    seed: int,
    hosts: int,
    *,
    conducts: Conducts = Conductor,
    pace: Pace = PACE,
    faults: Faults = Faults(),  # noqa: B008 - a value
    settles: type[Settling] = Settling,
) -> Ran:
    """One whole run over a cloud of so many hosts."""
    fleet = generate(Cloud(hosts, 50 + seed % 4 * 10, seed))
    policy = policy_of(seed)
    kind = AFTERWARDS[seed % len(AFTERWARDS)]
    conductor = conducts(fleet, policy, pace)
    if kind is not None:
        wanted = Wanted(kind, hosts=frozenset(fleet.hosts))
        conductor.settling = settles(fleet, policy, wanted, tries=pace.tries, again_s=pace.again_s)
    return conducted(seed, Twin(fleet, policy, seed, faults=faults, afterwards=kind), conductor)


def conducted(
    seed: int, twin: Twin, conductor: Conductor, *, tick_ms: int = TICK_MS, longest_ms: int = LONGEST_MS
) -> Ran:
    """One whole run, to its end or for so long."""
    clock = twin.clock
    while not conductor.over and clock.moment < longest_ms:
        if (sight := twin.look()) is not None:
            for action in conductor.next(sight):
                twin.ask(action)
        clock.advance(clock.moment + tick_ms)
    end = twin.truth()
    left = {str(host): why for host, why in conductor.left(end).items()}
    at = {str(i): str(host) for host, on in end.on.items() for i in on}
    stays = conductor.settling.left() if conductor.settling else {}
    places = twin.watch.places
    over = (*twin.watch.over(at, left), *places.over(map(str, stays)))
    broken = [*twin.broken, *((clock.moment, v) for v in over)]
    if not conductor.over:
        broken.append((clock.moment, Violation("ends", "the run does not end")))
    return Ran(
        seed,
        len(end.hosts),
        clock.events,
        conductor.plans,
        clock.moment // 1000,
        left,
        f"{places.kind} {places.begun}" if places.kind else "nothing",
        clock.digest,
        tuple(broken),
        frozenset(name for name, seen in end.hosts.items() if seen.work is Stage.DONE),
        clock.counts,
        tuple(clock.story),
    )


def main(argv: Sequence[str]) -> int:
    """Returns 1 if an invariant was broken."""
    words = argparse.ArgumentParser(prog="simulate-fleet", description=__doc__)
    words.add_argument("--hosts", type=int, default=1000)
    words.add_argument("--seeds", type=int, default=200, help="so many, from 1 on")
    words.add_argument("--seed", type=int, help="this one alone")
    asked = words.parse_args(argv)
    seeds = [asked.seed] if asked.seed else range(1, asked.seeds + 1)
    broken = 0
    for seed in seeds:
        ran = run(seed, asked.hosts)
        broken += bool(ran.broken)
        print(ran, flush=True)  # noqa: T201 - the answer
    print(f"{len(seeds) - broken} of {len(seeds)} runs kept every invariant")  # noqa: T201 - the answer
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
