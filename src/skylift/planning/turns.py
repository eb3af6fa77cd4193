"""A turn: one service on one host, from serving old code to serving new code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from skylift.actions.action import Action
from skylift.actions.await_ended import AwaitEnded
from skylift.actions.await_heard import AwaitHeard
from skylift.actions.await_report import AwaitReport
from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend, UndrainBackend
from skylift.actions.closing import AwaitIdle, CloseService, OpenService
from skylift.actions.lower_version import LowerVersion
from skylift.actions.parking import ParkPool, UnparkPool
from skylift.actions.run_before_start import RunBeforeStart
from skylift.actions.service_run import AwaitHealthy, StartService, StopService, WarmUpBackend
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.actions.unit_start import DisableUnit, EnableUnit
from skylift.catalog.catalog import filled
from skylift.model.ids import HostName, PoolName, Seconds
from skylift.model.roster import Roster
from skylift.planning.parking import cannot_park, pools_of
from skylift.planning.plan import Impact, Notice, Stage, Step
from skylift.planning.steps import StepMaker
from skylift.planning.survey import Left, ServiceLeft
from skylift.ports import Command

UNPIN = "unpin-"
"""How the verbs of a restart begin that lets a service look again at how new the others are."""

_BECAUSE = {
    "idle": "work on a host comes to an end only if no new work comes",
    "open": "a service that was just started is given work only when it is seen to do some",
    "park": "users' requests wait before anything that could lose them stops",
    "still": "what was asked for just before requests waited may be under way yet",
    "quiet": "requests end on a backend only if no new ones come",
    "stop": "a stop would cut what is in hand",
    "switch": "a running process must not find another release's files under it",
    "before-start": "what has stopped does not change it again",
    "lower": "what runs would write its own version again",
    "disable": "a host that is started again meanwhile must not bring it back",
    "disable stop": "a unit that starts with its host would not stay stopped",
    "start": "a service starts on what its link points to",
    "enable start": "a host that is started again while its service starts brings it back only then",
    "enable": "a unit can start with its host only on what its link points to",
    "healthy": "only what was started can answer",
    "warm-up": "only what is healthy is worth a request",
    "unpark": "what waits is answered by a service that runs",
    "report": "only what runs can say of itself that it works, and no user need wait for that",
    "heard": "what reports has told its servers which release it is of",
    "undrain": "the first requests to a service that was just started may fail, so they must not be a user's",
}
"""Why each verb of a turn waits for the one before it."""


def because(verb: str, *, after: str = "") -> str:
    """Why a verb of a turn waits for the one before it."""
    return _BECAUSE.get(f"{after} {verb}") or _BECAUSE.get(verb) or _BECAUSE[verb.partition("-")[0]]


_Verbs = tuple[tuple[str, Action], ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One service on one host, out of use and back, as steps by their verbs."""

    host: HostName
    verbs: tuple[tuple[str, Step], ...]
    """In their order."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of it, in order."""
        return tuple(step for _, step in self.verbs)

    @property
    def first(self) -> Step:
        """From here on the service is less than whole on its host."""
        return self.steps[0]

    @property
    def last(self) -> Step:
        """From its end on it is in use again."""
        return self.steps[-1]

    @property
    def drains(self) -> bool:
        """Whether users' requests reach the service through the balancer."""
        return "drain" in dict(self.verbs)

    @property
    def idles(self) -> bool:
        """Whether it is waited for until it has nothing in hand."""
        return "idle" in dict(self.verbs)

    @property
    def parks(self) -> tuple[Step, ...]:
        """The steps that let users' requests wait until the end of the turn."""
        return tuple(step for _, step in self.verbs if isinstance(step.action, ParkPool))

    @property
    def until_stopped(self) -> tuple[Step, ...]:
        """The steps up to its stop."""
        verbs = [verb for verb, _ in self.verbs]
        return self.steps[: verbs.index("stop") + 1] if "stop" in verbs else ()

    def step(self, verb: str) -> Step:
        """The step of one verb.

        Raises:
            KeyError: the turn has none.
        """
        return dict(self.verbs)[verb]

    def steps_of(self, *verbs: str) -> tuple[Step, ...]:
        """The steps of these verbs, if it has them: what begins is not stopped, what ends not started."""
        return tuple(step for verb, step in self.verbs if verb in verbs)


def steps_of(turns: Iterable[Turn], verb: str) -> tuple[Step, ...]:
    """The steps of one verb in all turns that have it."""
    return tuple(step for turn in turns for step in turn.steps_of(verb))


