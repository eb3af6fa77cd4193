"""``skylift audit-order``: orders of other tools, as files, with the exit code a script goes by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skylift.cli.exits import Exit
from skylift.cli.main import call

ORDERS = Path(__file__).resolve().parents[1] / "verifier" / "orders"
OVN = ("--catalog-file", str(ORDERS / "ovn.toml"))
GOOD = """\
hop: {from: "2024.1", to: "2025.1"}
order:
  - run keystone:expand
  - upgrade keystone
  - run keystone:contract
"""

KNOWN_TO_BE_WRONG = [
    # 1: a schema that nobody may watch is changed while old services run
    ("kolla-ansible.yaml", "run manila:sync may run beside manila-api and 3 more"),
    ("kolla-ansible.yaml", "run barbican:sync may run beside barbican-api and 3 more"),
    ("kolla-ansible.yaml", "run designate:sync may run beside designate-api and 5 more"),
    ("kolla-ansible.yaml", "run octavia:sync may run beside octavia-api and 4 more"),
    ("kolla-ansible.yaml", "run magnum:sync may run beside magnum-api and magnum-conductor"),
    # 2: the API before the conductors of the cells; all of nova side by side
    ("kolla-ansible.yaml", "upgrade nova-api may begin before upgrade nova-conductor has ended: a new API"),
    (
        "nova-side-by-side.yaml",
        "upgrade nova-api may begin before upgrade nova-conductor has ended: a new API",
    ),
    (
        "nova-side-by-side.yaml",
        "upgrade nova-scheduler may begin before upgrade nova-super-conductor has ended",
    ),
    # 3: every host at once
    ("kolla-ansible.yaml", "nova-compute may be out of use on all its hosts at once"),
    # 4: unpinned by a signal
    ("unpin-by-reload.yaml", "unpin cinder by reload may leave it pinned: a restart unpins every service"),
    # 5: APIs first
    ("apis-first.yaml", "upgrade nova-api may begin before upgrade nova-conductor has ended"),
    ("apis-first.yaml", "upgrade cinder-api may begin before upgrade cinder-scheduler has ended"),
    ("apis-first.yaml", "upgrade heat-api may begin before upgrade heat-engine has ended"),
    # 6: OVN's control plane first
    ("ovn-control-plane-first.yaml", "upgrade ovn-central may begin before upgrade ovn-controller on cmp1"),
    # and networking's server after its agents
    (
        "neutron-after-hypervisors.yaml",
        "upgrade neutron-openvswitch-agent on cmp1 may begin before upgrade neu",
    ),
]


@pytest.mark.parametrize(("file", "sentence"), KNOWN_TO_BE_WRONG)
def test_what_is_known_to_be_wrong_in_orders_of_other_tools_is_found(
    file: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = call(["audit-order", str(ORDERS / file), *OVN, "--json"])

    told = json.loads(capsys.readouterr().out)
    assert code == Exit.BLOCKED
    assert told["verdict"] == "breaks rules"
    assert any(violation.startswith(sentence) for violation in told["violations"]), told["violations"]


def test_every_sentence_says_why_and_who_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    call(["audit-order", str(ORDERS / "kolla-ansible.yaml"), "--json"])

    told = json.loads(capsys.readouterr().out)["violations"]
    by_data = [v for v in told if "on all its hosts at once" not in v]
    assert all(": " in v and v.endswith(")") for v in by_data), by_data


def test_an_order_that_keeps_the_rules_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "order.yaml"
    file.write_text(GOOD)

    code = call(["audit-order", str(file)])

    assert code == Exit.OK
    assert capsys.readouterr().out == "the order breaks no rule\n"


def test_what_an_order_leaves_open_is_told_and_is_no_violation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "order.yaml"
    file.write_text(GOOD + "  - upgrade cinder\n")

    code = call(["audit-order", str(file)])

    assert code == Exit.OK
    assert "open    'upgrade cinder' does not say in which order" in capsys.readouterr().out


def test_every_mistake_in_a_file_is_told_at_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "order.yaml"
    file.write_text(
        'hop: {from: "2024.1", to: soon, by: magic}\n'
        "order:\n"
        "  - upgrade keystoen\n"
        "  - together:\n"
        "      - upgrade glance\n"
        "      - rnu glance:expand\n"
        "after: nothing\n"
    )

    code = call(["audit-order", str(file)])

    told = capsys.readouterr().err
    assert code == Exit.BLOCKED
    for mistake in (
        "order.yaml:1: hop.by: is not a key here",
        "order.yaml:1: hop.to: is 'soon'; write a release in quotes",
        "order.yaml:3: order.1: service keystoen is not known; did you mean keystone?",
        "order.yaml:6: order.2.together.2: rnu is no verb of an order; did you mean run?",
        "order.yaml:7: after: is not a key here; write one of: hop, order",
    ):
        assert mistake in told, told


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "is empty; write 'hop:' and 'order:'"),
        ("- upgrade keystone\n", "is not a mapping"),
        ("hop: [\n", "is not YAML"),
        ('hop: {from: "2024.1", to: "2024.2"}\n', "order: is missing; add a list 'order:'"),
        ('hop: {from: "2024.1", to: "2024.2"}\norder: all\n', "order: is no list of items"),
        ("order: [upgrade keystone]\n", "hop: is missing"),
    ],
)
def test_a_file_that_is_no_order_is_refused_with_a_remedy(
    text: str, mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "order.yaml"
    file.write_text(text)

    code = call(["audit-order", str(file)])

    assert code == Exit.BLOCKED
    assert mistake in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_refused(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "order.yaml"
    if content is not None:
        file.write_bytes(content)

    code = call(["audit-order", str(file)])

    assert code == Exit.BLOCKED
    assert "order.invalid" in capsys.readouterr().err


def test_a_component_of_a_third_party_whose_rule_speaks_of_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order, component = tmp_path / "order.yaml", tmp_path / "ovn.toml"
    order.write_text(GOOD)
    component.write_text(
        (ORDERS / "ovn.toml").read_text().replace("upgrade ovn-central", "upgrade ovn-centre")
    )

    code = call(["audit-order", str(order), "--catalog-file", str(component)])

    told = capsys.readouterr().err
    assert code == Exit.BLOCKED
    assert "catalog.invalid" in told
    assert "speaks of 'upgrade ovn-centre', which no file of the catalog describes" in told
