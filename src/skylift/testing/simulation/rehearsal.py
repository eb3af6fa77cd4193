"""A plan that is rehearsed: many nights on its twin, and what its operator should know of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from skylift.app.as_planned import OtherRecord
from skylift.app.propose import verified
from skylift.app.site import digest_of_record
from skylift.catalog.catalog import load
from skylift.engine.journal import Reported
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import Record
from skylift.planning.plan import Plan
from skylift.testing.fake_work import COMMAND_S, START_S
from skylift.testing.simulation.from_plan import scene_from
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.play import Ran, play_scene
from skylift.testing.simulation.scene import Scene
from skylift.testing.simulation.table import Table, in_columns

UNKNOWN = (
    f"how long things take on your hosts: here a command lasts {COMMAND_S} s and a start {START_S} s",
    "how much your users ask for: here each API is asked all the time, and has two requests in flight",
    "whether your artifacts start and migrate what your databases hold: their commands end as the plan says",
    "your windows, gates and notifications, which are not asked here",
    "how often a fault befalls your cloud: faults are dealt here, and no share of nights is a risk",
)
"""What no twin can know, in an operator's words."""
_WORST = 5
"""How many nights are told one by one."""


class NoTwin(Refused):
    """A plan cannot be rehearsed: its twin would lack what it is about."""

    code = "simulate.no-twin"

    def __init__(self) -> None:
        super().__init__(
            "no twin can be made for this plan: it is the plan of compute hosts, which does not hold the "
            "fleet that it was made for",
            Remedy(
                Fix.RETRY,
                "write the fleet down, and name it: skylift inspect --fleet -o fleet.json; "
                "skylift simulate FILE --fleet fleet.json",
            ),
        )


def twin_scene(text: bytes, record: Record) -> tuple[Plan, Scene]:
    """The plan in a file's bytes, and its twin.

    Raises:
        OtherRecord: it was made from another record than this one.
        PlanChanged, PlanFormat, PlanUnsafe: it is no plan that could be run.
    """
    plan = verified(text, record.catalog)
    if plan.record != (here := digest_of_record(record)):
        raise OtherRecord(plan.record, here, plan.goal.again)
    return plan, scene_from(plan, record, load(record.catalog))


def nights(
    text: bytes, record: Record, seeds: Sequence[int], *, kinds: tuple[FaultKind, ...], jobs: int
) -> Iterator[Ran]:
    """One run for each seed, in the order of the seeds, whoever plays them."""
    if jobs <= 1 or len(seeds) <= 1:
        _, scene = twin_scene(text, record)
        for seed in seeds:
            yield play_scene(seed, scene, kinds=kinds)
        return
    with ProcessPoolExecutor(jobs, initializer=_begin, initargs=(text, record, kinds)) as pool:
        yield from pool.map(_night, seeds)


_PLAYED: dict[str, tuple[Scene, tuple[FaultKind, ...]]] = {}
"""What a process that plays has been given: once, for it is the same for each of its seeds."""


def _begin(text: bytes, record: Record, kinds: tuple[FaultKind, ...]) -> None:
    _PLAYED["own"] = (twin_scene(text, record)[1], kinds)


def _night(seed: int) -> Ran:
    scene, kinds = _PLAYED["own"]
    return play_scene(seed, scene, kinds=kinds)


