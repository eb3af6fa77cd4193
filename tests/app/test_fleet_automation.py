"""What works against a run over hosts is paused for as long as it lasts, and given back on every way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import (
    CMP,
    QUICK,
    RUN,
    SiteOf,
    at_desk,
    bench_of,
    boots,
    folder,
    planned,
    ran,
    site_of,
)

from skylift.app.control import StepUnknown, tell
from skylift.app.fleet_account import fleet_account
from skylift.app.maintain import apply_mandate, go_on
from skylift.app.open_runs import RunOpen
from skylift.app.wiring import open_journal
from skylift.cli.views import fleet_run as run_view
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.guards import pairs_of
from skylift.engine.journal import Journal, Why
from skylift.engine.operate import Asked, abort, pause, postpone, resume, retry, skip
from skylift.engine.problems import StepRefuses
from skylift.model.automation import AutomationEntry
from skylift.model.ids import HostName, RunId, Seconds, StepId
from skylift.model.record import Timeouts
from skylift.testing.fake_work import AUTOMATION

NAMES = ("masakari", "watcher")
PAUSE, BACK = StepId("pause-1:masakari"), StepId("give-back-1:masakari")


def entry(name: str) -> AutomationEntry:
    said = {verb: (AUTOMATION, verb, name) for verb in ("paused", "pause", "give-back")}
    return AutomationEntry(HostName("ctl1"), said["paused"], said["pause"], said["give-back"])


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Three compute hosts, an instance on each of two, and two that would work against a run."""
    made = site_of(
        tmp_path,
        computes=3,
        maintenance=replace(QUICK, automation={name: entry(name) for name in NAMES}),
    )
    made.cloud.automation = dict.fromkeys(NAMES, False)
    for n in (1, 2):
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    return made


def in_time(at: SiteOf, limit_s: int) -> None:
    policy = replace(at.site.record.policy, timeouts=Timeouts(command=Seconds(limit_s)))
    at.site = replace(at.site, record=replace(at.site.record, policy=policy))


def phases(run: Run) -> dict[str, Phase]:
    return {step: at.phase for step, at in run.steps.items() if ":" in step}


def owed(at: SiteOf) -> list[str]:
    with open_journal(folder(at)) as journal:
        run = fold(journal.events())
    return [pair.name for pair in pairs_of(run) if pair.is_owed(run)]


def test_all_is_paused_before_a_host_is_closed_and_goes_on_when_the_last_is_open(at: SiteOf) -> None:
    beside: list[str] = []

    def look() -> None:
        if at.cloud.roster.closed:
            beside.extend(name for name, paused in at.cloud.automation.items() if not paused)

    at.meanwhile = look

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert beside == []
    assert at.cloud.automation == dict.fromkeys(NAMES, False)
    steps = list(run.steps)
    assert steps.index(PAUSE) < steps.index(StepId("empty@cmp3")) < steps.index(BACK)


def test_what_others_had_paused_stays_as_it_is(at: SiteOf) -> None:
    at.cloud.automation["watcher"] = True

    run = ran(at)

    assert run.standing is Standing.COMPLETED
    assert at.cloud.automation == {"masakari": False, "watcher": True}
    assert {step for step in run.steps if "watcher" in step} == set()


def test_a_run_that_rests_keeps_nothing_and_takes_it_anew(at: SiteOf) -> None:
    def say() -> None:
        if at.cloud.roster.closed and not at.said:
            at.said = True
            with open_journal(folder(at)) as journal:
                pause(journal, at_desk(at))

    at.meanwhile = say
    first = ran(at)
    between = dict(at.cloud.automation)
    run = go_on(at.site, folder(at), bench_of(at))

    assert first.standing is Standing.PAUSED
    assert between == dict.fromkeys(NAMES, False)
    assert run.standing is Standing.COMPLETED
    assert {"pause-1:masakari", "give-back-1:masakari", "pause-2:masakari", "give-back-2:masakari"} <= set(
        run.steps
    )
    assert at.cloud.automation == dict.fromkeys(NAMES, False)


