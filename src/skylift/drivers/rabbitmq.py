"""RabbitMQ, asked through its own tool as root on the first of its hosts that answers.

Source: RabbitMQ, rabbitmqctl(8): ``cluster_status``, ``list_vhosts``, ``list_queues``, ``--formatter json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from skylift.drivers.ssh import Ssh, shell
from skylift.model.bus import BusSeen, QueueSeen
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Remedy, Transient
from skylift.ports.broker import QUEUES_MAX

# A queue in use has consumers and nothing in it, and there are thousands: those stay on the host. What has
# messages and no consumer comes first, so that no limit hides it.
SCRIPT = r"""
set -eu
ask() { timeout 10 rabbitmqctl --quiet "$@" </dev/null; }
ask --formatter json cluster_status
vhosts=$(ask --no-table-headers list_vhosts name)
printf '%s\n' "$vhosts" | while IFS= read -r vhost; do
    ask --formatter json list_queues -p "$vhost" name messages consumers >"$2" || exit 1
    printf 'vhost %s\n' "$vhost"
    awk -v limit="$1" '
        !/^,?[{]/ { next }
        { sub(/^,/, "") }
        /"messages":0,"consumers":[1-9][0-9]*[}]$/ { next }
        /"consumers":0[}]$/ && !/"messages":0,"consumers":0[}]$/ { if (shown++ < limit) print; next }
        { rest[++kept] = $0 }
        END { for (n = 1; n <= kept && shown++ < limit; n++) print rest[n] }
    ' "$2"
done
"""
# The answer goes through a file, for a pipe would hide that the tool failed.
_IN_A_FILE = 'file=$(mktemp); trap \'rm -f "$file"\' EXIT; sh -c "$1" look "$2" "$file"'
_VHOST = "vhost "


class BrokerSilent(Transient):
    """No broker answers, so nobody knows what waits on the message bus."""

    code = "broker.silent"

    def __init__(self, why: Mapping[HostName, str]) -> None:
        named = "; ".join(f"{host}: {each}" for host, each in sorted(why.items()))
        first = min(why)
        super().__init__(
            f"the message bus could not be looked at: no broker answers ({named})",
            Remedy(Fix.REPAIR, f"see each of them: ssh {first} rabbitmqctl cluster_status"),
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
                said = self._ssh.run(host, shell(_IN_A_FILE, SCRIPT, str(QUEUES_MAX)))
            except Transient as problem:
                why[host] = str(problem)
                continue
            if said.code == 0:
                return parse_bus(said.text.splitlines())
            why[host] = said.complaint
        raise BrokerSilent(why)


def parse_bus(lines: list[str]) -> BusSeen:
    """What a node says of its cluster, and of the queues that somebody should know of."""
    status: dict[str, Any] = json.loads(lines[0])
    queues = sorted(_queues(lines[1:]), key=lambda queue: queue.consumers > 0 or queue.messages == 0)
    return BusSeen(
        members=frozenset((*status["disk_nodes"], *status["ram_nodes"])),
        running=frozenset(status["running_nodes"]),
        partitions={node: tuple(sorted(cut)) for node, cut in sorted(status["partitions"].items())},
        alarms=tuple(sorted(_alarm(alarm) for alarm in status["alarms"])),
        queues=tuple(queues[:QUEUES_MAX]),
    )


def _queues(lines: list[str]) -> Iterator[QueueSeen]:
    vhost = ""
    for line in lines:
        if line.startswith(_VHOST):
            vhost = line.removeprefix(_VHOST)
        elif line:
            row: dict[str, Any] = json.loads(line)
            messages, consumers = row["messages"], row["consumers"]
            yield QueueSeen(
                vhost=vhost,
                name=row["name"],
                messages=messages if isinstance(messages, int) else None,
                consumers=consumers if isinstance(consumers, int) else 0,
            )


def _alarm(alarm: dict[str, Any]) -> str:
    return f"{alarm.get('resource', alarm.get('type', 'an alarm'))} on {alarm.get('node', 'a node')}"
