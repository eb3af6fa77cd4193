"""A plan as the verifier reads it: steps, reasons, facts, and what surely ends before what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from skylift.verifier.knowledge import Knowledge, PhaseKnown
from skylift.verifier.unreadable import Unreadable

STAGES = ("prepare", "expand", "control-plane", "converge", "verify")
BEFORE_START = "run-before-start"
HEARD = "await-heard"
TURN = (
    "drain-backend",
    "await-quiet",
    "close-service",
    "await-idle",
    "disable-unit",
    "stop-service",
    "switch-artifact",
    "enable-unit",
    BEFORE_START,
    "lower-version",
    "start-service",
    "await-healthy",
    "warm-up-backend",
    "undrain-backend",
    "await-report",
    HEARD,
    "open-service",
)
"""What happens to one service on one host, in this order."""
BEHIND_BALANCER = frozenset({"drain-backend", "await-quiet", "warm-up-backend", "undrain-backend"})
"""Of a turn, what only a service behind the balancer has."""
AROUND_WORK = frozenset({"close-service", "await-idle", "open-service"})
"""Of a turn, what only a service has whose work in hand a stop could cut."""
BEGINS = frozenset({"switch-artifact", "start-service", "await-healthy", "enable-unit"})
"""The turn of a service that begins, but for what the balancer is told."""
ENDS = frozenset({"disable-unit", "stop-service"})
"""The turn of a service that ends, but for what comes before its stop."""
PARK, UNPARK = "park-pool", "unpark-pool"
"""They act on the pool of another service than the one they are named after."""
ENDED = "await-ended"
"""It waits for the work of a whole component."""
OTHER_KINDS = frozenset(
    {
        PARK,
        UNPARK,
        ENDED,
        "back-up-database",
        "check-readiness",
        "create-witnesses",
        "migrate-schema",
        "rehearse-restore",
        "restore-database",
        "run-command",
        "stage-artifact",
        "verify-component",
        "verify-pin",
        "verify-witnesses",
    }
)


@dataclass(frozen=True, slots=True)
class StepSeen:
    """One step, as the document states it."""

    id: str
    number: int
    stage: str
    kind: str
    action: Mapping[str, Any]
    impact: Mapping[str, Any]
    figures: tuple[int, int, int]
    deadline: int
    owner: str
    """The component whose service the step's own name claims, or the component itself; empty if none."""

    @property
    def component(self) -> str:
        """The component that the step belongs to; empty if it belongs to none."""
        return self.owner

    @property
    def service(self) -> str:
        """The service or component that the step's own name claims; empty if it claims none."""
        return self.id.partition(":")[0] if ":" in self.id else ""

    @property
    def round(self) -> str:
        """``unpin`` for a step of the restart that unpins, empty for one of the upgrade."""
        return "unpin" if self.id.partition(":")[2].startswith("unpin-") else ""

    @property
    def host(self) -> str:
        """The host that the action names; empty if it names none."""
        return str(self.action.get("host", self.action.get("server", "")))


