"""Rules for one component on one host."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import pairwise

from skylift.verifier.back_rules import LOWER, is_heard_late, wanted_to_start
from skylift.verifier.closing_rules import wanted_around_work
from skylift.verifier.document import (
    AROUND_WORK,
    BEFORE_START,
    BEGINS,
    BEHIND_BALANCER,
    ENDS,
    HEARD,
    PARK,
    TURN,
    UNPARK,
    PlanSeen,
)

_DONE = {
    "drain-backend": "drained",
    "await-quiet": "quiet",
    "close-service": "closed to new work",
    "await-idle": "seen to have nothing in hand",
    "disable-unit": "kept from starting with its host",
    "stop-service": "stopped",
    "switch-artifact": "switched",
    BEFORE_START: "made ready for its new release",
    "lower-version": "let tell of its old version",
    "start-service": "started",
    "await-healthy": "seen healthy",
    "enable-unit": "made to start with its host",
    "warm-up-backend": "warmed up",
    "undrain-backend": "undrained",
    "await-report": "seen to report",
    HEARD: "waited for until it is known",
    "open-service": "opened to new work",
}
_FEWER = {"one backend fewer", "does not answer", "slow"}


def turns_are_whole(plan: PlanSeen) -> Iterator[str]:
    """Drain, quiet, stop, switch, start, healthy, warm-up, undrain: all that apply, and in this order."""
    # Turns meet an old API, and restarts after them the new one.
    switch = frozenset({"switch-artifact", BEFORE_START})
    rounds = ((plan.turns, frozenset[str](), plan.api), (plan.restarts, switch, plan.goal))
    for (service, host), turn, without, api in (
        (key, turn, without, api) for turns, without, api in rounds for key, turn in turns.items()
    ):
        wanted = _wanted(plan, service, host, api) - without
        for kind in TURN:
            if kind in wanted and kind not in turn:
                yield f"{service} on {host} is never {_DONE[kind]}, though its other steps count on it"
            if kind in turn and kind not in wanted:
                yield f"{service} on {host} is {_DONE[kind]}, and {turn[kind].id} has no place there"
        for first, then in pairwise(turn[kind] for kind in TURN if kind in turn):
            if not plan.surely_before(first, then):
                yield (
                    f"{service} on {host} may be {_DONE[then.kind]} before it is {_DONE[first.kind]}: "
                    f"{first.id} does not surely end before {then.id}"
                )


def _wanted(plan: PlanSeen, service: str, host: str, api: str) -> AbstractSet[str]:
    """The kinds of step that the turn of a service on a host must have, and may not lack."""
    behind = BEHIND_BALANCER if plan.balanced(service) else frozenset[str]()
    if plan.begins(service, host):
        return BEGINS | (behind & {"warm-up-backend", "undrain-backend"})
    around = wanted_around_work(plan, service, host, api)
    if plan.is_gone(service):
        return ENDS | (behind & {"drain-backend", "await-quiet"}) | around
    reports = {"await-report"} if plan.rows(service, host) else set[str]()
    seldom = {"await-report", HEARD, "enable-unit", "disable-unit", BEFORE_START, LOWER}
    usual = set(TURN) - BEHIND_BALANCER - AROUND_WORK - seldom
    ready = {BEFORE_START} if plan.known.made_ready(service) and not plan.back else set[str]()
    late = is_heard_late(plan, service) and HEARD in plan.turns.get((service, host), {})
    heard = {HEARD} if late else set[str]()
    return usual | behind | around | reports | ready | heard | wanted_to_start(plan, service, host)


def turns_come_once(plan: PlanSeen) -> Iterator[str]:
    """No service is taken down twice."""
    seen: set[tuple[str, ...]] = set()
    for step in plan.steps.values():
        key = (step.service, step.host, step.kind, step.round)
        if step.kind in TURN and key in seen:
            yield f"{step.service} on {step.host} is {_DONE[step.kind]} twice"
        seen.add(key)


def names_agree(plan: PlanSeen) -> Iterator[str]:
    """A step acts on the host and component that its name says."""
    for step in plan.steps.values():
        host = step.id.partition("@")[2]
        if host and host != step.host and step.kind not in {PARK, UNPARK}:
            yield f"step {step.id} acts on {step.host}, not on the host in its name"
        component = str(step.action.get("component", ""))
        if component and component not in {step.component, *step.id.split(":")}:
            yield f"step {step.id} acts on {component}, not on the component in its name"
        service = str(step.action.get("service", ""))
        if service and service != step.service:
            yield f"step {step.id} acts on {service}, not on the service in its name"


def one_unit_link_and_pool(plan: PlanSeen) -> Iterator[str]:
    """All steps of a service act on the same unit, link and pool, and no other service's do."""
    for key in ("unit", "link", "pool"):
        owners: dict[str, set[str]] = {}
        for step in plan.steps.values():
            if key in step.action and step.kind not in {PARK, UNPARK}:
                owners.setdefault(str(step.action[key]), set()).add(step.service)
        for value, claimed in owners.items():
            if len(claimed) > 1:
                yield f"{key} {value} is acted on by steps of {' and '.join(sorted(claimed))}"
        for service in sorted({s for claimed in owners.values() for s in claimed}):
            mine = sorted(value for value, claimed in owners.items() if service in claimed)
            if len(mine) > 1:
                yield f"the steps of {service} act on more than one {key}: {', '.join(mine)}"


