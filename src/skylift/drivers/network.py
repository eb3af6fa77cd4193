"""Neutron's agents, asked by the agent on the vantage host, with the record's credentials."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from skylift.model.closing import mark_of, reason_of
from skylift.model.ids import Epoch, HostName
from skylift.model.network_agent import KEPT, AgentKind, Carried, NetworkAgent


class Line(Protocol):
    """The way to the agent."""

    def tell(self, *words: str, changes: bool = False) -> Any:
        """Run it, and return its answer."""
        ...


class ApiNetwork:
    """``Network`` through the API; ``clock`` dates what is written beside a closed agent."""

    def __init__(self, line: Line, clock: Callable[[], Epoch]) -> None:
        self._line, self._clock = line, clock

    def agents(self) -> tuple[NetworkAgent, ...]:
        return tuple(map(_agent, self._line.tell("network", "agents")))

    def carried(self, agent: NetworkAgent) -> tuple[Carried, ...]:
        if agent.kind is AgentKind.GATEWAY:
            return ()
        found: list[Carried] = []
        after = ""
        while True:
            said = self._line.tell("network", "carried", *_which(agent), f"--after={after}")
            found += map(_carried, said["things"])
            after = said["after"]
            if not after:
                return tuple(found)

    def find(self, kind: AgentKind, name: str) -> Carried | None:
        said = self._line.tell("network", "find", f"--kind={kind.value}", f"--name={name}")
        return _carried(said) if said else None

    def assign(self, agent: NetworkAgent, name: str) -> None:
        self._line.tell("network", "assign", *_which(agent), f"--name={name}", changes=True)

    def release(self, agent: NetworkAgent, name: str) -> None:
        self._line.tell("network", "release", *_which(agent), f"--name={name}", changes=True)

    def close(self, agent: NetworkAgent, *, label: str) -> None:
        reason = f"--reason={reason_of(label, self._clock())}"
        self._line.tell("network", "close", *_which(agent), reason, f"--keep={KEPT}", changes=True)

    def open(self, agent: NetworkAgent, *, labels: Collection[str]) -> None:
        marks = (f"--mark={mark_of(label)}" for label in labels)
        self._line.tell("network", "open", *_which(agent), *marks, f"--keep={KEPT}", changes=True)


def _which(agent: NetworkAgent) -> tuple[str, ...]:
    return f"--kind={agent.kind.value}", f"--agent={agent.id}"


def _agent(said: Mapping[str, Any]) -> NetworkAgent:
    return NetworkAgent(
        id=said["id"],
        kind=AgentKind(said["kind"]),
        host=HostName(said["host"]),
        alive=said["alive"],
        open=said["open"],
        description=said["description"],
        mode=said["mode"],
        zone=said["zone"],
        load=said["load"],
        started_at=_read(said["started_at"]),
        heartbeat_at=_read(said["heartbeat_at"]),
    )


def _carried(said: Mapping[str, Any]) -> Carried:
    return Carried(
        id=said["id"],
        kind=AgentKind(said["kind"]),
        on={on["id"]: on["active"] for on in said["on"]},
        served=frozenset(map(HostName, said["served"])),
        quiet=said["quiet"],
        ha=said["ha"],
        distributed=said["distributed"],
        zones=frozenset(said["zones"]),
    )


def _read(moment: str | None) -> Epoch | None:
    """Neutron writes UTC without saying so."""
    if not moment:
        return None
    at = datetime.fromisoformat(moment)
    return Epoch((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