@dataclass(frozen=True, slots=True)
class PlanSeen:
    """The whole document, with the order that its edges prove."""

    facts: Mapping[str, str]
    known: Knowledge
    """What the catalog says of its components."""
    source: str
    """The release that it leads from."""
    goal: str
    """The release that it leads to."""
    back: bool
    """Whether it takes back what a run changed."""
    going: frozenset[str]
    """The components that it is about: all of an upgrade, and those that go back."""
    begun: frozenset[str]
    """The events of the run that is taken back, as far as they had begun."""
    restored: Mapping[str, Mapping[str, Any]]
    """By database, the backup that takes its place, by the operator's consent."""
    rehearsed: frozenset[str]
    """The rehearsals that the run which is taken back has done."""
    api: str
    """The release of the APIs that turns meet: an API is the last to be upgraded, and goes back first."""
    services: Mapping[str, str]
    """Every service of the cloud, with its component."""
    steps: Mapping[str, StepSeen]
    kinds: Mapping[str, tuple[StepSeen, ...]]
    """The steps of each kind that there are any of."""
    edges: tuple[tuple[str, str], ...]
    ancestors: Mapping[str, int]
    """Per step, the steps that surely end before it starts, as bits by number."""
    turns: Mapping[tuple[str, str], Mapping[str, StepSeen]]
    """Per service and host, its steps by kind, where they do more than let a backend back."""
    restarts: Mapping[tuple[str, str], Mapping[str, StepSeen]]
    """Per service and host, the steps of the restart that unpins, by kind."""

    def turns_of(self, component: str) -> Mapping[tuple[str, str], Mapping[str, StepSeen]]:
        """The turns of one component's services."""
        return {key: turn for key, turn in self.turns.items() if self.services.get(key[0]) == component}

    def places_of(self, component: str) -> frozenset[tuple[str, str]]:
        """Each of a component's services with each host that it is on, new code or old."""
        own = [service for service, owner in self.services.items() if owner == component]
        places = {(s, host) for s in own for host in self.facts.get(f"hosts {s}", "").split()}
        # What has yet to begin, or has ended, is nowhere.
        idle = {(s, host) for s, host in places if self.facts.get(f"artifact {s} {host}") == "nothing"}
        return frozenset(p for p in places if p not in idle or not (self.is_gone(p[0]) or self.begins(*p)))

    def balanced(self, service: str) -> bool:
        """Whether users reach ``service`` through the balancer."""
        return self.facts.get(f"pool {service}", "nothing") != "nothing"

    def lasts(self, service: str) -> tuple[str, str]:
        """The first and the last release with which a service is to run, as far as anybody says."""
        since, until = self.known.lasts(service)
        own = (self.facts.get(f"since {service}", ""), self.facts.get(f"until {service}", ""))
        return max(since, own[0]), min((u for u in (until, own[1]) if u), default="")

    def is_gone(self, service: str) -> bool:
        """Whether the release that the plan leads to does not have it."""
        since, until = self.lasts(service)
        return self.goal < since or bool(until and until < self.goal)

    def begins(self, service: str, host: str) -> bool:
        """Whether it only has to be started there: the release that its host comes from does not have it."""
        linked = self.facts.get(f"link {service} {host}")
        never = self.facts.get(f"artifact {service} {host}") == "nothing"
        component = self.services.get(service, service)
        free = linked in {"nothing", self.goals().get(component)}
        bound = self.lasts(service)[1 if self.back else 0]
        return never and free and bool(bound) and not self.is_gone(service)

    def surely_before(self, first: StepSeen, then: StepSeen) -> bool:
        """Whether ``first`` has ended whenever ``then`` starts."""
        return bool(self.ancestors[then.id] >> first.number & 1)

    def rows(self, service: str, host: str = "") -> Mapping[str, str]:
        """What the rows of a service were seen to say, by the name they have for a host; of one or all."""
        start = f"report {service} "
        found = {n.removeprefix(start): text for n, text in self.facts.items() if n.startswith(start)}
        return {row: text for row, text in found.items() if not host or _same_host(row, host)}

    def of_kind(self, kind: str) -> tuple[StepSeen, ...]:
        """All steps of one kind."""
        return self.kinds.get(kind, ())

    def goals(self) -> Mapping[str, str]:
        """Per component, the path of the artifact that it is verified at in the end."""
        return {step.component: str(step.action["path"]) for step in self.of_kind("verify-component")}

    def phases(self) -> Mapping[str, Mapping[str, StepSeen]]:
        """Per component, the steps that touch its databases, by their names."""
        found: dict[str, dict[str, StepSeen]] = {}
        for step in self.of_kind("migrate-schema"):
            found.setdefault(str(step.action["component"]), {})[step.id] = step
        return found

    def phase(self, step: StepSeen) -> PhaseKnown | None:
        """What the catalog says of the phase that a step runs; none if it does not know it."""
        return self.known.phase(f"{step.action['component']}:{step.action['phase']}")


def owner_of(plan: PlanSeen, database: str) -> str:
    """The component that a database was seen to belong to; empty if it is nobody's."""
    return plan.facts.get(f"database {database}", "").partition(":")[0]


def restoring(plan: PlanSeen) -> frozenset[str]:
    """The components whose databases are restored: cold, and as they were."""
    return frozenset(owner_of(plan, database) for database in plan.restored)


def may_be_down(plan: PlanSeen) -> frozenset[str]:
    """The components that nobody need be answered by for a while, by the record or by consent."""
    return frozenset(plan.facts.get("policy outages", "").split()) | restoring(plan)


