"""Rules for pools: how many backends are out at once, and that all come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from skylift.verifier.document import PlanSeen, StepSeen, may_be_down
from skylift.verifier.spans import most_at_once

Turn = tuple[StepSeen, StepSeen]
"""A drain and its undrain: in between, the backend is out."""

_DOWN = "does not answer"


def enough_backends_serve(plan: PlanSeen) -> Iterator[str]:
    """At most a batch of one pool's backends is out at once, and one always serves (row 87)."""
    batch = int(plan.facts["policy batch"])
    for pool, turns in _by_pool(plan).items():
        if _may_be_down(plan, turns):
            continue
        usable = [server for server, state in _states(plan, pool).items() if state == "up"]
        usable += [server for server in _returning(plan, pool, turns) if server not in usable]
        out = most_at_once(plan, tuple(turns.values()))
        if out > batch:
            yield f"{out} backends of pool {pool} may be out at once, and policy.batch allows {batch}"
        if out >= len(usable):
            yield f"pool {pool} may be left without a backend: {out} of {len(usable)} may be out at once"


def outages_are_accepted(plan: PlanSeen) -> Iterator[str]:
    """Nothing is taken down as a whole but what the record says may be, and what is restored."""
    for step in plan.steps.values():
        if step.impact["notice"] == _DOWN and step.impact["api"] not in may_be_down(plan):
            yield f"{step.id} takes {step.impact['api']} down, and policy.outages does not accept that"


def drained_backends_return(plan: PlanSeen) -> Iterator[str]:
    """Nothing that was found out of a pool stays out; on a way back, of what goes back."""
    own = {plan.facts.get(f"pool {s}") for s, component in plan.services.items() if component in plan.going}
    back = {(str(step.action["pool"]), step.host) for step in plan.of_kind("undrain-backend")}
    for name, state in plan.facts.items():
        kind, _, rest = name.partition(" ")
        pool, _, server = rest.partition("/")
        out = kind == "backend" and {"drain", "maint"} & set(state.split())
        if out and (pool in own or not plan.back) and (pool, server) not in back:
            yield f"{server} was out of pool {pool} ({state}), and no step lets it back"


def _by_pool(plan: PlanSeen) -> Mapping[str, Mapping[str, Turn]]:
    found: dict[str, dict[str, Turn]] = {}
    for turn in plan.turns.values():
        if "drain-backend" in turn and "undrain-backend" in turn:
            drain, undrain = turn["drain-backend"], turn["undrain-backend"]
            found.setdefault(str(drain.action["pool"]), {})[drain.host] = (drain, undrain)
    return found


def _may_be_down(plan: PlanSeen, turns: Mapping[str, Turn]) -> bool:
    """Whether the plan says that nobody is answered, and the record accepts that."""
    down = may_be_down(plan)
    return all(drain.impact["notice"] == _DOWN and drain.component in down for drain, _ in turns.values())


def _returning(plan: PlanSeen, pool: str, turns: Mapping[str, Turn]) -> Iterator[str]:
    """Servers that their own turn brings back, or that are let back before any other goes out."""
    yield from turns
    for step in plan.of_kind("undrain-backend"):
        first = all(plan.surely_before(step, drain) for drain, _ in turns.values())
        if step.action["pool"] == pool and step.host not in turns and first:
            yield step.host


def _states(plan: PlanSeen, pool: str) -> Mapping[str, str]:
    start = f"backend {pool}/"
    return {name[len(start) :]: state for name, state in plan.facts.items() if name.startswith(start)}
