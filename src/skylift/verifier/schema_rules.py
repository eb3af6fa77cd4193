"""Rules for databases: what comes before new code, what after old code, and what must be saved first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from skylift.verifier.document import PlanSeen, StepSeen

_NO_WAY_BACK = ("contract",)
"""Source: keystone, admin guide, Upgrading Keystone; glance, admin guide, Rolling Upgrades."""
_BEFORE, _AFTER = ("expand", "control-plane"), ("converge",)


def phases_are_known(plan: PlanSeen) -> Iterator[str]:
    """Each phase comes before new code or after old code, and one that removes things says so (row 94)."""
    for step in plan.of_kind("migrate-schema"):
        phase = str(step.action["phase"])
        if step.stage not in (*_BEFORE, *_AFTER):
            yield f"{step.id} is in stage {step.stage}, which is neither before new code nor after old code"
        if phase in _NO_WAY_BACK and not step.action["destructive"]:
            yield f"{step.id} removes what old code uses and is not marked as having no way back"
        if phase in _NO_WAY_BACK and step.stage in _BEFORE:
            yield f"{step.id} removes what old code uses, and is in stage {step.stage}, before new code"
        if step.stage in _BEFORE and step.action["destructive"] and not step.action["cold"]:
            yield f"{step.id} has no way back, so it may not run while old code serves"


def nothing_runs_beside_a_cold_phase(plan: PlanSeen) -> Iterator[str]:
    """A phase that bears no service beside it waits until every service of its component is stopped."""
    for step in plan.of_kind("migrate-schema"):
        for (service, host), turn in plan.turns_of(step.component).items():
            stop = turn.get("stop-service")
            if step.action["cold"] and (stop is None or not plan.surely_before(stop, step)):
                yield f"{step.id} may run while {service} on {host} still runs"


def new_code_finds_its_schema(plan: PlanSeen) -> Iterator[str]:
    """Expand and migrate have ended before new code starts anywhere; expand before migrate (row 95)."""
    for component, phases in plan.phases().items():
        before = [step for step in phases.values() if step.stage in _BEFORE]
        for (service, host), turn in plan.turns_of(component).items():
            start = turn.get("start-service")
            for step in before:
                if start and not plan.surely_before(step, start):
                    yield f"{service} on {host} may start new code before {step.id} has ended"
        for first, then in pairwise(before):
            if not plan.surely_before(first, then):
                yield f"{then.id} may run before {first.id} has ended"


def old_code_keeps_its_schema(plan: PlanSeen) -> Iterator[str]:
    """Contract waits until every host of its component serves new code (row 93)."""
    for component, phases in plan.phases().items():
        for step in (step for step in phases.values() if step.stage in _AFTER):
            for (service, host), turn in plan.turns_of(component).items():
                back = turn.get("undrain-backend") or turn.get("await-healthy")
                if back is None or not plan.surely_before(back, step):
                    yield f"{step.id} may run while {service} on {host} still runs old code"
            for first in (step for step in phases.values() if step.stage in _BEFORE):
                if not plan.surely_before(first, step):
                    yield f"{step.id} may run before {first.id} has ended"


def no_return_comes_last(plan: PlanSeen) -> Iterator[str]:
    """Nothing is past return while any component runs old code, or before witnesses were seen intact.

    A phase that bears no service beside it cannot wait for new code of its own component: its way back is
    the backup from before it, and the outage that the record accepts.
    """
    looks = plan.of_kind("verify-witnesses")
    for step in plan.of_kind("migrate-schema"):
        if not step.action["destructive"] or step.action["cold"]:
            continue
        if step.stage != "converge":
            yield f"{step.id} has no way back and is in stage {step.stage}, not in converge"
        for (service, host), turn in plan.turns.items():
            back = turn.get("undrain-backend") or turn.get("await-healthy")
            if back is None or not plan.surely_before(back, step):
                yield f"{step.id} has no way back and may run before {service} on {host} serves new code"
        if not any(plan.surely_before(look, step) for look in looks):
            yield f"{step.id} has no way back, and no step looks at the witnesses before it"


def databases_are_saved(plan: PlanSeen) -> Iterator[str]:
    """A backup of the very database ends before its schema is touched (row 88)."""
    backups = plan.of_kind("back-up-database")
    for step in plan.of_kind("migrate-schema"):
        for database in (str(head["database"]) for head in step.action["heads"]):
            own = [backup for backup in backups if backup.action["database"] == database]
            if not any(plan.surely_before(backup, step) for backup in own):
                yield f"{step.id} changes database {database}, and no backup of it surely ends before"


def schemas_arrive(plan: PlanSeen) -> Iterator[str]:
    """From the rows that were observed, by steps that lead there, to the target artifact's heads."""
    for verify in plan.of_kind("verify-component"):
        wanted = _heads(verify)
        declared = {n.partition(" ")[2] for n, of in plan.facts.items() if _is_database(n, of, verify)}
        for database in sorted(declared - set(wanted)):
            yield f"{verify.id} does not look at database {database}"
        for database, rows in wanted.items():
            of = plan.facts.get(f"database {database}", verify.component)
            heads = [text for name, text in plan.facts.items() if name.startswith(f"migrations {of} ")]
            if heads and rows not in heads:
                yield f"{verify.id} is content with schema {rows}, but its artifact's head is {heads[0]}"
            steps = plan.phases().get(verify.component, {}).values()
            ways = [step for step in steps if database in _heads(step)]
            ends = [s for s in ways if not any(plan.surely_before(s, other) for other in ways)]
            reached = {_heads(s)[database] for s in ends} or {plan.facts.get(f"schema {database}", "unknown")}
            if reached != {rows}:
                yield f"the schema of {database} ends at {' or '.join(sorted(reached))}, not at {rows}"


def commands_are_the_targets(plan: PlanSeen) -> Iterator[str]:
    """Old manage commands fail on an expanded schema, so every one is the target artifact's."""
    goals = plan.goals()
    for step in (*plan.of_kind("migrate-schema"), *plan.of_kind("check-readiness")):
        goal = goals.get(str(step.action["component"]))
        words = [str(word) for word in step.action["command"]["argv"]]
        program = next((word for word in words if word.startswith("/")), words[0])
        if goal and not program.startswith(f"{goal}/"):
            yield f"{step.id} runs {program}, which is not of the artifact at {goal}"


def _heads(step: StepSeen) -> dict[str, str]:
    """By database, the rows of versions that the step looks for."""
    return {str(head["database"]): " ".join(sorted(head["rows"])) for head in step.action["heads"]}


def _is_database(name: str, of: str, verify: StepSeen) -> bool:
    return name.startswith("database ") and of.partition(":")[0] == verify.component