def shape_violations(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with steps and edges as such, before any rule can be asked.

    Raises:
        Unreadable: a key is missing or of another type.
    """
    try:
        steps = [(str(s["id"]), str(s["action"]["kind"]), str(s["stage"])) for s in document["steps"]]
        edges = [(str(e["before"]), str(e["after"]), e["because"], e["source"]) for e in document["edges"]]
    except (KeyError, TypeError) as error:
        raise Unreadable(f"the document is no plan: {error} is missing or malformed") from None
    for name, count in Counter(name for name, _, _ in steps).items():
        if count > 1:
            yield f"step {name} is in the plan {count} times"
    for name, kind, stage in steps:
        if kind not in OTHER_KINDS and kind not in TURN:
            yield f"step {name} is of kind {kind}, which this verifier cannot judge"
        if stage not in STAGES:
            yield f"step {name} is in stage {stage}, which is no stage of a plan"
    known = {name for name, _, _ in steps}
    for before, after, because, source in edges:
        for name in sorted({before, after} - known):
            yield f"the edge from {before} to {after} names {name}, which is no step of the plan"
        if not because or not source:
            yield f"the edge from {before} to {after} does not say why, or who says so"


def read(document: Mapping[str, Any], known: Knowledge) -> PlanSeen:
    """The document with its order.

    Raises:
        Unreadable: steps wait for each other, or a value is missing or of another type.
    """
    try:
        services = {str(name): str(component) for name, component in document["services"].items()}
        steps = {step["id"]: _step(number, step, services) for number, step in enumerate(document["steps"])}
        edges = tuple((str(e["before"]), str(e["after"])) for e in document["edges"])
        facts = {str(name): str(text) for name, text in document["facts"].items()}
        aim = document["goal"]
        goal, back = str(aim["to"]), is_back(document)
        begun = frozenset(str(event) for event in aim["begun"]) if back else frozenset[str]()
        going = frozenset(map(str, aim["components"] if back else services.values()))
        restored = {str(each["backup"]["database"]): each for each in aim.get("restored", ())}
        rehearsed = frozenset(map(str, aim.get("rehearsed", ())))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"the document is no plan: {error} is missing or malformed") from None
    return PlanSeen(
        facts=facts,
        known=known,
        source=str(document["source"]),
        goal=goal,
        back=back,
        going=going,
        begun=begun,
        restored=restored,
        rehearsed=rehearsed,
        api=goal if back else str(document["source"]),
        services=services,
        steps=steps,
        kinds=_kinds(steps.values()),
        edges=edges,
        ancestors=_ancestors(steps, edges),
        turns=_turns(steps, ""),
        restarts=_turns(steps, "unpin"),
    )


def _kinds(steps: Iterable[StepSeen]) -> Mapping[str, tuple[StepSeen, ...]]:
    found: dict[str, list[StepSeen]] = {}
    for step in steps:
        found.setdefault(step.kind, []).append(step)
    return {kind: tuple(alike) for kind, alike in found.items()}


def is_back(document: Mapping[str, Any]) -> bool:
    """Whether a plan takes back what a run changed."""
    return document["goal"].get("kind") in {"rollback", "restore"}


def _same_host(row: str, host: str) -> bool:
    """Whether a row's name for a host is ``host``: it may have a domain, and a backend behind it."""
    name = row.partition("@")[0].partition("#")[0]
    return name == host or name.partition(".")[0] == host.partition(".")[0]


def _step(number: int, step: Mapping[str, Any], services: Mapping[str, str]) -> StepSeen:
    figures = step["estimate"]
    claimed = str(step["id"]).partition(":")[0] if ":" in str(step["id"]) else ""
    return StepSeen(
        id=str(step["id"]),
        number=number,
        stage=str(step["stage"]),
        kind=str(step["action"]["kind"]),
        action=step["action"],
        impact=step["impact"],
        figures=(int(figures["low"]), int(figures["likely"]), int(figures["high"])),
        deadline=int(step["deadline"]),
        owner=services.get(claimed, claimed),
    )


def _turns(steps: Mapping[str, StepSeen], round_of: str) -> Mapping[tuple[str, str], Mapping[str, StepSeen]]:
    found: dict[tuple[str, str], dict[str, StepSeen]] = {}
    for step in steps.values():
        if step.kind in TURN and step.round == round_of:
            found.setdefault((step.service, step.host), {})[step.kind] = step
    # What only gives back what an earlier plan took is no turn.
    return {k: turn for k, turn in found.items() if set(turn) not in ({"undrain-backend"}, {"open-service"})}


def _ancestors(steps: Mapping[str, StepSeen], edges: tuple[tuple[str, str], ...]) -> Mapping[str, int]:
    after: dict[str, list[str]] = {name: [] for name in steps}
    waits: dict[str, int] = dict.fromkeys(steps, 0)
    for first, then in edges:
        after[first].append(then)
        waits[then] += 1
    found: dict[str, int] = dict.fromkeys(steps, 0)
    free = [name for name, count in waits.items() if count == 0]
    while free:
        here = free.pop()
        for then in after[here]:
            found[then] |= found[here] | 1 << steps[here].number
            waits[then] -= 1
            if waits[then] == 0:
                free.append(then)
    stuck = sorted(name for name, count in waits.items() if count)
    if stuck:
        raise Unreadable(f"these steps wait for each other, or for steps that do: {', '.join(stuck)}")
    return found