def test_an_aborted_run_gives_back_what_it_paused(at: SiteOf) -> None:
    def say() -> None:
        if at.cloud.roster.closed and not at.said:
            at.said = True
            with open_journal(folder(at)) as journal:
                abort(journal, at_desk(at), reason="not tonight", leave=False)

    at.meanwhile = say

    run = ran(at)

    assert run.standing is Standing.ABORTED
    assert at.cloud.automation == dict.fromkeys(NAMES, False)


class DiedError(Exception):
    """The process is gone."""


@pytest.mark.parametrize("given_up", [False, True])
def test_a_pause_that_was_undone_before_its_end_was_written_down_is_made_anew(
    at: SiteOf, *, given_up: bool
) -> None:
    """Its command has ended, so that under its key nobody runs it again."""
    text, beside = planned(at), list[str]()

    def die() -> None:
        if at.cloud.automation["masakari"]:
            raise DiedError

    at.meanwhile = die
    with pytest.raises(DiedError):
        apply_mandate(at.site, RUN, text, bench_of(at))
    with open_journal(folder(at)) as journal:
        assert PAUSE in fold(journal.events()).within(Phase.RUNNING)
    at.cloud.automation["masakari"] = False
    began = at.cloud.now

    def look() -> None:
        if at.cloud.roster.closed:
            beside.extend(name for name, paused in at.cloud.automation.items() if not paused)

    at.meanwhile = look
    run = go_on(at.site, folder(at), bench_of(at), gives_up if given_up else resume)

    assert run.standing is (Standing.ABORTED if given_up else Standing.COMPLETED)
    assert (StepId("pause-2:masakari") in run.steps) is not given_up
    assert beside == []
    assert at.cloud.now - began < 1000, "nobody waited for the whole deadline"
    assert (at.cloud.automation, owed(at)) == (dict.fromkeys(NAMES, False), [])


@pytest.mark.parametrize("when", range(0, 40, 5))
def test_after_kill_9_whoever_goes_on_gives_it_back(at: SiteOf, when: int) -> None:
    """Also if she gives the run up; and what it was is told by status until then."""
    text, begun = planned(at), at.cloud.now

    def die() -> None:
        if at.cloud.now - begun > when:
            raise DiedError

    at.meanwhile = die
    with pytest.raises(DiedError):
        apply_mandate(at.site, RUN, text, bench_of(at))
    at.meanwhile = lambda: None
    taken = [name for name, paused in at.cloud.automation.items() if paused]
    told = "\n".join(run_view.lines(fleet_account(at.site.runs, folder(at))))
    if when % 2:
        at.cloud.automation["masakari"] = False  # somebody let it go on meanwhile

    run = go_on(at.site, folder(at), bench_of(at))

    assert all(f"paused by this run: {name}" in told for name in taken)
    assert run.standing is Standing.COMPLETED
    assert at.cloud.automation == dict.fromkeys(NAMES, False)
    assert owed(at) == []


def gives_up(journal: Journal, asked: Asked) -> Run:
    return abort(journal, asked, reason="no", leave=False)


def closes(journal: Journal, asked: Asked) -> Run:
    return abort(journal, asked, reason="done by hand", leave=True)


@pytest.mark.parametrize("word", [resume, gives_up, closes])
def test_no_other_run_begins_until_a_killed_one_has_given_back_what_it_paused(
    at: SiteOf, word: Callable[[Journal, Asked], Run]
) -> None:
    """It would take that for somebody else's doing, and leave it paused when it ends."""
    text, other = planned(at), RunId(f"{RUN}-other")

    def die() -> None:
        if at.cloud.automation["masakari"]:
            raise DiedError

    at.meanwhile = die
    with pytest.raises(DiedError):
        apply_mandate(at.site, RUN, text, bench_of(at))
    at.meanwhile = lambda: None

    with pytest.raises(RunOpen, match=f"this plan has begun already: run {RUN} is interrupted") as refused:
        apply_mandate(at.site, other, text, bench_of(at))
    assert [f.id for f in at.site.runs.known()] == [RUN], "nothing was begun"
    assert f"skylift resume {RUN}" in str(refused.value.remedies)

    if word is closes:
        at.cloud.automation |= dict.fromkeys(NAMES, False)  # by hand
    go_on(at.site, folder(at), bench_of(at), word)
    run = apply_mandate(at.site, other, planned(at), bench_of(at))

    assert run.standing is Standing.COMPLETED
    assert at.cloud.automation == dict.fromkeys(NAMES, False)


