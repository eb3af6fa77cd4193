"""The twin of an operator's cloud, made from her plan and her record alone: no cloud is asked.

A plan carries the facts that it relies on: what runs where, what links point to, who serves, what schemas
are at. The twin is a cloud in memory that shows the same. What it cannot show is named, fact by fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from skylift.actions.closing import OpenService
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.prepare import CheckReadiness
from skylift.actions.run_before_start import RunBeforeStart
from skylift.actions.run_command import RunCommand
from skylift.catalog.catalog import Catalog
from skylift.model.closing import reason_of
from skylift.model.cloud import BackendState, Revision, UnitState
from skylift.model.goal import Restore, Rollback
from skylift.model.ids import ComponentName, Epoch, HostName, ServiceName
from skylift.model.record import Record
from skylift.planning.facts import drift, facts_of
from skylift.planning.plan import Plan
from skylift.ports import Command
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_schemas import Of
from skylift.testing.fake_stores import FakeDump
from skylift.testing.simulation.scene import Scene

_NOTHING = "nothing"
"""How a fact says that there is none."""
_BY_US = "by Skylift"
_Both = tuple[tuple[Revision, ...], tuple[Revision, ...]]


def scene_from(plan: Plan, record: Record, catalog: Catalog) -> Scene:
    """What is simulated of ``plan``; its facts that the twin does not show are in ``apart``."""
    whole = Scene(
        name=record.name,
        catalog=catalog,
        record=record,
        goal=plan.goal,
        build=lambda: twin_of(plan, record),
        propose=lambda _: (plan, ()),
        is_given=True,
    )
    shown = facts_of(whole.seen(whole.build(), plan.goal), record)
    return replace(whole, apart=frozenset(fact.name for fact in drift(plan, shown)))


def twin_of(plan: Plan, record: Record) -> FakeCloud:
    """A cloud in memory that is as the plan's facts say."""
    cloud = FakeCloud(record, release=plan.source)
    _place_schemas(cloud, plan)
    _place_services(cloud, plan)
    _place_artifacts(cloud)
    _close(cloud, plan)
    cloud.roster.pass_moment(at_once=True)
    _place_backups(cloud, plan)
    for action in (step.action for step in plan.steps):
        # What commands of an artifact would really do nobody knows here: the plan's own word is taken.
        match action:
            case MigrateSchema(command=command, heads=heads):
                cloud.leads_to[_inner(command)] = heads
            case (
                RunCommand(command=command)
                | RunBeforeStart(command=command)
                | CheckReadiness(command=command)
            ):
                cloud.leads_to[_inner(command)] = ()
            case _:
                pass
    return cloud


def _inner(command: Command) -> tuple[str, ...]:
    """What runs in the end: a command that comes batch after batch is inside a shell's loop."""
    return command.argv[4:] if command.argv[0] == "sh" else command.argv


def _place_services(cloud: FakeCloud, plan: Plan) -> None:
    for name, entry in cloud.record.services.items():
        for host in cloud.record.hosts_in(entry.role):
            at = f"{name} {host.name}"
            if (state := plan.facts.get(f"unit {at}")) not in {kind.value for kind in UnitState}:
                continue  # it could not be read, or is none of this plan's
            here = cloud.hosts[host.name]
            unit = here.units[entry.unit]
            running, linked = _path(plan, f"artifact {at}"), _path(plan, f"link {at}")
            unit.state = UnitState(state)
            unit.running, unit.enabled = running, unit.state is UnitState.ACTIVE
            if running is None:
                unit.pid = unit.started_at = None
            elif unit.pid is None:
                cloud.pids += 1
                unit.pid, unit.started_at = cloud.pids, cloud.now
            here.links.pop(entry.link, None)
            if linked is not None:
                here.links[entry.link] = linked
    for servers in cloud.traffic.servers.values():
        for (pool, server), seen in servers.items():
            told = plan.facts.get(f"backend {pool}/{server}", "").split(" ")
            seen.told = "drain" if BackendState.DRAIN.value in told else "ready"
            seen.healthy = BackendState.DOWN.value not in told


def _path(plan: Plan, fact: str) -> PurePosixPath | None:
    told = plan.facts.get(fact, _NOTHING)
    return PurePosixPath(told) if told.startswith("/") else None


def _place_artifacts(cloud: FakeCloud) -> None:
    """All of the record's lie on every host that serves: a plan is made from what is staged."""
    for artifact in cloud.record.artifacts.values():
        for host in cloud.hosts.values():
            if host.units:
                host.staged[artifact.path] = artifact.digest


def _close(cloud: FakeCloud, plan: Plan) -> None:
    """What is closed to new work, by others or by an earlier plan of ours."""
    ours = {
        (s.action.service, s.action.host): s.action.labels
        for s in plan.steps
        if isinstance(s.action, OpenService)
    }
    for fact, told in plan.facts.items():
        kind, _, rest = fact.partition(" ")
        if kind == "report" and "disabled" in told:
            service, _, host = rest.partition(" ")
            labels = ours.get((ServiceName(service), HostName(host)), ()) if _BY_US in told else ()
            why = (
                reason_of(labels[-1], cloud.now) if labels else "closed by somebody before the plan was made"
            )
            cloud.roster.closed[f"{service}-{host}"] = why


