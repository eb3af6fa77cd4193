"""The verifier refuses a plan in which two releases of an engine may meet, or end each other's work."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

import pytest
from tests.planning.test_together import planned, site
from tests.verifier.test_verify import Document, add_edge, drop_edges, drop_step, step

from skylift.catalog.catalog import documents
from skylift.planning.text import plan_document, write_plan
from skylift.verifier.verify import verify

SEED = int(os.environ.get("SKYLIFT_SEED", "0"))
"""Printed with each failure, so that it can be seen again: SKYLIFT_SEED=... pytest ..."""
HARMFUL = 100
ORDERS = 6
OWN = "heat-engine:"
HOSTS = {"ctl1", "ctl2", "ctl3"}
POOLS = {"heat-api", "heat-api-cfn"}
GOOD = json.dumps(plan_document(write_plan(planned(*site()))))


def one_host_after_another(plan: Document) -> None:
    for start in ("ctl1", "ctl2"):
        plan["edges"] = [
            e
            for e in plan["edges"]
            if not (e["after"] == f"{OWN}start@{start}" and e["before"] == f"{OWN}stop@ctl3")
        ]
    add_edge(plan, f"{OWN}healthy@ctl2", f"{OWN}stop@ctl3")


def nobody_waits(plan: Document) -> None:
    for name in ("park", "unpark", "park-heat-api-cfn", "unpark-heat-api-cfn"):
        drop_step(plan, f"{OWN}{name}")


def one_api_is_left_open(plan: Document) -> None:
    for name in ("park-heat-api-cfn", "unpark-heat-api-cfn"):
        drop_step(plan, f"{OWN}{name}")


def let_go_before_the_last_is_healthy(plan: Document) -> None:
    plan["edges"] = [
        e for e in plan["edges"] if (e["before"], e["after"]) != (f"{OWN}healthy@ctl3", f"{OWN}unpark")
    ]
    add_edge(plan, f"{OWN}healthy@ctl3", f"{OWN}report@ctl3")


def looked_at_only_before_anybody_waits(plan: Document) -> None:
    drop_step(plan, f"{OWN}still")


def never_looked_at(plan: Document) -> None:
    for name in ("ended", "still"):
        drop_step(plan, f"{OWN}{name}")


def looked_at_nowhere(plan: Document) -> None:
    step(plan, f"{OWN}still")["action"]["rosters"] = []


def stopped_beside_the_look(plan: Document) -> None:
    drop_edges(plan, into=f"{OWN}stop@ctl2")
    add_edge(plan, f"{OWN}park", f"{OWN}stop@ctl2")
    add_edge(plan, f"{OWN}park-heat-api-cfn", f"{OWN}stop@ctl2")


def another_components_work(plan: Document) -> None:
    step(plan, f"{OWN}still")["action"]["component"] = "keystone"


def too_long_for_those_who_wait(plan: Document) -> None:
    step(plan, f"{OWN}start@ctl2")["estimate"].update(likely=40, high=60)


DEFECTS: tuple[tuple[Callable[[Document], None], str], ...] = (
    (one_host_after_another, "may run beside old code of heat-engine on ctl3"),
    (nobody_waits, "requests to pool heat-api do not surely wait from before heat-engine:stop@ctl1 on"),
    (one_api_is_left_open, "requests to pool heat-api-cfn do not surely wait from before"),
    (let_go_before_the_last_is_healthy, "do not surely wait from before heat-engine:stop@ctl3 on until"),
    (looked_at_only_before_anybody_waits, "heat-engine:stop@ctl1 may stop what is under way in heat"),
    (never_looked_at, "heat-engine:stop@ctl1 may stop what is under way in heat"),
    (looked_at_nowhere, "heat-engine:stop@ctl1 may stop what is under way in heat"),
    (stopped_beside_the_look, "heat-engine:stop@ctl2 may stop what is under way in heat"),
    (another_components_work, "heat-engine:stop@ctl1 may stop what is under way in heat"),
    (too_long_for_those_who_wait, "would wait for 51 s from heat-engine:park to heat-engine:unpark"),
)


@pytest.mark.parametrize(("spoil", "sentence"), DEFECTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_defect_is_refused_in_words_of_its_own(spoil: Callable[[Document], None], sentence: str) -> None:
    plan = json.loads(GOOD)

    spoil(plan)

    told = verify(plan, documents())
    assert any(sentence in violation for violation in told), "\n".join(told)


def test_a_plan_that_switches_them_together_has_nothing_against_it() -> None:
    assert verify(json.loads(GOOD), documents()) == ()


def test_the_same_is_refused_over_a_hop_on_which_they_may_meet() -> None:
    """There one of them serves all the while, and nobody need wait."""
    plan = json.loads(GOOD)
    plan["source"], plan["goal"]["to"] = "2024.2", "2025.1"

    told = verify(plan, documents())

    assert any("heat-engine may be out of use on all its hosts at once" in violation for violation in told)


Spoil = Callable[[Document, Random], None]


def own_edges(plan: Document) -> list[Document]:
    return [e for e in plan["edges"] if e["before"].startswith(OWN) and e["after"].startswith(OWN)]


def own_steps(plan: Document, *words: str) -> list[str]:
    names = [str(s["id"]) for s in plan["steps"] if s["id"].startswith(OWN)]
    return [name for name in names if not words or name.removeprefix(OWN).startswith(words)]


def edge(before: str, after: str) -> Document:
    return {"before": before, "after": after, "because": "a test", "source": "a test"}


def drop_an_edge(plan: Document, chance: Random) -> None:
    plan["edges"].remove(chance.choice(own_edges(plan)))


def drop_what_a_step_waits_for(plan: Document, chance: Random) -> None:
    name = chance.choice(own_steps(plan))
    plan["edges"] = [e for e in plan["edges"] if e["after"] != name]


def turn_an_edge_round(plan: Document, chance: Random) -> None:
    chosen = chance.choice(own_edges(plan))
    chosen["before"], chosen["after"] = chosen["after"], chosen["before"]


def remove_a_step(plan: Document, chance: Random) -> None:
    gone = chance.choice(own_steps(plan, "ended", "park", "still", "unpark"))
    before = [e["before"] for e in plan["edges"] if e["after"] == gone]
    after = [e["after"] for e in plan["edges"] if e["before"] == gone]
    plan["steps"] = [s for s in plan["steps"] if s["id"] != gone]
    plan["edges"] = [e for e in plan["edges"] if gone not in {e["before"], e["after"]}]
    plan["edges"] += [edge(first, then) for first in before for then in after]


def hurry_a_step(plan: Document, chance: Random) -> None:
    """It waits for what something before it waits for, and no longer for that."""
    chosen = chance.choice(own_edges(plan))
    earlier = [e["before"] for e in plan["edges"] if e["after"] == chosen["before"]]
    plan["edges"].remove(chosen)
    plan["edges"] += [edge(first, chosen["after"]) for first in earlier]


def swap_two_steps(plan: Document, chance: Random) -> None:
    first, then = chance.sample(own_steps(plan), 2)
    names = {first: then, then: first}
    for each in plan["edges"]:
        for end in ("before", "after"):
            each[end] = names.get(each[end], each[end])


def act_on_another_pool(plan: Document, chance: Random) -> None:
    action = step(plan, chance.choice(own_steps(plan, "park", "unpark")))["action"]
    action["pool"] = chance.choice(sorted(POOLS - {action["pool"]} | {"keystone"}))


SPOILS: tuple[Spoil, ...] = (
    drop_an_edge,
    drop_what_a_step_waits_for,
    turn_an_edge_round,
    remove_a_step,
    hurry_a_step,
    swap_two_steps,
    act_on_another_pool,
)


class Lost(Exception):  # noqa: N818 - what was seen
    """A stack, or a request."""


class Engines:
    """The engines while a plan is played, and the users of Heat, who ask whenever they can."""

    def __init__(self) -> None:
        self.old, self.new = set(HOSTS), set[str]()
        self.parked: set[str] = set()
        self.under_way = True
        """Whether a stack may be that an old engine began."""

    def park(self, _: str, action: Document) -> None:
        self.parked.add(action["pool"])

    def look(self, _: str, action: Document) -> None:
        if self.parked >= POOLS and action["component"] == "heat":
            self.under_way = False

    def stop(self, host: str, _: Document) -> None:
        if self.under_way:
            raise Lost(f"a stack that the engine on {host} began")
        self.old.discard(host)

    def start(self, host: str, _: Document) -> None:
        if self.old:
            raise Lost(f"what the new engine on {host} sends to an old one")

    def see_healthy(self, host: str, _: Document) -> None:
        self.new.add(host)

    def unpark(self, _: str, action: Document) -> None:
        self.parked.discard(action["pool"])
        if action["pool"] in POOLS and self.new < HOSTS:
            self.under_way = self.under_way or bool(self.old)
            if not self.old:
                raise Lost("requests that not every engine is there for")


PLAYS = {
    "park-pool": Engines.park,
    "await-ended": Engines.look,
    "stop-service": Engines.stop,
    "start-service": Engines.start,
    "await-healthy": Engines.see_healthy,
    "unpark-pool": Engines.unpark,
}


def harm(plan: Document, chance: Random) -> str:
    """What some order that the edges allow loses; empty if nothing."""
    actions = {str(s["id"]): s["action"] for s in plan["steps"]}
    try:
        for order in orders(plan, chance):
            engines = Engines()
            for name in order:
                play = PLAYS.get(actions[name]["kind"])
                if play and name.startswith(OWN):
                    play(engines, str(actions[name].get("host", "")), actions[name])
    except Lost as seen:
        return str(seen)
    return ""


def orders(plan: Document, chance: Random) -> Iterator[list[str]]:
    """Whole runs, each with its own taste for what goes first."""
    names = [str(s["id"]) for s in plan["steps"]]
    before: dict[str, set[str]] = {name: set() for name in names}
    for each in plan["edges"]:
        before[each["after"]].add(each["before"])
    for number in range(ORDERS):
        wished = list(names)
        if number:
            chance.shuffle(wished)
        left, done, found = wished, set[str](), list[str]()
        while free := next((name for name in left if before[name] <= done), None):
            left.remove(free)
            done.add(free)
            found.append(free)
        if left:
            return  # steps that wait for each other: nothing is ever run
        yield found


def test_a_good_plan_loses_nothing() -> None:
    assert harm(json.loads(GOOD), Random(SEED)) == ""


def test_a_plan_that_loses_a_stack_or_a_request_is_refused() -> None:
    """Of each of many, by the word of what is played."""
    seen: Counter[tuple[str, bool]] = Counter()
    number = 0
    while sum(count for (_, harmful), count in seen.items() if harmful) < HARMFUL:
        number += 1
        chance = Random(f"{SEED}.{number}")
        plan, spoil = json.loads(GOOD), chance.choice(SPOILS)
        spoil(plan, chance)
        told = harm(plan, chance)

        refused = verify(plan, documents()) if told else ("not asked",)

        assert refused, f"SKYLIFT_SEED={SEED}, mutant {number}, {spoil.__name__}: {told}"
        seen[spoil.__name__, bool(told)] += 1

    assert all(seen[spoil.__name__, True] for spoil in SPOILS), seen
