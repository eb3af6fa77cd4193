"""A plan of compute hosts that is rehearsed: many nights on a twin of the fleet in a file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from statistics import median_low
from typing import Any

from skylift.fleet.conductor import Conductor, Pace
from skylift.fleet.fleet import Fleet, Instance
from skylift.fleet.mandate import Mandate, Purpose
from skylift.fleet.settling import Settling
from skylift.fleet.sight import Close, Migrate, Open, Work
from skylift.model.ids import HostName, Seconds
from skylift.testing.twin.clock import Happened
from skylift.testing.twin.cloud import BLIND, SLOW, Faults, Times, Twin
from skylift.testing.twin.run import LONGEST_MS, Ran, conducted

UNKNOWN = (
    "how long things take on your hosts: here as long as the policy says, a third longer at most",
    "whether your hosts come back with their services: here each does, but for those that die",
    "your gates, approvals and automation, and how many hosts may fail: here the run goes on to its end",
    "the death of the process: what was begun is then found again on the cloud",
    "how often a fault befalls your cloud: faults are dealt here, and no share of nights is a risk",
)
"""What no twin of a fleet can know, or this one does not show."""
FAULTS = {
    "timed out": "call that came to nothing",
    "answer lost": "call whose answer was lost",
    "fails": "migration that failed",
    BLIND: "look that was not answered",
    SLOW: "slow host",
    "dies": "host that died",
    "appears": "instance that appeared",
}
"""The kinds of fault, by the word that they are counted under."""
_WORST = 5
_MAKESPANS = 10
"""How many times longer than it was planned a run may last, and the longest of simulated ones beside."""


@dataclass(frozen=True, slots=True)
class FleetScene:
    """What is simulated of a mandate: the fleet that its run begins with, and how the run waits."""

    mandate: Mandate
    fleet: Fleet
    pace: Pace
    look_s: Seconds

    def night(self, seed: int, *, tells: bool = False) -> Ran:
        """One whole run."""
        policy = self.mandate.policy
        # A host that is only emptied is done as soon as it is empty.
        work_s = Seconds(0) if self.mandate.purpose is Purpose.DRAIN else policy.host_s
        times = Times(work_s=work_s, settle_s=self.pace.settle_s, tells=tells)
        longest_s = _MAKESPANS * self.planned_s + max((w.closes for w in policy.windows), default=0)
        conductor, wanted = Conductor(self.fleet, policy, self.pace), self.mandate.wanted
        if wanted is not None:
            tries, again_s = self.pace.tries, self.pace.again_s
            conductor.settling = Settling(self.fleet, policy, wanted, tries=tries, again_s=again_s)
        kind = wanted.kind if wanted else None
        return conducted(
            seed,
            Twin(self.fleet, policy, seed, faults=Faults(), times=times, afterwards=kind),
            conductor,
            tick_ms=self.look_s * 1000,
            longest_ms=LONGEST_MS + longest_s * 1000,
        )

    def left(self, ran: Ran) -> dict[HostName, str]:
        """The hosts of the mandate that are not done, each with the reason."""
        hosts = [host for host in self.mandate.hosts if host not in ran.done]
        return {host: ran.left.get(host, "the run did not come to it") for host in hosts}

    @property
    def planned_s(self) -> int:
        """How long the plan says that it takes."""
        return int(self.mandate.plan["makespan_s"])


def nights(scene: FleetScene, seeds: Sequence[int], *, jobs: int) -> Iterator[Ran]:
    """One run for each seed, in the order of the seeds, whoever plays them."""
    if jobs <= 1 or len(seeds) <= 1:
        yield from map(scene.night, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(partial(FleetScene.night, scene), seeds)


@dataclass(slots=True)
class FleetRehearsal:
    """What the nights came to."""

    scene: FleetScene
    ran: list[Ran] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether a run did what it must never do."""
        return any(ran.broken for ran in self.ran)

    @property
    def verdict(self) -> str:
        """The last line."""
        befell = {word for ran in self.ran for word in FAULTS if ran.counts.get(word)}
        violations = sum(len(ran.broken) for ran in self.ran)
        return f"simulate: {len(self.ran)} seeds, {len(befell)} fault kinds, {violations} violations"

    def lines(self) -> Iterator[str]:
        """All that an operator should know, the verdict last."""
        mandate = self.scene.mandate
        what = f"{len(mandate.hosts)} hosts of {mandate.cloud}, for {mandate.purpose.value}"
        yield f"{what}, on a twin of the fleet"
        for heading, part in (
            ("how the runs ended", self._ends()),
            ("which hosts were left, and why", self._left()),
            ("what befell", self._befell()),
            ("the worst nights (see one again with --seed)", self._worst()),
            ("what a twin cannot know", UNKNOWN),
        ):
            yield from ("", heading)
            yield from (f"  {line}" for line in part)
        yield ""
        yield from (f"BROKEN {ran}" for ran in self.ran if ran.broken)
        yield self.verdict

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "verdict": self.verdict,
            "planned_s": self.scene.planned_s,
            "nights": [document_of(self.scene, ran) for ran in self.ran],
            "unknown": UNKNOWN,
        }

    def _ends(self) -> Iterator[str]:
        ends = Counter(len(self.scene.left(ran)) for ran in self.ran)
        for left, count in sorted(ends.items()):
            yield f"{count} of {len(self.ran)} runs: {f'{left} hosts left' if left else 'every host done'}"
        took = [ran.took_s for ran in self.ran]
        yield (
            f"planned for {_span(self.scene.planned_s)}; half of the runs took {_span(median_low(took))} at "
            f"most, the longest {_span(max(took))}"
        )

    def _left(self) -> Iterator[str]:
        hosts: defaultdict[str, list[HostName]] = defaultdict(list)
        for ran in self.ran:
            for host, why in self.scene.left(ran).items():
                hosts[why].append(host)
        if not hosts:
            yield "none was"
        for why, those in sorted(hosts.items(), key=lambda item: (-len(item[1]), item[0])):
            yield f"{len(those)} times: {why}, such as {those[0]}"

    def _befell(self) -> Iterator[str]:
        for word, told in FAULTS.items():
            if count := sum(ran.counts.get(word, 0) for ran in self.ran):
                yield f"{told}: {count} times"

    def _worst(self) -> Iterator[str]:
        for ran in sorted(self.ran, key=lambda r: (-len(self.scene.left(r)), -r.took_s, r.seed))[:_WORST]:
            yield f"seed {ran.seed}: {len(self.scene.left(ran))} hosts left after {_span(ran.took_s)}"


