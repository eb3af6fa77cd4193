"""Rules for databases: what comes before new code, what after old code, and what must be saved first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from skylift.verifier.document import PlanSeen, StepSeen

_BEFORE_NEW_CODE = ("expand", "migrate", "sync")
_AFTER_OLD_CODE = ("contract", "online-migrations")
_NO_WAY_BACK = ("contract",)
"""Source: keystone, admin guide, Upgrading Keystone; glance, admin guide, Rolling Upgrades."""
_ROWS_ONLY = ("migrate", "online-migrations")


def phases_are_known(plan: PlanSeen) -> Iterator[str]:
    """Each phase is one that has a place, and one that removes things says so (row 94)."""
    for step in plan.of_kind("migrate-schema"):
        phase = str(step.action["phase"])
        if phase not in (*_BEFORE_NEW_CODE, *_AFTER_OLD_CODE):
            yield f"{step.id} runs phase {phase}, which has no known place between old and new code"
        if phase in _NO_WAY_BACK and not step.action["destructive"]:
            yield f"{step.id} removes what old code uses and is not marked as having no way back"
        if phase in _BEFORE_NEW_CODE and step.action["destructive"]:
            yield f"{step.id} has no way back, so it may not run while old code serves"


def new_code_finds_its_schema(plan: PlanSeen) -> Iterator[str]:
    """Expand and migrate have ended before new code starts anywhere; expand before migrate (row 95)."""
    for component, phases in plan.phases().items():
        before = [phases[phase] for phase in _BEFORE_NEW_CODE if phase in phases]
        for (owner, host), turn in plan.turns.items():
            start = turn.get("start-service")
            for step in before if owner == component else ():
                if start and not plan.surely_before(step, start):
                    yield f"{component} on {host} may start new code before {step.id} has ended"
        for first, then in pairwise(before):
            if not plan.surely_before(first, then):
                yield f"{then.id} may run before {first.id} has ended"


def old_code_keeps_its_schema(plan: PlanSeen) -> Iterator[str]:
    """Contract waits until every host of its component serves new code (row 93)."""
    for component, phases in plan.phases().items():
        for step in (phases[phase] for phase in _AFTER_OLD_CODE if phase in phases):
            for (owner, host), turn in plan.turns.items():
                back = turn.get("undrain-backend")
                if owner == component and (back is None or not plan.surely_before(back, step)):
                    yield f"{step.id} may run while {component} on {host} still runs old code"
            for first in (phases[phase] for phase in _BEFORE_NEW_CODE if phase in phases):
                if not plan.surely_before(first, step):
                    yield f"{step.id} may run before {first.id} has ended"


def no_return_comes_last(plan: PlanSeen) -> Iterator[str]:
    """Nothing is past return while any component runs old code, or before witnesses were seen intact."""
    looks = plan.of_kind("verify-witnesses")
    for step in plan.of_kind("migrate-schema"):
        if not step.action["destructive"]:
            continue
        if step.stage != "converge":
            yield f"{step.id} has no way back and is in stage {step.stage}, not in converge"
        for (component, host), turn in plan.turns.items():
            back = turn.get("undrain-backend")
            if back is None or not plan.surely_before(back, step):
                yield f"{step.id} has no way back and may run before {component} on {host} serves new code"
        if not any(plan.surely_before(look, step) for look in looks):
            yield f"{step.id} has no way back, and no step looks at the witnesses before it"


def databases_are_saved(plan: PlanSeen) -> Iterator[str]:
    """A backup of the very database ends before its schema is touched (row 88)."""
    backups = plan.of_kind("back-up-database")
    for step in plan.of_kind("migrate-schema"):
        database = step.action["database"]
        own = [backup for backup in backups if backup.action["database"] == database]
        if not any(plan.surely_before(backup, step) for backup in own):
            yield f"{step.id} changes database {database}, and no backup of it surely ends before"


def schemas_arrive(plan: PlanSeen) -> Iterator[str]:
    """From the rows that were observed, by steps that lead there, to the target artifact's heads."""
    for verify in plan.of_kind("verify-component"):
        component, wanted = verify.component, _rows(verify)
        heads = [text for name, text in plan.facts.items() if name.startswith(f"migrations {component} ")]
        if heads and wanted not in heads:
            yield f"{verify.id} is content with schema {wanted}, but its artifact's head is {heads[0]}"
        phases = plan.phases().get(component, {})
        ways = [step for phase, step in phases.items() if phase not in _ROWS_ONLY]
        ends = [s for s in ways if not any(plan.surely_before(s, other) for other in ways)]
        reached = {_rows(step) for step in ends} or {plan.facts.get(f"schema {component}", "unknown")}
        if reached != {wanted}:
            yield f"the schema of {component} ends at {' or '.join(sorted(reached))}, not at {wanted}"


def commands_are_the_targets(plan: PlanSeen) -> Iterator[str]:
    """Old manage commands fail on an expanded schema, so every one is the target artifact's."""
    goals = plan.goals()
    for step in (*plan.of_kind("migrate-schema"), *plan.of_kind("check-readiness")):
        goal, program = goals.get(str(step.action["component"])), str(step.action["command"]["argv"][0])
        if goal and not program.startswith(f"{goal}/"):
            yield f"{step.id} runs {program}, which is not of the artifact at {goal}"


def _rows(step: StepSeen) -> str:
    return " ".join(sorted(step.action["rows"]))
