"""Answers of RabbitMQ 3.10.8, as two of its nodes gave them, and two real ones; what asks runs as it is."""

from __future__ import annotations

import json
import shlex
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.drivers.loopback import ADDRESS, HOST, serving
from tests.drivers.rabbit import NODES, SECOND, rabbit
from tests.roster.shown import cloud_and_record, findings

from skylift.checks.finding import Level
from skylift.drivers.rabbitmq import CLUSTER, BrokerSilent, RabbitmqBroker, parse_bus, parse_vhosts
from skylift.drivers.rabbitmq import QUEUES as OF_ONE
from skylift.drivers.ssh import Ssh
from skylift.gate.lab.commands import poll
from skylift.model.bus import BusSeen, QueueSeen

STATUS = {
    "alarms": [{"node": "rabbit@ctl1", "resource": "memory", "type": "resource_limit"}],
    "cluster_name": "rabbit@ctl1",
    "disk_nodes": ["rabbit@ctl1", "rabbit@ctl2"],
    "maintenance_status": {"rabbit@ctl1": "not under maintenance"},
    "partitions": {},
    "ram_nodes": [],
    "running_nodes": ["rabbit@ctl1"],
}
VHOSTS: list[dict[str, object]] = [
    {"name": "/", "cluster_state": {"rabbit@ctl1": "running"}},
    {"name": "openstack", "cluster_state": {"rabbit@ctl2": "stopped", "rabbit@ctl1": "running"}},
]
QUEUES: dict[str, list[dict[str, object]]] = {
    "/": [{"name": "it's odd\\t{x}", "messages": 0, "consumers": 0}],
    "openstack": [
        {"name": "in use", "messages": 0, "consumers": 3},
        {"name": "idle", "messages": 0, "consumers": 0},
        {"name": "behind", "messages": 7, "consumers": 12},
        {"name": "conductor", "messages": 10, "consumers": 0},
        {"name": "no leader", "messages": "", "consumers": 0},
        {"name": "down with its host", "messages": "", "consumers": ""},
    ],
}


def array(rows: list[dict[str, object]]) -> str:
    """As its formatter writes one: a line for each, and the commas before."""
    return "[\n" + "\n,".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]"


def tool(tmp_path: Path, *, breaks: str = "nothing of it") -> None:
    """A ``rabbitmqctl`` that gives those answers."""
    for number, rows in enumerate(QUEUES.values()):
        (tmp_path / f"queues{number}").write_text(array(rows))
    (tmp_path / "status").write_text(json.dumps(STATUS))
    (tmp_path / "vhosts").write_text(array(VHOSTS))
    program = tmp_path / "rabbitmqctl"
    program.write_text(
        f"""#!/bin/sh
case "$*" in
    *"{breaks}"*) echo "Error: timeout" >&2; exit 75 ;;
    *cluster_status) cat {tmp_path}/status; echo ;;
    *list_vhosts*) cat {tmp_path}/vhosts; echo ;;
    *"-p / "*) cat {tmp_path}/queues0; echo ;;
    *) cat {tmp_path}/queues1; echo ;;
esac
"""
    )
    program.chmod(0o755)


def ask(tmp_path: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script, "look", *words],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )


def look(tmp_path: Path, limit: int = 200) -> BusSeen:
    """All that is asked of one node, as its scripts ask it."""
    tool(tmp_path)
    status, *listed = ask(tmp_path, CLUSTER).stdout.splitlines()
    vhosts = parse_vhosts(listed)
    queues = {
        vhost: ask(tmp_path, OF_ONE, str(limit), vhost, str(tmp_path / "file")).stdout.splitlines()
        for vhost in vhosts
    }
    return parse_bus(status, vhosts, queues)


def test_what_somebody_should_know_of_comes_first_and_what_is_in_use_stays_on_the_host(
    tmp_path: Path,
) -> None:
    assert look(tmp_path) == BusSeen(
        members=frozenset({"rabbit@ctl1", "rabbit@ctl2"}),
        running=frozenset({"rabbit@ctl1"}),
        partitions={},
        alarms=("memory on rabbit@ctl1",),
        stopped={"openstack": ("rabbit@ctl2",)},
        queues=(
            QueueSeen("openstack", "conductor", 10, 0),
            QueueSeen("openstack", "no leader", None, 0),
            QueueSeen("openstack", "down with its host", None, 0),
            QueueSeen("/", "it's odd\\t{x}", 0, 0),
            QueueSeen("openstack", "idle", 0, 0),
            QueueSeen("openstack", "behind", 7, 12),
        ),
    )


