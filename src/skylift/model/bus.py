"""The message bus under the services, as one look saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """A queue that somebody should know of: messages wait in it, or nobody takes any."""

    vhost: str
    name: str
    messages: int | None
    """How many wait; none if it does not say, as one without a leader."""
    consumers: int


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
