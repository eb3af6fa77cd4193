"""What a run over a fleet may do is what was approved, byte for byte."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from skylift.drainbench.clouds import Cloud, generate
from skylift.fleet.document import plan_document
from skylift.fleet.mandate import (
    Mandate,
    Purpose,
    digest_of_fleet,
    digest_of_mandate,
    is_mandate,
    read_mandate,
    write_mandate,
)
from skylift.fleet.plan import FORMAT
from skylift.fleet.planner import plan_fleet
from skylift.model.codec import Malformed, canonical
from skylift.model.fleet_policy import Consent, FleetPolicy
from skylift.model.ids import Digest

FLEET = generate(Cloud(12, 50, 1))
POLICY = FleetPolicy(first=(next(iter(FLEET.hosts)),), projects={"p": Consent(cold=True)})
MANDATE = Mandate(
    FORMAT,
    Purpose.REBOOT,
    "whole",
    Digest("sha256:1"),
    POLICY,
    digest_of_fleet(FLEET, POLICY),
    plan_document(plan_fleet(FLEET, POLICY)),
)


def test_a_mandate_is_read_as_it_was_written() -> None:
    text = write_mandate(MANDATE)

    found = read_mandate(text)

    assert is_mandate(text)
    assert write_mandate(found) == text
    assert (found.policy, found.purpose, digest_of_mandate(found)) == (
        POLICY,
        Purpose.REBOOT,
        digest_of_mandate(MANDATE),
    )
    assert set(found.hosts) | set(found.left_out) == set(FLEET.hosts)


def test_whatever_is_changed_in_it_is_noticed() -> None:
    text = write_mandate(MANDATE)
    other = json.loads(text)
    other["mandate"]["policy"]["out_percent"] = 99

    for forged in (text[:-1], text.replace(b"reboot", b"drain"), canonical(other), b"{}", text + b"\n"):
        with pytest.raises(Malformed):
            read_mandate(forged)


def test_a_plan_of_an_upgrade_is_none() -> None:
    assert not is_mandate(b'{"digest": "x", "plan": {}}')
    assert not is_mandate(b"no json")


def test_one_instance_more_is_another_fleet() -> None:
    more = replace(FLEET, instances=FLEET.instances[1:])

    assert digest_of_fleet(more, POLICY) != digest_of_fleet(FLEET, POLICY)
    assert digest_of_fleet(generate(Cloud(12, 50, 1)), POLICY) == digest_of_fleet(FLEET, POLICY)
