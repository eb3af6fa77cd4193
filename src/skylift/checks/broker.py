"""Is the message bus whole, and does somebody take what is on it?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.catalog.component import Front
from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns
from skylift.model.bus import BusSeen
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
    show = f"see it: ssh {host} rabbitmqctl cluster_status"
    if down := seen.members - seen.running:
        yield blocks(
            f"{listed(down)} of the message bus {'does' if len(down) == 1 else 'do'} not run",
            *(
                f"start it: ssh {node.partition('@')[2]} systemctl start rabbitmq-server"
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
            f"let one side join again: ssh {node.partition('@')[2]} systemctl restart rabbitmq-server",
        )
    for alarm in seen.alarms:
        yield blocks(f"the message bus takes no message: alarm of {alarm}", show)
    for vhost, nodes in seen.stopped.items():
        yield blocks(
            f"virtual host {vhost} of the message bus does not run on {listed(nodes)}: "
            "whoever is connected there gets nothing from it",
            *(
                f"start it: ssh {node.partition('@')[2]} rabbitmqctl restart_vhost -p '{vhost}'"
                for node in nodes
            ),
        )


def _queues(seen: BusSeen, host: HostName) -> Iterator[Complaint]:
    # A queue says nothing where its virtual host does not run, and that is told already: nobody may be led
    # to delete it.
    told = [q for q in seen.queues if q.messages is not None or q.vhost not in seen.stopped]
    left = [q for q in told if q.messages != 0 and q.consumers == 0]
    if not left:
        return
    named = ", ".join(f"{q.name} of {q.vhost} ({_count(q.messages)})" for q in left[:_NAMED])
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    vhost = left[0].vhost
    yield blocks(
        f"nobody takes what waits on the message bus in {named}{more}",
        f"see them: ssh {host} rabbitmqctl list_queues -p '{vhost}' name messages consumers",
        "start the service that takes from it, or delete a queue that no service uses any more: "
        f"ssh {host} rabbitmqctl delete_queue -p '{vhost}' {left[0].name}",
    )


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
    "the message bus is whole, and everything on it is taken",
    _ask,
    needs=("broker",),
)
