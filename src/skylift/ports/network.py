"""Neutron's agents on network hosts: what each carries, and who else is to carry it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from skylift.model.network_agent import AgentKind, Carried, NetworkAgent


class Network(Protocol):
    """Neutron, as its administrator has it. A yes says that it was written down: look whether it is so."""

    def agents(self) -> tuple[NetworkAgent, ...]:
        """All that carry routers, networks or gateways; none where the cloud has no Neutron.

        Raises:
            Transient: the API does not answer.
            Refused: the credentials may not see it.
        """
        ...

    def carried(self, agent: NetworkAgent) -> tuple[Carried, ...]:
        """What is assigned to an agent: of many things this takes a while.

        Raises:
            Transient, Refused: as for ``agents``.
        """
        ...

    def find(self, kind: AgentKind, name: str) -> Carried | None:
        """One router or network, by its id, wherever it is; none if it is gone.

        Raises:
            Transient, Refused: as for ``agents``.
        """
        ...

    def assign(self, agent: NetworkAgent, name: str) -> None:
        """Let an agent carry a router or a network, too; no effect if it does.

        A router that is not highly available can be on one agent only.

        Raises:
            Refused: it cannot be carried there, or is on another agent that must give it up first.
            Transient: the API does not answer; it may be done all the same, so look and repeat.
        """
        ...

    def release(self, agent: NetworkAgent, name: str) -> None:
        """Let an agent give it up; no effect if it does not carry it.

        Raises:
            Refused, Transient: as for ``assign``.
        """
        ...

    def close(self, agent: NetworkAgent, *, label: str) -> None:
        """Let an agent carry nothing, and say beside it that this is for ``label``; it gives up all at once.

        No effect on one that is closed already, by whomever.

        Raises:
            Refused: it is not known any more, or cannot be closed.
            Transient: as for ``assign``.
        """
        ...

    def open(self, agent: NetworkAgent, *, labels: Collection[str]) -> None:
        """Let it carry again what is assigned to it, if it was closed for one of ``labels``.

        Raises:
            Refused, Transient: as for ``close``.
        """
        ...
