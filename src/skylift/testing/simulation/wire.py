"""The wires between a process and its world: every call and every append is a touch, and may go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from skylift.engine.journal import Event, Journal
from skylift.model.ids import StepId
from skylift.ports import Ended, Ports
from skylift.testing.fake_ports import ports_of
from skylift.testing.simulation.scene import NoAnswer
from skylift.testing.simulation.world import World

CHANGES = frozenset(
    {
        "jobs.start",
        "jobs.forget",
        "services.stop",
        "services.point",
        "services.let_start_with_host",
        "balancer.set_state",
        "balancer.park",
        "balancer.unpark",
        "vantage.start_probes",
        "vantage.stop_probes",
        "vantage.create_witnesses",
        "vantage.destroy_witnesses",
        "intake.close",
        "intake.open",
        "database.lower_version",
        "compute.migrate",
        "compute.abort",
        "compute.tell",
        "canaries.place",
        "canaries.remove",
        "network.assign",
        "network.release",
        "network.close",
        "network.open",
        "storage.keep_in",
        "storage.let_out",
    }
)
"""The calls that change something."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a port, under a step's key or none."""

    port: str
    verb: str
    key: str
    args: tuple[Any, ...]
    make: Callable[[], Any]
    """Makes it, as often as this is called."""

    @property
    def name(self) -> str:
        """Such as ``jobs.start``."""
        return f"{self.port}.{self.verb}"

    @property
    def step(self) -> StepId:
        """Of whose key it is; empty if it is under none."""
        return StepId(self.key.partition(".")[2].rpartition(".")[0])

    @property
    def changes(self) -> bool:
        """Whether it changes something."""
        return self.name in CHANGES


class Moment(Enum):
    """When something may go wrong."""

    BEFORE_CALL = 1
    AFTER_CALL = 2
    BEFORE_APPEND = 3
    AFTER_APPEND = 4
    IDLE = 5
    """The process waits until it is worth looking again."""
    DEAD = 6
    """No process works on the run."""
    PLANNED = 7
    """The plan lies there, and is not applied yet."""


Subject = Call | Event | None


class Hands(Protocol):
    """Who makes things go wrong."""

    def meet(self, moment: Moment, subject: Subject = None) -> None:
        """Something may go wrong now; what goes wrong may be an exception."""
        ...


class Eyes(Protocol):
    """Who looks on."""

    def calls(self, call: Call) -> None:
        """Somebody is about to make a call."""
        ...

    def made(self, call: Call) -> None:
        """It was made, whether or not the answer arrived."""
        ...

    def appended(self, event: Event, by: int) -> None:
        """An event is on disk; ``by`` is the process that wrote it, 0 for an operator's."""
        ...


@dataclass(frozen=True, slots=True)
class Wires:
    """What a process holds on to the world by."""

    world: World
    hands: Hands
    eyes: Eyes

    def ports(self) -> Ports:
        """All ports, each call a touch."""
        own = ports_of(self.world.cloud)
        ends: dict[str, Any] = {
            name: _Port(self, getattr(own, name), name, "") for name in Ports.__dataclass_fields__
        }
        return _Lent(**ends)

    def call(self, call: Call) -> Any:
        """Make it, if nothing goes wrong."""
        world = self.world
        world.touches += 1
        self.eyes.calls(call)
        self.hands.meet(Moment.BEFORE_CALL, call)
        if call.port in world.silent:
            raise NoAnswer(call.port)
        came = self._slowed(call) if call.name == "vantage.ask_backend" else call.make()
        if call.name == "jobs.start" and (call.args[0], call.args[1].argv) in world.cursed:
            # A retry has a key of its own, and fails like the first until somebody repairs the cause.
            job = world.cloud.hosts[call.args[0]].jobs[call.key]
            job.fails = Ended(1, "a fault of the simulation that stays")
        if call.changes:
            self.eyes.made(call)
            self.hands.meet(Moment.AFTER_CALL, call)
        return came

    def _slowed(self, call: Call) -> Any:
        came = call.make()
        loading = self.world.slow.get(call.args[1], 0.0) > self.world.cloud.now
        return came or ("HTTP 503 while it loads" if loading else "")


@dataclass(frozen=True, slots=True)
class _Port:
    wires: Wires
    port: Any
    name: str
    key: str

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        end = getattr(self.port, verb)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.wires.call(Call(self.name, verb, self.key, args, lambda: end(*args, **kwargs)))

        return call

    def lent(self, key: str) -> _Port:
        """The same under a step's key."""
        port = self.port.under(key) if self.name == "jobs" else self.port
        return _Port(self.wires, port, self.name, key)


class _Lent(Ports):
    """Ports that know under which key they were lent."""

    __slots__ = ()

    def under(self, key: str) -> Ports:
        return _Lent(**{name: getattr(self, name).lent(key) for name in Ports.__dataclass_fields__})


class WiredJournal:
    """The journal as one process has it open."""

    def __init__(self, wires: Wires, journal: Journal, by: int) -> None:
        self._wires = wires
        self._journal = journal
        self._by = by

    def append(self, event: Event, *, after: int) -> None:
        self._wires.world.touches += 1
        if self._by:
            self._wires.hands.meet(Moment.BEFORE_APPEND, event)
        self._journal.append(event, after=after)
        self._wires.eyes.appended(event, self._by)
        if self._by:
            self._wires.hands.meet(Moment.AFTER_APPEND, event)

    def events(self, after: int = 0) -> tuple[Event, ...]:
        return self._journal.events(after)

    def close(self) -> None:
        self._journal.close()
