"""One seed from its plan to its end: processes come and go, and an operator follows the remedies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from skylift.app.gates import GateGuard
from skylift.app.loss_budget import LossGuard, outage_of, with_announced
from skylift.drainbench.clouds import Chance
from skylift.engine.drive import Surroundings, drive
from skylift.engine.execute import Execution, Limits
from skylift.engine.journal import Journal, Reported
from skylift.engine.operate import Gates, open_run
from skylift.engine.problems import Holder
from skylift.model.goal import Rollback
from skylift.model.problem import Problem
from skylift.planning.facts import Drift, drift, facts_of
from skylift.planning.plan import Plan, Stage
from skylift.planning.text import digest_of
from skylift.ports import Ports
from skylift.testing.fake_builds import NOVA_COMPUTE
from skylift.testing.fake_stacks import HEAT_API, HEAT_ENGINE
from skylift.testing.fuse import Killed
from skylift.testing.plans import RUN
from skylift.testing.samples import NOW
from skylift.testing.simulation import hurts, mishaps
from skylift.testing.simulation.half_way import GATES, AtOnce, asked_of, lose, loses_requests
from skylift.testing.simulation.injector import Befell, Injector
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.operator_model import Operator, Word
from skylift.testing.simulation.scene import Findings, Scene
from skylift.testing.simulation.site import Site, scene_of, site_of
from skylift.testing.simulation.store import InMemory, OnDisk, Store
from skylift.testing.simulation.watch import MOST, Watch
from skylift.testing.simulation.wire import Moment, WiredJournal, Wires
from skylift.testing.simulation.words import Terminal
from skylift.testing.simulation.world import World, planned
from skylift.verifier.fleet.seen import Violation

MOST_PROCESSES = 90
"""A run that needs more of them has no way out."""
LONGEST_S = 6000
"""A process that is at it for longer has no way out either; or for longer than ``_DEADLINES``."""
_DEADLINES = 4
"""Of the longest step: some steps may be late one after the other."""
_SETTLES_S = 150
_IDLE = 20
"""After so many looks at which nothing changed, the next ones come less often."""
_ON_DISK = 4
"""One seed in so many keeps its journal in the product's own file."""


def as_planned(plan: Plan) -> Plan:
    """The planner's plan, unchanged."""
    return plan


def as_found(findings: Findings) -> Findings:
    """What checks found, unchanged."""
    return findings


def as_stored(store: Store) -> Store:
    """The disk as it is."""
    return store


def as_kept(journal: Journal) -> Journal:
    """The journal as it is."""
    return journal


def as_lent(ports: Ports) -> Ports:
    """The ports as they are."""
    return ports


@dataclass(frozen=True, slots=True)
class Product:
    """What is simulated; a flawed one is made by putting something else in its place."""

    plan: Callable[[Plan], Plan] = as_planned
    checks: Callable[[Findings], Findings] = as_found
    drift: Callable[[Plan, Mapping[str, str]], tuple[Drift, ...]] = drift
    """What of a plan's facts is no longer so."""
    store: Callable[[Store], Store] = as_stored
    journal: Callable[[Journal], Journal] = as_kept
    ports: Callable[[Ports], Ports] = as_lent
    execution: type[Execution] = Execution
    holds: bool = True
    """Whether a process takes the lease."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one seed."""

    seed: int
    site: str
    outcome: str
    events: int
    touches: int
    processes: int
    first: FaultKind | None
    """The kind of fault that was dealt by the seed's number, whether or not it befell."""
    befell: tuple[Befell, ...]
    failures: tuple[tuple[str, Reported], ...]
    """What failed or stopped it: the step, or nothing, and the problem."""
    lost: Counter[str]
    """Requests of users that failed, by pool; but for those of ``announced``."""
    announced: Counter[str]
    """Requests that failed because the plan stops what they go to, and says so."""
    works_lost: tuple[str, ...]
    """Servers and stacks that users asked for and did not get."""
    lasted_s: int
    checks: Counter[str]
    broken: tuple[tuple[int, Violation], ...]
    digest: str
    story: tuple[str, ...]

    def __str__(self) -> str:
        told = (
            f"seed {self.seed}: {self.site}, {self.outcome}, {self.events} events, {self.touches} touches, "
            f"{self.processes} processes, {len(self.befell)} faults, {self.digest[:16]}"
        )
        wrong = (f"  after {at} touches: {v.rule}: {v.sentence}" for at, v in self.broken[:5])
        return "\n".join((told, *wrong))


