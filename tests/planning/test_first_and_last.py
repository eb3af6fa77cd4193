"""Services that begin or end with a release: started where there is none yet, and stopped for good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from tests.planning.test_closing import DIGEST, notes, planned, step
from tests.roster.shown import CATALOG, UNPROVED

from skylift.actions.service_run import StopService
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.actions.unit_start import DisableUnit, EnableUnit
from skylift.app.validate import Outcome, validate
from skylift.checks.finding import Level
from skylift.checks.registry import check_all
from skylift.model.cloud import BackendState, Cloud, UnitSeen, UnitState
from skylift.model.goal import Upgrade
from skylift.model.ids import HostName, ServiceName
from skylift.model.record import Policy, Record
from skylift.model.release import Release
from skylift.planning.plan import Plan
from skylift.planning.refusals import UnknownArtifact
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.whole_clouds import Shape, whole_cloud

R2024_1, R2024_2, R2025_1 = Release(2024, 1), Release(2024, 2), Release(2025, 1)
RPC, PERIODIC, BRIDGE = "neutron-rpc-server", "neutron-periodic-workers", "neutron-linuxbridge-agent"


def site(
    source: Release = R2024_1, goal: Release = R2024_2, *, accepted: Iterable[str] = ()
) -> tuple[Cloud, Record]:
    policy = Policy(outages=frozenset(accepted))
    return whole_cloud(CATALOG, ("keystone", "neutron"), Shape(source=source, goal=goal), policy=policy)


def lasting(
    record: Record, service: str, *, since: Release | None = None, until: Release | None = None
) -> Record:
    """The record with a word of its own on when a service begins or ends."""
    neutron = next(c for c in record.components.values() if c.name == "neutron")
    entry = replace(neutron.services[ServiceName(service)], since=since, until=until)
    changed = replace(neutron, services={**neutron.services, entry.name: entry})
    return replace(record, components={**record.components, neutron.name: changed})


def unit(cloud: Cloud, service: str, host: str, **seen: object) -> Cloud:
    place = ServiceName(service), HostName(host)
    return replace(cloud, units={**cloud.units, place: replace(cloud.units[place], **seen)})  # type: ignore[arg-type]


def stopped(cloud: Cloud, service: str) -> Cloud:
    """The cloud in which a service never ran."""
    units = {
        place: UnitSeen(seen.host, seen.unit, UnitState.INACTIVE) if place[0] == service else seen
        for place, seen in cloud.units.items()
    }
    return replace(cloud, units=units)


def verbs(plan: Plan, service: str, host: str) -> list[str]:
    own = [s.id for s in plan.steps if s.id.startswith(f"{service}:") and s.id.endswith(f"@{host}")]
    return [name.partition(":")[2].partition("@")[0] for name in own]


def path(record: Record, release: Release) -> str:
    return str(next(a.path for a in record.artifacts.values() if a.release == release))


def test_a_service_that_begins_gets_its_link_is_started_and_comes_back_with_its_host() -> None:
    plan = planned(*site())

    switch = step(plan, f"{PERIODIC}:switch@ctl2").action
    assert verbs(plan, PERIODIC, "ctl2") == ["switch", "enable", "start", "healthy"]
    assert isinstance(switch, SwitchArtifact)
    assert switch.old is None
    assert isinstance(step(plan, f"{PERIODIC}:enable@ctl2").action, EnableUnit)
    assert notes(plan, f"{PERIODIC} begins with 2024.2: it is started on ctl1, ctl2, ctl3")
    assert notes(plan, f"{PERIODIC} (ctl1 first") == []


def test_the_record_may_say_that_a_service_begins_later_than_its_release_has_it() -> None:
    """Neutron 2024.1 has an RPC server of its own, and does not need it where its API serves the agents."""
    cloud, record = site()

    plan = planned(stopped(cloud, RPC), lasting(record, RPC, since=R2024_2))

    names = [str(step.id) for step in plan.steps]
    assert verbs(plan, RPC, "ctl1") == ["switch", "enable", "start", "healthy"]
    assert names.index(f"{RPC}:healthy@ctl3") < names.index("neutron-server:stop@ctl1")
    assert plan.facts[f"since {RPC}"] == "2024.2"


def test_an_api_that_begins_is_warm_before_users_reach_it() -> None:
    cloud, record = site()
    pool = record.services[ServiceName("neutron-server")].pool
    backends = tuple(replace(b, state=BackendState.DOWN) if b.pool == pool else b for b in cloud.backends)
    cloud = stopped(replace(cloud, backends=backends), "neutron-server")

    plan = planned(cloud, lasting(record, "neutron-server", since=R2024_2))

    begun = ["switch", "enable", "start", "healthy", "warm-up", "undrain"]
    assert verbs(plan, "neutron-server", "ctl1") == begun


def test_it_begins_in_a_component_that_is_stopped_as_a_whole_too() -> None:
    cloud, record = site(*UNPROVED, accepted=["neutron"])
    record = lasting(lasting(record, RPC, since=UNPROVED[1]), BRIDGE, until=UNPROVED[0])

    plan = planned(stopped(cloud, RPC), record, UNPROVED[1])

    before: dict[str, set[str]] = {step.id: set() for step in plan.steps}
    for edge in plan.edges:
        before[edge.after].add(edge.before)
    assert verbs(plan, RPC, "ctl1") == ["switch", "enable", "start", "healthy"]
    assert "neutron-server:stop@ctl3" in before[f"{RPC}:start@ctl1"]
    assert verbs(plan, BRIDGE, "cmp1") == ["disable", "stop"]


def test_a_beginning_that_was_cut_short_is_planned_again_until_it_runs() -> None:
    cloud, record = site()
    new = path(record, R2024_2)
    linked = unit(cloud, PERIODIC, "ctl1", linked=new)
    running = unit(cloud, PERIODIC, "ctl1", linked=new, running=new, state=UnitState.ACTIVE)

    assert verbs(planned(linked, record), PERIODIC, "ctl1") == ["switch", "enable", "start", "healthy"]
    assert verbs(planned(running, record), PERIODIC, "ctl1") == []


def test_a_service_that_had_run_before_it_needed_to_is_upgraded_as_any_other() -> None:
    cloud, record = site()

    plan = planned(cloud, lasting(record, RPC, since=R2024_2))

    assert verbs(plan, RPC, "ctl1") == ["stop", "switch", "start", "healthy"]


def test_a_service_that_runs_nothing_and_should_is_still_refused() -> None:
    cloud, record = site()

    with pytest.raises(UnknownArtifact, match=f"{RPC} on ctl1 runs nothing"):
        plan_upgrade(stopped(cloud, RPC), record, Upgrade(R2024_2), CATALOG, record_digest=DIGEST)


def test_a_service_that_ends_is_kept_from_its_hosts_next_start_and_stopped() -> None:
    plan = planned(*site(R2024_2, R2025_1), R2025_1)

    disable, stop = (step(plan, f"{BRIDGE}:{verb}@cmp1").action for verb in ("disable", "stop"))
    assert verbs(plan, BRIDGE, "cmp1") == ["disable", "stop"]
    assert isinstance(disable, DisableUnit)
    assert isinstance(stop, StopService)
    assert notes(plan, f"{BRIDGE} ends with 2024.2: it is stopped on cmp1, cmp2")


def test_a_service_that_has_ended_is_nobodys_work_any_more() -> None:
    cloud, record = site(R2024_2, R2025_1)
    old = path(record, R2024_2)
    gone = stopped(cloud, BRIDGE)
    for host in ("cmp1", "cmp2"):
        gone = unit(gone, BRIDGE, host, linked=old)

    plan = planned(gone, record, R2025_1)

    assert verbs(plan, BRIDGE, "cmp1") == []
    assert not notes(plan, BRIDGE)


def test_a_service_of_a_later_release_than_the_goal_is_left_alone() -> None:
    cloud, record = site()

    plan = planned(stopped(cloud, RPC), lasting(record, RPC, since=R2025_1))

    assert verbs(plan, RPC, "ctl1") == []


def test_the_record_may_say_that_a_service_ends_earlier_than_its_release_has_it() -> None:
    cloud, record = site()

    plan = planned(cloud, lasting(record, RPC, until=R2024_1))

    assert verbs(plan, RPC, "ctl1") == ["disable", "stop"]


def told(cloud: Cloud, record: Record, goal: Release, check: str) -> list[tuple[Level, str]]:
    found = check_all(cloud, record, Upgrade(goal), CATALOG)
    return [(f.level, f.sentence) for f in found if f.check == check and f.level is not Level.PASSED]


@pytest.mark.parametrize("check", ["units", "agents", "backends"])
def test_nothing_is_wrong_with_a_service_that_has_yet_to_begin(check: str) -> None:
    cloud, record = site()

    assert told(stopped(cloud, RPC), lasting(record, RPC, since=R2024_2), R2024_2, check) == []


def test_a_service_that_is_to_begin_needs_a_unit() -> None:
    cloud, record = site()

    found = told(unit(cloud, PERIODIC, "ctl1", state=UnitState.ABSENT), record, R2024_2, "units")

    sentence = f"{PERIODIC} begins with 2024.2, and ctl1 has no unit {PERIODIC}.service for it"
    assert found == [(Level.BLOCKS, sentence)]


def test_a_service_that_ended_and_runs_is_told() -> None:
    cloud, record = site(R2024_2, R2025_1)

    found = told(cloud, lasting(record, "neutron-metering-agent", until=R2024_1), R2025_1, "units")

    sentence = (
        "neutron-metering-agent.service on net1 runs, and its component has had no neutron-metering-agent"
    )
    assert [level for level, _ in found] == [Level.WARNS, Level.WARNS]
    assert sentence in found[0][1]


def test_an_upgrade_is_judged_by_what_the_goal_has() -> None:
    """What has yet to begin, or has ended, is no service that failed; one that should run and does not is."""
    cloud, record = site()
    before = validate(stopped(cloud, RPC), lasting(record, RPC, since=R2024_2), Upgrade(R2024_1), CATALOG)
    after = validate(stopped(cloud, RPC), lasting(record, RPC, since=R2024_2), Upgrade(R2024_2), CATALOG)

    assert not [v for v in before.services if v.service in {RPC, PERIODIC}]
    assert {v.outcome for v in after.services if v.service == RPC} == {Outcome.FAILED}
