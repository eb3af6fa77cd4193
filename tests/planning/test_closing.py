"""Which hosts a plan closes to new work, which it leaves as they are, and what it says of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from tests.roster.shown import CATALOG, UNPROVED, stopped_as_a_whole

from skylift.actions.closing import AwaitIdle, CloseService, OpenService
from skylift.catalog.catalog import documents
from skylift.catalog.component import Ends
from skylift.model.closing import reason_of
from skylift.model.cloud import Cloud
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, Digest, ServiceName
from skylift.model.record import Policy, Record
from skylift.model.release import Release
from skylift.model.roster import ServiceReport
from skylift.planning.closing import Closing
from skylift.planning.plan import Notice, Plan, Step
from skylift.planning.text import plan_document, write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.samples import NOW, artifact_name
from skylift.testing.whole_clouds import Shape, whole_cloud
from skylift.verifier.verify import verify

DIGEST = Digest("sha256:" + "a" * 64)
R2024_1, R2024_2 = Release(2024, 1), Release(2024, 2)
AROUND = ("close", "idle", "open")

Change = Callable[[ServiceReport], ServiceReport]


def site(*, batch: int = 1, computes: int = 3, controllers: int = 3) -> tuple[Cloud, Record]:
    """Cinder and nova, on a hop that both are rolled over."""
    shape = Shape(source=R2024_1, goal=R2024_2, computes=computes, controllers=controllers)
    policy = Policy(batch=batch)
    return whole_cloud(CATALOG, ("keystone", "placement", "cinder", "nova"), shape, policy=policy)


def changed(cloud: Cloud, service: str, host: str, change: Change) -> Cloud:
    rows = tuple(change(r) if (r.service, r.host) == (service, host) else r for r in cloud.reports)
    assert rows != cloud.reports
    return replace(cloud, reports=rows)


def closed(reason: str) -> Change:
    return lambda row: replace(row, enabled=False, reason=reason)


def planned(cloud: Cloud, record: Record, goal: Release = R2024_2) -> Plan:
    plan = plan_upgrade(cloud, record, Upgrade(goal), CATALOG, record_digest=DIGEST)
    assert verify(plan_document(write_plan(plan)), documents()) == ()
    return plan


def around(plan: Plan, service: str, host: str) -> list[str]:
    """The verbs around its work, as the turn of a service has them."""
    found = [verb for verb in AROUND if any(s.id == f"{service}:{verb}@{host}" for s in plan.steps)]
    places = [[str(s.id) for s in plan.steps].index(f"{service}:{verb}@{host}") for verb in found]
    assert places == sorted(places)
    return found


def notes(plan: Plan, word: str) -> list[str]:
    return [note for note in plan.notes if word in note]


def step(plan: Plan, name: str) -> Step:
    return next(step for step in plan.steps if step.id == name)


def test_a_host_whose_work_others_can_take_is_closed_idle_and_opened() -> None:
    plan = planned(*site())

    for service, host in (("nova-compute", "cmp1"), ("cinder-volume", "ctl2"), ("cinder-backup", "ctl3")):
        assert around(plan, service, host) == ["close", "idle", "open"]
    close = step(plan, "nova-compute:close@cmp1").action
    opened = step(plan, "nova-compute:open@cmp1").action
    assert isinstance(close, CloseService)
    assert isinstance(opened, OpenService)
    assert close.labels == opened.labels
    assert "2024.1-to-2024.2" in close.labels[0]


def test_users_are_told_that_new_work_goes_elsewhere_from_the_closing_until_the_opening() -> None:
    plan = planned(*site())

    noticed = {s.id.partition(":")[2]: s.impact.notice for s in plan.steps if s.id.endswith("@cmp1")}

    told = {verb.removesuffix("@cmp1") for verb, notice in noticed.items() if notice is Notice.ELSEWHERE}
    assert told == {"close", "idle", "stop", "switch", "start", "healthy", "report"}
    assert notes(plan, "nova-compute is closed to new work host by host")
    assert notes(plan, "a stop of nova-compute may lose") == []


def test_a_service_that_an_operator_had_closed_stays_closed_and_the_plan_says_so() -> None:
    cloud, record = site()
    cloud = changed(cloud, "nova-compute", "cmp2", closed("rack 3 moves"))

    plan = planned(cloud, record)

    assert around(plan, "nova-compute", "cmp2") == ["idle"]
    assert around(plan, "nova-compute", "cmp1") == ["close", "idle", "open"]
    assert notes(plan, "not closed on cmp2: it was closed before this plan (rack 3 moves), and stays closed")


def test_a_closing_without_any_reason_is_not_ours_either() -> None:
    cloud, record = site()

    plan = planned(changed(cloud, "cinder-backup", "ctl1", closed("")), record)

    assert around(plan, "cinder-backup", "ctl1") == ["idle"]
    assert notes(
        plan, "cinder-backup is not closed on ctl1: it was closed before this plan (no reason is given)"
    )


def test_what_an_earlier_plan_left_closed_is_opened_by_this_one() -> None:
    cloud, record = site()
    cloud = changed(cloud, "nova-compute", "cmp2", closed(reason_of("an-older-plan", NOW)))

    plan = planned(cloud, record)

    opened = step(plan, "nova-compute:open@cmp2").action
    assert isinstance(opened, OpenService)
    assert opened.labels[1:] == ("an-older-plan",)


def test_a_host_on_new_code_that_was_left_closed_is_opened_and_nothing_else_happens_to_it() -> None:
    cloud, record = site()
    new = str(next(a.path for a in record.artifacts.values() if a.release == R2024_2))
    there = ("nova-compute", "cmp2")
    units = {
        place: replace(unit, running=new, linked=new) if place == there else unit
        for place, unit in cloud.units.items()
    }
    cloud = changed(cloud, *there, closed(reason_of("an-older-plan", NOW)))

    plan = planned(replace(cloud, units=units), record)

    assert [s.id for s in plan.steps if s.id.endswith("compute:open@cmp2")] == ["nova-compute:open@cmp2"]
    assert not [s for s in plan.steps if s.id == "nova-compute:stop@cmp2"]
    assert notes(plan, "nova-compute on cmp2 was left closed by an earlier plan, and is opened")


def test_the_only_host_of_a_service_is_waited_for_if_it_would_lose_work_and_never_closed() -> None:
    plan = planned(*site(computes=1, controllers=2))

    assert around(plan, "nova-compute", "cmp1") == ["idle"]
    assert notes(
        plan, "nova-compute is not closed on cmp1: no other host that is open could take its new work"
    )


def test_a_backend_that_one_host_serves_is_not_closed_and_its_service_ends_its_work_by_itself() -> None:
    """Cinder's scheduler would refuse what else waits in the queue for the seconds of a restart."""
    cloud, record = site()
    cloud = changed(cloud, "cinder-volume", "ctl1@lvm", lambda row: replace(row, host="ctl1@ssd"))

    plan = planned(cloud, record)

    assert around(plan, "cinder-volume", "ctl1") == []
    assert around(plan, "cinder-volume", "ctl2") == ["close", "idle", "open"]