def _place_schemas(cloud: FakeCloud, plan: Plan) -> None:
    """Rows as the facts have them; of migrations, one for each row that the plan's phases lead to."""
    declared: dict[Of, tuple[Revision, ...]] = {}
    restored = plan.goal.restored if isinstance(plan.goal, Restore) else ()
    then = {r.backup.database: r.rows for r in restored}
    for component in cloud.record.components:
        for database, schema in cloud.schemas.of(component).items():
            rows = _rows(plan, database)
            cloud.rows[database] = frozenset(rows)
            of_goal, of_source = (plan.goal.to, component, schema.name), (plan.source, component, schema.name)
            if isinstance(plan.goal, Rollback):
                of_source = (plan.goal.reached, component, schema.name)
                branches = _branches_beyond(plan, database)
                declared[of_goal], declared[of_source] = (
                    _went_on(then[database], rows, branches)
                    if database in then
                    else _came_from_before(rows, branches)
                )
            else:
                declared.setdefault(of_source, tuple(Revision(row, (), (), "") for row in rows))
                declared.setdefault(
                    of_goal, (*declared[of_source], *_to_come(cloud, plan, component, database))
                )
    cloud.schemas.declare(declared)


def _place_backups(cloud: FakeCloud, plan: Plan) -> None:
    """Those that the plan restores, whole and rehearsed, with what their tables of versions had then."""
    for restored in plan.goal.restored if isinstance(plan.goal, Restore) else ():
        backup, at = restored.backup, Epoch(restored.finished)
        place = backup.host, backup.file
        reports = tuple(row for row in cloud.roster.every if row.database == backup.database)
        cloud.backups[place] = at
        cloud.stores.dumps[place] = FakeDump(at, frozenset(restored.rows), reports, frozenset())
        cloud.stores.rehearsed.add(place)


def _rows(plan: Plan, database: str) -> tuple[str, ...]:
    told = plan.facts.get(f"schema {database}", _NOTHING)
    return () if told == _NOTHING or told.startswith("unread:") else tuple(told.split(" "))


def _to_come(cloud: FakeCloud, plan: Plan, component: ComponentName, database: str) -> Iterator[Revision]:
    """What the plan's phases apply: each row that one leads to follows those that it takes away."""
    branches = {phase.name: phase.branch for phase in cloud.known[component].phases}
    at = frozenset(_rows(plan, database))
    for action in (s.action for s in plan.steps if isinstance(s.action, MigrateSchema)):
        for head in action.heads if action.component == component else ():
            if head.database == database:
                branch = branches.get(action.phase, "")
                for row in sorted(head.rows - at):
                    yield Revision(row, tuple(sorted(at - head.rows)), (), "" if branch == "all" else branch)
                at = head.rows


def _branches_beyond(plan: Plan, database: str) -> list[str]:
    """The branches in which a database has more than the old release declares, as the fact says."""
    facts = (told for fact, told in plan.facts.items() if fact.startswith(f"beyond {database} "))
    told = next(facts, _NOTHING)
    return [] if told == _NOTHING else [b if b != "all" else "" for b in told.split(" ")]


def _went_on(then: Iterable[str], rows: Iterable[str], branches: list[str]) -> _Both:
    """What the old release declares, and the new one: ``rows`` follow what a backup has of ``then``."""
    old = tuple(Revision(row, (), (), "") for row in then)
    gone, fresh, left = tuple(sorted({*then} - {*rows})), sorted({*rows} - {*then}), list(branches)
    of: dict[str, str] = {}
    for row in fresh:
        if named := [branch for branch in left if branch and branch in row]:
            of[row] = named[0]
            left.remove(named[0])
    for row in fresh:
        if row not in of:
            of[row] = left.pop(0) if left else ""
    # A branch without a row of its own is one that another row follows.
    between = tuple(Revision(f"{branch}-before", gone, (), branch) for branch in left if fresh)
    parents = tuple(revision.id for revision in between) or gone
    return old, (*old, *between, *(Revision(row, parents, (), of[row]) for row in fresh))


def _came_from_before(rows: Iterable[str], branches: list[str]) -> _Both:
    """What the old release declares, and the new one: as much more as there are ``branches``."""
    left, old, new = list(rows), list[Revision](), list[Revision]()
    for branch in branches[: len(left)]:
        row = next((row for row in left if branch and branch in row), left[0])
        left.remove(row)
        old.append(Revision(f"before-{row}", (), (), ""))
        new += [old[-1], Revision(row, (old[-1].id,), (), branch)]
    as_it_was = [Revision(row, (), (), "") for row in left]
    return (*old, *as_it_was), (*new, *as_it_was)
