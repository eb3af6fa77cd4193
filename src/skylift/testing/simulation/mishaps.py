"""Faults of the process, of its disk and of its wires."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from skylift.engine.journal_problems import JournalUnwritable
from skylift.model.ids import HostName
from skylift.model.problem import Problem, Uncertain
from skylift.ports import Ended
from skylift.testing.fake_state import FakeJob
from skylift.testing.fuse import Killed
from skylift.testing.simulation.injector import Befalling, Rule
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.scene import NoAnswer
from skylift.testing.simulation.wire import Call, Moment, Subject
from skylift.testing.simulation.world import World, planned

_LATE_S = 60
"""By how much what is late misses its deadline."""


def is_change(_: World, subject: Subject) -> bool:
    """A step's call that changes something."""
    return isinstance(subject, Call) and subject.changes and bool(subject.key)


def _is_look(_: World, subject: Subject) -> bool:
    return isinstance(subject, Call) and not subject.changes


def _is_append(_: World, subject: Subject) -> bool:
    return subject is not None and not isinstance(subject, Call)


def _tears(world: World) -> bool:
    return world.store.tears


def _starts_job(_: World, subject: Subject) -> bool:
    return isinstance(subject, Call) and subject.name == "jobs.start" and bool(subject.key)


def starts_command(world: World, subject: Subject) -> bool:
    """The start of a job that is no service's start."""
    return (
        _starts_job(world, subject) and isinstance(subject, Call) and subject.args[1].argv[0] != "systemctl"
    )


def _is_stop(_: World, subject: Subject) -> bool:
    return isinstance(subject, Call) and subject.name == "services.stop"


def _kill(_: Befalling) -> None:
    raise Killed


def _kill_in_flight(of: Befalling) -> None:
    call = of.call
    of.world.later.append((of.world.cloud.now + of.among(1, 3), lambda: _again(call)))
    raise Killed


def _tear(of: Befalling) -> None:
    world = of.world
    event = of.subject
    assert event is not None, "a rule fits appends only"  # noqa: S101 - as it says
    assert not isinstance(event, Call), event  # noqa: S101 - as above
    world.store.tear(event, after=world.run.length if world.run else 0, cut=of.among(0, 999))
    raise Killed


def _fill_journals_disk(_: Befalling) -> None:
    raise JournalUnwritable("journal", "database or disk is full")


def _lose_answer(of: Befalling) -> None:
    raise Uncertain(f"the connection broke before {of.call.name} was answered")


def _lose_command(of: Befalling) -> None:
    lost: tuple[Problem, ...] = (Uncertain("the connection broke"), NoAnswer(of.call.port))
    raise lost[of.number % 2]


def _again(call: Call) -> None:
    with suppress(Problem):
        call.make()


def _deliver_late(of: Befalling) -> None:
    call = of.call
    of.world.later.append((of.world.cloud.now + of.among(5, 60), lambda: _again(call)))


def _wait(of: Befalling) -> None:
    """What is held is renewed by threads of its own, so no such wait is long while something is held."""
    held = any(
        left for p in of.world.cloud.traffic.parking.values() for left in p.left(of.world.cloud.now).values()
    )
    of.world.pass_time(of.among(1, 2 if held else 28))


def job_of(world: World, call: Call) -> FakeJob:
    """The job that a call has just started."""
    host: HostName = call.args[0]
    return world.cloud.hosts[host].jobs[call.key]


def _too_long(of: Befalling) -> int:
    return planned(of.world).step(of.call.step).deadline + _LATE_S


def _last_long(of: Befalling) -> None:
    job_of(of.world, of.call).ends_at += _too_long(of)


def _stop_late(of: Befalling) -> None:
    host, name = of.call.args[:2]
    unit = of.world.cloud.hosts[host].units[name]
    if unit.inactive_at is not None:
        unit.inactive_at += _too_long(of)


def _fail_once(of: Befalling) -> None:
    job_of(of.world, of.call).fails = Ended(1, "a fault of the simulation")


def _fail_always(of: Befalling) -> None:
    curse = of.call.args[0], of.call.args[1].argv
    of.world.cursed.add(curse)
    job_of(of.world, of.call).fails = Ended(1, "a fault of the simulation that stays")
    of.world.ail(FaultKind.JOB_FAILS_ALWAYS, lambda: of.world.cursed.discard(curse), for_s=None)


def _warm_up_slowly(of: Befalling) -> None:
    of.world.slow[of.call.args[0]] = of.world.cloud.now + of.among(5, 90)


def _starts_service(world: World, subject: Subject) -> bool:
    return _starts_job(world, subject) and not starts_command(world, subject)


def _rule(
    moment: Moment, fits: Callable[[World, Subject], bool], befall: Callable[[Befalling], None]
) -> Rule:
    return Rule(frozenset({moment}), fits, befall)


_BEFORE, _AFTER = Moment.BEFORE_CALL, Moment.AFTER_CALL
RULES: Mapping[FaultKind, Rule] = {
    FaultKind.KILL_BEFORE_EFFECT: _rule(_BEFORE, is_change, _kill),
    FaultKind.KILL_AFTER_EFFECT: _rule(_AFTER, is_change, _kill),
    FaultKind.KILL_IN_FLIGHT: _rule(_BEFORE, is_change, _kill_in_flight),
    FaultKind.KILL_AT_A_LOOK: _rule(_BEFORE, _is_look, _kill),
    FaultKind.KILL_BEFORE_APPEND: _rule(Moment.BEFORE_APPEND, _is_append, _kill),
    FaultKind.KILL_AFTER_APPEND: _rule(Moment.AFTER_APPEND, _is_append, _kill),
    FaultKind.TORN_APPEND: Rule(frozenset({Moment.BEFORE_APPEND}), _is_append, _tear, _tears),
    FaultKind.JOURNAL_DISK_FULL: _rule(Moment.BEFORE_APPEND, _is_append, _fill_journals_disk),
    FaultKind.LOST_ANSWER: _rule(_AFTER, is_change, _lose_answer),
    FaultKind.LOST_COMMAND: _rule(_BEFORE, is_change, _lose_command),
    FaultKind.DELIVERED_TWICE: _rule(_AFTER, is_change, lambda of: _again(of.call)),
    FaultKind.DELIVERED_LATE: _rule(_AFTER, _starts_job, _deliver_late),
    FaultKind.SLOW_COMMAND: _rule(_BEFORE, is_change, _wait),
    FaultKind.SLOW_ANSWER: _rule(_AFTER, is_change, _wait),
    FaultKind.JOB_BEYOND_DEADLINE: _rule(_AFTER, starts_command, _last_long),
    FaultKind.STOP_HANGS: _rule(_AFTER, _is_stop, _stop_late),
    FaultKind.JOB_FAILS_ONCE: _rule(_AFTER, starts_command, _fail_once),
    FaultKind.JOB_FAILS_ALWAYS: _rule(_AFTER, starts_command, _fail_always),
    FaultKind.SLOW_WARM_UP: _rule(_AFTER, _starts_service, _warm_up_slowly),
}