def test_one_row_of_several_that_nobody_stands_in_for_keeps_a_host_open() -> None:
    cloud, record = site()
    like = next(row for row in cloud.reports if row.host == "ctl1@lvm")
    cloud = replace(cloud, reports=(*cloud.reports, replace(like, host="ctl1@ssd", id="ssd")))

    plan = planned(cloud, record)

    assert around(plan, "cinder-volume", "ctl1") == []


def test_a_service_without_a_row_of_its_own_cannot_be_closed_and_the_plan_says_so() -> None:
    cloud, record = site()
    rows = tuple(r for r in cloud.reports if (r.service, r.host) != ("cinder-backup", "ctl2"))

    plan = planned(replace(cloud, reports=rows), record)

    assert around(plan, "cinder-backup", "ctl2") == []
    assert notes(plan, "cinder-backup is not closed on ctl2: it does not report by this host's name")


@pytest.mark.parametrize(("batch", "open_hosts"), list(product([1, 2, 3], [2, 3])))
def test_some_host_is_always_open_however_many_go_at_once(batch: int, open_hosts: int) -> None:
    cloud, record = site(batch=batch, computes=4)
    for number in range(open_hosts + 1, 5):
        cloud = changed(cloud, "nova-compute", f"cmp{number}", closed("an operator's"))

    plan = planned(cloud, record)

    assert [around(plan, "nova-compute", f"cmp{n}")[:1] for n in range(1, 5)] == [
        ["close"] if n <= open_hosts else ["idle"] for n in range(1, 5)
    ]


