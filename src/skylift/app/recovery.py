"""What to do about a plan when the machine that ran Skylift is gone, or a night goes wrong (row 157).

Pure: from a plan, its record and the catalog, and from nothing that a run finds. So it is written beside the
plan, may be printed, and is made again from the plan whenever somebody wants it. It names no run: what is
told here is said to the newest one.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import PurePosixPath

from skylift.actions.action import NoWayBack
from skylift.actions.backups import BackUpDatabase, RehearseRestore, RestoreDatabase
from skylift.actions.closing import OpenService
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.parking import LEASE_S
from skylift.actions.service_run import StartService, StopService
from skylift.actions.unit_start import EnableUnit
from skylift.catalog.catalog import Catalog
from skylift.engine.decide import Order
from skylift.engine.loans import Loan
from skylift.engine.verbs import Kind, said_of
from skylift.model.backup import Backup
from skylift.model.goal import Rollback, Upgrade, take_back
from skylift.model.ids import ComponentName, Digest, HostName, StepId
from skylift.model.named_files import named_files, programs
from skylift.model.problem import Remedy
from skylift.model.record import Record
from skylift.model.roster import is_name_of
from skylift.planning.plan import Notice, Plan, Stage, Step
from skylift.planning.text import digest_of
from skylift.planning.window import Window, changed, ended_with, owner_of_step, windows

_NOT_BESIDE = (MigrateSchema, RestoreDatabase)
"""What nothing of its component may be started beside by hand."""
_OBSERVED = "what is done is observed, and drops out of a new plan"
_FORGOTTEN = "nobody knows any more what there was to take back, and plans lead forward only"


@dataclass(frozen=True, slots=True)
class StageTold:
    """One stage of the plan, and how far the way back by steps is open meanwhile."""

    stage: Stage
    changes: tuple[str, ...]
    """What is done: of each subject one line."""
    noticed: tuple[str, ...]
    """What users see, of which API."""
    ends: tuple[StepId, ...] = ()
    """The steps in it with which a way back ends, in their order."""
    closed: tuple[ComponentName, ...] = ()
    """What no step leads back any more when all stages before are done."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """How one component goes back by steps."""

    component: ComponentName
    until: tuple[StepId, ...]
    """The steps of which the first to begin ends it; none if it can go back at any time."""
    after: tuple[ComponentName, ...]
    """What goes back before it, or with it, where that is new."""
    command: str


@dataclass(frozen=True, slots=True)
class NoReturn:
    """A step after which something has no way back but by a backup."""

    step: StepId
    title: str
    ends: tuple[ComponentName, ...]
    """Whose way back by steps ends with it; none if it is of the step alone."""
    because: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup that the plan makes, or restores."""

    component: ComponentName
    backup: Backup
    step: StepId
    """Which makes it, or restores it."""
    rehearsed_by: StepId | None
    restored: bool
    """Whether an earlier run made it, and this plan restores it."""
    look: str
    """The command that sees whether it is whole."""
    restore: str
    """The command that plans for its restore; empty where the plan leaves nothing to take back with it."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """What the plan takes at one place, and the commands that give it back where no run can."""

    of: str
    """Whose it is: a component, or a host."""
    what: str
    commands: tuple[str, ...]
    not_beside: tuple[StepId, ...] = ()
    """While one of these has begun and is not done, it is not to be given back by hand."""
    link: str = ""
    """Of a service that is stopped on all its hosts before it is started on any: the command that shows
    which artifact it would start on here, which must be the same everywhere."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What another machine needs to go on."""

    store: str
    """Where the runs are, if machines share them; empty if they are in the folder beside the record."""
    files: tuple[PurePosixPath, ...]
    """Those that the record names."""
    programs: tuple[str, ...]
    """What the record has its gates and messages run there."""
    sealed: bool
    """Whether a key of a signer is needed, too."""
    automatic: bool
    """Whether the policy takes a run back by itself, so that going on has to be said."""
    ssh: str
    """What stands for 'skylift ssh HOST' where there is no Skylift, up to the host's address."""
    addresses: Mapping[HostName, str]


@dataclass(frozen=True, slots=True)
class Recovery:
    """The whole procedure."""

    cloud: str
    headline: str
    digest: Digest
    stages: tuple[StageTold, ...]
    verbs: tuple[Remedy, ...]
    """What may be said to its run."""
    back: tuple[WayBack, ...]
    instead: str
    """What is so, or what to do, where its run is not taken back; empty of an upgrade."""
    no_returns: tuple[NoReturn, ...]
    backups: tuple[Kept, ...]
    taken: tuple[ByHand, ...]
    lapses: tuple[str, ...]
    """What is given back by nobody, for it ends by itself."""
    lapse_s: int
    reach: Reach
    lost: str
    """What is so if the runs are lost."""
    again: str
    """The command that plans then."""


