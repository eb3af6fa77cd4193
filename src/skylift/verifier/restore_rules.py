"""Rules for databases that a backup takes the place of: whose word it needs, and what may live beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from skylift.verifier.document import PlanSeen, StepSeen, owner_of, restoring


def restores_are_consented(plan: PlanSeen) -> Iterator[str]:
    """What is restored is what the goal names, each once, of that very time and schema."""
    steps = plan.of_kind("restore-database")
    for database, count in Counter(_database(step) for step in steps).items():
        if count > 1:
            yield f"database {database} is restored {count} times"
    for step in steps:
        database, wanted = _database(step), plan.restored.get(_database(step))
        if wanted is None:
            yield f"{step.id} restores database {database}, and nobody has consented to that"
        elif _named(wanted) != _named(step.action):
            yield f"{step.id} restores another backup of {database} than the one that was consented to"
        elif sorted(step.action["head"]["rows"]) != sorted(wanted["rows"]):
            yield f"{step.id} expects another schema of {database} than its backup has"


def components_are_restored_whole(plan: PlanSeen) -> Iterator[str]:
    """The databases of a component belong together: all of them go back, by steps of the plan."""
    done = {_database(step) for step in plan.of_kind("restore-database")}
    for database in sorted(set(plan.restored) - done):
        yield f"database {database} is to be restored, and no step does it"
    for name in sorted(name.partition(" ")[2] for name in plan.facts if name.startswith("database ")):
        if owner_of(plan, name) in restoring(plan) and name not in plan.restored:
            yield f"{owner_of(plan, name)} is restored but for {name}, and its databases belong together"


def only_rehearsed_backups_are_restored(plan: PlanSeen) -> Iterator[str]:
    """The run that made a backup has restored it on a scratch server, and found it whole."""
    for database, each in plan.restored.items():
        if str(each["rehearsed_by"]) not in plan.rehearsed:
            yield f"database {database} is restored from a backup that was never rehearsed"


def nothing_lives_beside_a_restore(plan: PlanSeen) -> Iterator[str]:
    """Every service of the component has stopped on every host before, and starts on any only after."""
    for step in plan.of_kind("restore-database"):
        component = owner_of(plan, _database(step))
        if component != step.component:
            yield f"{step.id} restores a database of {component or 'nobody'}"
        turns = plan.turns_of(component)
        for service, host in sorted(plan.places_of(component) | set(turns)):
            turn = turns.get((service, host), {})
            stop, start = turn.get("stop-service"), turn.get("start-service")
            if stop is None or not plan.surely_before(stop, step):
                yield f"{step.id} may restore beside {service} on {host}, which is not surely stopped by then"
            if start is not None and not plan.surely_before(step, start):
                yield f"{service} on {host} may be started before {step.id} has ended"
        looked = {(str(p["unit"]), str(host)) for p in step.action["services"] for host in p["hosts"]}
        stopped = {
            (str(t["stop-service"].action["unit"]), h) for (_, h), t in turns.items() if "stop-service" in t
        }
        for unit, host in sorted(stopped - looked):
            yield f"{step.id} does not look whether {unit} on {host} lives"


def what_is_replaced_is_kept(plan: PlanSeen) -> Iterator[str]:
    """What is there is saved first, when nothing writes to it any more, under another name."""
    saves = plan.of_kind("back-up-database")
    for step in plan.of_kind("restore-database"):
        database = _database(step)
        stops = [t["stop-service"] for t in plan.turns_of(step.component).values() if "stop-service" in t]
        kept = [
            save
            for save in saves
            if save.action["database"] == database
            and save.action["label"] != step.action["backup"]["label"]
            and _is(save, step.action["kept"])
            and plan.surely_before(save, step)
            and all(plan.surely_before(stop, save) for stop in stops)
        ]
        if not kept:
            yield f"{step.id} replaces database {database}, and no step surely keeps what is there by then"


def witnesses_are_made_after_a_restore(plan: PlanSeen) -> Iterator[str]:
    """What was made before would be gone; so users' resources are made and seen when all has settled."""
    made, looks = plan.of_kind("create-witnesses"), plan.of_kind("verify-witnesses")
    last = [step for step in plan.steps.values() if step.kind == "verify-component"]
    if len(made) != 1 or len(looks) != 1:
        yield f"witnesses are made {len(made)} times and verified {len(looks)} times, and both must be once"
        return
    early = [step.id for step in last if not plan.surely_before(step, made[0])]
    if early:
        yield f"the witnesses may be made before {early[0]} has ended"
    if not plan.surely_before(made[0], looks[0]):
        yield "the witnesses may be verified before they are made"


def _named(of: Mapping[str, Any]) -> tuple[tuple[tuple[str, str], ...], int]:
    """The file that is meant, and of when."""
    return tuple(sorted((k, str(v)) for k, v in of["backup"].items())), int(of["finished"])


def _is(save: StepSeen, backup: Mapping[str, Any]) -> bool:
    return all(save.action[key] == value for key, value in backup.items())


def _database(step: StepSeen) -> str:
    return str(step.action["backup"]["database"])
