"""Ways to spoil a plan: each changes a good plan's document a little, by chance."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tests.verifier.plan_oracle import harm
from tests.verifier.tiny_cloud import TinyCloud

from skylift.catalog.catalog import documents
from skylift.verifier.knowledge import knowledge_of
from skylift.verifier.verify import judge

KNOWN = knowledge_of(documents())
"""The catalog as the verifier reads it: once, for thousands of plans."""

Document = dict[str, Any]
Spoil = Callable[[Document, Random], None]


def _step(plan: Document, chance: Random) -> Document:
    found: Document = chance.choice(plan["steps"])
    return found


def _edge(before: str, after: str) -> Document:
    return {"before": before, "after": after, "because": "a test", "source": "a test"}


def drop_an_edge(plan: Document, chance: Random) -> None:
    plan["edges"].pop(chance.randrange(len(plan["edges"])))


def drop_what_a_step_waits_for(plan: Document, chance: Random) -> None:
    name = _step(plan, chance)["id"]
    plan["edges"] = [e for e in plan["edges"] if e["after"] != name]


def drop_what_waits_for_a_step(plan: Document, chance: Random) -> None:
    name = _step(plan, chance)["id"]
    plan["edges"] = [e for e in plan["edges"] if e["before"] != name]


def turn_an_edge_round(plan: Document, chance: Random) -> None:
    edge = chance.choice(plan["edges"])
    edge["before"], edge["after"] = edge["after"], edge["before"]


def swap_two_steps(plan: Document, chance: Random) -> None:
    first, then = chance.sample([step["id"] for step in plan["steps"]], 2)
    names = {first: then, then: first}
    for edge in plan["edges"]:
        for end in ("before", "after"):
            edge[end] = names.get(edge[end], edge[end])


def remove_a_step(plan: Document, chance: Random) -> None:
    """What waited for it waits for what it waited for."""
    name = _step(plan, chance)["id"]
    before = [e["before"] for e in plan["edges"] if e["after"] == name]
    after = [e["after"] for e in plan["edges"] if e["before"] == name]
    plan["steps"] = [s for s in plan["steps"] if s["id"] != name]
    plan["edges"] = [e for e in plan["edges"] if name not in {e["before"], e["after"]}]
    plan["edges"] += [_edge(first, then) for first in before for then in after]


def hurry_a_step(plan: Document, chance: Random) -> None:
    """It waits for what something before it waits for, and no longer for that."""
    edge = chance.choice(plan["edges"])
    earlier = [e["before"] for e in plan["edges"] if e["after"] == edge["before"]]
    plan["edges"].remove(edge)
    plan["edges"] += [_edge(first, edge["after"]) for first in earlier]


def run_two_turns_at_once(plan: Document, chance: Random) -> None:
    """A turn begins when the turn it waits for begins."""
    drains = [step["id"] for step in plan["steps"] if step["action"]["kind"] == "drain-backend"]
    waiting = [e for e in plan["edges"] if e["after"] in drains and ":undrain@" in e["before"]]
    if waiting:
        edge = chance.choice(waiting)
        first = edge["before"].replace(":undrain@", ":drain@")
        earlier = [e["before"] for e in plan["edges"] if e["after"] == first]
        plan["edges"].remove(edge)
        plan["edges"] += [_edge(name, edge["after"]) for name in earlier]


def merge_two_stages(plan: Document, chance: Random) -> None:
    """Nothing of one stage waits for the stage before it."""
    stages = {step["id"]: step["stage"] for step in plan["steps"]}
    later = chance.choice(sorted(set(stages.values()) - {"prepare"}))
    plan["edges"] = [e for e in plan["edges"] if stages[e["after"]] != later or stages[e["before"]] == later]


def repeat_a_step(plan: Document, chance: Random) -> None:
    step = _step(plan, chance)
    name = f"{step['id'].partition('@')[0]}-again@{step['id'].partition('@')[2]}"
    plan["steps"].append({**step, "id": name.rstrip("@")})
    plan["edges"] += [_edge(name.rstrip("@"), e["after"]) for e in plan["edges"] if e["before"] == step["id"]]
    plan["edges"].append(_edge(step["id"], name.rstrip("@")))


def act_elsewhere(plan: Document, chance: Random) -> None:
    """A step acts on another host, pool, unit, component or database than it did."""
    step, other = _step(plan, chance)["action"], _step(plan, chance)["action"]
    keys = ("host", "server", "pool", "unit", "component", "service", "database", "heads", "services")
    shared = [key for key in keys if key in step and key in other and step[key] != other[key]]
    if shared:
        key = chance.choice(shared)
        step[key] = other[key]


def aim_at_old_code(plan: Document, chance: Random) -> None:
    """A step takes the old artifact for the new one."""
    old = next(s["action"]["old"] for s in plan["steps"] if "old" in s["action"])
    step = chance.choice(
        [s["action"] for s in plan["steps"] if {"new", "command", "heads"} & set(s["action"])]
    )
    if "new" in step:
        step["new"] = old
    elif "command" in step:
        step["command"]["argv"][0] = f"{old}/bin/x"
    else:
        step["heads"] = [{**head, "rows": ["an-old-revision"]} for head in step["heads"]]


def hide_what_it_does(plan: Document, chance: Random) -> None:
    """Users are not told of a backend fewer, or an operator of a point without return."""
    step = _step(plan, chance)
    if step["action"].get("destructive"):
        step["action"]["destructive"] = False
    elif step["impact"]["notice"] != "none":
        step["impact"] = {"notice": "none", "api": ""}


SPOILS: tuple[Spoil, ...] = (
    drop_an_edge,
    drop_what_a_step_waits_for,
    drop_what_waits_for_a_step,
    turn_an_edge_round,
    swap_two_steps,
    remove_a_step,
    hurry_a_step,
    run_two_turns_at_once,
    merge_two_stages,
    repeat_a_step,
    act_elsewhere,
    aim_at_old_code,
    hide_what_it_does,
)


SEED = int(os.environ.get("SKYLIFT_SEED", "0"))
"""Printed with each failure, so that it can be seen again: SKYLIFT_SEED=... pytest ..."""


def harmful_are_refused(
    good: Sequence[tuple[str, TinyCloud]], spoils: Sequence[Spoil], *, harmful: int, salt: str = ""
) -> None:
    """Spoil good plans by chance until so many do harm, by the tiny cloud's word: each must be refused.

    Raises:
        AssertionError: one is accepted, or a way to spoil never did harm.
    """
    seen: Counter[tuple[str, bool]] = Counter()
    number = 0
    while sum(count for (_, does_harm), count in seen.items() if does_harm) < harmful:
        number += 1
        chance = Random(f"{SEED}.{salt}{number}")
        text, cloud = chance.choice(good)
        plan, spoil = json.loads(text), chance.choice(spoils)
        spoil(plan, chance)
        seen_harm = harm(cloud, plan)

        refused = judge(plan, KNOWN)

        told = f"SKYLIFT_SEED={SEED}, mutant {salt}{number}, {spoil.__name__}: {seen_harm}"
        assert refused or not seen_harm, told
        seen[spoil.__name__, bool(seen_harm)] += 1

    assert number < 3 * harmful, seen
    assert all(seen[spoil.__name__, True] for spoil in spoils), seen
