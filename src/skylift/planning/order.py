"""The order of steps: one small rule per reason, and every edge says its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from skylift.catalog.catalog import Catalog
from skylift.planning import cold_order
from skylift.planning.constraints import as_declared, between
from skylift.planning.draft import Draft, Part
from skylift.planning.plan import Edge, Stage, Step, edge_between
from skylift.planning.turns import because, steps_of

T = TypeVar("T")
Rule = Callable[[Draft, Catalog], Iterator[Edge]]

_OURS = "Skylift"
_BATCH = "the record, policy.batch"
_TOI = "Galera, wsrep_OSU_method: a schema change under total order isolation halts every writer"
_OLDER = "a witness judges only what happens after it was made"
_GRENADE = "grenade, README: resources made before an upgrade are verified after it"


def witnesses_first(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Witnesses are older than the first change that they judge."""
    if draft.restores:
        return
    unstaged = [p.readiness for p in draft.parts if p.readiness and p.left.bootstrap not in draft.stages]
    for step in (*draft.stages.values(), *unstaged, *(pair[0] for pair in draft.backups)):
        yield edge_between(draft.create_witnesses, step, _OLDER, _GRENADE)


def stages_in_batches(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Staging costs a host the CPU that its APIs serve with."""
    because = f"verifying every file takes a host's CPU: {_count(draft.batch, 'host')} at a time"
    for first, then in _chains(tuple(draft.stages.values()), draft.batch):
        yield edge_between(first, then, because, _BATCH)


def readiness_after_stage(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """The target release itself says whether it can take over, so it must lie there."""
    source = "oslo.upgradecheck: run with the code of the new release, before services are restarted"
    for part in draft.parts:
        stage = draft.stages.get(part.left.bootstrap)
        if stage and part.readiness:
            yield edge_between(stage, part.readiness, "the check is the target artifact's own", source)


def one_command_at_a_time(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """The bootstrap host serves users, too."""
    because = "the host that runs it serves users, too: one such command at a time"
    saves = tuple(step for pair in draft.backups for step in pair)
    for steps in (draft.questions, saves):
        for first, then in pairwise(steps):
            yield edge_between(first, then, because, _OURS)


def rehearsed_after_saved(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Only what was saved can be restored."""
    for save, rehearse in draft.backups:
        yield edge_between(save, rehearse, "a backup is worth what a restore of it gives", _OURS)


def prepared_before_first_change(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Everything that can say no says it before anything is changed."""
    asked = "a service that is not ready says so before anything is changed"
    saved = "only a backup that is known to restore returns what a failed migration damages"
    for first in _first_changes(draft):
        for step in draft.questions:
            yield edge_between(step, first, asked, "oslo.upgradecheck: a failure means do not upgrade")
        for _save, step in draft.backups:
            yield edge_between(
                step, first, saved, "keystone, admin guide, Upgrading Keystone: make a backup first"
            )


def stages_before_first_stop(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """A host that cannot get its artifact is found while every service still runs."""
    because = "a host that cannot get its artifact is found while every service still runs"
    for first in _first_turns(draft):
        for stage in draft.stages.values():
            yield edge_between(stage, first, because, _OURS)


def schema_changes_one_by_one(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Each schema change makes all writers of the cluster wait."""
    because = "each schema change makes every writer wait, so they do not come together"
    own = [[s for _, s in p.before if s.stage is Stage.CONTROL_PLANE] for p in draft.parts]
    for phases in (draft.before, *own, [s for p in draft.parts for _, s in p.after]):
        for first, then in pairwise(phases):
            yield edge_between(first, then, because, _TOI)


def schema_before_new_code(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """What new code reads is there before it starts."""
    for part in draft.parts:
        for phase, step in part.before:
            for start in steps_of(part.turns, "start"):
                yield edge_between(step, start, phase.because, phase.source)


def schema_before_first_drain(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Schemas change while every API has all its backends."""
    because = "schemas change while every API still has all its backends"
    for step in draft.before[-1:]:
        for first in _first_turns(draft):
            yield edge_between(step, first, because, _OURS)


def late_phases_before_turns(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """A phase that waited for another component's new code runs while its own old code serves."""
    because = "schemas change while every API still has all its backends"
    for part in draft.parts:
        for step in part.late[-1:]:
            for first in part.goings:
                yield edge_between(step, first, because, _OURS)


def turn_in_order(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """One service on one host: no user's request meets one that is not whole."""
    restarts = [turn for part in draft.parts for turns in part.unpins for turn in turns]
    for turn in (*draft.turns, *restarts):
        for (before, first), (verb, then) in pairwise(turn.verbs):
            yield edge_between(first, then, because(verb, after=before), _OURS)
        for park in turn.parks:
            for then in turn.steps_of("still", "stop"):
                yield edge_between(park, then, because("park"), _OURS)


def batches(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """The first host goes alone; then at most a batch of hosts is without a service at once."""
    for part in draft.parts:
        for service in (s for s in part.services if not s.at_once):
            canary, others = service.turns[:1], service.turns[1:]
            name, width = service.left.name, service.left.batch
            for turn in canary:
                for then in others[:width]:
                    age = "old" if draft.back else "new"
                    because = f"{turn.host} goes first and alone: it shows whether {age} {name} serves"
                    yield edge_between(turn.last, then.first, because, _OURS)
            noun = "backend" if service.left.entry.balanced else "host"
            because = f"at most {_count(width, noun)} of {name} out at once"
            for before, after in _chains(others, width):
                yield edge_between(before.last, after.first, because, _BATCH)


def returns_before_drains(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """A backend that was left out comes back before another goes."""
    because = "a backend that was left out comes back before another one goes"
    for part in draft.parts:
        for service in part.services:
            for step in service.returns:
                yield from _after_witnesses(draft, step)
                then = service.turns[0].first if service.turns else part.verify
                yield edge_between(step, then, because, _BATCH)


def opened_after_all_else(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """What an earlier plan left closed gets work again when it is whole, through an API that answers."""
    for part in draft.parts:
        for step in part.opens:
            yield from _after_witnesses(draft, step)
            for turn in part.turns:
                yield edge_between(turn.last, step, because("open"), _OURS)
            yield edge_between(step, part.verify, "a verdict counts when nothing changes any more", _OURS)


def constraints(draft: Draft, catalog: Catalog) -> Iterator[Edge]:
    """What the components' own files say of their order."""
    yield from as_declared(draft, catalog)


def services_in_order(draft: Draft, catalog: Catalog) -> Iterator[Edge]:
    """One service of a component is on new code everywhere before the next begins."""
    because = "one service of a component at a time: a failure stops there, and the others serve"
    for part in draft.parts:
        going = [service for service in part.services if service.turns]
        for first, then in () if part.left.cold else pairwise(going):
            rule = between(catalog, first.left.name, then.left.name, back=draft.back)
            told = (rule.because, rule.source) if rule else (because, _OURS)
            for turn in first.last:
                yield edge_between(turn.last, then.turns[0].first, *told)


def components_in_order(draft: Draft, catalog: Catalog) -> Iterator[Edge]:
    """One component is on new code everywhere before the next begins."""
    because = "one component at a time: at most one API is short of a backend, and a failure stops there"
    for before, after in pairwise(part for part in draft.parts if part.turns):
        rule = between(catalog, before.left.name, after.left.name, back=draft.back)
        told = (rule.because, rule.source) if rule else (because, _OURS)
        for end in before.ends:
            for first in after.firsts:
                yield edge_between(end, first, *told)


def looks_between(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Harm to users' resources is seen where it was done, before more of the kind is done."""
    seen = "what is new by then has hurt no resource of users, or nothing more becomes new"
    for look in draft.looks:
        for turn in look.after:
            yield edge_between(turn.last, look.step, "a look tells of what has ended", _OURS)
        for then in look.before:
            yield edge_between(look.step, then, seen, _GRENADE)


def unpinned_after_old_code(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """A service that looked before the last old one was gone keeps the old form of its messages."""
    because = "a service that looks while an old one is left keeps the old form of its messages"
    for part in draft.parts:
        pin = part.left.known.pin
        source = pin.source if pin else _OURS
        restarts = [turn for turns in part.unpins for turn in turns]
        for step in part.unpinning[:1]:
            for end in part.ends:
                yield edge_between(end, step, because, source)
        if part.free and restarts:
            yield edge_between(part.free, restarts[0].first, because, source)
        for first, then in pairwise(restarts):
            yield edge_between(first.last, then.first, "restarts come one at a time", _OURS)
        if part.pin and restarts:
            yield edge_between(
                restarts[-1].last, part.pin, "a pin is proved when everything has looked again", source
            )


def converge_after_old_code(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """What old code uses is removed when none is left."""
    for part in draft.parts:
        for phase, step in part.after:
            for service in part.services:
                for turn in service.last:
                    yield edge_between(turn.last, step, phase.because, phase.source)
            for end in _unpinned(part):
                yield edge_between(end, step, phase.because, phase.source)


def converge_after_expand(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Later migrations build on those of the expand."""
    for part in draft.parts:
        for _phase, first in part.before[-1:]:
            for phase, then in part.after[:1]:
                yield edge_between(first, then, "its migrations build on those of the expand", phase.source)


def commands_when_all_is_new(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """What is due after an upgrade speaks to new code on the new schema."""
    for part in draft.parts:
        whys = {after.name: (after.because, after.source) for after in part.left.known.after}
        for step in part.commands[:1]:
            told = whys[step.id.partition(":")[2]]
            for end in _ends(part):
                yield edge_between(end, step, *told)
        for first, then in pairwise(part.commands):
            yield edge_between(first, then, *whys[then.id.partition(":")[2]])


def no_return_comes_last(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """As long as one component runs old code, all can still be taken back."""
    if draft.look_at_witnesses is None:
        return
    because = "until every component runs new code and serves, each can still be taken back"
    for part in draft.parts:
        ends = part.ends or tuple(step for _, step in part.before[-1:])
        for step in (*ends, *part.returns):
            yield edge_between(step, draft.look_at_witnesses, because, _OURS)
    yield edge_between(
        draft.create_witnesses, draft.look_at_witnesses, "only what was made can be seen", _GRENADE
    )
    looked = "users' resources are seen intact while there still is a way back"
    for part in draft.parts:
        for step in part.last_ways_back:
            yield edge_between(draft.look_at_witnesses, step, looked, _GRENADE)


def verify_last(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """A verdict is worth something when nothing changes any more."""
    because = "a verdict counts when nothing changes any more"
    for part in draft.parts:
        for step in part.commands[-1:] or _ends(part):
            yield edge_between(step, part.verify, because, _OURS)
        yield edge_between(part.verify, draft.verify_witnesses, because, _GRENADE)
        if draft.restores:
            yield edge_between(
                part.verify, draft.create_witnesses, "a restore takes away what was made before", _OURS
            )
    if draft.restores:
        yield edge_between(
            draft.create_witnesses, draft.verify_witnesses, "only what was made can be seen", _GRENADE
        )


RULES: tuple[Rule, ...] = (
    witnesses_first,
    stages_in_batches,
    readiness_after_stage,
    rehearsed_after_saved,
    one_command_at_a_time,
    prepared_before_first_change,
    stages_before_first_stop,
    schema_changes_one_by_one,
    schema_before_new_code,
    schema_before_first_drain,
    late_phases_before_turns,
    turn_in_order,
    batches,
    returns_before_drains,
    cold_order.stopped_before_cold_phases,
    cold_order.restored_while_nothing_runs,
    cold_order.all_stop_before_any_starts,
    cold_order.work_ends_before_a_whole_component_stops,
    opened_after_all_else,
    constraints,
    services_in_order,
    components_in_order,
    looks_between,
    unpinned_after_old_code,
    converge_after_old_code,
    converge_after_expand,
    commands_when_all_is_new,
    no_return_comes_last,
    verify_last,
)


def edges(draft: Draft, catalog: Catalog) -> tuple[Edge, ...]:
    """All edges that the rules give; of two between the same steps the first rule's."""
    found: dict[tuple[str, str], Edge] = {}
    for rule in RULES:
        for edge in rule(draft, catalog):
            found.setdefault((edge.before, edge.after), edge)
    return tuple(found[key] for key in sorted(found))


def _first_changes(draft: Draft) -> tuple[Step, ...]:
    """The steps before which nothing is changed but folders and witnesses."""
    if draft.before:
        return draft.before[:1]
    if draft.turns:
        return _first_turns(draft)
    after = tuple(step for p in draft.parts for _, step in p.after)
    return after[:1] or (draft.verify_witnesses,)


def _first_turns(draft: Draft) -> tuple[Step, ...]:
    """The steps with which the first component begins."""
    return next((part.firsts for part in draft.parts if part.turns), ())


def _unpinned(part: Part) -> tuple[Step, ...]:
    return part.unpinning[-1:]


def _ends(part: Part) -> tuple[Step, ...]:
    """The last steps that change a component, but for the commands that are due then."""
    after = tuple(step for _, step in part.after)
    return after or _unpinned(part) or part.ends or tuple(step for _, step in part.before[-1:])


def _chains(items: Sequence[T], width: int) -> Iterator[tuple[T, T]]:
    """Each item with the one ``width`` later: as many chains as may go at once."""
    yield from zip(items, items[width:], strict=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _after_witnesses(draft: Draft, step: Step) -> Iterator[Edge]:
    if not draft.restores:
        yield edge_between(draft.create_witnesses, step, _OLDER, _GRENADE)