def test_a_limit_hides_no_queue_that_nobody_takes_from(tmp_path: Path) -> None:
    names = [queue.name for queue in look(tmp_path, limit=3).queues]

    assert names[:3] == ["conductor", "no leader", "down with its host"]
    assert "behind" not in names


@pytest.mark.parametrize(
    ("command", "script"),
    [("cluster_status", CLUSTER), ("list_vhosts", CLUSTER), ("list_queues -p openstack", OF_ONE)],
)
def test_a_tool_that_fails_half_way_is_no_answer(tmp_path: Path, command: str, script: str) -> None:
    tool(tmp_path, breaks=command)

    said = ask(tmp_path, script, "200", "openstack", str(tmp_path / "file"))

    assert said.returncode != 0
    assert "Error: timeout" in said.stderr


def test_a_partition_is_told_by_both_sides() -> None:
    cut = {**STATUS, "alarms": [], "partitions": {"rabbit@ctl2": ["rabbit@ctl3", "rabbit@ctl1"]}}

    seen = parse_bus(json.dumps(cut), {}, {})

    assert seen.partitions == {"rabbit@ctl2": ("rabbit@ctl1", "rabbit@ctl3")}


def test_without_a_broker_that_answers_nothing_is_known_of_the_bus(ssh: Ssh) -> None:
    with pytest.raises(BrokerSilent, match=r"no broker answers \(ctl1: "):
        RabbitmqBroker(ssh, [HOST]).look()


def seen_of(broker: RabbitmqBroker) -> BusSeen:
    """What is answered in the end: on a busy machine the tool takes longer to start than it is waited for."""
    found: list[BusSeen] = []

    def ask() -> bool:
        with suppress(BrokerSilent):
            found.append(broker.look())
        return bool(found)

    assert poll(ask, limit_s=300)
    return found[0]


def test_queues_that_ended_processes_left_block_nothing_and_one_command_deletes_them_all(
    tmp_path: Path,
) -> None:
    """A real cluster of two; the remedy runs as it is pasted, up to the shell of the host that it names."""
    gone = [f"{name}_{n}{'0f' * 15}a" for n in (1, 2) for name in ("q-agent-notifier_fanout", "reply")]
    cloud, record = cloud_and_record()
    with (
        rabbit(tmp_path) as cluster,
        serving(tmp_path, first=cluster.folder) as sshd,
        Ssh(sshd.access, {HOST: ADDRESS}, connect_limit_s=60) as ssh,
    ):
        cluster.put("neutron", "q-plugin", *gone)
        seen = seen_of(RabbitmqBroker(ssh, [HOST]))
        told = {f.level: f for f in findings("broker", replace(cloud, broker=seen), record)}
        remedy = told[Level.WARNS].remedies[0].how.partition(": ")[2]
        command = shlex.split(remedy)[-1]
        for line in command.split("; "):
            cluster.ctl(*shlex.split(line)[1:])
        left = seen_of(RabbitmqBroker(ssh, [HOST]))

    assert {queue.name for queue in seen.queues} == {"q-plugin", *gone}
    assert "q-plugin of neutron (1 messages)" in told[Level.BLOCKS].sentence
    assert not any(name in told[Level.BLOCKS].sentence for name in gone)
    assert left.queues == (QueueSeen("neutron", "q-plugin", 1, 0),)


def test_a_virtual_host_that_goes_down_is_told_of_its_node_until_it_is_started_there(tmp_path: Path) -> None:
    """A real cluster of two; the queue that was on that node says nothing of itself meanwhile."""
    with (
        rabbit(tmp_path) as cluster,
        serving(tmp_path, first=cluster.folder) as sshd,
        Ssh(sshd.access, {HOST: ADDRESS}, connect_limit_s=60) as ssh,
    ):
        cluster.lose("nova", "conductor")
        down = seen_of(RabbitmqBroker(ssh, [HOST]))
        cluster.ctl("-n", SECOND, "restart_vhost", "-p", "nova")
        up = seen_of(RabbitmqBroker(ssh, [HOST]))

    assert down.members == down.running == set(NODES)
    assert down.stopped == {"nova": (SECOND,)}
    assert down.queues == (QueueSeen("nova", "conductor", None, 0),)
    assert up.stopped == {}
    assert up.queues == (QueueSeen("nova", "conductor", 0, 0),)
