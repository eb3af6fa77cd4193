"""Rules for databases: what comes before new code, what after old code, and what must be saved first."""

from __future__ import annotations

from collections.abc import Iterator

from skylift.verifier.document import PlanSeen, StepSeen
from skylift.verifier.knowledge import PhaseKnown

_STAGES = {"expand": ("expand", "control-plane"), "cold": ("control-plane",), "converge": ("converge",)}
"""The stages of a plan in which a phase may run, by what the catalog says of the code beside it."""


_HEADED = {"migrate-schema", "restore-database", "verify-component"}
"""What names the rows of versions that it looks for."""


def phases_are_known(plan: PlanSeen) -> Iterator[str]:
    """Each phase runs where the catalog has it, and one that takes the way back says so (row 94)."""
    for step in plan.of_kind("migrate-schema"):
        phase = plan.phase(step)
        if phase is None:
            yield f"{step.id} runs phase {step.action['phase']}, which no file of the catalog describes"
            continue
        if step.stage not in _STAGES[phase.stage]:
            yield f"{step.id} is in stage {step.stage}, and belongs to {' or '.join(_STAGES[phase.stage])}"
        if step.action["cold"] != (phase.stage == "cold"):
            told = "bears no service" if phase.stage == "cold" else "bears services"
            yield f"{step.id} {told} beside it, and the plan says otherwise"
        if phase.destructive and not step.action["destructive"]:
            yield f"{step.id} removes what old code uses and is not marked as having no way back"
        if phase.stage == "expand" and step.action["destructive"]:
            yield f"{step.id} has no way back, so it may not run while old code serves"


def phases_run_once(plan: PlanSeen) -> Iterator[str]:
    """No phase of a database runs twice: what a second run would do, nobody planned."""
    runs = [
        (step, str(step.action["component"]), str(step.action["phase"]), str(head["database"]))
        for step in plan.of_kind("migrate-schema")
        for head in step.action["heads"] or ({"database": ""},)
    ]
    seen: dict[tuple[str, str, str], str] = {}
    for step, *what in runs:
        component, phase, database = what
        first = seen.setdefault((component, phase, database), step.id)
        if first != step.id:
            yield f"{step.id} runs {phase} of {component} again, after {first}"


def no_phase_is_left_out(plan: PlanSeen) -> Iterator[str]:
    """What a database lacks is run; so is what only moves rows, and leaves no trace, with new code."""
    for component in plan.known.components.values():
        run = {
            str(s.action["phase"]) for s in plan.of_kind("migrate-schema") if s.component == component.name
        }
        turns = plan.turns_of(component.name)
        moved = any(phase.stage != "converge" and phase.name in run for phase in component.phases.values())
        old = [key for key, turn in turns.items() if "stop-service" in turn]
        before = moved or len(old) == len(plan.places_of(component.name))
        for phase in component.phases.values() if old else ():
            rows_wait = not phase.branch and (phase.stage == "converge" or before)
            if phase.name not in run and (rows_wait or phase.branch in _pending(plan, component.name, phase)):
                yield f"{component.name} gets new code, and no step runs {component.name}:{phase.name}"


def no_return_comes_last(plan: PlanSeen) -> Iterator[str]:
    """Nothing is past return while any component runs old code, or before witnesses were seen intact.

    A phase that bears no service beside it cannot wait for new code of its own component: its way back is
    the backup from before it, and the outage that the record accepts.
    """
    looks, turns = plan.of_kind("verify-witnesses"), plan.turns.items()
    for step in plan.of_kind("migrate-schema"):
        if not step.action["destructive"] or step.action["cold"]:
            continue
        if step.stage != "converge":
            yield f"{step.id} has no way back and is in stage {step.stage}, not in converge"
        backs = {
            place: turn.get("undrain-backend") or turn.get("await-healthy") or turn.get("stop-service")
            for place, turn in turns
        }
        for (service, host), back in backs.items():
            if back is None or not plan.surely_before(back, step):
                yield f"{step.id} has no way back and may run before {service} on {host} serves new code"
        late = [k for k in looks if all(back and plan.surely_before(back, k) for back in backs.values())]
        if not any(plan.surely_before(look, step) for look in late):
            yield f"{step.id} has no way back, and no step looks at the witnesses before it, when all is new"


