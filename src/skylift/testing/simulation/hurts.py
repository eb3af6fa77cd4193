"""Faults of the cloud: hosts, networks, services, what users have under way, and clocks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from skylift.model.cloud import UnitState
from skylift.model.ids import HostName, UnitName
from skylift.model.work import InHand
from skylift.testing.fake_builds import NOVA_COMPUTE
from skylift.testing.fake_stacks import HEAT, HEAT_ENGINE
from skylift.testing.fake_state import GIB, FakeHost, FakeUnit
from skylift.testing.fake_work import DUMP, FETCH, is_unit_of, run_unit
from skylift.testing.plans import RUN
from skylift.testing.simulation.injector import Befalling, Rule
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.wire import Call, Moment, Subject
from skylift.testing.simulation.world import World

Alive = tuple[FakeHost, UnitName, FakeUnit]
_JUST_S = 60
"""For how long a service counts as just started."""
_ROOM = 40 * GIB


def _host(of: Befalling) -> FakeHost:
    """One that serves."""
    serving = [host for host in of.world.cloud.hosts.values() if host.units]
    return serving[of.number // 7 % len(serving)]


def _cut_off(of: Befalling, kind: FaultKind, seconds: int) -> None:
    host = _host(of)

    def reach() -> None:
        host.reachable = True

    host.reachable = False
    of.world.note(f"{host.name} for {seconds} s")
    of.world.ail(kind, reach, for_s=seconds)


def _fall_silent(of: Befalling) -> None:
    patience = of.world.cloud.record.policy.timeouts.unreachable
    _cut_off(of, FaultKind.HOST_SILENT, patience + of.among(30, 120))


def _reboot(of: Befalling, *, more_s: int = 0) -> None:
    host = _host(of)
    of.world.note(f"{host.name} for {more_s} s more")
    _cut_stacks(of.world, host.units)
    of.world.booted.add(host.name)
    _forget(of.world, host.name)
    of.world.cloud.reboot(host.name)
    host.up_at += more_s


def _silence(port: str, kind: FaultKind) -> Callable[[Befalling], None]:
    def befall(of: Befalling) -> None:
        of.world.silent[port] = kind
        of.world.ail(kind, lambda: _speak(of.world, port), for_s=of.among(3, 60))

    return befall


def _speak(world: World, port: str) -> None:
    world.silent.pop(port, None)


def _fill_disk(of: Befalling) -> None:
    host = of.world.cloud.hosts[of.call.args[0]]

    def clean() -> None:
        host.disk_free_bytes = _ROOM

    host.disk_free_bytes = GIB // 4
    of.world.ail(FaultKind.HOST_DISK_FULL, clean, for_s=None)


def _needs_disk(_: World, subject: Subject) -> bool:
    return (
        isinstance(subject, Call)
        and subject.name == "jobs.start"
        and subject.args[1].argv[0] in {FETCH, DUMP}
    )


def _restart_balancer(of: Befalling) -> None:
    balancers = of.world.cloud.controllers
    balancer = balancers[of.number // 7 % len(balancers)].name
    _forget(of.world, balancer)
    of.world.cloud.traffic.forget(balancer)


def _forget(world: World, balancer: HostName) -> None:
    """Note when the balancer that users reach forgot what it was told; of the others nobody notices."""
    if balancer == world.cloud.traffic.vip_holder:
        world.forgot_at = world.cloud.now


def _end_probes(of: Befalling) -> None:
    cloud = of.world.cloud
    tally = (cloud.traffic.requests, len(cloud.traffic.failed), cloud.now)
    cloud.probes[RUN] = replace(cloud.probes[RUN], ended=tally)


def _has_probes(world: World, _: Subject) -> bool:
    probes = world.cloud.probes.get(RUN)
    return probes is not None and probes.ended is None


def _hurt_witness(of: Befalling) -> None:
    label = min(of.world.cloud.witnesses)

    def mend() -> None:
        of.world.cloud.witnesses[label] = True

    of.world.cloud.witnesses[label] = False
    of.world.ail(FaultKind.WITNESS_HURT, mend, for_s=None)


def _alive(world: World) -> Iterator[Alive]:
    for host in world.cloud.hosts.values():
        for name, unit in host.units.items():
            if unit.state is UnitState.ACTIVE:
                yield host, name, unit


def _just_started(world: World) -> Iterator[Alive]:
    """Services on the new artifact, started a short while ago."""
    since, target = world.cloud.now - _JUST_S, world.scene.target
    for host, name, unit in _alive(world):
        if target is not None and unit.running == target.path and (unit.started_at or 0.0) >= since:
            yield host, name, unit


def _kill_service(of: Befalling, kind: FaultKind, among: Iterator[Alive]) -> None:
    found = list(among)
    host, name, unit = found[of.number // 7 % len(found)]
    of.world.note(f"{name} on {host.name}")
    _cut_stacks(of.world, (name,))
    of.world.cloud.traffic.cut((unit.pool, host.name))
    unit.state, unit.running, unit.pid = UnitState.FAILED, None, None
    of.world.ail(kind, lambda: start_failed(of.world), for_s=None)


def _break_artifact(of: Befalling) -> None:
    cloud = of.world.cloud
    target = of.world.scene.target
    assert target is not None, "a rule fits scenes with a target only"  # noqa: S101 - as it says

    def mend() -> None:
        cloud.broken.discard(target.path)
        start_failed(of.world)

    cloud.broken.add(target.path)
    of.world.ail(FaultKind.SERVICE_CANNOT_START, mend, for_s=None)


def _cut_stacks(world: World, units: Collection[UnitName]) -> None:
    """Note what an engine has under way that ends now."""
    if any(is_unit_of(world.cloud, name, HEAT_ENGINE) for name in units):
        world.cut |= {stack.id for stack in world.cloud.stacks.all if stack.in_hand and stack.begun_by}


def start_failed(world: World) -> None:
    """What an operator does for services that ended by themselves."""
    cloud = world.cloud
    for host in cloud.hosts.values():
        for unit in host.units.values():
            if unit.state is UnitState.FAILED and unit.enabled and cloud.is_up(host.name):
                run_unit(cloud, host, unit)
                if unit.pid is not None:
                    world.revived.add(unit.pid)


def _mute(of: Befalling) -> None:
    roster = of.world.cloud.roster
    places = sorted(roster.places)
    place = places[of.number // 7 % len(places)]
    roster.mute.add(place)
    of.world.ail(FaultKind.REPORTS_STOP, lambda: roster.mute.discard(place), for_s=of.among(20, 120))


def _reports(world: World) -> bool:
    return bool(world.cloud.roster.places)


def _stick(of: Befalling) -> None:
    cloud = of.world.cloud
    if NOVA_COMPUTE in cloud.record.services:
        hosts = cloud.record.hosts_in(cloud.record.services[NOVA_COMPUTE].role)
        build = cloud.builds.ask(hosts[of.number // 7 % len(hosts)].name)
        build.ends_at = cloud.now + of.among(20, 300)

        def end() -> None:
            build.ends_at = min(build.ends_at or cloud.now, cloud.now)

        of.world.ail(FaultKind.WORK_STUCK, end, for_s=None)
        return
    database = next(iter(cloud.record.components[HEAT].databases.values()))
    work = InHand(HEAT, database, "stack", "CREATE_IN_PROGRESS", 1, ())
    cloud.in_hand.append(work)
    of.world.ail(FaultKind.WORK_STUCK, lambda: cloud.in_hand.remove(work), for_s=of.among(5, 120))


def _has_work(world: World) -> bool:
    return HEAT in world.cloud.record.components or NOVA_COMPUTE in world.cloud.record.services


def _jump(of: Befalling, sign: int) -> None:
    of.world.skew += sign * of.among(1, 7200)


def _change(of: Befalling) -> None:
    """Somebody drains a backend, or brings an artifact's link elsewhere."""
    cloud = of.world.cloud
    told = next(iter(cloud.traffic.servers.values()))
    pool, host = [place for place in of.world.places if told[place].told == "ready"][-1]
    if of.number % 2:
        for servers in cloud.traffic.servers.values():
            servers[pool, host].told = "drain"

        def undo() -> None:
            for servers in cloud.traffic.servers.values():
                servers[pool, host].told = "ready"
    else:
        links = cloud.hosts[host].links
        link, was = next(iter(sorted(links.items())))
        links[link] = was.with_name("elsewhere")

        def undo() -> None:
            links[link] = was

    of.world.ail(FaultKind.DRIFT, undo, for_s=None)


