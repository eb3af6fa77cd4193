"""What is said of whole hosts and zones while a run over them goes on, and what is left of it at its end."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.app.maintained import (
    CMP,
    RUN,
    SiteOf,
    at_desk,
    bench_of,
    boots,
    folder,
    is_whole,
    planned,
    site_of,
)

from skylift.app.control import tell
from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_words import HostNotPlanned, steps_of
from skylift.app.maintain import apply_mandate, go_on
from skylift.cli.control import steps_meant
from skylift.cli.desk import Desk
from skylift.engine.decide import Order
from skylift.engine.fold import Run, Standing
from skylift.engine.journal import Journal
from skylift.engine.operate import Asked, postpone, retry, skip
from skylift.engine.problems import StepRefuses
from skylift.engine.verbs import Verb
from skylift.fleet.mandate import read_mandate, write_mandate
from skylift.model.ids import StepId


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Four compute hosts, an instance on each of three; the last cannot boot anything."""
    made = site_of(tmp_path, computes=4)
    for n in (1, 2, 3):
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    return made


def said(at: SiteOf, what: tuple[Verb, StepId], journal: Journal, order: Order) -> Run:
    verb, step = what
    word = {Verb.SKIP: skip, Verb.POSTPONE: postpone}[verb]
    return word(journal, order, at_desk(at), step, reason="month's end")


def once(at: SiteOf, verb: Verb, *hosts: str) -> None:
    """An operator says it of hosts as soon as the run has begun."""

    def say() -> None:
        if not at.said:
            at.said = True
            meant = [host for host in CMP if host in hosts]
            for step in steps_of(fleet_account(at.site.runs, folder(at)), verb, meant, ()):
                tell(folder(at), partial(said, at, (verb, step)))

    at.meanwhile = say


def test_a_mandate_knows_the_zones_of_its_hosts(at: SiteOf) -> None:
    text = planned(at)

    mandate = read_mandate(text)

    assert mandate.zones == {"nova": tuple(CMP)}
    assert write_mandate(mandate) == text
    assert replace(mandate, zones={"nova": (*CMP, CMP[0])}).left_out == ()


def test_a_postponed_host_is_left_with_its_reason_and_taken_back_by_name(at: SiteOf) -> None:
    text = planned(at)
    once(at, Verb.POSTPONE, "cmp1", "cmp2")

    apply_mandate(at.site, RUN, text, bench_of(at))
    found = fleet_account(at.site.runs, folder(at))
    back = steps_of(found, Verb.RETRY, (), ("nova",))

    assert found.left == {host: f"empty@{host} is postponed, by rey@desk: month's end" for host in CMP[:2]}
    assert set(found.done) == set(CMP[2:])
    assert set(back) == {"empty@cmp1", "empty@cmp2"}

    def take_back(journal: Journal, asked: Asked) -> Run:
        return [retry(journal, asked, step) for step in back][-1]

    run = go_on(at.site, folder(at), bench_of(at), take_back)

    assert (run.standing, set(boots(at).values())) == (Standing.COMPLETED, {2})
    assert is_whole(at)


def test_a_skipped_host_is_answered_for_and_the_run_is_complete_without_it(at: SiteOf) -> None:
    text = planned(at)
    once(at, Verb.SKIP, "cmp2")

    run = apply_mandate(at.site, RUN, text, bench_of(at))
    found = fleet_account(at.site.runs, folder(at))

    assert run.standing is Standing.COMPLETED
    assert found.left == {CMP[1]: "empty@cmp2 is skipped, by rey@desk: month's end"}
    assert boots(at)["cmp2"] == 1


def test_of_a_failed_host_the_step_that_failed_is_meant(at: SiteOf) -> None:
    at.cloud.nova.sick.add(CMP[3])
    apply_mandate(at.site, RUN, planned(at), bench_of(at))
    found = fleet_account(at.site.runs, folder(at))

    assert steps_of(found, Verb.RETRY, (CMP[3],), ()) == ("try@cmp4",)
    assert steps_of(found, Verb.SKIP, (), ("nova",)) == ("try@cmp4",), "the others are through"
    with pytest.raises(StepRefuses):
        steps_of(found, Verb.RETRY, (CMP[0],), ())


def test_a_host_or_a_zone_that_the_run_does_not_have_is_named_with_those_that_it_has(at: SiteOf) -> None:
    apply_mandate(at.site, RUN, planned(at), bench_of(at))
    found = fleet_account(at.site.runs, folder(at))

    with pytest.raises(HostNotPlanned, match="does not work on az9; it has nova, cmp"):
        steps_of(found, Verb.SKIP, (), ("az9",))


def test_a_word_is_about_a_step_or_about_hosts(at: SiteOf) -> None:
    apply_mandate(at.site, RUN, planned(at), bench_of(at))
    desk = Desk(at.site.runs.home.parent / "cloud.yaml")

    meant = steps_meant(desk, folder(at), Verb.SKIP, "empty@cmp1", hosts=(), zones=())

    assert meant == (StepId("empty@cmp1"),)


def test_what_a_plan_leaves_out_is_left_at_the_end_whatever_the_reason(at: SiteOf) -> None:
    """Hosts of a refused pool, too, which no list of the plan has."""
    mandate = read_mandate(planned(at))
    turns = [turn for turn in mandate.plan["turns"] if turn[0] != "cmp4"]

    fewer = replace(mandate, plan={**mandate.plan, "turns": turns})

    assert fewer.left_out == (CMP[3],)