def story(scene: FleetScene, ran: Ran) -> Iterator[str]:
    """One night, whole: all that happened, then what its operator should know."""
    yield from map(_told, ran.story)
    yield ""
    for host, why in scene.left(ran).items():
        yield f"{host} is left: {why}"
    yield str(ran)


def document_of(scene: FleetScene, ran: Ran) -> dict[str, Any]:
    """One night as JSON, without its story."""
    return {
        "seed": ran.seed,
        "took_s": ran.took_s,
        "plans": ran.plans,
        "left": scene.left(ran),
        "befell": {told: ran.counts[word] for word, told in FAULTS.items() if ran.counts.get(word)},
        "broken": [{"at_ms": ms, "rule": v.rule, "sentence": v.sentence} for ms, v in ran.broken],
        "digest": ran.digest,
    }


def _told(happened: Happened) -> str:
    of = happened.of
    match of:
        case Migrate(instance, source, target, way):
            what = f"{instance} from {source} to {target}, {way.value}"
        case Close() | Work() | Open():
            what = f"{type(of).__name__.lower()} {of.host}"
        case Instance():
            what = f"{of.id} on {of.host}"
        case _:
            what = str(of)
    return f"{happened.moment / 1000:>9.1f} s  {happened.what}: {what}"


def _span(seconds: int) -> str:
    return f"{seconds // 3600} h {seconds // 60 % 60:02} min"
