"""All of a core cloud, 2024.1 to 2025.1, while users boot machines and the run is killed in every stage."""

from __future__ import annotations

from typing import Any

import pytest
from tests.lab.hop import Hop, HopClaims, StrangersClaim, go, smoke_passes, typed
from tests.lab.ordeal import Death

from skylift.engine.fold import Phase
from skylift.gate.lab.host import Lab
from skylift.model.ids import StepId

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(5400)]

DEATHS = tuple(
    Death(StepId(step), moment, host)
    for step, moment, host in (
        ("stage:openstack-2025.1@cmp1", "at work", "cmp1"),
        ("backup:nova", "at work", "ctl1"),
        ("neutron:expand", "at work", "ctl1"),
        ("keystone:stop@ctl2", "done", ""),
        ("neutron-rpc-server:enable@ctl1", "done", ""),
        ("nova-super-conductor:park@ctl1", "done", ""),
        ("nova-conductor:stop@ctl2", "done", ""),
        ("nova-api:drain@ctl3", "done", ""),
        ("nova-compute:close@cmp1", "done", ""),
        ("nova-compute:stop@cmp2", "done", ""),
        ("heat-engine:start@ctl1", "started", ""),
        ("nova-conductor:unpin-park@ctl3", "done", ""),
        ("nova:online-migrations", "at work", "ctl1"),
        ("nova:verify", "started", ""),
    )
)
"""In every stage: preparation, expand, each kind of turn, convergence, verification."""


def test_before_it_a_client_that_is_not_ours_finds_a_whole_cloud(core_lab: Lab, record_property: Any) -> None:
    smoke_passes(core_lab, record_property)


def test_before_it_a_user_of_the_tutorial_gets_a_server_with_a_volume(core_lab: Lab) -> None:
    assert "ACTIVE" in typed(core_lab, "user")


@pytest.fixture(scope="module")
def hop(core_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Hop:
    return go(core_lab, tmp_path_factory.mktemp("hop"), "2025.1", DEATHS)


class TestKilledInEveryStage(HopClaims, StrangersClaim):
    """Fourteen times, and each time it goes on."""

    def test_the_process_was_killed_where_it_was_to_be(self, hop: Hop) -> None:
        for death, at in hop.ordeal.at_death:
            wanted = Phase.DONE if death.moment == "done" else Phase.RUNNING
            assert at.steps[death.step].phase is wanted, death
        assert [ended.code for ended in hop.ordeal.ended] == [-9] * len(hop.deaths) + [0]

    def test_it_was_in_every_stage(self, hop: Hop) -> None:
        stages = {step.id: step.stage for step in hop.plan.steps}

        assert {stages[death.step] for death in hop.deaths} == set(stages.values())

    def test_the_user_of_the_tutorial_still_has_both(self, hop: Hop) -> None:
        assert "ACTIVE" in typed(hop.ordeal.lab, "again")
