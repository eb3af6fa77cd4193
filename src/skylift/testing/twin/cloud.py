"""A cloud in simulated time that times out, loses answers, fails, is slow and dies, all by a seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from skylift.drainbench.clouds import Chance
from skylift.fleet.document import document_of
from skylift.fleet.fleet import Fleet, Host, Instance, InstanceId
from skylift.fleet.plan import Kind
from skylift.fleet.sight import Action, Close, HostSeen, Migrate, Open, Sight, Stage, Work
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName, Seconds
from skylift.testing.twin.clock import Clock
from skylift.testing.twin.owners import scheduled
from skylift.testing.twin.watch import Watch
from skylift.verifier.fleet.seen import Violation


@dataclass(frozen=True, slots=True)
class Faults:
    """How often what goes wrong, in a thousand."""

    timeout: int = 30
    """Calls that come to nothing."""
    lost: int = 30
    """Calls whose answer is lost: what they ask for begins later, when ``settle_s`` is almost over."""
    failed: int = 20
    """Migrations that end where they began."""
    blind: int = 20
    """Looks that are not answered."""
    slow: int = 50
    """Hosts that take three times as long for everything."""
    dies: int = 10
    """Hosts that die during the run, for good."""
    appears: int = 100
    """New instances during the run, over the number of hosts."""


BLIND, SLOW = "not answered", "slow"
"""What is counted of faults beside what happens at a moment."""
_SLOW, _TURNS = 3, 9
"""How much slower a slow host is, and for how many turns' time hosts die and instances appear."""
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Times:
    """How long the cloud takes."""

    work_s: Seconds
    """For the work on a host."""
    settle_s: Seconds = Seconds(60)
    """What the run was told that the cloud may take to begin what it was asked for; it keeps to that."""
    tells: bool = False
    """Whether what happens is kept, to be told."""

    @property
    def late_ms(self) -> int:
        """The latest that something begins of which the answer was lost."""
        return max(1, self.settle_s * _THOUSAND * 5 // 6)

    @property
    def build_ms(self) -> int:
        """Until a new instance is seen on the host that was chosen for it, closed since or not."""
        return self.settle_s * _THOUSAND // 12


class Twin:
    """A ``FleetCloud``: the same fleet, policy and seed, asked for the same, give the same events."""

    def __init__(
        self,
        fleet: Fleet,
        policy: FleetPolicy,
        seed: int,
        *,
        faults: Faults,
        times: Times | None = None,
        afterwards: Kind | None = None,
    ) -> None:
        self._times = times or Times(work_s=policy.host_s)
        self._fleet, self._policy, self._faults = fleet, policy, faults
        self._chance = Chance(seed * 7919 + len(fleet.hosts))
        self.clock = Clock(tells=self._times.tells)
        self.watch = Watch(document_of(fleet, policy), afterwards.value if afterwards else "")
        self.broken: list[tuple[int, Violation]] = []
        """What broke an invariant, with its moment."""
        self._hosts = {name: _as_it_was(of) for name, of in fleet.hosts.items()}
        self._on: dict[HostName, dict[InstanceId, Instance]] = {name: {} for name in fleet.hosts}
        self._moving: dict[InstanceId, Migrate] = {}
        self._claims: dict[HostName, list[Instance]] = {name: [] for name in fleet.hosts}
        """Per host, what was promised room there, as Placement has it, and is not there yet."""
        self._dead: set[HostName] = set()
        for instance in fleet.instances:
            self._on[instance.host][instance.id] = instance
        self._slow = {name for name in fleet.hosts if _hits(self._chance, faults.slow)}
        self.clock.counts[SLOW] += len(self._slow)
        span = policy.host_s * _THOUSAND * _TURNS
        for name in fleet.hosts:
            if _hits(self._chance, faults.dies):
                self.clock.later(self._chance.below(span), lambda host=name: self._die(host))  # type: ignore[misc]
        for _ in range(len(fleet.hosts) * faults.appears // _THOUSAND):
            self.clock.later(self._chance.below(span), self._schedule)

    def look(self) -> Sight | None:
        """What is now; none if it did not answer in time."""
        if _hits(self._chance, self._faults.blind):
            self.clock.counts[BLIND] += 1
            return None
        return self.truth()

    def truth(self) -> Sight:
        """What is now."""
        return Sight(self.clock.moment, self._hosts, self._on, self._moving)

    def ask(self, action: Action) -> None:
        """Carry it out, now or later, or not at all."""
        if _hits(self._chance, self._faults.timeout):
            self.clock.note("timed out", action)
            return
        if isinstance(action, Migrate):
            self._claims[action.target].append(self._on[action.source][action.instance])
        if _hits(self._chance, self._faults.lost):
            self.clock.note("answer lost", action)
            self.clock.later(1 + self._chance.below(self._times.late_ms), lambda: self._carry_out(action))
        else:
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        self.clock.note("begins", action)
        match action:
            case Migrate():
                self._migrate(action)
            case Close(name):
                self._hosts[name] = replace(self._hosts[name], ours=True)
                self._judge(self.watch.closed(name))
            case Open(name):
                self._hosts[name] = replace(self._hosts[name], ours=False)
                self._judge(self.watch.opened(name))
            case Work(name) if self._hosts[name].up:
                self._hosts[name] = replace(self._hosts[name], up=False, work=Stage.UNDER_WAY)
                self._judge(self.watch.work_began(name))
                self.clock.later(
                    _takes(self._chance, self._times.work_s * _THOUSAND, slow=name in self._slow),
                    lambda: self._end_work(name),
                )
            case Work():
                pass

    def _migrate(self, call: Migrate) -> None:
        instance = self._on[call.source].get(call.instance)
        if instance is None or call.source in self._dead or call.target in self._dead:
            _claimed(self._claims[call.target], call)
            return
        self._judge(self.watch.began(call.instance, call.source, call.target))
        if call.instance in self._moving:
            _claimed(self._claims[call.target], call)
            return
        self._moving[call.instance] = call
        network = self._policy.network
        memory = instance.used_mib or self._fleet.flavors[instance.flavor].ram_mib
        takes = network.setup_ms + memory * _THOUSAND // network.mib_s
        fails = _hits(self._chance, self._faults.failed)
        self.clock.later(
            _takes(self._chance, takes, slow=not self._slow.isdisjoint({call.source, call.target})),
            lambda: self._end_move(call, moved=not fails),
        )

    def _end_move(self, call: Migrate, *, moved: bool) -> None:
        if self._moving.get(call.instance) is not call:
            return  # it ended when one of its hosts died
        self.clock.note("ends well" if moved else "fails", call)
        del self._moving[call.instance]
        _claimed(self._claims[call.target], call)
        if moved:
            instance = self._on[call.source].pop(call.instance)
            self._on[call.target][call.instance] = replace(instance, host=call.target)
        self._judge(self.watch.ended(call.instance, moved=moved))

    def _end_work(self, name: HostName) -> None:
        if name not in self._dead:
            self.clock.note("is back", name)
            self._hosts[name] = replace(self._hosts[name], up=True, work=Stage.DONE)
            self.watch.work_ended(name)

    def _die(self, name: HostName) -> None:
        self.clock.note("dies", name)
        self._dead.add(name)
        self._hosts[name] = replace(self._hosts[name], up=False)
        for call in [c for c in self._moving.values() if name in {c.source, c.target}]:
            self._end_move(call, moved=False)
        self.watch.died(name)

    def _schedule(self) -> None:
        booked = {name: [*on.values(), *self._claims[name]] for name, on in self._on.items()}
        new = scheduled(self._fleet, self._hosts, booked, self._chance)
        if new is not None:
            self._claims[new.host].append(new)
            self.clock.later(self._times.build_ms, lambda: self._appear(new))

    def _appear(self, new: Instance) -> None:
        self.clock.note("appears", new)
        self._claims[new.host].remove(new)
        if new.host not in self._dead:
            self._on[new.host][new.id] = new
            self._judge(
                self.watch.appeared({"id": new.id, "host": new.host, "flavor": new.flavor, "zone": new.zone})
            )

    def _judge(self, found: Iterable[Violation]) -> None:
        self.broken += [(self.clock.moment, violation) for violation in found]


def _as_it_was(host: Host) -> HostSeen:
    return HostSeen(up=host.up, closed=host.closed, work=Stage.DONE if host.done else Stage.DUE)


def _claimed(claims: list[Instance], call: Migrate) -> None:
    """What was claimed for a migration is there, or no longer wanted."""
    del claims[next(n for n, claimed in enumerate(claims) if claimed.id == call.instance)]


def _hits(chance: Chance, in_thousand: int) -> bool:
    return chance.below(_THOUSAND) < in_thousand


def _takes(chance: Chance, ms: int, *, slow: bool) -> int:
    """From four fifths to a third longer than it should take; three times that on a slow host."""
    takes = ms * (80 + chance.below(53)) // 100
    return takes * _SLOW if slow else takes
