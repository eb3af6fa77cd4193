"""A core cloud's upgrade is taken back after its contract, by a restore of the backups that it made.

Issue 5, proof 1, in the brief form: without Cinder, Heat and Horizon.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.lab.back import GUESTS, Traveller
from tests.lab.restored import UNPINNED, Restored, failed_as, restored
from tests.lab.turned import differences, hash_of

from skylift.cli.exits import Exit
from skylift.gate.lab.host import Lab

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(7200)]

RESTORED = {"placement", "nova_api", "nova_cell0", "nova"}
"""The databases of what no step leads back at the end. Keystone and Glance have nothing to contract on this
hop, for their schemas are the same in both releases, and Neutron's way back never ends: these go by steps."""


@pytest.fixture(scope="module")
def end(back_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Restored:
    return restored(Traveller.of(back_lab, tmp_path_factory.mktemp("restore")))


def test_between_unpinning_and_contract_no_step_leads_back_and_it_says_so(end: Restored) -> None:
    said = failed_as(end.unpinned, "rollback.closed")

    assert f"nova, since {UNPINNED.replace('report', 'start')} has begun" in said
    assert "--restore" in said


def test_after_contract_none_does_and_the_backups_are_named(end: Restored) -> None:
    said = failed_as(end.contracted, "rollback.closed")

    assert "placement, since placement:online-migrations has begun" in said
    assert "--component keystone --component glance --component neutron" in said
    assert all(f"/{database}-" in said for database in RESTORED)


def test_the_restore_announces_what_is_lost(end: Restored) -> None:
    notes = {note.split()[1]: note for note in end.plan.notes if " is restored from ctl1:" in note}

    assert set(notes) == RESTORED
    assert "flavors (1 new)" in notes["nova_api"]


def test_nobody_restores_without_a_consent_that_names_it(end: Restored) -> None:
    said = failed_as(end.unapproved, "plan.not-approved")

    assert all(f"{component}:restore" in said for component in ("placement", "nova"))


def test_the_restore_is_complete(end: Restored) -> None:
    assert end.ended.code == Exit.OK, end.ended.remarks[-3000:]
    assert end.back["verdict"] != "failed", end.back["issues"]


def test_what_the_cloud_was_before_the_upgrade_it_is_again_and_the_schemas_of_what_was_restored(
    end: Restored, record_property: Any
) -> None:
    record_property("figures", f"state {hash_of(end.before)}, then {hash_of(end.after)}")

    assert differences(end.before, end.after) == []
    assert hash_of(end.before) == hash_of(end.after)
    # Databases of components that steps led back stay as the upgrade left them: old code runs on them.
    back = {name: end.before_schemas[name] for name in RESTORED}
    assert end.after_schemas == end.up_schemas | back


def test_what_was_made_since_the_backup_is_gone_and_nothing_else(end: Restored) -> None:
    lost = {kind: ids - end.after_things[kind] for kind, ids in end.before_things.items()}
    still = {kind: name for kind, name in end.made.items() if name in end.after_things[kind]}

    assert {kind: ids for kind, ids in lost.items() if ids} == {}
    assert set(still) == {"project", "user", "image", "network"}, "their databases are not restored"
    assert all(witness["intact"] for witness in end.witnesses), end.witnesses


def test_requests_failed_only_while_the_plan_had_announced_it(end: Restored, record_property: Any) -> None:
    began, ended = end.outage
    record_property("requests", end.up["requests"] + end.back["requests"])
    record_property(
        "figures",
        f"up: {end.up['summary']}; back: {end.back['summary']}; announced outage {ended - began:.0f} s",
    )

    assert end.up["failures"] == []
    assert end.out_of_it == []


def test_servers_ran_on_through_the_restore(end: Restored, record_property: Any) -> None:
    told = ", ".join(f"{a}: {away.longest_s:.1f} s" for a, away in sorted(end.away.items()))
    record_property("figures", f"silent for at most {told}")

    assert len(end.away) == len(GUESTS)
    assert {address: away.anew for address, away in end.away.items() if away.anew} == {}
    assert all(away.counts for away in end.away.values())
