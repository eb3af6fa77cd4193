"""Turns of nova-compute that were spoilt by chance: what loses a server, or a host, is refused."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

from tests.planning.test_closing import planned, site
from tests.verifier.plan_mutants import KNOWN
from tests.verifier.test_verify import Document

from skylift.planning.text import plan_document, write_plan
from skylift.verifier.verify import judge

SEED = int(os.environ.get("SKYLIFT_SEED", "0"))
"""Printed with each failure, so that it can be seen again: SKYLIFT_SEED=... pytest ..."""
HARMFUL = 100
HOSTS = ("cmp1", "cmp2", "cmp3")
OWN = "nova-compute:"

Spoil = Callable[[Document, Random], None]


def good() -> str:
    """A plan that upgrades three nova-computes, as text."""
    return json.dumps(plan_document(write_plan(planned(*site()))))


def own_edges(plan: Document) -> list[Document]:
    return [e for e in plan["edges"] if e["before"].startswith(OWN) and e["after"].startswith(OWN)]


def own_steps(plan: Document, *verbs: str) -> list[str]:
    names = [str(step["id"]) for step in plan["steps"] if step["id"].startswith(OWN)]
    return [name for name in names if not verbs or verb_of(name) in verbs]


def verb_of(name: str) -> str:
    return name.removeprefix(OWN).partition("@")[0]


def edge(before: str, after: str) -> Document:
    return {"before": before, "after": after, "because": "a test", "source": "a test"}


def drop_an_edge(plan: Document, chance: Random) -> None:
    plan["edges"].remove(chance.choice(own_edges(plan)))


def turn_an_edge_round(plan: Document, chance: Random) -> None:
    chosen = chance.choice(own_edges(plan))
    chosen["before"], chosen["after"] = chosen["after"], chosen["before"]


def remove_a_step(plan: Document, chance: Random) -> None:
    gone = chance.choice(own_steps(plan, "close", "idle", "open"))
    before = [e["before"] for e in plan["edges"] if e["after"] == gone]
    after = [e["after"] for e in plan["edges"] if e["before"] == gone]
    plan["steps"] = [step for step in plan["steps"] if step["id"] != gone]
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


def act_elsewhere(plan: Document, chance: Random) -> None:
    name = chance.choice(own_steps(plan, "close", "idle", "open"))
    step = next(step for step in plan["steps"] if step["id"] == name)
    step["action"]["host"] = chance.choice([host for host in HOSTS if host != step["action"]["host"]])


def open_for_another(plan: Document, chance: Random) -> None:
    name = chance.choice(own_steps(plan, "open"))
    next(step for step in plan["steps"] if step["id"] == name)["action"]["labels"] = ["another-plan"]


SPOILS: tuple[Spoil, ...] = (
    drop_an_edge,
    turn_an_edge_round,
    remove_a_step,
    hurry_a_step,
    swap_two_steps,
    act_elsewhere,
    open_for_another,
)


class Lost(Exception):  # noqa: N818 - what was seen
    """A server, or a host."""


class Hosts:
    """The hosts of nova-compute while a plan is played."""

    def __init__(self) -> None:
        self.closed: dict[str, list[str]] = {}
        self.idle: set[str] = set()
        self.works = set(HOSTS)

    def close(self, host: str, action: Document) -> None:
        self.closed[host] = action["labels"]
        if set(self.closed) == set(HOSTS):
            raise Lost("no host takes new work")

    def wait(self, host: str, _: Document) -> None:
        self.idle |= {host} & set(self.closed)

    def stop(self, host: str, _: Document) -> None:
        if host not in self.idle:
            raise Lost(f"what {host} had in hand")
        self.works.discard(host)

    def see_healthy(self, host: str, _: Document) -> None:
        self.works.add(host)

    def open(self, host: str, action: Document) -> None:
        if host not in self.works:
            raise Lost(f"what is sent to {host}, which does not run")
        if self.closed.get(host) == action["labels"]:
            del self.closed[host]
            self.idle.discard(host)

    def end(self) -> None:
        if self.closed:
            raise Lost(f"{', '.join(self.closed)}, which stays closed")


PLAYS = {
    "close-service": Hosts.close,
    "await-idle": Hosts.wait,
    "stop-service": Hosts.stop,
    "await-healthy": Hosts.see_healthy,
    "open-service": Hosts.open,
}


def harm(plan: Document) -> str:
    """What some order that the edges allow loses; empty if nothing."""
    actions = {step["id"]: step["action"] for step in plan["steps"]}
    try:
        for order in orders(plan):
            hosts = Hosts()
            for name in order:
                play = PLAYS.get(actions[name]["kind"])
                if play and name.startswith(OWN):
                    play(hosts, actions[name]["host"], actions[name])
            if len(order) == len(actions):
                hosts.end()
    except Lost as seen:
        return str(seen)
    return ""


def orders(plan: Document) -> Iterator[list[str]]:
    """A whole run, one with every opening as late as it can come, and what each step surely has behind it."""
    names = [str(step["id"]) for step in plan["steps"]]
    before: dict[str, set[str]] = {name: set() for name in names}
    for each in plan["edges"]:
        before[each["after"]].add(each["before"])
    plain = played(names, before)
    if len(plain) < len(names):
        return
    yield plain
    yield played(sorted(names, key=lambda name: (verb_of(name) == "open", verb_of(name) != "close")), before)
    behind: dict[str, set[str]] = {}
    for name in plain:
        behind[name] = set().union(*({first} | behind[first] for first in before[name]))
    for name in own_steps(plan):
        yield [each for each in plain if each in behind[name]] + [name]


def played(wished: list[str], before: dict[str, set[str]]) -> list[str]:
    """All steps in an order that the edges allow, each as early as the wish has it."""
    left, done, found = list(wished), set[str](), list[str]()
    while left:
        free = next((name for name in left if before[name] <= done), None)
        if free is None:
            return found
        left.remove(free)
        done.add(free)
        found.append(free)
    return found


def test_a_good_plan_loses_nothing() -> None:
    assert harm(json.loads(good())) == ""


def test_a_plan_that_loses_a_server_or_a_host_is_refused() -> None:
    """Of each of many, by the word of what is played."""
    text, number = good(), 0
    seen: Counter[tuple[str, bool]] = Counter()
    while sum(count for (_, harmful), count in seen.items() if harmful) < HARMFUL:
        number += 1
        chance = Random(f"{SEED}.{number}")
        plan, spoil = json.loads(text), chance.choice(SPOILS)
        spoil(plan, chance)
        told = harm(plan)

        refused = judge(plan, KNOWN) if told else ("not asked",)

        assert refused, f"SKYLIFT_SEED={SEED}, mutant {number}, {spoil.__name__}: {told}"
        seen[spoil.__name__, bool(told)] += 1

    assert all(seen[spoil.__name__, True] for spoil in SPOILS), seen