def play(
    seed: int,
    product: Product = Product(),
    site: Site | None = None,
    kinds: tuple[FaultKind, ...] = tuple(FaultKind),
) -> Ran:
    """One whole run, with faults of these kinds; the same seed gives the same story."""
    return play_scene(seed, scene_of(site or site_of(seed)), product, kinds)


def play_scene(
    seed: int,
    scene: Scene,
    product: Product = Product(),
    kinds: tuple[FaultKind, ...] = tuple(FaultKind),
) -> Ran:
    """The same of any scene."""
    if seed % _ON_DISK:
        return _Play(seed, product, scene, product.store(InMemory())).whole(kinds)
    with TemporaryDirectory(prefix="skylift-simulation-") as folder:
        return _Play(seed, product, scene, product.store(OnDisk(Path(folder)))).whole(kinds)


class _Play:
    def __init__(self, seed: int, product: Product, scene: Scene, store: Store) -> None:
        self._product = product
        self._world = World(scene, seed, scene.build(), store, Chance(seed * 7919 + 17))
        self._watch = Watch(self._world, scene.record.policy.at_once)
        self._injector = Injector(self._world, around=self._watch.around)
        self._wires = Wires(self._world, self._injector, self._watch)
        self._terminal = Terminal(self._wires, self._watch.breaks)
        self._injector.rules |= {**mishaps.RULES, **hurts.RULES, **self._terminal.rules()}
        self._operator = Operator(self._world, self._terminal, self._watch.breaks)
        self._world.each_second = partial(_a_second, self._world, self._watch)
        self._idle, self._length, self._began = 0, 0, 0.0

    def whole(self, kinds: tuple[FaultKind, ...]) -> Ran:
        """From the plan to the end."""
        world = self._world
        self._users_begin()
        self._plan()
        self._injector.deal(len(planned(world).steps), kinds)
        self._apply()
        word: Word = self._open
        while world.run is None or world.run.closed is None:
            if world.processes >= MOST_PROCESSES:
                self._watch.breaks("ends", f"{world.processes} processes, and the run has no end")
                break
            if len(self._watch.broken) >= MOST:
                break
            self._live(word)
            if not self._watch.reload():
                break
            if world.run is None:
                world.pass_time(10)
            elif world.run.closed is None:
                word = self._operator.next_word(world.run)
        self._settle()
        return self._told()

    def _users_begin(self) -> None:
        """Users boot servers and make stacks; now and then somebody has closed a host before."""
        world = self._world
        if NOVA_COMPUTE in world.scene.record.services:
            world.cloud.builds.every_s = 11
            if world.seed % 3 == 0 and not world.scene.is_given:
                host = min(host for service, host in world.cloud.roster.places if service == NOVA_COMPUTE)
                world.cloud.roster.closed[f"{NOVA_COMPUTE}-{host}"] = "Ann changes a fan"
        if {HEAT_ENGINE, HEAT_API} <= world.scene.record.services.keys():
            world.cloud.stacks.every_s = 9
        world.pass_time(3)

    def _plan(self) -> None:
        """As ``skylift plan`` does."""
        world = self._world
        plan, findings = world.scene.propose(world.scene.seen(world.cloud, world.scene.goal))
        for finding in self._product.checks(findings):
            if finding.blocks:
                self._watch.breaks("plan", f"a check forbids to run it: {finding.sentence}")
        world.plan = self._product.plan(plan)
        world.note(f"plan of {len(world.plan.steps)} steps")

    def _apply(self) -> None:
        """As ``skylift apply`` does: not before the facts of the plan hold again."""
        world = self._world
        self._injector.meet(Moment.PLANNED)
        while changes := _drifted(world, self._product):
            world.note(f"refused: drifted: {changes[0].name}")
            world.repair()
            if world.chance.below(2):
                self._plan()
        self._watch.checks["drift"] += 1
        if any(ailment.kind is FaultKind.DRIFT for ailment in world.ailments):
            self._watch.breaks("drift", "a plan is applied to a cloud that is no longer what it was made for")
        self._watch.begin()

    def _open(self, journal: Journal) -> object:
        """Half of the operators approve all at once, the others stage by stage."""
        if journal.events():
            return None
        plan = planned(self._world)
        stepwise = bool(self._world.chance.below(2))
        return open_run(
            journal,
            RUN,
            cloud=plan.cloud,
            plan=digest_of(plan),
            approved=() if stepwise else plan.no_returns,
            asked=self._terminal.asked,
            gates=Gates((Stage.EXPAND, Stage.CONTROL_PLANE)) if stepwise else Gates(),
        )

    def _live(self, word: Word) -> None:
        """One process, from its first word to its rest or its death."""
        world = self._world
        world.processes += 1
        number = world.processes
        if world.run is None or not self._product.holds:
            world.worker = number
        kept = world.store.open()
        self._began = world.cloud.now
        try:
            with self._holding(number):
                world.worker = number
                self._work(word, WiredJournal(self._wires, kept, number))
        except Killed:
            world.note(f"process {number} is dead")
        except (AssertionError, LookupError, TypeError, ValueError) as bug:
            self._watch.breaks("bug", f"process {number} ends with {type(bug).__name__}: {bug}")
        except Problem as problem:
            world.note(f"process {number} ends: {problem.code}")
            world.pass_time(3)
            world.repair()
        finally:
            world.worker = 0
            if world.store.tears:
                kept.close()
        self._injector.meet(Moment.DEAD)
        world.pass_time(5 + world.chance.below(30))
        self._injector.meet(Moment.DEAD)

    @contextmanager
    def _holding(self, number: int) -> Iterator[None]:
        if not self._product.holds:
            yield
            return
        with self._world.store.hold(Holder(number, "bastion", "rey", 0, RUN)):
            yield

    def _work(self, word: Word, own: Journal) -> None:
        world, product = self._world, self._product
        if world.run is None:
            word(own)
        else:
            self._terminal.say(word)
        ports = product.ports(self._wires.ports())
        policy = world.cloud.record.policy
        limits = Limits(at_once=policy.at_once, unreachable=policy.timeouts.unreachable)
        plan = planned(world)
        journal = product.journal(own)
        execution = product.execution(plan, journal, ports, limits=limits)
        ports.vantage.start_probes(str(RUN))
        host = world.cloud.record.vantage.host
        loss = with_announced(policy.loss, plan)
        guard = LossGuard(ports.vantage, journal, str(RUN), loss=loss, host=host, outage=outage_of(plan))
        waits = not isinstance(plan.goal, Rollback)
        gate = GateGuard(GATES, asked_of(world), AtOnce(), waits=waits)
        drive(
            execution,
            Surroundings(clock=lambda: world.now, pause=self._pause, guard=guard, gate=gate),
        )

    def _pause(self) -> None:
        """Half a second to one in life; here a second, and four once nothing has changed for long."""
        world = self._world
        self._injector.meet(Moment.IDLE)
        if len(self._watch.broken) >= MOST:
            raise Killed
        longest = max(LONGEST_S, _DEADLINES * max(step.deadline for step in planned(world).steps))
        if world.cloud.now - self._began > longest:
            self._watch.breaks("ends", f"one process has waited for {longest} s, and for nothing that comes")
            raise Killed
        length = world.run.length if world.run else 0
        self._idle = self._idle + 1 if length == self._length else 0
        self._length = length
        parked = any(any(p.left(world.cloud.now).values()) for p in world.cloud.traffic.parking.values())
        world.pass_time(4 if self._idle > _IDLE and not parked else 1)

    def _settle(self) -> None:
        world = self._world
        world.repair()
        world.cloud.builds.every_s = world.cloud.stacks.every_s = 0
        world.pass_time(_SETTLES_S)
        while not all(world.cloud.is_up(host) for host in world.cloud.hosts):
            world.pass_time(30)
        hurts.start_failed(world)
        world.pass_time(30)
        self._watch.end()

    def _told(self) -> Ran:
        world = self._world
        return Ran(
            seed=world.seed,
            site=world.scene.name,
            outcome=world.run.standing.value if world.run else "never begun",
            events=world.run.length if world.run else 0,
            touches=world.touches,
            processes=world.processes,
            first=self._injector.first,
            befell=tuple(self._injector.befell),
            failures=self._watch.books.failures if self._watch.books else (),
            lost=Counter(str(request.pool) for request in world.cloud.failed) - self._watch.users.announced,
            announced=self._watch.users.announced,
            works_lost=self._watch.users.works_lost,
            lasted_s=round(world.cloud.now - NOW),
            checks=self._watch.counts(),
            broken=tuple(self._watch.broken),
            digest=world.digest,
            story=tuple(world.story),
        )


def _a_second(world: World, watch: Watch) -> None:
    """What users lose in it by code that is to be taken back, and what is seen of it."""
    if loses_requests(world):
        watch.around(lambda: lose(world))
    watch.look()


def _drifted(world: World, product: Product) -> tuple[Drift, ...]:
    """What of the plan's facts is no longer so, or cannot be seen."""
    cloud = world.scene.seen(world.cloud, world.scene.goal, tuple(world.silent))
    found = product.drift(planned(world), facts_of(cloud, world.cloud.record))
    return tuple(drifted for drifted in found if drifted.name not in world.scene.apart)
