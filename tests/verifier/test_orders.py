"""An order written by hand is judged by the rules of every plan, as far as it says enough."""

from __future__ import annotations

from typing import Any

import pytest
from tests.verifier.small_catalog import DOCUMENTS, judged

from skylift.verifier.knowledge import knowledge_of
from skylift.verifier.unreadable import Unreadable

GOOD: tuple[Any, ...] = (
    "run keystone:expand",
    "upgrade keystone",
    "run keystone:contract",
    "run placement:sync",
    "upgrade placement",
    "run nova:api-sync",
    "run nova:sync",
    "pin nova",
    "upgrade nova-conductor",
    "upgrade nova-super-conductor",
    {"together": ["upgrade nova-scheduler", "upgrade nova-novncproxy", "upgrade nova-metadata"]},
    "upgrade nova-compute on cmp1",
    "upgrade nova-compute",
    "upgrade nova-api",
    "unpin nova by restart",
    "run nova:online-migrations",
    "run neutron:expand",
    "upgrade neutron-server",
    {
        "together": [
            ["upgrade neutron-openvswitch-agent on cmp1", "upgrade neutron-l3-agent on cmp1"],
            ["upgrade neutron-openvswitch-agent on cmp2", "upgrade neutron-l3-agent on cmp2"],
            ["upgrade neutron-openvswitch-agent", "upgrade neutron-l3-agent"],
        ]
    },
    "stop manila",
    "run manila:sync",
    "start manila",
)


def swapped(first: str, then: str) -> list[Any]:
    """The good order with two of its items in each other's place."""
    order = list(GOOD)
    a, b = order.index(first), order.index(then)
    order[a], order[b] = order[b], order[a]
    return order


def without(*items: str) -> list[Any]:
    return [item for item in GOOD if item not in items]


def test_a_good_order_breaks_nothing_and_leaves_nothing_open() -> None:
    found = judged(*GOOD)

    assert (found.violations, found.unsaid, found.misread) == ((), (), ())


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (
            swapped("upgrade keystone", "run keystone:contract"),
            "run keystone:contract may run beside old code of keystone: old keystone",
        ),
        (
            swapped("upgrade keystone", "run keystone:expand"),
            "new code of keystone may start before run keystone:expand has ended",
        ),
        (
            swapped("upgrade placement", "upgrade nova-api"),
            "upgrade nova-api may begin before upgrade placement-api has ended (as may 7 more pairs",
        ),
        (
            swapped("upgrade nova-api", "upgrade nova-conductor"),
            "upgrade nova-api may begin before upgrade nova-conductor has ended (as may",
        ),
        (
            swapped("upgrade nova-api", "upgrade nova-compute on cmp1"),
            "upgrade nova-api may begin before upgrade nova-compute has ended (as may 1 more pair",
        ),
        (
            swapped("pin nova", "unpin nova by restart"),
            "unpin nova by restart may begin beside old code of nova-conductor and 7 more",
        ),
        (
            swapped("pin nova", "upgrade nova-super-conductor"),
            "new code of nova-super-conductor and nova-conductor may start before pin nova has ended",
        ),
        (
            [*without("unpin nova by restart"), "unpin nova by reload"],
            "unpin nova by reload may leave it pinned: a restart unpins every service (nova, bug 1833069",
        ),
        (
            swapped("stop manila", "run manila:sync"),
            "run manila:sync may run beside manila-api and 2 more",
        ),
        (
            swapped("start manila", "run manila:sync"),
            "run manila:sync may run beside manila-api and 2 more: its sync is made for",
        ),
        (without("stop manila"), "run manila:sync may run beside manila-api and 2 more"),
        (without("start manila"), "nothing starts manila-api and 2 more again after its stop"),
        (
            [*GOOD, "run neutron:contract"],
            "run neutron:contract may run beside neutron-l3-agent and 2 more",
        ),
        (
            [*without("upgrade placement"), "upgrade placement on all at once"],
            "placement-api may be out of use on all its hosts at once",
        ),
    ],
)
def test_an_order_that_breaks_a_rule_is_told_so_in_a_sentence(order: list[Any], sentence: str) -> None:
    found = judged(*order)

    assert any(sentence in told for told in found.violations), "\n".join(found.violations)


def test_a_rule_within_a_host_lets_hosts_overtake_each_other() -> None:
    lanes = [[f"upgrade neutron-openvswitch-agent on {h}", f"upgrade neutron-l3-agent on {h}"] for h in "ab"]

    assert judged({"together": [*lanes, []]}).violations == ()
    assert judged(*lanes[0], *lanes[1]).violations == ()
    (told,) = judged(*reversed(lanes[0])).violations
    assert told.startswith("upgrade neutron-l3-agent on a may begin before upgrade neutron-openvswitch-agent")