def _always(_: World, __: Subject) -> bool:
    return True


_ANY_TIME = frozenset({Moment.BEFORE_CALL, Moment.IDLE, Moment.DEAD})
_PLANNED = frozenset({Moment.PLANNED})
_IDLE = frozenset({Moment.IDLE})
RULES: Mapping[FaultKind, Rule] = {
    FaultKind.HOST_DISK_FULL: Rule(frozenset({Moment.BEFORE_CALL}), _needs_disk, _fill_disk),
    FaultKind.HOST_CUT_OFF: Rule(
        _ANY_TIME, _always, lambda of: _cut_off(of, FaultKind.HOST_CUT_OFF, of.among(3, 25))
    ),
    FaultKind.HOST_SILENT: Rule(_ANY_TIME, _always, _fall_silent),
    FaultKind.HOST_REBOOTS: Rule(_ANY_TIME, _always, _reboot),
    FaultKind.HOST_LOSES_POWER: Rule(_ANY_TIME, _always, lambda of: _reboot(of, more_s=of.among(60, 300))),
    FaultKind.BALANCER_CUT_OFF: Rule(_ANY_TIME, _always, _silence("balancer", FaultKind.BALANCER_CUT_OFF)),
    FaultKind.BALANCER_RESTARTS: Rule(_ANY_TIME, _always, _restart_balancer),
    FaultKind.DATABASE_CUT_OFF: Rule(_ANY_TIME, _always, _silence("database", FaultKind.DATABASE_CUT_OFF)),
    FaultKind.BROKER_CUT_OFF: Rule(_PLANNED, _always, _silence("broker", FaultKind.BROKER_CUT_OFF)),
    FaultKind.VANTAGE_CUT_OFF: Rule(_ANY_TIME, _always, _silence("vantage", FaultKind.VANTAGE_CUT_OFF)),
    FaultKind.PROBES_END: Rule(_IDLE, _has_probes, _end_probes),
    FaultKind.WITNESS_HURT: Rule(_ANY_TIME, lambda w, _: bool(w.cloud.witnesses), _hurt_witness),
    FaultKind.SERVICE_DIES: Rule(
        _ANY_TIME,
        lambda w, _: any(_alive(w)),
        lambda of: _kill_service(of, FaultKind.SERVICE_DIES, _alive(of.world)),
    ),
    FaultKind.NEW_SERVICE_DIES: Rule(
        _ANY_TIME,
        lambda w, _: any(_just_started(w)),
        lambda of: _kill_service(of, FaultKind.NEW_SERVICE_DIES, _just_started(of.world)),
    ),
    FaultKind.SERVICE_CANNOT_START: Rule(
        _ANY_TIME, _always, _break_artifact, lambda w: w.scene.target is not None
    ),
    FaultKind.REPORTS_STOP: Rule(_ANY_TIME, _always, _mute, _reports),
    FaultKind.WORK_STUCK: Rule(_ANY_TIME, _always, _stick, _has_work),
    FaultKind.CLOCK_FORWARD: Rule(_ANY_TIME, _always, lambda of: _jump(of, 1)),
    FaultKind.CLOCK_BACK: Rule(_ANY_TIME, _always, lambda of: _jump(of, -1)),
    FaultKind.DRIFT: Rule(_PLANNED, _always, _change, lambda w: bool(w.places)),
}