def recovery_of(plan: Plan, record: Record, catalog: Catalog) -> Recovery:
    """The procedure for a plan of steps; ``record`` is that which it was made from."""
    found, loans = windows(plan, catalog), Order.of(plan).loans
    turned = changed(plan, [step.id for step in plan.steps])
    return Recovery(
        cloud=plan.cloud,
        headline=plan.headline,
        digest=digest_of(plan),
        stages=tuple(_stages(plan, found)),
        verbs=said_of(Kind.of(plan)),
        back=tuple(_way_back(window, found, catalog) for window in found if window.component in turned),
        instead=_instead(plan),
        no_returns=tuple(_no_returns(plan, found, catalog)),
        backups=tuple(_backups(plan, record, turned)),
        taken=tuple(_taken(plan, record, loans)),
        lapses=_lapses(plan, loans),
        lapse_s=LEASE_S,
        reach=reach_of(record, _hosts(plan, record)),
        lost=_FORGOTTEN if isinstance(plan.goal, Rollback) else _OBSERVED,
        again=Upgrade(plan.goal.reached).again if isinstance(plan.goal, Rollback) else plan.goal.again,
    )


def reach_of(record: Record, hosts: Collection[HostName]) -> Reach:
    """What is needed to reach these hosts from elsewhere, in the record's order."""
    ssh = record.ssh
    *words, whom = ssh.argv("ADDRESS")
    return Reach(
        store=record.store,
        files=named_files(record),
        programs=programs(record),
        sealed=bool(record.signers),
        automatic=record.policy.rollback == "automatic",
        ssh=f"{shlex.join(words)} {whom}",
        addresses={name: entry.address for name, entry in record.hosts.items() if name in hosts},
    )


def _stages(plan: Plan, found: tuple[Window, ...]) -> Iterator[StageTold]:
    ending = {step for window in found for step in window.until}
    passed: set[StepId] = set()
    for stage, group in groupby(plan.steps, key=lambda step: step.stage):
        steps = tuple(group)
        ends = tuple(step.id for step in steps if step.id in ending)
        impacts = (step.impact for step in steps if step.impact.notice is not Notice.NONE)
        yield StageTold(
            stage=stage,
            changes=tuple(_changes(steps)),
            noticed=tuple(dict.fromkeys(f"{impact.api}: {impact.notice.value}" for impact in impacts)),
            ends=ends,
            closed=tuple(window.component for window in found if not passed.isdisjoint(window.until)),
        )
        passed |= set(ends)


def _changes(steps: tuple[Step, ...]) -> Iterator[str]:
    """Of what is done on hosts the verbs, of each subject once; of all else what it does."""
    hosts: dict[str, dict[str, None]] = {}
    verbs: dict[str, dict[str, None]] = {}
    for step in steps:
        subject, verb, host = _parts(step.id)
        name = subject if host else step.id
        hosts.setdefault(name, {}).update({host: None} if host else {})
        verbs.setdefault(name, {})[verb if host else step.action.title] = None
    for name, done in verbs.items():
        on = f" on {', '.join(hosts[name])}" if hosts[name] else ""
        yield f"{name}{on}: {', '.join(done)}"


def _parts(step: StepId) -> tuple[str, str, str]:
    """Whose step it is, what it does, and where; the last is empty if it is on no host."""
    subject, _, rest = step.partition(":")
    verb, _, host = rest.partition("@")
    return subject, verb, host


def _way_back(window: Window, found: tuple[Window, ...], catalog: Catalog) -> WayBack:
    later = catalog.after(window.component)
    return WayBack(
        component=window.component,
        until=window.until,
        after=tuple(other.component for other in found if other.component in later),
        command=take_back(None, (window.component,)),
    )


def _instead(plan: Plan) -> str:
    goal = plan.goal
    if not isinstance(goal, Rollback):
        return ""
    return (
        f"to go forward again, plan the upgrade anew: {Upgrade(goal.reached).again}; to take back what is "
        f"left of the run that it takes back: {take_back(goal.run)}"
    )


