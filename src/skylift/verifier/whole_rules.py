"""Rules for a plan as a whole: nothing forgotten, everything asked first and judged last."""

from __future__ import annotations

from collections.abc import Iterator

from skylift.verifier.document import STAGES, TURN, PlanSeen, StepSeen, restoring


def nothing_is_forgotten(plan: PlanSeen) -> Iterator[str]:
    """Every host that is not where it goes gets its turn, and none that is there already (row 57)."""
    goals = plan.goals()
    anywhere = min(goals.values(), default="")
    for name in (name for name in plan.facts if name.startswith("hosts ")):
        service = name.partition(" ")[2]
        if plan.services.get(service) not in plan.going:
            continue
        goal = goals.get(plan.services.get(service, service), anywhere)
        for host in plan.facts[name].split() if goal else ():
            runs = plan.facts.get(f"artifact {service} {host}")
            settled = runs == plan.facts.get(f"link {service} {host}") == goal
            if plan.is_gone(service):
                yield from _ended(plan, service, host)
                continue
            if not settled and (service, host) not in plan.turns:
                yield f"{service} on {host} runs {runs}, and no step switches it to {goal}"
            restored = plan.services.get(service) in restoring(plan)  # nothing of it may live meanwhile
            if settled and not restored and (service, host) in plan.turns:
                yield f"{service} on {host} runs {goal} already and is restarted all the same"


def _ended(plan: PlanSeen, service: str, host: str) -> Iterator[str]:
    """What the new release does not have runs nowhere in the end."""
    runs = plan.facts.get(f"artifact {service} {host}", "nothing") != "nothing"
    if runs and (service, host) not in plan.turns:
        told = "began after" if plan.back else "ends before"
        yield f"{service} {told} {plan.goal}, and no step stops it on {host}"
    if not runs and (service, host) in plan.turns:
        yield f"{service} does not run on {host}, is not in {plan.goal}, and has steps there all the same"


def everything_changed_is_verified(plan: PlanSeen) -> Iterator[str]:
    """Each component that a step changes is verified on all its hosts, after its last change."""
    verifies = {step.component: step for step in plan.of_kind("verify-component")}
    changing = [
        s
        for s in plan.steps.values()
        if s.kind in {*TURN, "migrate-schema", "restore-database", "run-command"}
    ]
    for component in sorted({step.component for step in changing} - set(verifies)):
        yield f"{component} is changed and never verified"
    for component, verify in verifies.items():
        looked = {str(host) for service in verify.action["services"] for host in service["hosts"]}
        owned = [service for service, owner in plan.services.items() if owner == component]
        own = [service for service in owned if not plan.is_gone(service)]
        there = {host for service in own for host in plan.facts.get(f"hosts {service}", "").split()}
        if len(verify.action["services"]) != len(own):
            yield f"{verify.id} looks at {len(verify.action['services'])} of {len(own)} services"
        if there - looked:
            yield f"{verify.id} does not look at {', '.join(sorted(there - looked))}"
        for step in changing:
            if step.component == component and not plan.surely_before(step, verify):
                yield f"{verify.id} may judge before {step.id} has ended"


def pins_are_verified(plan: PlanSeen) -> Iterator[str]:
    """A component that keeps to what its rows say is upgraded only when they were seen to say it (row 90)."""
    looks = plan.of_kind("verify-pin")
    for component in (name.partition(" ")[2] for name in plan.facts if name.startswith("pin ")):
        own = [look for look in looks if look.component == component]
        restarts = (turn for (s, _), turn in plan.restarts.items() if plan.services.get(s) == component)
        touched = [s for turn in (*plan.turns_of(component).values(), *restarts) for s in turn.values()]
        if touched and not any(all(plan.surely_before(s, look) for s in touched) for look in own):
            yield f"{component} is pinned by its rows, and no step verifies its pin after its last restart"
        for verify in plan.of_kind("verify-component"):
            for look in own if verify.component == component else ():
                if not plan.surely_before(look, verify):
                    yield f"{verify.id} may judge before {look.id} has ended"
        for look in own:
            seen = {word.partition("/")[0] for word in plan.facts[f"pin {component}"].split()}
            missed = seen - {str(roster["database"]) for roster in look.action["rosters"]}
            if missed:
                yield f"{look.id} does not look at {', '.join(sorted(missed))}"


def ways_back_end_when_all_is_new(plan: PlanSeen) -> Iterator[str]:
    """As long as any component has old code, nothing that waits for new code ends another one's way back."""
    ends = {event for known in plan.known.components.values() for event in known.way_back_ends}
    for event, step in _when_all_is_new(plan):
        for (service, host), turn in plan.turns.items() if event in ends else ():
            back = turn.get("undrain-backend") or turn.get("await-healthy") or turn.get("stop-service")
            if back is None or not plan.surely_before(back, step):
                told = f"{step.id} may end a way back before {service} on {host} serves new code"
                yield f"{told}, and while any is old all can be taken back"
                break