def databases_are_saved(plan: PlanSeen) -> Iterator[str]:
    """A backup of the very database ends, and its restore is rehearsed, before anything touches it (row 88).

    That is its schema, and new code, which writes what old code may not read.
    """
    backups, rehearsals = plan.of_kind("back-up-database"), plan.of_kind("rehearse-restore")
    for step, database in _touching(plan):
        own = [b for b in backups if b.action["database"] == database and plan.surely_before(b, step)]
        tried = [r for r in rehearsals if plan.surely_before(r, step)]
        if not own:
            yield f"{step.id} changes database {database}, and no backup of it surely ends before"
        elif not any(_rehearses(plan, rehearsal, backup) for rehearsal in tried for backup in own):
            yield f"{step.id} changes database {database}, and no restore of it was surely rehearsed before"
    for rehearsal in rehearsals:
        if not any(_rehearses(plan, rehearsal, backup) for backup in backups):
            yield f"{rehearsal.id} restores a backup that no step has surely made by then"


def _touching(plan: PlanSeen) -> Iterator[tuple[StepSeen, str]]:
    """The steps that a database must be saved before, each with which."""
    for step in plan.of_kind("migrate-schema"):
        yield from ((step, str(head["database"])) for head in step.action["heads"])
    owned = [(n.partition(" ")[2], of) for n, of in plan.facts.items() if n.startswith("database ")]
    for (service, _), turn in plan.turns.items() if not plan.back else ():
        start, component = turn.get("start-service"), plan.services.get(service, "")
        if start:
            yield from ((start, name) for name, of in owned if of.partition(":")[0] == component)


def _rehearses(plan: PlanSeen, rehearsal: StepSeen, backup: StepSeen) -> bool:
    """Whether a step restores, on a scratch server, the very file that another has surely written by then."""
    same = all(backup.action[key] == value for key, value in rehearsal.action["backup"].items())
    return same and plan.surely_before(backup, rehearsal)


def databases_are_their_own(plan: PlanSeen) -> Iterator[str]:
    """A step looks for versions in the databases of its own component, and of its own schema."""
    for step in tuple(s for s in plan.steps.values() if s.kind in _HEADED):
        phase = plan.phase(step) if step.kind == "migrate-schema" else None
        for database in _heads(step):
            of = plan.facts.get(f"database {database}", "nobody")
            component, _, schema = of.partition(":")
            if component != step.component or (phase and schema != phase.schema):
                yield f"{step.id} looks at database {database}, which is of {of}"


def schemas_arrive(plan: PlanSeen) -> Iterator[str]:
    """From the rows that were observed, by steps that lead there, to the target artifact's heads."""
    for verify in plan.of_kind("verify-component"):
        wanted = _heads(verify)
        declared = {n.partition(" ")[2] for n, of in plan.facts.items() if _is_database(n, of, verify)}
        for database in sorted(declared - set(wanted)):
            yield f"{verify.id} does not look at database {database}"
        for database, rows in wanted.items():
            of = plan.facts.get(f"database {database}", verify.component)
            # What goes back leaves the schema as it is, ahead of its own artifact.
            declared_heads = () if plan.back else plan.facts.items()
            heads = [text for name, text in declared_heads if name.startswith(f"migrations {of} ")]
            if heads and rows not in heads:
                yield f"{verify.id} is content with schema {rows}, but its artifact's head is {heads[0]}"
            steps = [*plan.phases().get(verify.component, {}).values(), *plan.of_kind("restore-database")]
            ways = [step for step in steps if database in _heads(step) and _moves_schema(plan, step)]
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


def _pending(plan: PlanSeen, component: str, phase: PhaseKnown) -> frozenset[str]:
    """The branches of a phase's schema that had migrations left in some database; ``all`` for any."""
    of = f"{component}:{phase.schema}" if phase.schema else component
    own = [
        name.partition(" ")[2]
        for name, text in plan.facts.items()
        if name.startswith("database ") and text == of
    ]
    told = [
        text for name, text in plan.facts.items() if name.startswith("pending ") and name.split(" ")[1] in own
    ]
    found = frozenset(branch for text in told for branch in text.split()) - {"nothing"}
    return found | {"all"} if found else found


def _heads(step: StepSeen) -> dict[str, str]:
    """By database, the rows of versions that the step looks for."""
    heads = step.action["heads"] if "heads" in step.action else [step.action["head"]]
    return {str(head["database"]): " ".join(sorted(head["rows"])) for head in heads}


def _moves_schema(plan: PlanSeen, step: StepSeen) -> bool:
    phase = plan.phase(step) if step.kind == "migrate-schema" else None
    return phase is None or bool(phase.branch)


def _is_database(name: str, of: str, verify: StepSeen) -> bool:
    return name.startswith("database ") and of.partition(":")[0] == verify.component
