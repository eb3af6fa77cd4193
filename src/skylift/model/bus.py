"""The message bus under the services, as one look saw it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TRANSIENT = re.compile(r"(_fanout_|^reply_)[0-9a-f]{32}$")


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """A queue that somebody should know of: messages wait in it, or nobody takes any."""

    vhost: str
    name: str
    messages: int | None
    """How many wait; none if it does not say, as one without a leader."""
    consumers: int

    @property
    def transient(self) -> bool:
        """Whether only the one process that made it ever takes from it: a fanout queue, or one for replies.

        Each process has its own, by a random name. When it ends, what waits there is for nobody: the process
        that comes after it makes a new one, and RabbitMQ deletes the old one when nobody has used it for
        ``rabbit_transient_queues_ttl`` (30 minutes, if nothing is configured). With ``use_queue_manager`` the
        name is that of the process, which takes it again: such a queue is not meant.
        Source: oslo.messaging, _drivers/impl_rabbit.py, ``declare_fanout_consumer`` and the option's help;
        _drivers/amqpdriver.py, ``_get_reply_q``.
        """
        return _TRANSIENT.search(self.name) is not None


@dataclass(frozen=True, slots=True)
class BusSeen:
    """The cluster as one of its nodes sees it."""

    members: frozenset[str]
    """All nodes that belong to it, such as ``rabbit@ctl1``."""
    running: frozenset[str]
    partitions: Mapping[str, tuple[str, ...]]
    """By node, those that it was cut off from."""
    alarms: tuple[str, ...]
    """What it complains of, such as ``memory on rabbit@ctl1``: no message is taken meanwhile."""
    stopped: Mapping[str, tuple[str, ...]]
    """By virtual host, the running nodes on which it does not run: what is in its queues there waits."""
    queues: tuple[QueueSeen, ...]
    """Those with messages and without consumers first; not all, if there are very many."""
