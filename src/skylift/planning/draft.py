"""The steps that a survey asks for, before anything is said of their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from skylift.actions.closing import OpenService
from skylift.actions.verify_pin import VerifyPin, Wanted
from skylift.catalog.catalog import Catalog
from skylift.catalog.component import Phase, Plane
from skylift.model.ids import HostName, ServiceName
from skylift.model.record import Record
from skylift.planning.plan import Stage, Step
from skylift.planning.steps import StepMaker
from skylift.planning.survey import Left, ServiceLeft, Survey
from skylift.planning.turns import Turn, restart, turn

VerbStep = tuple[Phase, Step]


@dataclass(frozen=True, slots=True)
class ServicePart:
    """All steps of one service."""

    left: ServiceLeft
    returns: tuple[Step, ...]
    opens: tuple[Step, ...]
    turns: tuple[Turn, ...]
    at_once: bool
    """Whether its turns go side by side."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Of its turns, each once, in an order that their edges allow."""
        if not self.left.together:
            return tuple(step for turn in self.turns for step in turn.steps)
        verbs = ("switch", "before-start", "enable", "start", "healthy")
        stops = [step for turn in self.turns for step in turn.until_stopped]
        starts = [step for turn in self.turns for step in turn.steps_of(*verbs)]
        rest = [step for turn in self.turns for step in turn.steps]
        return tuple({step.id: step for step in (*stops, *starts, *rest)}.values())

    @property
    def last(self) -> tuple[Turn, ...]:
        """The turns that no other turn of the service waits for."""
        return self.turns if self.at_once else self.turns[1:][-self.left.batch :] or self.turns

    @property
    def batches(self) -> tuple[tuple[Turn, ...], ...]:
        """Its turns: those of the first host alone, then so many as may be out at once."""
        if self.at_once:
            return (self.turns,)
        others, width = self.turns[1:], self.left.batch
        return (self.turns[:1], *(others[n : n + width] for n in range(0, len(others), width)))

    @property
    def beside_instances(self) -> bool:
        """Whether it runs where users' instances do, so that a turn of it may hurt them."""
        return self.left.known.plane is Plane.DATA


