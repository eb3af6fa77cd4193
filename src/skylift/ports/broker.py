"""The message bus that services without a balancer get their work from."""

from __future__ import annotations

from typing import Protocol

from skylift.model.bus import BusSeen

QUEUES_MAX = 200
"""How many queues one look brings at most."""


class Broker(Protocol):
    """The cluster of brokers. Reads only."""

    def look(self) -> BusSeen:
        """The cluster as one of its nodes sees it, its virtual hosts, and at most ``QUEUES_MAX`` queues.

        Raises:
            Transient: no node answers.
        """
        ...
