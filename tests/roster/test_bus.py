"""What the check of the message bus says of it."""

# ruff: noqa: E501 - the table of failures reads best with a line for each

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.roster.shown import CATALOG, GOAL, cloud_and_record, findings

from skylift.app.inspect import observe_cloud
from skylift.checks.finding import Level
from skylift.cli.views import inspect
from skylift.model.bus import BusSeen, QueueSeen
from skylift.model.cloud import Cloud
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, HostName
from skylift.model.record import BrokerEntry
from skylift.planning.facts import drift, facts_of
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import NOW, sample_record

Change = Callable[[Cloud], Cloud]
ALL = frozenset(f"rabbit@ctl{n}" for n in (1, 2, 3))


def bus(**changed: Any) -> Change:
    return lambda cloud: replace(cloud, broker=replace(BusSeen(ALL, ALL, {}, (), {}, ()), **changed))


FAILURES: dict[str, tuple[str, Level, Change, str, str]] = {
    "a node is down": ("broker", Level.BLOCKS, bus(running=ALL - {"rabbit@ctl2"}), "rabbit@ctl2 of the message bus does not run", "ssh ctl2 systemctl start rabbitmq-server"),
    "a node is gone": ("broker", Level.BLOCKS, bus(members=ALL - {"rabbit@ctl2"}, running=ALL - {"rabbit@ctl2"}), "the message bus has 2 nodes; the record says 3", "correct 'broker.size'"),
    "in parts": ("broker", Level.BLOCKS, bus(partitions={"rabbit@ctl2": ("rabbit@ctl1", "rabbit@ctl3")}), "rabbit@ctl2 was cut off from rabbit@ctl1, rabbit@ctl3", "ssh ctl2 systemctl restart rabbitmq-server"),
    "an alarm": ("broker", Level.BLOCKS, bus(alarms=("memory on rabbit@ctl1",)), "takes no message: alarm of memory on rabbit@ctl1", "rabbitmqctl cluster_status"),
    "nobody takes": ("broker", Level.BLOCKS, bus(queues=(QueueSeen("/", "conductor", 10, 0),)), "nobody takes what waits on the message bus in conductor of / (10 messages)", "rabbitmqctl list_queues -p '/' name messages consumers"),
    "a queue without a leader": ("broker", Level.BLOCKS, bus(queues=(QueueSeen("/", "conductor", None, 0),)), "conductor of / (it does not say how many)", "rabbitmqctl list_queues"),
    "many": ("broker", Level.BLOCKS, bus(queues=tuple(QueueSeen("/", f"q{n}", 1, 0) for n in range(9))), "q4 of / (1 messages) and 4 more", "rabbitmqctl delete_queue -p / q7; rabbitmqctl delete_queue -p / q8"),
    "left by agents": ("broker", Level.WARNS, bus(queues=tuple(QueueSeen("neutron", f"{name}_{n:032x}", 131, 0) for n in range(3) for name in ("neutron-vo-Port-1.9_fanout", "reply"))), "processes that ended have left queues on the message bus: neutron-vo-Port-1.9_fanout_00000000000000000000000000000000 of neutron (131 messages)", "delete_queue -p neutron reply_00000000000000000000000000000002"),
    "a virtual host is down": ("broker", Level.BLOCKS, bus(stopped={"nova": ("rabbit@ctl2", "rabbit@ctl3")}), "virtual host nova of the message bus does not run on rabbit@ctl2, rabbit@ctl3", "ssh ctl3 rabbitmqctl restart_vhost -p 'nova'"),
    "not looked at": ("broker", Level.BLOCKS, lambda cloud: replace(cloud, broker=None), "the message bus was not looked at", "skylift inspect"),
}  # fmt: skip


def test_a_whole_bus_with_work_and_idle_queues_has_nothing_against_it() -> None:
    cloud, record = cloud_and_record()
    busy = bus(queues=(QueueSeen("/", "behind", 40, 3), QueueSeen("/", "idle", 0, 0)))

    assert [f.level for f in findings("broker", busy(cloud), record)] == [Level.PASSED]


@pytest.mark.parametrize(
    "name",
    [
        "q-reports-plugin",
        "conductor",
        "l3_agent.ctl1",
        "a_fanout",
        "a_fanout_ctl1:nova-compute:3",
        "reply_ctl1:api:1",
    ],
)
def test_a_queue_that_a_service_takes_up_again_blocks_beside_what_ended_processes_left(name: str) -> None:
    """A stream of fanouts, and what a queue manager names, have the same name after a restart."""
    cloud, record = cloud_and_record()
    left = QueueSeen("/", "cinder-volume_fanout_" + "0f" * 16, 7, 0)

    found = findings("broker", bus(queues=(left, QueueSeen("/", name, 2, 0)))(cloud), record)

    assert {f.level: name in f.sentence for f in found} == {Level.BLOCKS: True, Level.WARNS: False}