def test_a_component_that_goes_cold_may_stop_in_any_order_and_starts_in_its_own() -> None:
    stops = ["stop nova-api", "stop nova-conductor"]

    good = judged(*stops, "run nova:sync", "start nova-conductor", "start nova-api")
    bad = judged(*stops, "run nova:sync", "start nova-api", "start nova-conductor")

    assert good.violations == ()
    assert any("upgrade nova-api may begin before upgrade nova-conductor" in v for v in bad.violations)


def test_an_item_that_names_a_whole_component_leaves_the_order_of_its_services_open() -> None:
    found = judged("upgrade placement", "upgrade nova")

    assert found.violations == ()
    assert (
        "'upgrade nova' does not say in which order its services go, so nobody knows: "
        "upgrade nova-conductor before upgrade nova"
    ) in found.unsaid


def test_what_an_order_never_touches_is_no_error() -> None:
    assert judged("upgrade nova-conductor", "upgrade nova-api").violations == ()


@pytest.mark.parametrize(
    ("start", "goal", "tested"),
    [
        ("2024.1", "2024.2", True),
        ("2024.1", "2025.1", True),
        ("2024.1", "2024.1", True),
        ("2024.2", "2025.2", False),
        ("2022.1", "2023.1", False),
        ("2023.1", "2025.1", False),
        ("2025.1", "2024.1", False),
    ],
)
def test_a_hop_is_no_further_than_releases_work_together(start: str, goal: str, *, tested: bool) -> None:
    found = judged("upgrade keystone", start=start, goal=goal)

    assert (not found.violations) is tested


@pytest.mark.parametrize(
    ("items", "at", "what", "remedy"),
    [
        (["upgrde keystone"], "order.1", "upgrde is no verb of an order", "did you mean upgrade?"),
        (["upgrade keystoen"], "order.1", "service keystoen is not known", "did you mean keystone?"),
        (["upgrade tally"], "order.1", "service tally is not known", "--catalog-file"),
        (["run keystone"], "order.1", "phase keystone is not known", "did you mean keystone:"),
        (["run keystone:expnd"], "order.1", "phase keystone:expnd is not known", "keystone:expand?"),
        (["pin nova-api"], "order.1", "component nova-api is not known", "did you mean nova?"),
        (["unpin nova on ctl1"], "order.1", "unpin happens once, and on no host", "remove 'on ctl1'"),
        (["stop nova by reload"], "order.1", "'by reload' says nothing here", "after unpin"),
        (["keystone"], "order.1", "is 'keystone'", "write: VERB SUBJECT"),
        ([{"together": ["stop nova", 7]}], "order.1.together.2", "is no item", "write: VERB SUBJECT"),
        ([{"tohether": []}], "order.1", "is no item", "together"),
        ([], "order", "is no list of items", "one item a line"),
        (
            ["stop nova-api", "upgrade nova-api"],
            "order.2",
            "'upgrade nova-api' was said before, as 'stop nova-api'",
            "keep one of the two",
        ),
        (
            [*(f"stop manila-{s}" for s in ("api", "scheduler", "share")), "stop manila"],
            "order.4",
            "'stop manila' is left with nothing",
            "remove it",
        ),
    ],
)
def test_an_item_that_says_nothing_is_told_with_its_place_and_a_remedy(
    items: list[Any], at: str, what: str, remedy: str
) -> None:
    found = judged(*items)

    (misread,) = found.misread
    assert misread.at == at
    assert what in misread.what
    assert remedy in misread.remedy


def test_all_that_cannot_be_read_is_told_at_once() -> None:
    found = judged("upgrade keystoen", "rnu keystone:expand", "upgrade glance")

    assert [misread.at for misread in found.misread] == ["order.1", "order.2"]


RULE = {"before": "upgrade keystone", "after": "upgrade tally", "because": "a test", "source": "a test"}
TALLY = {"name": "tally", "services": [{"name": "tally-api"}], "order": [RULE]}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"order": [{**RULE, "after": "upgrade taly"}]}, "speaks of 'upgrade taly', which no file"),
        ({"order": [{**RULE, "before": "mend keystone"}]}, "speaks of 'mend keystone', which no file"),
        ({"order": [{**RULE, "before": "run keystone:x"}]}, "speaks of 'run keystone:x', which no file"),
        ({"order": [{**RULE, "within": "rack"}]}, "it can be cloud, cell or host"),
        ({"order": [{**RULE, "because": ""}]}, "does not say why, or who says so"),
        ({"order": [{"before": "upgrade keystone"}]}, "order rule 1 of component tally lacks 'after'"),
        ({"order": [{**RULE, "after": "tally"}]}, "order rule 1 of component tally"),
        ({"services": [{"name": "nova-api"}]}, "both nova and tally have a service nova-api"),
        ({"services": None}, "the file of component tally lacks"),
    ],
)
def test_a_rule_that_could_never_hold_is_refused_and_not_skipped(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        knowledge_of((*DOCUMENTS, {**TALLY, **change}))


def test_a_component_of_a_third_party_brings_rules_of_its_own() -> None:
    known = knowledge_of((*DOCUMENTS, TALLY))

    assert "upgrade keystone before upgrade tally" in [str(c) for c in known.constraints]
