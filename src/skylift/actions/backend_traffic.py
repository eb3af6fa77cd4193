"""Take one backend out of its pool, wait until it is quiet, and put it back (row 98)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal, Undo
from skylift.model.cloud import Backend, BackendState
from skylift.model.ids import HostName, PoolName
from skylift.model.record import Record
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
        views = ports.balancer.backends()
        sending = [b.balancer for b in _of(views, self.pool, self.server) if b.state not in _OUT]
        if not sending:
            return Done()
        dead = _down_elsewhere(views, self.pool, self.server)
        return Pending(_last(dead) if dead else f"still used by the balancers on {', '.join(sending)}")

    def advance(self, ports: Ports) -> None:
        """Not while it is the last one in use because others are down: users would get no answer."""
        _drain(ports, self.pool, self.server)

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

    @property
    def must_last(self) -> bool:
        """A balancer that was restarted since has forgotten what it was told, and uses it again."""
        return True

    def observe(self, ports: Ports) -> Progress:
        views = _of(ports.balancer.backends(), self.pool, self.server)
        sending = [b.balancer for b in views if b.state not in _OUT]
        in_flight = sum(b.sessions for b in views)
        if sending:
            return Pending(f"used again by the balancers on {', '.join(sending)}")
        return Pending(f"{in_flight} requests in flight") if in_flight else Done()

    def advance(self, ports: Ports) -> None:
        """Drain again: a balancer that was restarted since forgot it."""
        _drain(ports, self.pool, self.server)

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
            for b in _of(ports.balancer.backends(), self.pool, self.server)
            if b.state is not BackendState.UP
        ]
        return Pending(f"not yet used by the balancers on {', '.join(missing)}") if missing else Done()

    def advance(self, ports: Ports) -> None:
        ports.balancer.set_state(self.pool, self.server, "ready")

    def by_hand(self, record: Record) -> tuple[str, ...]:
        """Every balancer is told: any of them may hold the VIP."""
        balancers = record.hosts_in(record.balancer.role)
        return tuple(use_again(record, host.name, self.pool, self.server) for host in balancers)

    def reversal(self) -> Reversal:
        return Undo(DrainBackend(self.pool, self.server))


def use_again(record: Record, balancer: HostName, pool: PoolName, server: HostName) -> str:
    """The command that lets one balancer use a backend again; harmless if it does."""
    command = f"echo 'set server {pool}/{server} state ready' | socat - {record.balancer.socket}"
    return f'skylift ssh {balancer} "{command}"'


def _of(views: tuple[Backend, ...], pool: PoolName, server: HostName) -> tuple[Backend, ...]:
    return tuple(b for b in views if b.pool == pool and b.server == server)


def _drain(ports: Ports, pool: PoolName, server: HostName) -> None:
    if not _down_elsewhere(ports.balancer.backends(), pool, server):
        ports.balancer.set_state(pool, server, "drain")


def _down_elsewhere(views: tuple[Backend, ...], pool: PoolName, server: HostName) -> tuple[HostName, ...]:
    """The servers that are down, if without ``server`` some balancer had none to send requests to.

    Where others are out because somebody drained them, this is not for an action to judge: a plan that
    takes a whole pool out has announced that.
    """
    dead: set[HostName] = set()
    for balancer in {b.balancer for b in views}:
        own = [b for b in views if (b.balancer, b.pool) == (balancer, pool)]
        others = [b for b in own if b.server != server]
        in_use = any(b.server == server and b.state is BackendState.UP for b in own)
        if in_use and not any(b.state is BackendState.UP for b in others):
            dead |= {b.server for b in others if b.state is BackendState.DOWN}
    return tuple(sorted(dead))


def _last(dead: tuple[HostName, ...]) -> str:
    return f"it is the last one in use, for {', '.join(dead)} is down in its pool"
