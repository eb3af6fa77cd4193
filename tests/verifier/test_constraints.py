"""Every rule in the catalog's data is one that the verifier sees broken, in an order and in a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from tests.verifier.small_catalog import DOCUMENTS
from tests.verifier.whole_orders import Order, Rulebook, as_written

from skylift.catalog.catalog import documents
from skylift.verifier.audit import audit
from skylift.verifier.verify import verify

HOP = {"from": "2024.1", "to": "2025.1"}
SHIPPED = documents()
CATALOGS = {"shipped": SHIPPED, "small": DOCUMENTS}
RULEBOOKS = {name: Rulebook(found) for name, found in CATALOGS.items()}
RULES = [
    pytest.param(name, rule, id=f"{name}: {rule['before']} before {rule['after']}")
    for name, found in CATALOGS.items()
    for document in found
    for rule in document.get("order", ())
]
TURN = ("stop-service", "switch-artifact", "start-service", "await-healthy")


def broken(order: Order, rules: Rulebook, rule: Mapping[str, str], chance: Random) -> Order:
    """The order with one pair that the rule speaks of turned round."""
    pairs = list(rules.of_rule(rule))
    assert pairs, "no event that the rule speaks of can ever happen"
    wanted = chance.choice(pairs)
    rest = [item for item in order if item != wanted.first]
    after = rest.index(wanted.then) + 1
    return [*rest[:after], wanted.first, *rest[after:]]


def plan_of(order: Order, name: str) -> dict[str, Any]:
    """A plan that has the order's turns, phases and restarts and nothing else, one after the other."""
    services = {s["name"]: d["name"] for d in CATALOGS[name] for s in d["services"]}
    steps: list[dict[str, Any]] = []
    for item in order:
        verb, subject = str(item).split(" ")
        if verb == "run":
            component, _, phase = subject.partition(":")
            steps.append(_step(subject, "migrate-schema", component=component, phase=phase))
        elif verb == "unpin":
            first = next(service for service, owner in services.items() if owner == subject)
            steps.append(_step(f"{first}:unpin-stop@ctl1", "stop-service", host="ctl1"))
        elif verb == "pin":
            continue
        else:
            kinds = {"stop": TURN[:1], "start": TURN[1:], "upgrade": TURN}[verb]
            steps += [
                _step(f"{subject}:{kind.partition('-')[0]}@{host}", kind, host=host)
                for host in ("ctl1", "ctl2")
                for kind in kinds
            ]
    names = [step["id"] for step in steps]
    edges = [
        {"before": first, "after": then, "because": "a test", "source": "a test"}
        for first, then in pairwise(names)
    ]
    goal = {"source": HOP["from"], "goal": {"to": HOP["to"]}}
    facts = {"policy batch": "1", **{f"hosts {service}": "ctl1 ctl2" for service in services}}
    return {**goal, "services": services, "facts": facts, "steps": steps, "edges": edges}


def _step(name: str, kind: str, **action: Any) -> dict[str, Any]:
    always = {"unit": "u", "link": "l", "old": "/old", "new": "/new", "path": "/new", "heads": []}
    more = {"destructive": False, "cold": False, "command": {"argv": ["/new/bin/x"]}}
    return {
        "id": name,
        "stage": "control-plane",
        "action": {"kind": kind, **always, **more, **action},
        "impact": {"notice": "none", "api": ""},
        "estimate": {"low": 1, "likely": 1, "high": 1},
        "deadline": 60,
    }


def told(violations: Sequence[str], rule: Mapping[str, str]) -> list[str]:
    """The sentences that name a rule: why it is, and who says so."""
    return [v for v in violations if f"{rule['because']} ({rule['source']})" in v and "may begin before" in v]


@pytest.mark.parametrize("name", CATALOGS)
def test_all_rules_of_a_catalog_can_be_kept_at_once(name: str) -> None:
    order = RULEBOOKS[name].order(Random(0))

    found = audit({"hop": HOP, "order": as_written(order)}, CATALOGS[name])

    assert (found.violations, found.misread) == ((), ())


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_an_order_that_breaks_a_rule_is_refused_with_its_reason(name: str, rule: dict[str, str]) -> None:
    chance = Random(f"{rule['before']} {rule['after']}")
    order = broken(RULEBOOKS[name].around(chance, rule), RULEBOOKS[name], rule, chance)

    found = audit({"hop": HOP, "order": as_written(order)}, CATALOGS[name])

    assert told(found.violations, rule), "\n".join(found.violations)


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_a_plan_that_breaks_a_rule_is_refused_with_its_reason(name: str, rule: dict[str, str]) -> None:
    chance = Random(f"{rule['before']} {rule['after']}")
    order = RULEBOOKS[name].around(chance, rule)
    wrong = broken(order, RULEBOOKS[name], rule, chance)

    before, after = (verify(plan_of(o, name), CATALOGS[name]) for o in (order, wrong))

    assert not told(before, rule), "\n".join(before)
    assert told(after, rule), "\n".join(after)