def turn(maker: StepMaker, left: Left, service: ServiceLeft, host: HostName) -> Turn:
    """A service's turn on ``host``, to the artifact that the component goes to."""
    entry, path, runs = service.entry, left.target.path, service.running[host]
    if service.ends:
        return _last_turn(maker, (left, service, host))
    old = None if host in service.begins or runs is None else runs.path
    switch = SwitchArtifact(host, service.name, entry.link, old=old, new=path)
    of = (left, service, host)
    return _first_turn(maker, of, switch) if host in service.begins else _turn(maker, of, switch)


def restart(maker: StepMaker, left: Left, service: ServiceLeft, host: HostName) -> Turn:
    """The same without another artifact: the service looks again at how new the others are.

    By then the API is new, and closed is only what it can open.
    """
    api = left.target.release
    closings = {host: found.opened_by(service.known, api) for host, found in service.closings.items()}
    return _turn(maker, (left, replace(service, together=None, closings=closings), host), None)


def _first_turn(maker: StepMaker, of: tuple[Left, ServiceLeft, HostName], switch: SwitchArtifact) -> Turn:
    """Of a service that begins: there is nothing to stop, and nobody it could be taken from."""
    _, service, host = of
    _, after = _around(maker, of)
    enable = EnableUnit(host, service.entry.unit)
    naming = _Naming(maker, of)
    verbs: _Verbs = (
        ("switch", switch),
        ("enable", enable),
        *_started(of),
        *(after if service.entry.balanced else ()),
    )
    return Turn(host, tuple(naming.step(verb, action, None) for verb, action in verbs))


def _last_turn(maker: StepMaker, of: tuple[Left, ServiceLeft, HostName]) -> Turn:
    """Of a service that ends: nothing of it is started again, now or with its host."""
    left, service, host = of
    entry = service.entry
    before, after = _around(maker, of)
    waited, _ = _closed(maker, of)
    verbs: _Verbs = (
        *waited,
        *before,
        ("disable", DisableUnit(host, entry.unit)),
        ("stop", StopService(host, entry.unit, entry.link)),
        *(() if entry.balanced else after),
    )
    naming = _Naming(maker, of)
    noticed = _notice(maker, left, service, host)
    return Turn(host, tuple(naming.step(verb, action, noticed) for verb, action in verbs))


def _started(of: tuple[Left, ServiceLeft, HostName]) -> _Verbs:
    left, service, host = of
    entry = service.entry
    port, health = (entry.port, service.known.health) if entry.balanced else (0, "")
    return (
        ("start", StartService(host, entry.unit, entry.link)),
        ("healthy", AwaitHealthy(host, entry.unit, entry.link, left.target.path, port, health)),
    )


def _before_start(of: tuple[Left, ServiceLeft, HostName]) -> _Verbs:
    """What the new release's start would do to users if its host were left as the old one leaves it."""
    left, service, host = of
    if (due := service.known.due_before_start(left.leaves, left.target.release)) is None:
        return ()
    command = Command(filled(due.argv, left.target.path), "root")
    return (("before-start", RunBeforeStart(host, service.name, due.name, command, due.because)),)


def _lowered(of: tuple[Left, ServiceLeft, HostName]) -> _Verbs:
    """What lets a service that goes back start where all rows of its name tell of newer ones."""
    left, service, host = of
    known, entry = left.known.roster, service.entry
    version = left.version(service.name)
    rosters = left.rows_of(service.name, host)
    if not left.back or left.restored or known is None or not known.floor or not rosters or version is None:
        return ()
    return (("lower", LowerVersion(host, service.name, entry.unit, entry.link, rosters, version)),)


def _heard(of: tuple[Left, ServiceLeft, HostName], rosters: tuple[Roster, ...]) -> _Verbs:
    """What lets the other hosts of a service go back: by then they are told all from the first moment on."""
    left, service, host = of
    entry, late = service.entry, service.known.heard_late
    if late is None or not left.back or left.cold or service.turns[0] != host or not service.turns[1:]:
        return ()
    return (("heard", AwaitHeard(host, service.name, entry.unit, entry.link, rosters, late.for_s)),)


def _turn(maker: StepMaker, of: tuple[Left, ServiceLeft, HostName], switch: SwitchArtifact | None) -> Turn:
    left, service, host = of
    entry = service.entry
    verbs: _Verbs = (
        ("stop", StopService(host, entry.unit, entry.link)),
        *((("switch", switch), *_before_start(of)) if switch else ()),
        *_lowered(of),
        *_started(of),
    )
    before, after = _around(maker, of)
    closed, opened = _closed(maker, of)
    if rosters := left.rosters_of(service.name, host):
        wanted = left.version(service.name) or 0
        report = AwaitReport(host, service.name, entry.unit, entry.link, rosters, wanted)
        after = (*after, ("report", report), *_heard(of, rosters))
    before, after = (*closed, *before), (*after, *opened)
    naming = _Naming(maker, of, unpins=switch is None)
    noticed = _notice(maker, left, service, host)
    return Turn(host, tuple(naming.step(verb, action, noticed) for verb, action in (*before, *verbs, *after)))


