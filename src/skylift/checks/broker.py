"""Is the message bus whole, and does somebody take what is on it?"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from skylift.catalog.component import Front
from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns
from skylift.model.bus import BusSeen, QueueSeen
from skylift.model.ids import HostName
from skylift.model.record import BrokerEntry

_NAMED = 5


def _ask(question: Question) -> Iterator[Complaint]:
    entry, seen = question.record.broker, question.cloud.broker
    if entry is None:
        if on_bus := _on_bus(question):
            yield warns(
                f"nobody looks at the message bus that {listed(on_bus)} get their work from: the record "
                "names no broker",
                "add a section 'broker:' to the record, with its role and size",
            )
        return
    host = question.record.hosts_in(entry.role)[0].name
    if seen is None:
        if not question.unread("broker"):
            yield blocks("the message bus was not looked at", "look at it: skylift inspect")
        return
    yield from _cluster(entry, seen, host)
    yield from _queues(seen, host)


def _cluster(entry: BrokerEntry, seen: BusSeen, host: HostName) -> Iterator[Complaint]:
    show = f"see it: skylift ssh {host} rabbitmqctl cluster_status"
    if down := seen.members - seen.running:
        yield blocks(
            f"{listed(down)} of the message bus {'does' if len(down) == 1 else 'do'} not run",
            *(
                f"start it: skylift ssh {node.partition('@')[2]} systemctl start rabbitmq-server"
                for node in sorted(down)
            ),
        )
    if len(seen.members) != entry.size:
        yield blocks(
            f"the message bus has {len(seen.members)} nodes; the record says {entry.size}",
            show,
            "bring the missing node back, or correct 'broker.size' in the record",
        )
    for node, cut_off in seen.partitions.items():
        yield blocks(
            f"{node} was cut off from {listed(cut_off)}: what is on the bus differs between them",
            f"let one side join again: skylift ssh {node.partition('@')[2]} "
            "systemctl restart rabbitmq-server",
        )
    for alarm in seen.alarms:
        yield blocks(f"the message bus takes no message: alarm of {alarm}", show)
    for vhost, nodes in seen.stopped.items():
        yield blocks(
            f"virtual host {vhost} of the message bus does not run on {listed(nodes)}: "
            "whoever is connected there gets nothing from it",
            *(
                f"start it: skylift ssh {node.partition('@')[2]} rabbitmqctl restart_vhost -p '{vhost}'"
                for node in nodes
            ),
        )


def _queues(seen: BusSeen, host: HostName) -> Iterator[Complaint]:
    # A queue says nothing where its virtual host does not run, and that is told already: nobody may be led
    # to delete it.
    told = [q for q in seen.queues if q.messages is not None or q.vhost not in seen.stopped]
    left = [q for q in told if q.messages != 0 and q.consumers == 0]
    if work := [q for q in left if not q.transient]:
        yield blocks(
            f"nobody takes what waits on the message bus in {_named(work)}",
            *(_see(host, vhost) for vhost in _vhosts(work)),
            "start the service that takes from it, or delete what no service uses any more: "
            + _delete(host, work),
        )
    if gone := [q for q in left if q.transient]:
        yield warns(
            f"processes that ended have left queues on the message bus: {_named(gone)}; what is in them was "
            "for those processes alone, and each queue goes by itself when nobody has used it for "
            "rabbit_transient_queues_ttl (30 minutes, if nothing is configured)",
            f"or delete them now: {_delete(host, gone)}",
        )


def _named(queues: Sequence[QueueSeen]) -> str:
    named = ", ".join(f"{q.name} of {q.vhost} ({_count(q.messages)})" for q in queues[:_NAMED])
    return named + (f" and {len(queues) - _NAMED} more" if len(queues) > _NAMED else "")


def _vhosts(queues: Iterable[QueueSeen]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(q.vhost for q in queues))


def _see(host: HostName, vhost: str) -> str:
    return f"see them: skylift ssh {host} rabbitmqctl list_queues -p '{vhost}' name messages consumers"


def _delete(host: HostName, queues: Iterable[QueueSeen]) -> str:
    """One command for all of ``queues``: a list that is left off halfway is worked off round by round."""
    each = (shlex.join(["rabbitmqctl", "delete_queue", "-p", q.vhost, q.name]) for q in queues)
    return f"skylift ssh {host} {shlex.quote('; '.join(each))}"


def _count(messages: int | None) -> str:
    return "it does not say how many" if messages is None else f"{messages} messages"


def _on_bus(question: Question) -> list[str]:
    known = question.catalog.components
    return [
        name
        for name, entry in question.record.services.items()
        if known[entry.component].service(name).front is Front.RPC
    ]


BROKER = Check(
    "broker",
    "the message bus is whole, and what waits on it is taken",
    _ask,
    needs=("broker",),
)