def _no_returns(plan: Plan, found: tuple[Window, ...], catalog: Catalog) -> Iterator[NoReturn]:
    ending = {step for window in found for step in window.until}
    for step in plan.steps:
        reversal = step.action.reversal()
        ends = ended_with(plan, catalog, step.id) if step.id in ending else ()
        why = [reversal.why] if isinstance(reversal, NoWayBack) else []
        why += [f"{ends[0].because} ({ends[0].source})"] if ends else []
        if why:
            own = tuple(window.component for window in ends)
            yield NoReturn(step.id, step.action.title, own, "; ".join(why))


def _backups(plan: Plan, record: Record, turned: Collection[ComponentName]) -> Iterator[Kept]:
    rehearsed = {
        step.action.backup: step.id for step in plan.steps if isinstance(step.action, RehearseRestore)
    }
    for step in plan.steps:
        action = step.action
        if not isinstance(action, (BackUpDatabase, RestoreDatabase)):
            continue
        backup, by = action.backup, rehearsed.get(action.backup)
        owner = record.databases[backup.database]
        check = shlex.quote(f"cd {backup.folder} && sha256sum -c {backup.checksum.name}")
        yield Kept(
            component=owner,
            backup=backup,
            step=step.id,
            rehearsed_by=by,
            restored=isinstance(action, RestoreDatabase),
            look=f"skylift ssh {backup.host} {check}",
            restore=take_back(None, (owner,), restore=True) if by and owner in turned else "",
        )


def _taken(plan: Plan, record: Record, loans: tuple[Loan, ...]) -> Iterator[ByHand]:
    """All that lasts until somebody gives it back, place by place: what an earlier run has left out, too.

    A service that begins with the release has nothing to be given back.
    """
    ways = {loan.given_back_by: loan.way for loan in loans}
    begins = {_place(step) for step in plan.steps if isinstance(step.action, EnableUnit)}
    together = frozenset(_together(plan))
    places: dict[tuple[str, str], list[Step]] = {}
    for step in plan.steps:
        if _place(step) not in begins and _commands(step, plan, record):
            places.setdefault(_place(step), []).append(step)
    for (subject, host), gives in places.items():
        commands = dict.fromkeys(command for step in gives for command in _commands(step, plan, record))
        way = frozenset[StepId]().union(*(ways.get(step.id, ()) for step in gives))
        during = [step for step in plan.steps if step.id in way]
        whole = (subject, host) in together
        links = (step.action.link for step in gives if whole and isinstance(step.action, StartService))
        yield ByHand(
            of=owner_of_step(plan, gives[0].id),
            what=f"{subject} on {host}",
            commands=tuple(commands),
            not_beside=tuple(step.id for step in during if isinstance(step.action, _NOT_BESIDE)),
            link=next((f"skylift ssh {host} readlink {link}" for link in links), ""),
        )


def _commands(step: Step, plan: Plan, record: Record) -> tuple[str, ...]:
    """A service is opened by the names of its rows, as they were seen: such as one for each backend."""
    action = step.action
    if not isinstance(action, OpenService):
        return action.by_hand(record)
    seen = (
        HostName(fact.split(" ")[2]) for fact in plan.facts if fact.startswith(f"report {action.service} ")
    )
    rows = [row for row in seen if is_name_of(row, action.host)]
    return tuple(command for row in rows for command in replace(action, host=row).by_hand(record))


def _together(plan: Plan) -> Iterator[tuple[str, str]]:
    """The places of services that wait, before they are started, for their own stop on other hosts."""
    steps = {step.id: step for step in plan.steps}
    for edge in plan.edges:
        (first, host), (subject, other) = _place(steps[edge.before]), _place(steps[edge.after])
        if first == subject and host != other and isinstance(steps[edge.before].action, StopService):
            yield subject, other


def _place(step: Step) -> tuple[str, str]:
    subject, _, host = _parts(step.id)
    return subject, host


def _lapses(plan: Plan, loans: Iterable[Loan]) -> tuple[str, ...]:
    held = (plan.step(loan.taken_by).action.title for loan in loans if loan.hold_s is not None)
    return tuple(dict.fromkeys(held))


def _hosts(plan: Plan, record: Record) -> frozenset[HostName]:
    """All on which something is done, or told."""
    worked_on = {HostName(host) for step in plan.steps if (host := _parts(step.id)[2])}
    own = {step.action.runs_on for step in plan.steps if step.action.runs_on is not None}
    return frozenset(worked_on | own | {host.name for host in record.hosts_in(record.balancer.role)})