def test_a_component_that_is_stopped_as_a_whole_is_not_closed_and_ends_its_work_between_its_stops() -> None:
    """Users are shut out; what they had in hand is not lost for that."""
    plan = planned(*stopped_as_a_whole(), UNPROVED[1])

    before: dict[str, set[str]] = {step.id: set() for step in plan.steps}
    for edge in plan.edges:
        before[edge.after].add(edge.before)
    assert around(plan, "cinder-backup", "ctl1") == ["idle"]
    assert isinstance(step(plan, "cinder-backup:idle@ctl1").action, AwaitIdle)
    assert "cinder-api:stop@ctl3" in before["cinder-backup:idle@ctl1"]
    assert "cinder-backup:idle@ctl1" in before["cinder-scheduler:stop@ctl2"]


def test_a_second_restart_that_unpins_is_spared_work_as_the_first_was() -> None:
    plan = planned(*site())
    steps = [str(step.id) for step in plan.steps]

    found = [steps.index(f"cinder-volume:unpin-{verb}@ctl1") for verb in ("close", "idle", "stop", "open")]

    assert found == sorted(found)


def test_neutrons_agents_are_never_closed_for_that_takes_down_what_they_serve() -> None:
    neutron = CATALOG.components[next(name for name in CATALOG.components if name == "neutron")]

    assert [service.name for service in neutron.services if service.close] == []


def test_what_the_new_api_does_not_open_is_closed_only_while_the_old_one_serves() -> None:
    """Cinder 2026.1 answers an opening with 200, and does nothing (seen in the lab, and read)."""
    shape = Shape(source=Release(2025, 1), goal=Release(2026, 1), controllers=3)
    cloud, record = whole_cloud(CATALOG, ("keystone", "placement", "cinder"), shape, policy=Policy())

    plan = planned(cloud, record, Release(2026, 1))

    steps = [str(step.id) for step in plan.steps]
    for verb in AROUND:
        assert f"cinder-volume:{verb}@ctl1" in steps
        assert f"cinder-volume:unpin-{verb}@ctl1" not in steps
    assert "cinder-volume:unpin-stop@ctl1" in steps
    assert any("is not closed when it is restarted once more" in note for note in plan.notes)


def test_what_was_left_closed_where_the_new_api_serves_already_is_told_and_stays_closed() -> None:
    """While the old one serves, it opens it."""
    shape = Shape(source=Release(2025, 1), goal=Release(2026, 1), controllers=3)
    cloud, record = whole_cloud(CATALOG, ("keystone", "placement", "cinder"), shape, policy=Policy())
    cloud = changed(cloud, "cinder-volume", "ctl2@lvm", closed(reason_of("an-earlier-plan", NOW)))
    cinder = record.components[ComponentName("cinder")].services
    new = str(record.artifacts[artifact_name(shape.goal)].path)
    units = {
        place: replace(unit, running=new, linked=new) if place[0] in cinder else unit
        for place, unit in cloud.units.items()
    }

    midway = planned(cloud, record, shape.goal)
    last = planned(replace(cloud, units=units), record, shape.goal)

    assert around(midway, "cinder-volume", "ctl2") == ["close", "idle", "open"]
    assert not [s for s in last.steps if isinstance(s.action, CloseService | OpenService)]


def test_what_a_stop_would_lose_is_waited_for_where_no_api_opens_what_it_closed() -> None:
    nova = CATALOG.components[ComponentName("nova")]
    loses = replace(nova.service(ServiceName("nova-compute")), openable=R2024_1, openable_source="made up")
    assert loses.ends is Ends.LOSES
    usual = Closing(closes=True, idles=True, left_by=())

    assert usual.opened_by(loses, R2024_1) == usual
    assert usual.opened_by(loses, R2024_2) == Closing(
        closes=False, idles=True, left_by=(), why_not="what 2024.2 closes it does not open (made up)"
    )
    assert not usual.opened_by(replace(loses, ends=Ends.FINISHES), R2024_2).idles
