"""A run over the network hosts of a fake cloud, judged by the verifier: as it goes, and by its journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from skylift.engine.journal import Event
from skylift.fleet.document import network_document
from skylift.model.codec import encode
from skylift.model.ids import HostName
from skylift.ports import Command, Jobs, JobState, Network, Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.verifier.fleet.seen import Violation
from skylift.verifier.network.journal import verify_network_run
from skylift.verifier.network.watch import NetworkWatch

_CHANGES = frozenset({"assign", "release", "close", "open"})


@dataclass
class WatchedNetwork:
    """What the verifier says of one run; ``broken`` has what it saw as the run went.

    ``before`` is what Neutron told when the run began: seen at its first change, if it is not given.
    """

    cloud: FakeCloud
    run: str
    hosts: Collection[HostName]
    """Those of the run that only carry networks."""
    drained: bool = False
    before: dict[str, Any] = field(default_factory=dict)
    broken: list[Violation] = field(default_factory=list)
    _watch: NetworkWatch | None = None

    def begin(self) -> NetworkWatch:
        """Remember what Neutron has now, unless a run has begun already."""
        self.before = self.before or {**self.seen(), "hosts": list(self.hosts), "drained": self.drained}
        self._watch = self._watch or NetworkWatch(self.run, self.before)
        return self._watch

    def seen(self) -> dict[str, Any]:
        """Agents and what they carry, as they are now: also while Neutron does not answer."""
        neutron = self.cloud.neutron
        return network_document(
            map(neutron.seen, neutron.agents.values()), map(neutron.carried, neutron.things.values())
        )

    def ports(self, ports: Ports) -> Ports:
        """The same, with every change of agents judged before it is made."""
        network: Any = _Judged(ports.network, self.asked)
        return replace(ports, network=network, jobs=_Jobs(ports.jobs, "", self.starts))

    def asked(self, verb: str, args: tuple[Any, ...]) -> None:
        """Judge a call of the port of Neutron's agents."""
        if verb in _CHANGES:
            thing = args[1] if len(args) > 1 else ""
            self.broken += self.begin().asked(verb, args[0].id, thing, self.seen())

    def starts(self, key: str, host: HostName) -> None:
        """Judge a job that is started under a step's key."""
        if ".reboot@" in key and key not in self.cloud.hosts[host].jobs:
            self.broken += self.begin().reboots(host, self.seen())

    def judged(self, events: Iterable[Event]) -> tuple[Violation, ...]:
        """All that speaks against the run, once it is at rest: while it went, in its journal, and now."""
        self.begin()
        return (*self.broken, *verify_network_run(self.before, list(map(encode, events)), self.seen()))


@dataclass(frozen=True, slots=True)
class _Judged:
    port: Network
    judge: Callable[[str, tuple[Any, ...]], None]

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        end = getattr(self.port, verb)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.judge(verb, args)
            return end(*args, **kwargs)

        return call


@dataclass(frozen=True, slots=True)
class _Jobs:
    port: Jobs
    key: str
    judge: Callable[[str, HostName], None]

    def under(self, key: str) -> _Jobs:
        return _Jobs(self.port.under(key), key, self.judge)

    def start(self, host: HostName, command: Command) -> None:
        self.judge(self.key, host)
        self.port.start(host, command)

    def state(self, host: HostName) -> JobState:
        return self.port.state(host)

    def known(self, host: HostName) -> Mapping[str, bool]:
        return self.port.known(host)

    def forget(self, host: HostName, keys: Iterable[str]) -> None:
        self.port.forget(host, keys)