def _when_all_is_new(plan: PlanSeen) -> Iterator[tuple[str, StepSeen]]:
    """Events that wait for new code of their component, each with the step that it begins with."""
    for (service, _), turn in plan.restarts.items():
        if "start-service" in turn:
            yield f"unpin {plan.services.get(service, '')}", turn["start-service"]
    for step in plan.of_kind("migrate-schema"):
        if (phase := plan.phase(step)) and phase.stage == "converge":
            yield f"run {step.component}:{phase.name}", step


def services_are_asked_first(plan: PlanSeen) -> Iterator[str]:
    """Each service's own upgrade check, from the verified target artifact, comes before any change."""
    asked = {str(step.action["component"]): step for step in plan.of_kind("check-readiness")}
    going = {plan.services.get(service, service) for service, _ in plan.turns}
    may_be_asked = {name.partition(" ")[2] for name in plan.facts if name.startswith("check ")}
    for component in sorted((going & may_be_asked) - set(asked)):
        yield f"{component} is upgraded and never asked whether it is ready"
    changes = (*plan.of_kind("migrate-schema"), *plan.of_kind("stop-service"))
    for step in asked.values():
        early = [change for change in changes if not plan.surely_before(step, change)]
        if early:
            yield f"{early[0].id} may change something before {step.id} has been answered"
        for stage in plan.of_kind("stage-artifact"):
            if stage.host == step.host and not plan.surely_before(stage, step):
                yield f"{step.id} may ask an artifact that {stage.id} has not verified yet"


def witnesses_frame_the_run(plan: PlanSeen) -> Iterator[str]:
    """Witnesses are made once, before all else, and verified after all else; a restore takes them away."""
    if not plan.steps or plan.restored:
        return
    made, steps = plan.of_kind("create-witnesses"), tuple(plan.steps.values())
    if len(made) != 1:
        yield f"witnesses are made {len(made)} times, and it must be once"
    for step in made[:1]:
        early = [other.id for other in steps if other is not step and not plan.surely_before(step, other)]
        if early:
            yield f"{early[0]} may run before the witnesses are made"
    looks = plan.of_kind("verify-witnesses")
    if not any(all(o is look or plan.surely_before(o, look) for o in steps) for look in looks):
        yield "no step verifies the witnesses after all else"


def harm_is_seen_where_it_is_done(plan: PlanSeen) -> Iterator[str]:
    """Between turns of two components, and around each batch beside instances, someone sees the witnesses."""
    if plan.restored:
        return
    looks = plan.of_kind("verify-witnesses")
    ends = {
        place: 1 << back.number
        for place, turn in plan.turns.items()
        if (back := turn.get("undrain-backend") or turn.get("await-healthy"))
    }
    beside = {service for known in plan.known.components.values() for service in known.beside}
    together: dict[str | None, int] = {}
    """Per component, the ends of its turns that need no look between them."""
    for (service, _), end in ends.items():
        owner = None if service in beside else plan.services.get(service)
        together[owner] = together.get(owner, 0) | end
    for (service, host), turn in plan.turns.items():
        if (stop := turn.get("stop-service")) is None:
            continue
        seen = 0
        for look in looks:
            seen |= plan.ancestors[look.id] if plan.surely_before(look, stop) else 0
        own = 0 if service in beside else together.get(plan.services.get(service), 0)
        missed = plan.ancestors[stop.id] & ~seen & ~own & sum(ends.values())
        for (other, there), end in ends.items():
            if missed & end:
                told = f"{service} on {host} gets new code after {other} on {there}"
                yield f"{told}, and no step looks at the witnesses in between"
                break


def stages_follow_each_other(plan: PlanSeen) -> Iterator[str]:
    """No step waits for one of a later stage."""
    for first, then in plan.edges:
        before, after = plan.steps[first].stage, plan.steps[then].stage
        if STAGES.index(before) > STAGES.index(after):
            yield f"{then} (stage {after}) waits for {first} (stage {before})"


def figures_make_sense(plan: PlanSeen) -> Iterator[str]:
    """Estimates are in order, and every step has a deadline."""
    for step in plan.steps.values():
        low, likely, high = step.figures
        if not 0 <= low <= likely <= high:
            yield f"the estimate of {step.id} is out of order: {low}, {likely}, {high}"
        if step.deadline <= 0:
            yield f"{step.id} has no deadline"
