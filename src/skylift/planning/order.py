"""The order of steps: one small rule per reason, and every edge says its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from skylift.catalog.catalog import Catalog
from skylift.model.ids import ComponentName
from skylift.planning.draft import Draft, Part, Turn
from skylift.planning.plan import Edge, Step

T = TypeVar("T")
Rule = Callable[[Draft, Catalog], Iterator[Edge]]

_OURS = "Skylift"
_BATCH = "the record, policy.batch"
_TOI = "Galera, wsrep_OSU_method: a schema change under total order isolation halts every writer"
_OLDER = "a witness judges only what happens after it was made"
_GRENADE = "grenade, README: resources made before an upgrade are verified after it"


def witnesses_first(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Witnesses are older than the first change that they judge."""
    unstaged = [p.readiness for p in draft.parts if p.readiness and p.left.bootstrap not in draft.stages]
    for step in (*draft.stages.values(), *unstaged, *draft.backups):
        yield _edge(draft.create_witnesses, step, _OLDER, _GRENADE)


def stages_in_batches(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Staging costs a host the CPU that its APIs serve with."""
    because = f"verifying every file takes a host's CPU: {_count(draft.batch, 'host')} at a time"
    for first, then in _chains(tuple(draft.stages.values()), draft.batch):
        yield _edge(first, then, because, _BATCH)


def readiness_after_stage(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """The target release itself says whether it can take over, so it must lie there."""
    source = "oslo.upgradecheck: run with the code of the new release, before services are restarted"
    for part in draft.parts:
        stage = draft.stages.get(part.left.bootstrap)
        if stage and part.readiness:
            yield _edge(stage, part.readiness, "the check is the target artifact's own", source)


def one_command_at_a_time(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """The bootstrap host serves users, too."""
    because = "the host that runs it serves users, too: one such command at a time"
    for steps in (draft.questions, draft.backups):
        for first, then in pairwise(steps):
            yield _edge(first, then, because, _OURS)


def prepared_before_first_change(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Everything that can say no says it before anything is changed."""
    first = _first_change(draft)
    asked = "a service that is not ready says so before anything is changed"
    for step in draft.questions:
        yield _edge(step, first, asked, "oslo.upgradecheck: a failure means do not upgrade")
    saved = "only a backup returns what a failed migration damages"
    for step in draft.backups:
        yield _edge(step, first, saved, "keystone, admin guide, Upgrading Keystone: make a backup first")


def stages_before_first_stop(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """A host that cannot get its artifact is found while every service still runs."""
    turns = draft.turns
    for stage in draft.stages.values() if turns else ():
        because = "a host that cannot get its artifact is found while every service still runs"
        yield _edge(stage, turns[0].drain, because, _OURS)


def schema_changes_one_by_one(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Each schema change makes all writers of the cluster wait."""
    because = "each schema change makes every writer wait, so they do not come together"
    for phases in (
        [s for p in draft.parts for _, s in p.before],
        [s for p in draft.parts for _, s in p.after],
    ):
        for first, then in pairwise(phases):
            yield _edge(first, then, because, _TOI)


def schema_before_new_code(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """What new code reads is there before it starts."""
    for part in draft.parts:
        for phase, step in part.before:
            for turn in part.turns:
                yield _edge(step, turn.start, phase.because, phase.source)


def schema_before_first_drain(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Schemas change while every API has all its backends."""
    before = [step for p in draft.parts for _, step in p.before]
    turns = draft.turns
    if before and turns:
        because = "schemas change while every API still has all its backends"
        yield _edge(before[-1], turns[0].drain, because, _OURS)


def turn_in_order(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """One component on one host: no user's request meets a service that is not whole."""
    for turn in draft.turns:
        reasons = (
            "requests end on a backend only if no new ones come",
            "a stop would cut requests in flight",
            "a running process must not find another release's files under it",
            "a service starts on what its link points to",
            "only what was started can answer",
            "only what is healthy is worth a request",
            "the first requests to a service that was just started may fail, so they must not be a user's",
        )
        for (first, then), because in zip(pairwise(turn.steps), reasons, strict=True):
            yield _edge(first, then, because, _OURS)


def batches(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """The first host goes alone; then at most a batch of backends of one API is out at once."""
    for part in draft.parts:
        canary, others = part.turns[:1], part.turns[1:]
        width = part.left.batch
        for turn in canary:
            for then in others[:width]:
                because = f"{turn.host} goes first and alone: it shows whether new {part.left.name} serves"
                yield _edge(turn.undrain, then.drain, because, _OURS)
        because = f"at most {_count(width, 'backend')} of {part.left.name} out at once"
        for before, after in _chains(others, width):
            yield _edge(before.undrain, after.drain, because, _BATCH)


def returns_before_drains(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """A backend that was left out comes back before another goes."""
    for part in draft.parts:
        for step in part.returns:
            yield _edge(draft.create_witnesses, step, _OLDER, _GRENADE)
            because = "a backend that was left out comes back before another one goes"
            then = part.turns[0].drain if part.turns else part.verify
            yield _edge(step, then, because, _BATCH)


def components_in_order(draft: Draft, catalog: Catalog) -> Iterator[Edge]:
    """One component is on new code everywhere before the next begins."""
    parts = {p.left.name: p for p in draft.parts if p.turns}
    for rule in catalog.order:
        before, after = (event.removeprefix("upgrade ") for event in (rule.before, rule.after))
        if before in parts and after in parts:
            for turn in _last(parts[ComponentName(before)]):
                first = parts[ComponentName(after)].turns[0]
                yield _edge(turn.undrain, first.drain, rule.because, rule.source)


def converge_after_old_code(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """What old code uses is removed when none is left."""
    for part in draft.parts:
        for phase, step in part.after:
            for turn in part.turns:
                yield _edge(turn.undrain, step, phase.because, phase.source)


def converge_after_expand(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """Later migrations build on those of the expand."""
    for part in draft.parts:
        for _phase, first in part.before[-1:]:
            for phase, then in part.after[:1]:
                yield _edge(first, then, "its migrations build on those of the expand", phase.source)


def no_return_comes_last(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """As long as one component runs old code, all can still be taken back."""
    first = next((s for p in draft.parts for phase, s in p.after if phase.destructive), None)
    if first is None or draft.look_at_witnesses is None:
        return
    because = "until every component runs new code and serves, each can still be taken back"
    for part in draft.parts:
        ends = [turn.undrain for turn in _last(part)] or [step for _, step in part.before[-1:]]
        for step in (*ends, *part.returns):
            yield _edge(step, draft.look_at_witnesses, because, _OURS)
    yield _edge(draft.create_witnesses, draft.look_at_witnesses, "only what was made can be seen", _GRENADE)
    looked = "users' resources are seen intact while there still is a way back"
    yield _edge(draft.look_at_witnesses, first, looked, _GRENADE)


def verify_last(draft: Draft, _: Catalog) -> Iterator[Edge]:
    """A verdict is worth something when nothing changes any more."""
    because = "a verdict counts when nothing changes any more"
    for part in draft.parts:
        ends = [step for _, step in part.after] or [turn.undrain for turn in _last(part)]
        for step in ends or [step for _, step in part.before[-1:]]:
            yield _edge(step, part.verify, because, _OURS)
        yield _edge(part.verify, draft.verify_witnesses, because, _GRENADE)


RULES: tuple[Rule, ...] = (
    witnesses_first,
    stages_in_batches,
    readiness_after_stage,
    one_command_at_a_time,
    prepared_before_first_change,
    stages_before_first_stop,
    schema_changes_one_by_one,
    schema_before_new_code,
    schema_before_first_drain,
    turn_in_order,
    batches,
    returns_before_drains,
    components_in_order,
    converge_after_old_code,
    converge_after_expand,
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


def _first_change(draft: Draft) -> Step:
    """The step before which nothing is changed but folders and witnesses; the rules make it the only one."""
    before = [step for p in draft.parts for _, step in p.before]
    turns = draft.turns
    after = [step for p in draft.parts for _, step in p.after]
    heads = (*before[:1], *(turn.drain for turn in turns[:1]), *after[:1], draft.verify_witnesses)
    return heads[0]


def _last(part: Part) -> tuple[Turn, ...]:
    """The turns that no other turn of the component waits for."""
    return part.turns[1:][-part.left.batch :] or part.turns


def _chains(items: Sequence[T], width: int) -> Iterator[tuple[T, T]]:
    """Each item with the one ``width`` later: as many chains as may go at once."""
    yield from zip(items, items[width:], strict=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _edge(before: Step, after: Step, because: str, source: str) -> Edge:
    return Edge(before.id, after.id, because, source)
