"""Rules for a plan that takes back what a run changed: where old code may come after new, and when."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from skylift.verifier.closing_rules import is_cold
from skylift.verifier.document import HEARD, TURN, PlanSeen, restoring

LOWER = "lower-version"
_ONLY_FORWARD = {
    "migrate-schema": "changes a schema",
    "run-command": "runs what is due after an upgrade",
    "check-readiness": "asks old code what came after it",
    "verify-pin": "looks for the newest form of messages",
}
"""What a step does that has no place on a way back, by its kind."""
_UPGRADE, _RUN = "upgrade", "run"


def wanted_to_start(plan: PlanSeen, service: str, host: str) -> AbstractSet[str]:
    """What a service that goes back needs to start beside rows of its name that tell of newer ones."""
    known = plan.known.components.get(plan.services.get(service, ""))
    restored = plan.services.get(service) in restoring(plan)  # so are the rows, then
    if not plan.back or restored or known is None or plan.goal not in known.floored.get(service, {}):
        return frozenset()
    return {LOWER} if plan.rows(service, host) or service in known.at_start else frozenset()


def rows_tell_of_what_goes_back(plan: PlanSeen) -> Iterator[str]:
    """A row tells of the release that its service goes back to: of no older one, which would hold others."""
    for (service, _), turn in plan.turns.items():
        known = plan.known.components.get(plan.services.get(service, ""))
        lower, numbers = turn.get(LOWER), known.floored.get(service, {}) if known else {}
        if lower and lower.action["version"] != numbers.get(plan.goal):
            told = f"{lower.id} lets a row tell of version {lower.action['version']}"
            yield f"{told}, and {plan.goal} writes {numbers.get(plan.goal, 'none that is known')}"


def nothing_but_services_goes_back(plan: PlanSeen) -> Iterator[str]:
    """No schema goes back, for what old code bears stays; and nothing is unpinned, for old code is coming."""
    for step in plan.steps.values():
        if step.kind in _ONLY_FORWARD:
            yield f"{step.id} {_ONLY_FORWARD[step.kind]}, and a way back only turns services over"
    for service, host in plan.restarts:
        yield f"{service} on {host} is restarted to look again at the others, and old code is coming"


def only_what_is_named_goes_back(plan: PlanSeen) -> Iterator[str]:
    """Steps touch the services of the components that the plan says go back, and no others."""
    for step in plan.steps.values():
        if step.kind in {*TURN, "verify-component"} and step.component not in plan.going:
            yield f"{step.id} acts on {step.component}, which is not among what goes back"


def the_way_back_is_open(plan: PlanSeen) -> Iterator[str]:
    """Nothing had begun, by the run's journal and by the databases, that ends a component's way back."""
    for component in sorted({plan.services.get(service, "") for service, _ in plan.turns} - restoring(plan)):
        known = plan.known.components.get(component)
        ends = known.way_back_ends if known else ()
        for event in ends:
            if event in plan.begun or _was_run(plan, event):
                told = f"{component} goes back after '{event}' had begun"
                yield f"{told}, and from there only a backup leads back"


def nothing_newer_counts_on_it(plan: PlanSeen) -> Iterator[str]:
    """What was upgraded after a component, and counts on it, is old again before it, or was never new."""
    new = {str(t["switch-artifact"].action["old"]) for t in plan.turns.values() if "switch-artifact" in t}
    turned = {plan.services.get(service, "") for service, _ in plan.turns}
    left = {
        component
        for service, component in plan.services.items()
        for host in plan.facts.get(f"hosts {service}", "").split()
        if component not in turned and plan.facts.get(f"artifact {service} {host}") in new - set(_goals(plan))
    }
    # By now every rule says what goes back before what.
    for rule in plan.known.constraints:
        first, then = plan.known.owner(rule.before.subject), plan.known.owner(rule.after.subject)
        if rule.before.verb == rule.after.verb == _UPGRADE and first in left and then in turned:
            yield f"{then} goes back while {first} stays new: {rule.because} ({rule.source})"


def is_heard_late(plan: PlanSeen, service: str) -> bool:
    """Whether the first host on which a service goes back may not be told all at first."""
    return plan.back and bool(plan.known.heard_late(service)) and not is_cold(plan, service)


def one_is_known_before_others_go_back(plan: PlanSeen) -> Iterator[str]:
    """Of a service whose first host may miss what it is told, no other goes back before that one is known."""
    for service in sorted({service for service, _ in plan.turns}):
        turns = [turn for (name, _), turn in plan.turns.items() if name == service]
        if not turns[1:] or not is_heard_late(plan, service):
            continue
        for_s = plan.known.heard_late(service)
        waits = [t[HEARD] for t in turns if HEARD in t and int(t[HEARD].action["for_s"]) >= for_s]
        stops = [t["stop-service"] for t in turns if "stop-service" in t]
        if not any(all(s.host == w.host or plan.surely_before(w, s) for s in stops) for w in waits):
            yield f"{service} may go back on two hosts before one of them was known for {for_s} s"


def _goals(plan: PlanSeen) -> tuple[str, ...]:
    return tuple(plan.goals().values())


def _was_run(plan: PlanSeen, event: str) -> bool:
    """Whether a database has what a phase adds or removes, and what its old code does not declare."""
    verb, _, subject = event.partition(" ")
    phase = plan.known.phase(subject) if verb == _RUN else None
    if phase is None or not phase.branch:
        return False
    component = subject.partition(":")[0]
    of = f"{component}:{phase.schema}" if phase.schema else component
    own = {n.partition(" ")[2] for n, text in plan.facts.items() if n.startswith("database ") and text == of}
    told = [text for n, text in plan.facts.items() if n.startswith("beyond ") and n.split(" ")[1] in own]
    beyond = {branch for text in told for branch in text.split()} - {"nothing"}
    return bool(beyond) if phase.branch == "all" else phase.branch in beyond