@dataclass(frozen=True, slots=True)
class Part:
    """All steps of one component."""

    left: Left
    readiness: Step | None
    """None if all its code is new already, or if it cannot be asked."""
    backups: tuple[tuple[Step, Step], ...]
    """Of each database that anything can damage: what saves it, and what rehearses the restore."""
    before: tuple[VerbStep, ...]
    """Phases that run before any new code."""
    restores: tuple[tuple[Step, Step], ...]
    """Of each database that a backup takes the place of: what saves it as it is, and what restores it."""
    services: tuple[ServicePart, ...]
    """In the order they go; those with nothing left have no turns."""
    unpins: tuple[tuple[Turn, ...], ...]
    """Restarts that let services look again at how new the others are, service by service."""
    free: Step | None
    """Sees that nothing holds its pin, before those restarts; none if there are none, or it has no pin."""
    pin: Step | None
    """Sees its pin where it should be; none if it has none."""
    after: tuple[VerbStep, ...]
    """Phases that run when no old code is left."""
    commands: tuple[Step, ...]
    """What is due when all is new."""
    verify: Step

    @property
    def late(self) -> tuple[Step, ...]:
        """Phases that old code bears, but that wait for another component's new code."""
        control_plane = [(p, step) for p, step in self.before if step.stage is Stage.CONTROL_PLANE]
        return tuple(step for phase, step in control_plane if phase.stage == "expand")

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every service's hosts, in their order."""
        return tuple(turn for service in self.services for turn in service.turns)

    @property
    def returns(self) -> tuple[Step, ...]:
        """Every backend of new code that something left out."""
        return tuple(step for service in self.services for step in service.returns)

    @property
    def opens(self) -> tuple[Step, ...]:
        """Every service on a host that an earlier plan left closed, and no turn opens."""
        return tuple(step for service in self.services for step in service.opens)

    @property
    def goings(self) -> tuple[Step, ...]:
        """The steps with which it begins to go out of use."""
        return tuple(turn.first for turn in (self.turns if self.left.cold else self.turns[:1]))

    @property
    def firsts(self) -> tuple[Step, ...]:
        """The steps with which it begins: a phase that waited for others, or its first turns."""
        return self.late[:1] or self.goings

    @property
    def unpinning(self) -> tuple[Step, ...]:
        """All that lets its services speak the new form of their messages, in order."""
        restarts = [step for turns in self.unpins for turn in turns for step in turn.steps]
        return (*((self.free,) if self.free else ()), *restarts, *((self.pin,) if self.pin else ()))

    @property
    def last_ways_back(self) -> tuple[Step, ...]:
        """The steps with which its way back ends when all its code is new."""
        ended_by = self.left.known.way_back.ends
        unpins = self.unpinning[:1] if f"unpin {self.left.name}" in ended_by else ()
        phases = (s for p, s in self.after if p.destructive or f"run {self.left.name}:{p.name}" in ended_by)
        return (*unpins, *phases)

    @property
    def ends(self) -> tuple[Step, ...]:
        """The steps after which all its code is new and used."""
        return tuple(turn.last for turn in self.last)

    @property
    def last(self) -> tuple[Turn, ...]:
        """The turns that no other turn of it waits for."""
        going = [service for service in self.services if service.turns]
        return self.turns if self.left.cold else going[-1].last if going else ()


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the witnesses when something is new, and before the next becomes so."""

    after: tuple[Turn, ...]
    step: Step
    before: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """All steps of a plan, by what they are for."""

    create_witnesses: Step
    stages: Mapping[HostName, Step]
    parts: tuple[Part, ...]
    """Components with something left, in their order."""
    looks: tuple[Look, ...]
    """Between components, and in one that runs beside instances between services and between batches."""
    look_at_witnesses: Step | None
    """Before the first step that ends a way back when all is new; none if there is no such step."""
    verify_witnesses: Step
    batch: int
    back: bool = False
    """Whether it goes back to the release that its components came from."""

    @property
    def restores(self) -> bool:
        """Whether databases are restored: then what is made before is gone, so witnesses are made after."""
        return any(part.restores for part in self.parts)

    @property
    def questions(self) -> tuple[Step, ...]:
        """What asks each service whether it is ready."""
        return tuple(p.readiness for p in self.parts if p.readiness)

    @property
    def backups(self) -> tuple[tuple[Step, Step], ...]:
        """What saves each database, and what rehearses the restore."""
        return tuple(pair for p in self.parts for pair in p.backups)

    @property
    def before(self) -> tuple[Step, ...]:
        """Every phase that old code bears, and that runs before any component's turns."""
        return tuple(step for p in self.parts for _, step in p.before if step.stage is Stage.EXPAND)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every component's hosts, in their order."""
        return tuple(turn for part in self.parts for turn in part.turns)

    @property
    def services(self) -> Mapping[ServiceName, ServicePart]:
        """Every service of the parts."""
        return {service.left.name: service for part in self.parts for service in part.services}

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in an order that their edges allow."""
        return (
            *(() if self.restores else (self.create_witnesses,)),
            *self.stages.values(),
            *self.questions,
            *(step for pair in self.backups for step in pair),
            *self.before,
            *self._watched(step for p in self.parts for step in _control_plane(p)),
            *((self.look_at_witnesses,) if self.look_at_witnesses else ()),
            *(step for p in self.parts for step in p.unpinning),
            *(step for p in self.parts for _, step in p.after),
            *(step for p in self.parts for step in p.commands),
            *(p.verify for p in self.parts),
            *((self.create_witnesses,) if self.restores else ()),
            self.verify_witnesses,
        )

    def _watched(self, steps: Iterable[Step]) -> Iterator[Step]:
        """The steps, and after the last that a look waits for the look itself."""
        looks = {look.after[-1].last.id: look.step for look in self.looks}
        for step in steps:
            yield step
            if step.id in looks:
                yield looks[step.id]


def draft(found: Survey, record: Record, catalog: Catalog, label: str) -> Draft:
    """The steps for what is left; ``label`` names the witnesses and backups of this plan.

    Raises:
        ValueError: nothing is left.
    """
    maker = StepMaker(record, catalog, label)
    parts = tuple(_part(maker, left) for left in found.components if not left.whole)
    if not parts:
        msg = "nothing is left to plan"
        raise ValueError(msg)
    hosts = {turn.host for part in parts for turn in part.turns if turn.steps_of("start")}
    ends = any(part.last_ways_back for part in parts)
    restores = any(part.restores for part in parts)
    return Draft(
        create_witnesses=maker.create_witnesses(Stage.VERIFY if restores else Stage.PREPARE),
        stages={host: maker.stage(found.target, host) for host in sorted(hosts)},
        parts=parts,
        looks=() if restores else tuple(_looks(maker, parts)),
        look_at_witnesses=maker.look_at_witnesses(Stage.CONVERGE) if ends else None,
        verify_witnesses=maker.look_at_witnesses(Stage.VERIFY),
        batch=record.policy.batch,
        back=found.back,
    )


def _looks(maker: StepMaker, parts: tuple[Part, ...]) -> Iterator[Look]:
    between = (pair for part in parts for pair in _between(part, parts))
    for number, (after, before) in enumerate(between, 1):
        yield Look(after, maker.look_at_witnesses(Stage.CONTROL_PLANE, number), before)


def _between(part: Part, parts: tuple[Part, ...]) -> Iterator[tuple[tuple[Turn, ...], tuple[Step, ...]]]:
    """After which turns of a component, and before which steps, the witnesses are looked at."""
    services = [service for service in part.services if service.turns]
    for service, then in () if part.left.cold else zip_longest(services, services[1:]):
        for batch, next_batch in pairwise(service.batches) if service.beside_instances else ():
            yield batch, tuple(turn.first for turn in next_batch)
        if then and (service.beside_instances or then.beside_instances):
            yield service.last, (then.turns[0].first,)
    going = [other for other in parts if other.turns]
    for other in going[going.index(part) + 1 :][:1] if services else ():
        yield part.last, other.firsts


def _part(maker: StepMaker, left: Left) -> Part:
    # What goes back only turns its services over: the release before has no question to what came after
    # it, no schema moves, and nothing was unpinned.
    up = left.old and not left.back
    asked = up and left.known.commands.upgrade_check
    pin = left.known.pin if left.known.pin and left.known.pin.mechanism == "services-table" else None
    services = tuple(
        ServicePart(
            left=service,
            returns=tuple(maker.undrain(service, host) for host in service.returns),
            opens=tuple(_opening(maker, left, service, host) for host in service.opens),
            turns=tuple(turn(maker, left, service, host) for host in service.turns),
            at_once=left.cold or service.together is not None,
        )
        for service in left.services
    )
    pinned = [s for s in left.services if up and pin and not s.ends and s.name in pin.services]
    held = bool(up and left.pins)
    return Part(
        left=left,
        readiness=maker.readiness(left) if asked else None,
        backups=maker.backups(left) if up or left.phases else (),
        before=maker.phases(left, "expand") + maker.phases(left, "cold"),
        restores=maker.restores(left),
        services=services,
        unpins=tuple(tuple(restart(maker, left, s, host) for host in s.hosts) for s in pinned),
        free=_pin(maker, left, "pin-free") if held and pinned else None,
        pin=_pin(maker, left, "pin") if held else None,
        after=maker.phases(left, "converge"),
        commands=maker.commands(left) if up else (),
        verify=maker.verify(left),
    )


def _opening(maker: StepMaker, left: Left, service: ServiceLeft, host: HostName) -> Step:
    """Lets a service get new work again that an earlier plan left closed."""
    rosters, labels = left.rosters_of(service.name, host), service.closings[host].left_by
    action = OpenService(host, service.name, rosters, labels)
    return maker.step(f"{service.name}:open@{host}", Stage.CONTROL_PLANE, action)


def _pin(maker: StepMaker, left: Left, name: str) -> Step:
    """Sees nothing hold the component to an older form of its messages."""
    services = sorted({service for _, service in left.pins})
    wanted = tuple(Wanted(s, version) for s in services if (version := left.version(s)) is not None)
    return maker.step(f"{left.name}:{name}", Stage.CONVERGE, VerifyPin(left.name, left.rosters, wanted))


def _control_plane(part: Part) -> tuple[Step, ...]:
    """Turns as they come; of a component that is stopped as a whole, first all stops, then its phases."""
    cold = [step for phase, step in part.before if phase.stage == "cold"]
    cold += [step for pair in part.restores for step in pair]
    stops = [step for t in _as_they_stop(part) for step in t.until_stopped] if part.left.cold else []
    rest = [
        step for service in part.services for step in (*service.returns, *service.steps) if step not in stops
    ]
    return (*part.late, *stops, *cold, *rest, *part.opens)


def _as_they_stop(part: Part) -> tuple[Turn, ...]:
    """The turns of a component that is stopped as a whole: where work is waited for, after its APIs."""
    if not any(turn.idles for turn in part.turns):
        return part.turns
    return tuple(sorted(part.turns, key=lambda turn: (not turn.drains, not turn.idles)))