@dataclass(frozen=True, slots=True)
class _Naming:
    """Names the steps of one turn."""

    maker: StepMaker
    of: tuple[Left, ServiceLeft, HostName]
    unpins: bool = False

    def step(self, verb: str, action: Action, noticed: Impact | None) -> tuple[str, Step]:
        """A verb's step; from its last verb on users notice nothing more.

        What is of no host has no host's name where all hosts share it.
        """
        left, service, host = self.of
        round_of, stage = (UNPIN, Stage.CONVERGE) if self.unpins else ("", Stage.CONTROL_PLANE)
        shared = service.together and isinstance(action, AwaitEnded | ParkPool | UnparkPool)
        name = f"{service.name}:{round_of}{verb}" + ("" if shared else f"@{host}")
        over = isinstance(action, UndrainBackend | OpenService)
        over = over or (isinstance(action, AwaitEnded) and not action.limit)
        over = over or (
            isinstance(action, UnparkPool) and action.pool == _parked(self.maker, left, service)[-1]
        )
        # A closed host gets no new work before it is opened, and that comes after its report.
        open_yet = noticed is None or noticed.notice is not Notice.ELSEWHERE
        over = over or (open_yet and isinstance(action, AwaitReport | AwaitHeard))
        return verb, self.maker.step(name, stage, action, None if over else noticed)


def _around(maker: StepMaker, of: tuple[Left, ServiceLeft, HostName]) -> tuple[_Verbs, _Verbs]:
    """What users' requests are spared before the stop, and given back after the start."""
    left, service, host = of
    entry, known = service.entry, service.known
    if entry.balanced:
        warm_up = WarmUpBackend(host, left.name, entry.port, known.ask)
        return (
            (("drain", DrainBackend(entry.pool, host)), ("quiet", AwaitQuiet(entry.pool, host))),
            (("warm-up", warm_up), ("undrain", UndrainBackend(entry.pool, host))),
        )
    pools = _parked(maker, left, service)
    limit = maker.record.policy.park_s
    park = tuple((_of_pool("park", n, pool), ParkPool(pool, limit)) for n, pool in enumerate(pools))
    unpark = tuple((_of_pool("unpark", n, pool), UnparkPool(pool)) for n, pool in enumerate(pools))
    if service.together:
        # Users wait for what was asked for in the last moment, and not for all that takes long.
        ended, still = (AwaitEnded(left.name, left.rosters, within) for within in (Seconds(0), limit))
        return (("ended", ended), *park, *((("still", still),) if park else ())), unpark
    return park, unpark


def _closed(maker: StepMaker, of: tuple[Left, ServiceLeft, HostName]) -> tuple[_Verbs, _Verbs]:
    """What keeps new work away from a host before its stop, and lets it come again."""
    left, service, host = of
    entry, closing = service.entry, service.closings.get(host)
    if closing is None:
        return (), ()
    rosters = left.rosters_of(service.name, host)
    labels = (maker.label, *closing.left_by) if closing.closes else ()
    close = CloseService(host, service.name, rosters, labels)
    idle = AwaitIdle(host, service.name, entry.unit, entry.link, rosters, labels)
    return (
        (*((("close", close),) if closing.closes else ()), *((("idle", idle),) if closing.idles else ())),
        (("open", OpenService(host, service.name, rosters, labels)),) if closing.closes else (),
    )


def _of_pool(verb: str, number: int, pool: PoolName) -> str:
    return verb if number == 0 else f"{verb}-{pool}"


def _parked(maker: StepMaker, left: Left, service: ServiceLeft) -> tuple[PoolName, ...]:
    """The pools whose requests wait while the service restarts, for it cannot hand its work over."""
    if service.together:
        return pools_of(maker.record, service.together.park)
    if left.cold or cannot_park(maker.record, maker.catalog):
        return ()
    return pools_of(maker.record, service.known.park)


def _notice(maker: StepMaker, left: Left, service: ServiceLeft, host: HostName) -> Impact | None:
    """What users notice while the service is out: of one on the bus, that requests wait or go elsewhere."""
    if service.entry.balanced:
        return Impact(Notice.DOWN if left.cold else Notice.FEWER_BACKENDS, left.name)
    if _parked(maker, left, service):
        return Impact(Notice.SLOW, left.name)
    closing = service.closings.get(host)
    return Impact(Notice.ELSEWHERE, left.name) if closing and closing.closes else None