@pytest.mark.parametrize("case", FAILURES)
def test_the_check_fails_for_its_reason_with_its_message_and_a_way_out(case: str) -> None:
    check, level, change, sentence, remedy = FAILURES[case]
    cloud, record = cloud_and_record()

    found = [f for f in findings(check, change(cloud), record) if sentence in f.sentence]

    assert {f.level for f in found} == {level}, findings(check, change(cloud), record)
    assert any(remedy in r.how for f in found for r in f.remedies), found


def test_services_on_a_bus_that_the_record_does_not_name_are_told() -> None:
    cloud, record = cloud_and_record()

    (finding,) = findings("broker", replace(cloud, broker=None), replace(record, broker=None))

    assert finding.level is Level.WARNS
    assert "nobody looks at the message bus that " in finding.sentence
    assert "nova-conductor" in finding.sentence


def test_the_bus_is_inspected_shown_and_relied_on() -> None:
    _, record = cloud_and_record()
    fake = FakeCloud(record)
    fake.queues.append(QueueSeen("/", "idle", 0, 0))

    cloud = observe_cloud(record, CATALOG, ports_of(fake), now=NOW, goal=Upgrade(GOAL))

    assert cloud.broker == BusSeen(ALL, ALL, {}, (), {}, (QueueSeen("/", "idle", 0, 0),))
    assert facts_of(cloud, record)["broker"] == "3 of 3 nodes run, in one part"
    told = [line.split() for line in inspect.lines(cloud, record)]
    assert ["rabbit@ctl2", "runs"] in told
    assert ["queue", "/", "idle", "0", "messages", "0", "consumers"] in told


def test_nobody_is_led_to_delete_a_queue_whose_virtual_host_is_down() -> None:
    cloud, record = cloud_and_record()
    silent = QueueSeen("nova", "conductor", None, 0)

    found = findings("broker", bus(stopped={"nova": ("rabbit@ctl2",)}, queues=(silent,))(cloud), record)

    (told,) = [f.sentence for f in found if f.level is Level.BLOCKS]
    assert "virtual host nova of the message bus does not run on rabbit@ctl2" in told


@pytest.mark.parametrize(
    ("change", "now"),
    [
        (bus(stopped={"nova": ("rabbit@ctl2",)}), "nova down on rabbit@ctl2"),
        (bus(alarms=("disk on rabbit@ctl1",)), "alarm of disk on rabbit@ctl1"),
    ],
)
def test_a_run_is_not_begun_while_a_virtual_host_is_down_or_the_bus_takes_nothing(
    change: Change, now: str
) -> None:
    """What a plan relies on is looked at again when it is applied: stopping a service then would add to it."""
    cloud, record = cloud_and_record()
    plan = plan_upgrade(cloud, record, Upgrade(GOAL), CATALOG, record_digest=Digest("sha256:" + "a" * 64))

    assert drift(plan, facts_of(cloud, record)) == ()
    (drifted,) = drift(plan, facts_of(change(cloud), record))
    assert (drifted.name, drifted.now) == ("broker", f"3 of 3 nodes run, in one part, {now}")


def test_a_virtual_host_that_is_down_is_inspected_and_shown() -> None:
    _, record = cloud_and_record()
    fake = FakeCloud(record)
    fake.stopped_vhosts["nova"] = ("rabbit@ctl2",)

    cloud = observe_cloud(record, CATALOG, ports_of(fake), now=NOW, goal=Upgrade(GOAL))

    told = [line.split() for line in inspect.lines(cloud, record)]
    assert ["virtual", "host", "nova", "does", "not", "run", "on", "rabbit@ctl2"] in told


def test_a_bus_that_does_not_answer_is_a_gap_with_its_reason() -> None:
    record = replace(sample_record(), broker=BrokerEntry("controller", 3))
    fake = FakeCloud(record)
    for name in ("ctl1", "ctl2", "ctl3"):
        fake.hosts[HostName(name)].reachable = False

    cloud = observe_cloud(record, CATALOG, ports_of(fake), now=NOW)

    assert "no broker answers" in cloud.unread["broker"]