def test_what_cannot_be_asked_pauses_the_run_before_any_host(at: SiteOf) -> None:
    in_time(at, 30)
    del at.cloud.automation["watcher"]

    run = ran(at)

    assert run.pause is not None
    assert run.pause.why is Why.AUTOMATION
    assert run.pause.problem is not None
    assert "it could not be told whether watcher is paused" in run.pause.problem.sentence
    assert set(boots(at).values()) == {1}
    assert at.cloud.automation == {"masakari": False}


def fails(at: SiteOf, verb: str) -> None:
    """The operator's command of this verb ends badly."""
    whole = entry("masakari")
    broken = replace(whole, pause=("false",)) if verb == "pause" else replace(whole, give_back=("false",))
    automation = {"masakari": broken, "watcher": entry("watcher")}
    record = replace(at.site.record, maintenance=replace(QUICK, automation=automation))
    at.site = replace(at.site, record=record)


def test_what_cannot_be_paused_halts_the_run_and_nothing_stays_paused(at: SiteOf) -> None:
    fails(at, "pause")

    run = ran(at)

    assert run.standing is Standing.HALTED
    assert run.within(Phase.FAILED) == {PAUSE}
    assert set(boots(at).values()) == {1}
    assert at.cloud.automation == dict.fromkeys(NAMES, False)

    again = go_on(at.site, folder(at), bench_of(at), retry)
    tell(folder(at), lambda journal, order: skip(journal, order, at_desk(at), newest(again), reason="off"))
    ended = go_on(at.site, folder(at), bench_of(at))

    assert again.standing is Standing.HALTED
    assert ended.standing is Standing.COMPLETED
    assert set(boots(at).values()) == {2}
    assert at.cloud.automation == dict.fromkeys(NAMES, False)


def newest(run: Run) -> StepId:
    (failed,) = run.within(Phase.FAILED)
    return failed


def test_a_pause_that_is_tried_again_holds_before_any_host_is_closed(at: SiteOf) -> None:
    """Also if nobody can say for a while whether it is paused, just when the next pair is to begin."""
    whole = at.site
    fails(at, "pause")
    assert ran(at).standing is Standing.HALTED
    at.site = whole
    silent, beside = at.cloud.automation.pop("masakari"), list[str]()
    began = at.cloud.now

    def look() -> None:
        if at.cloud.now - began > 5:
            at.cloud.automation.setdefault("masakari", silent)
        if at.cloud.roster.closed and not at.cloud.automation.get("masakari"):
            beside.append("masakari")

    at.meanwhile = look
    ended = go_on(at.site, folder(at), bench_of(at), retry)

    assert ended.standing is Standing.COMPLETED
    assert beside == []
    assert StepId("pause-2:masakari") in ended.within(Phase.DONE)


def test_what_cannot_be_given_back_keeps_a_run_open_and_is_named_with_the_command(at: SiteOf) -> None:
    fails(at, "give_back")

    run = ran(at)

    assert run.standing is Standing.HALTED
    assert run.within(Phase.FAILED) == {BACK}
    assert set(boots(at).values()) == {2}, "every host is through"
    assert "paused by this run: masakari" in "\n".join(
        run_view.lines(fleet_account(at.site.runs, folder(at)))
    )
    with pytest.raises(StepRefuses):
        tell(folder(at), lambda journal, order: skip(journal, order, at_desk(at), BACK, reason="so what"))
    with pytest.raises(StepUnknown):
        tell(folder(at), lambda journal, _: fold(journal.events()), steps=(StepId("give-back-7:masakari"),))

    tell(folder(at), lambda journal, order: postpone(journal, order, at_desk(at), BACK, reason="Ann is away"))
    still = go_on(at.site, folder(at), bench_of(at))
    assert (still.within(Phase.POSTPONED), owed(at)) == (frozenset({BACK}), ["masakari"])

    at.cloud.automation["masakari"] = False  # by hand, as the remedy says
    ended = go_on(at.site, folder(at), bench_of(at), lambda journal, asked: retry(journal, asked, BACK))

    assert ended.standing is Standing.COMPLETED
    assert CMP[2] in fleet_account(at.site.runs, folder(at)).done