@dataclass(slots=True)
class Rehearsal:
    """What the nights came to."""

    plan: Plan
    scene: Scene
    table: Table = field(default_factory=Table)
    ran: list[Ran] = field(default_factory=list)

    def add(self, ran: Ran) -> None:
        """One more night; its story is not kept."""
        self.table.add(ran)
        self.ran.append(ran)

    @property
    def verdict(self) -> str:
        """The last line."""
        return self.table.verdict

    def lines(self) -> Iterator[str]:
        """All that an operator should know, the verdict last."""
        plan = self.plan
        yield f"{len(plan.steps)} steps of {plan.cloud}, to {plan.goal.to}, on a twin made of plan and record"
        for heading, part in (
            ("how the runs ended", self._ends()),
            ("what stopped them, and what goes on", self._stops()),
            ("what users would have lost", self._losses()),
            ("the worst nights (see one again with --seed)", self._worst()),
            ("what a twin cannot know", self.unknown),
        ):
            yield from ("", heading)
            yield from (f"  {line}" for line in part)
        yield ""
        yield from self.table.lines()
        yield from (f"BROKEN {told}" for told in self.table.broken)
        yield self.verdict

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "verdict": self.verdict,
            "table": self.table.document(),
            "nights": [document_of(ran) for ran in self.ran],
            "unknown": self.unknown,
        }

    @property
    def unknown(self) -> tuple[str, ...]:
        """What the twin is not told, or cannot show."""
        facts = self.plan.facts
        return (*UNKNOWN, *(f"that {name} is {facts[name]}" for name in sorted(self.scene.apart)))

    def _ends(self) -> Iterator[str]:
        for outcome, count in sorted(Counter(ran.outcome for ran in self.ran).items()):
            yield f"{count} of {len(self.ran)} runs: {outcome}"

    def _stops(self) -> Iterator[str]:
        found: dict[tuple[str, str], list[tuple[str, Reported]]] = defaultdict(list)
        for ran in self.ran:
            for step, problem in ran.failures:
                found[problem.code, step.partition("@")[0]].append((step, problem))
        if not found:
            yield "nothing did"
        for (code, at), told in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
            _, problem = told[0]
            yield f"{len(told)} times {code}{' at ' + at if at else ''}, such as: {problem.sentence}"
            yield from (f"    {remedy.how}" for remedy in problem.remedies)

    def _losses(self) -> Iterator[str]:
        for pool in sorted({pool for ran in self.ran for pool in ran.announced}):
            of = [ran.announced[pool] for ran in self.ran]
            yield f"{pool}: {min(of)} to {max(of)} requests a night met the outage that the plan announces"
        hurt = [ran for ran in self.ran if ran.lost or ran.works_lost]
        if not hurt:
            yield "nothing" if not any(ran.announced for ran in self.ran) else "nothing else"
            return
        yield f"{len(hurt)} of {len(self.ran)} nights cost users something:"
        for pool in sorted({pool for ran in hurt for pool in ran.lost}):
            own = [ran for ran in hurt if ran.lost[pool]]
            blamed = Counter(fault.kind.value for ran in own for fault in ran.befell)
            often = ", ".join(f"{kind} {count}" for kind, count in blamed.most_common(3))
            worst = max(ran.lost[pool] for ran in own)
            yield f"{pool}: requests failed in {len(own)} nights, at most {worst} in one (beside: {often})"
        if works := sum(len(ran.works_lost) for ran in hurt):
            yield f"{works} servers and stacks that users had asked for"

    def _worst(self) -> Iterator[str]:
        ordered = sorted(self.ran, key=lambda r: (-sum(r.lost.values()), -len(r.failures), r.seed))
        for ran in ordered[:_WORST]:
            befell = "; ".join(_befell(ran)) or "no fault"
            yield f"seed {ran.seed}, {ran.outcome} after {ran.lasted_s} s: {befell}"


def story(ran: Ran) -> Iterator[str]:
    """One night, whole: all that happened, then what its operator should know."""
    yield from ran.story
    yield ""
    yield from in_columns(("what befell", ""), [(told, "") for told in _befell(ran)])
    for step, problem in ran.failures:
        yield f"{step or 'the run'} stopped: {problem.sentence}"
        yield from (f"  {remedy.how}" for remedy in problem.remedies)
    for pool, count in sorted(ran.announced.items()):
        yield f"{count} requests to {pool} met the outage that the plan announces"
    for pool, count in sorted(ran.lost.items()):
        yield f"{count} requests to {pool} failed"
    for work in ran.works_lost:
        yield f"{work}, which a user had asked for, was lost"
    yield str(ran)


def document_of(ran: Ran) -> dict[str, Any]:
    """One night as JSON, without its story."""
    return {
        "seed": ran.seed,
        "outcome": ran.outcome,
        "lasted_s": ran.lasted_s,
        "befell": [
            {"kind": f.kind.word, "phase": f.phase, "step": f.step, "at_s": f.at_s} for f in ran.befell
        ],
        "stopped": [{"step": step, "problem": problem} for step, problem in ran.failures],
        "requests_lost": dict(sorted(ran.lost.items())),
        "requests_in_announced_outages": dict(sorted(ran.announced.items())),
        "works_lost": ran.works_lost,
        "broken": [violation for _, violation in ran.broken],
        "digest": ran.digest,
    }


def _befell(ran: Ran) -> Iterator[str]:
    for fault in ran.befell:
        where = f" at {fault.step}" if fault.step else f" in {fault.phase}"
        yield f"{fault.kind.value}{where} after {fault.at_s} s"
