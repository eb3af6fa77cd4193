"""RabbitMQ, asked through its own tool as root on the first of its hosts that answers.

Source: RabbitMQ, rabbitmqctl(8): ``cluster_status``, ``list_vhosts``, ``list_queues``, ``--formatter json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skylift.drivers.ssh import Ssh, shell
from skylift.model.bus import BusSeen, QueueSeen
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Remedy, Transient
from skylift.ports.broker import QUEUES_MAX

# Each question starts a virtual machine of Erlang: 1 to 2 s on a quiet host, more than 10 s on one that has
# much to do (measured). So there are few in one answer, and each virtual host is asked about by itself.
CLUSTER = r"""
set -eu
ask() { timeout 40 rabbitmqctl --quiet "$@" </dev/null; }
ask --formatter json cluster_status
ask --formatter json list_vhosts name cluster_state
"""
# A queue in use has consumers and nothing in it, and there are thousands: those stay on the host. What has
# messages and no consumer comes first, so that no limit hides it; of one whose virtual host does not run
# where it is, both figures are "".
QUEUES = r"""
set -eu
timeout 80 rabbitmqctl --quiet --formatter json list_queues -p "$2" name messages consumers </dev/null >"$3"
awk -v limit="$1" '
    !/^,?[{]/ { next }
    { sub(/^,/, "") }
    /"messages":0,"consumers":[1-9][0-9]*[}]$/ { next }
    /"consumers":(0|"")[}]$/ && !/"messages":0,"consumers":0[}]$/ { if (shown++ < limit) print; next }
    { rest[++kept] = $0 }
    END { for (n = 1; n <= kept && shown++ < limit; n++) print rest[n] }
' "$3"
"""
# The answer goes through a file, for a pipe would hide that the tool failed.
_IN_A_FILE = 'file=$(mktemp); trap \'rm -f "$file"\' EXIT; sh -c "$1" look "$2" "$3" "$file"'


_LIMIT_S = 85
"""Longer than its questions may take: a host that is busy is no reason to say that nobody answers."""


class BrokerSilent(Transient):
    """No broker answers, so nobody knows what waits on the message bus."""

    code = "broker.silent"

    def __init__(self, why: Mapping[HostName, str]) -> None:
        named = "; ".join(f"{host}: {each}" for host, each in sorted(why.items()))
        first = min(why)
        super().__init__(
            f"the message bus could not be looked at: no broker answers ({named})",
            Remedy(Fix.REPAIR, f"see each of them: skylift ssh {first} rabbitmqctl cluster_status"),
            Remedy(Fix.RETRY, "when one answers, ask again"),
        )


class RabbitmqBroker:
    """``Broker`` on the first of ``hosts`` that answers."""

    def __init__(self, ssh: Ssh, hosts: Iterable[HostName]) -> None:
        self._ssh = ssh
        self._hosts = tuple(hosts)

    def look(self) -> BusSeen:
        why: dict[HostName, str] = {}
        for host in self._hosts:
            try:
                status, *listed = self._asked(host, shell(CLUSTER))
                vhosts = parse_vhosts(listed)
                queues = {
                    vhost: self._asked(host, shell(_IN_A_FILE, QUEUES, str(QUEUES_MAX), vhost))
                    for vhost in vhosts
                }
            except Transient as problem:
                why[host] = str(problem)
                continue
            return parse_bus(status, vhosts, queues)
        raise BrokerSilent(why)

    def _asked(self, host: HostName, argv: Sequence[str]) -> list[str]:
        said = self._ssh.run(host, argv, limit_s=_LIMIT_S)
        if said.code != 0:
            raise BrokerSilent({host: said.complaint})
        return [line for line in said.text.splitlines() if line]


def parse_vhosts(listed: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Every virtual host, with the running nodes on which it does not run.

    Source: RabbitMQ, rabbit_vhost:vhost_cluster_state/1: each running node is asked whether the virtual
    host's supervisor is alive there.
    """
    rows: list[dict[str, Any]] = json.loads("".join(listed))
    return {
        row["name"]: tuple(sorted(node for node, state in row["cluster_state"].items() if state != "running"))
        for row in rows
    }


def parse_bus(
    status: str, vhosts: Mapping[str, tuple[str, ...]], queues: Mapping[str, Iterable[str]]
) -> BusSeen:
    """What a node says of its cluster, and by virtual host where it is down and of queues worth a word."""
    cluster: dict[str, Any] = json.loads(status)
    found = [_queue(vhost, json.loads(line)) for vhost, lines in queues.items() for line in lines]
    found.sort(key=lambda queue: queue.consumers > 0 or queue.messages == 0)
    return BusSeen(
        members=frozenset((*cluster["disk_nodes"], *cluster["ram_nodes"])),
        running=frozenset(cluster["running_nodes"]),
        partitions={node: tuple(sorted(cut)) for node, cut in sorted(cluster["partitions"].items())},
        alarms=tuple(sorted(_alarm(alarm) for alarm in cluster["alarms"])),
        stopped={vhost: nodes for vhost, nodes in sorted(vhosts.items()) if nodes},
        queues=tuple(found[:QUEUES_MAX]),
    )


def _queue(vhost: str, row: dict[str, Any]) -> QueueSeen:
    messages, consumers = row["messages"], row["consumers"]
    return QueueSeen(
        vhost=vhost,
        name=row["name"],
        messages=messages if isinstance(messages, int) else None,
        consumers=consumers if isinstance(consumers, int) else 0,
    )


def _alarm(alarm: dict[str, Any]) -> str:
    return f"{alarm.get('resource', alarm.get('type', 'an alarm'))} on {alarm.get('node', 'a node')}"
