"""All rules over one plan document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from skylift.verifier import (
    back_rules,
    closing_rules,
    host_rules,
    parking_rules,
    pool_rules,
    restore_rules,
    schema_rules,
    together_rules,
    whole_rules,
)
from skylift.verifier.constraints import constraints_hold
from skylift.verifier.document import PlanSeen, is_back, read, shape_violations
from skylift.verifier.event_rules import EVENT_RULES, hop_is_tested
from skylift.verifier.knowledge import Knowledge, knowledge_of
from skylift.verifier.plan_events import plan_events
from skylift.verifier.unreadable import Unreadable

Rule = Callable[[PlanSeen], Iterator[str]]

RULES: tuple[Rule, ...] = (
    host_rules.turns_are_whole,
    host_rules.turns_come_once,
    host_rules.names_agree,
    host_rules.one_unit_link_and_pool,
    host_rules.units_are_looked_at_by_their_own,
    host_rules.switches_lead_to_the_goal,
    host_rules.artifacts_are_staged,
    host_rules.impact_is_told,
    pool_rules.enough_backends_serve,
    pool_rules.outages_are_accepted,
    pool_rules.drained_backends_return,
    closing_rules.closed_hosts_are_opened_as_closed,
    closing_rules.some_host_takes_new_work,
    closing_rules.what_was_left_closed_is_opened,
    closing_rules.work_ends_while_it_can,
    closing_rules.closing_is_told,
    parking_rules.parked_pools_are_unparked,
    parking_rules.parkings_of_a_pool_follow_each_other,
    parking_rules.parking_is_short,
    parking_rules.what_needs_parking_gets_it,
    parking_rules.waiting_is_told,
    together_rules.requests_wait_while_none_lives,
    together_rules.nothing_is_under_way,
    schema_rules.phases_are_known,
    schema_rules.phases_run_once,
    schema_rules.no_return_comes_last,
    schema_rules.databases_are_saved,
    schema_rules.databases_are_their_own,
    schema_rules.schemas_arrive,
    schema_rules.commands_are_the_targets,
    whole_rules.nothing_is_forgotten,
    whole_rules.everything_changed_is_verified,
    whole_rules.witnesses_frame_the_run,
    whole_rules.harm_is_seen_where_it_is_done,
    whole_rules.stages_follow_each_other,
    whole_rules.figures_make_sense,
)
"""What holds for every plan."""

UPGRADE_RULES: tuple[Rule, ...] = (
    schema_rules.no_phase_is_left_out,
    whole_rules.pins_are_verified,
    whole_rules.ways_back_end_when_all_is_new,
    whole_rules.services_are_asked_first,
)
"""What holds where code becomes new: it is asked first, its schema is brought further, and it is unpinned."""

BACK_RULES: tuple[Rule, ...] = (
    back_rules.nothing_but_services_goes_back,
    back_rules.only_what_is_named_goes_back,
    back_rules.the_way_back_is_open,
    back_rules.nothing_newer_counts_on_it,
    back_rules.one_is_known_before_others_go_back,
    back_rules.rows_tell_of_what_goes_back,
    restore_rules.restores_are_consented,
    restore_rules.components_are_restored_whole,
    restore_rules.only_rehearsed_backups_are_restored,
    restore_rules.nothing_lives_beside_a_restore,
    restore_rules.what_is_replaced_is_kept,
)
"""What holds where code becomes old again."""

RESTORE_RULES: tuple[Rule, ...] = (restore_rules.witnesses_are_made_after_a_restore,)
"""What holds in the place of what frames other plans, where databases are restored."""


def verify(plan: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What speaks against a plan, a sentence each; none if it may be shown and approved.

    ``plan`` is the document under ``plan`` in a plan file, ``documents`` are the catalog's component files
    as TOML has them. A document that cannot be judged at all has one violation, which says why.
    """
    try:
        return judge(plan, knowledge_of(documents))
    except Unreadable as unreadable:
        return (str(unreadable),)


def judge(plan: Mapping[str, Any], known: Knowledge) -> tuple[str, ...]:
    """The same by what was read of the documents before: for whoever judges many plans."""
    try:
        shape = tuple(shape_violations(plan))
        if shape:
            return shape
        here, there, back = str(plan["source"]), str(plan["goal"]["to"]), is_back(plan)
        known = replace(known, hop=(there, here) if back else (here, there))
        seen = read(plan, known.turned_round() if back else known)
        rules = (*RULES, *(BACK_RULES if back else UPGRADE_RULES), *(RESTORE_RULES if seen.restored else ()))
        told = (*(s for rule in rules for s in rule(seen)), *_of_events(seen))
        return tuple(dict.fromkeys(told))
    except Unreadable as unreadable:
        return (str(unreadable),)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return (f"the document is no plan: it lacks {error} or has it in another form",)


def _of_events(seen: PlanSeen) -> Iterator[str]:
    """The rules that an order written by hand is judged by, too."""
    events = plan_events(seen)
    yield from hop_is_tested(*seen.known.hop)
    yield from constraints_hold(seen.known, events)
    for rule in EVENT_RULES:
        yield from rule(seen.known, events)