def units_are_looked_at_by_their_own(plan: PlanSeen) -> Iterator[str]:
    """A unit that one component's steps act on, or its verification looks at, is in no other's."""
    owners: dict[str, set[str]] = {}
    for step in plan.steps.values():
        looked = step.action["services"] if step.kind == "verify-component" else ()
        named = [step.action["unit"]] if "unit" in step.action else [placed["unit"] for placed in looked]
        for unit in named:
            owners.setdefault(str(unit), set()).add(step.component)
    for unit, claimed in owners.items():
        if len(claimed) > 1:
            yield f"unit {unit} is taken for one of {' and of '.join(sorted(claimed))}"


def switches_lead_to_the_goal(plan: PlanSeen) -> Iterator[str]:
    """From what was observed to what is verified in the end, and healthy means healthy there."""
    goals = plan.goals()
    for (service, host), turn in (*plan.turns.items(), *plan.restarts.items()):
        goal = goals.get(plan.services.get(service, service))
        switch, healthy = turn.get("switch-artifact"), turn.get("await-healthy")
        if switch and goal and switch.action["new"] != goal:
            yield f"{switch.id} switches to {switch.action['new']}, but {service} is verified at {goal}"
        if healthy and goal and healthy.action["path"] != goal:
            yield f"{healthy.id} is content with {healthy.action['path']}, but {service} goes to {goal}"
        seen = plan.facts.get(f"artifact {service} {host}")
        if switch and seen not in {None, "nothing", switch.action["old"]}:
            yield f"{switch.id} would go back to {switch.action['old']}, but {host} was seen on {seen}"
        if switch and (switch.action["old"] is None) != plan.begins(service, host):
            yield f"{switch.id} would go back to {switch.action['old']}, which is not what {host} was seen on"


def artifacts_are_staged(plan: PlanSeen) -> Iterator[str]:
    """A host has the whole, verified artifact before anything stops anywhere (row 78)."""
    stages = {(s.host, str(s.action["artifact"]["path"])): s for s in plan.of_kind("stage-artifact")}
    for (service, host), turn in plan.turns.items():
        switch = turn.get("switch-artifact")
        if switch and (host, str(switch.action["new"])) not in stages:
            yield f"{service} on {host} is switched to an artifact that no step stages and verifies there"
    stops = plan.of_kind("stop-service")
    for stage in stages.values():
        early = [stop for stop in stops if not plan.surely_before(stage, stop)]
        if early:
            yield f"{early[0].id} may stop a service before {stage.id} has verified its artifact"


def impact_is_told(plan: PlanSeen) -> Iterator[str]:
    """Whoever reads the plan sees during which steps an API is short of a backend (row 11)."""
    for (service, host), turn in (*plan.turns.items(), *plan.restarts.items()):
        component = plan.services.get(service, service)
        for kind, step in turn.items() if plan.balanced(service) else ():
            told = step.impact["notice"] in _FEWER and step.impact["api"] == component
            spared = kind in {"undrain-backend", "await-report"} or plan.begins(service, host)
            if not spared and not told:
                yield f"{step.id} leaves {component} one backend short and does not say so"
