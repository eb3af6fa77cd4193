"""Take one backend out of its pool, wait until it is quiet, and put it back (row 98)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.model.cloud import Backend, BackendState
from skylift.model.ids import HostName, PoolName
from skylift.ports import Ports

_OUT = {BackendState.DRAIN, BackendState.MAINT}


@dataclass(frozen=True, slots=True)
class DrainBackend(Action):
    """Let every balancer send no new requests to ``server``; those in flight end."""

    kind: ClassVar[str] = "drain-backend"

    pool: PoolName
    server: HostName

    @property
    def title(self) -> str:
        return f"drain {self.server} in pool {self.pool}"

    def observe(self, ports: Ports) -> Progress:
        sending = [b.balancer for b in _views(ports, self.pool, self.server) if b.state not in _OUT]
        return Pending(f"still used by the balancers on {', '.join(sending)}") if sending else Done()

    def advance(self, ports: Ports) -> None:
        ports.balancer.set_state(self.pool, self.server, "drain")

    def reversal(self) -> Reversal:
        return Undo(UndrainBackend(self.pool, self.server))


@dataclass(frozen=True, slots=True)
class AwaitQuiet(Action):
    """Wait until no request is in flight on ``server``."""

    kind: ClassVar[str] = "await-quiet"

    pool: PoolName
    server: HostName

    @property
    def title(self) -> str:
        return f"wait until no request is in flight on {self.server} in pool {self.pool}"

    def observe(self, ports: Ports) -> Progress:
        views = _views(ports, self.pool, self.server)
        sending = [b.balancer for b in views if b.state not in _OUT]
        in_flight = sum(b.sessions for b in views)
        if sending:
            return Pending(f"used again by the balancers on {', '.join(sending)}")
        return Pending(f"{in_flight} requests in flight") if in_flight else Done()

    def advance(self, ports: Ports) -> None:
        """Drain again: a balancer that was rebooted since forgot it."""
        ports.balancer.set_state(self.pool, self.server, "drain")

    def reversal(self) -> Reversal:
        return NothingToUndo("waiting changes nothing")


@dataclass(frozen=True, slots=True)
class UndrainBackend(Action):
    """Let every balancer use ``server`` again, and see each of them find it healthy."""

    kind: ClassVar[str] = "undrain-backend"

    pool: PoolName
    server: HostName

    @property
    def title(self) -> str:
        return f"undrain {self.server} in pool {self.pool}"

    def observe(self, ports: Ports) -> Progress:
        missing = [
            f"{b.balancer} ({b.state.value})"
            for b in _views(ports, self.pool, self.server)
            if b.state is not BackendState.UP
        ]
        return Pending(f"not yet used by the balancers on {', '.join(missing)}") if missing else Done()

    def advance(self, ports: Ports) -> None:
        ports.balancer.set_state(self.pool, self.server, "ready")

    def reversal(self) -> Reversal:
        return Undo(DrainBackend(self.pool, self.server))


def _views(ports: Ports, pool: PoolName, server: HostName) -> tuple[Backend, ...]:
    return tuple(b for b in ports.balancer.backends() if b.pool == pool and b.server == server)
