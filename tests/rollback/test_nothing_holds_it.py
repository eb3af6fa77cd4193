"""A way back goes on while what it takes back hurts users: to stop half-way would keep what hurts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, Desk, automatic_desk_at
from tests.rollback.operated import BACK, GLANCE_OUT, apply_back, paused_at, run_of, way_back

from skylift.app.account import account
from skylift.app.automatic import take_back_by_itself
from skylift.app.conduct import go_on
from skylift.app.take_up import take_up
from skylift.app.wiring import open_journal
from skylift.cli.views.report import lines as report_lines
from skylift.cli.views.run import changes, lines
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.journal import RunWarned
from skylift.engine.operate import pause
from skylift.model.cloud import UnitState
from skylift.model.gate import Answer, GateEntry, GateKind, Verdict
from skylift.model.ids import PoolName, Seconds
from skylift.model.notification import Notification, NotifyEntry, Occasion, Way
from skylift.planning.text import read_plan
from skylift.testing.fake_state import FailedRequest
from skylift.testing.fuse import Killed

NEW = "2024.1"
EVERY_S = 2
"""While new code serves, a request fails as often."""
ERRORS = GateEntry(GateKind.HTTP, "http://unused", every=Seconds(10), patience=Seconds(30))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return automatic_desk_at(tmp_path)


def runs_new(desk: Desk) -> bool:
    units = [unit for host in desk.cloud.hosts.values() for unit in host.units.values()]
    return any(u.state is UnitState.ACTIVE and str(u.running).endswith(NEW) for u in units)


def is_back(desk: Desk) -> bool:
    units = (unit for host in desk.cloud.hosts.values() for unit in host.units.values())
    return not any(str(unit.running).endswith(NEW) for unit in units)


def new_code_hurts(desk: Desk) -> Callable[[Run], None]:
    """From here on it loses a request every other second, until none of it runs."""
    last = [0.0]

    def look(_run: Run) -> None:
        if runs_new(desk) and desk.cloud.now - last[0] >= EVERY_S:
            last[0] = desk.cloud.now
            desk.cloud.traffic.failed.append(FailedRequest(desk.cloud.now, PoolName("glance"), "502"))

    return look


def spoilt(desk: Desk) -> Run:
    """An upgrade that new code hurts from its middle on, and goes on to."""
    hurts = new_code_hurts(desk)

    def look(run: Run) -> None:
        if GLANCE_OUT in run.within(Phase.DONE):
            hurts(run)

    desk.at_each_look = look
    ended = desk.apply(desk.plan())
    desk.at_each_look = hurts
    return ended


def by_hand(desk: Desk) -> bytes:
    """The way back from a run that was paused half-way, and that new code hurts."""
    paused_at(desk, GLANCE_OUT)
    text = way_back(desk)
    desk.at_each_look = new_code_hurts(desk)
    return text


def warned(desk: Desk) -> list[RunWarned]:
    with open_journal(desk.site.runs.find(BACK)) as journal:
        return [event for event in journal.events() if isinstance(event, RunWarned)]


class TestLossesThatLastAsLongAsNewCodeRuns:
    """Issue 5, 2: at 3 a.m. nobody is there to resume what was to end the loss."""

    def test_do_not_hold_an_automatic_way_back(self, desk: Desk) -> None:
        upgrade = spoilt(desk)

        ended = take_back_by_itself(
            desk.site, desk.site.runs.find(RUN), BACK, desk.bench, show=lambda _proposal: None
        )

        assert upgrade.pause is not None
        assert upgrade.pause.problem is not None
        assert upgrade.pause.problem.code == "loss-budget.spent"
        assert ended is not None
        assert (ended.standing, ended.pause) == (Standing.COMPLETED, None)
        assert is_back(desk)

    def test_nor_one_by_hand(self, desk: Desk) -> None:
        ended = apply_back(desk, by_hand(desk))

        assert (ended.standing, ended.pause) == (Standing.COMPLETED, None)
        assert is_back(desk)

    def test_nor_one_that_workers_drive(self, desk: Desk) -> None:
        spoilt(desk)

        opened = take_up(desk.site, RUN, desk.bench, show=lambda _proposal: None)
        ended = take_up(desk.site, opened.id, desk.bench, show=lambda _proposal: None)

        assert (opened.standing, dict(opened.steps)) == (Standing.RUNNING, {})
        assert (ended.standing, ended.pause) == (Standing.COMPLETED, None)
        assert is_back(desk)


def test_what_users_lose_is_told_once_to_all_who_look(desk: Desk) -> None:
    told: list[Notification] = []
    shown: list[str] = []
    text = by_hand(desk)
    hurts, plan = desk.at_each_look, read_plan(text)
    begun: list[Run] = []

    def look(run: Run) -> None:
        hurts(run)
        shown.extend(changes(plan, begun[-1], run) if begun else [])
        begun.append(run)

    def send(_entry: NotifyEntry, what: Notification) -> None:
        told.append(what)

    record = replace(desk.site.record, notify={"ops": NotifyEntry(Way.COMMAND)})
    desk.site, desk.at_each_look = replace(desk.site, record=record, send=send), look
    text = way_back(desk)

    apply_back(desk, text)
    went = next(run for run in begun if run.warned)
    report = account(desk.site, desk.site.runs.find(BACK), desk.remarks.append)

    loss = "6 requests failed or were lost, and the policy allows 5"
    assert [event.problem.sentence for event in warned(desk)] == [loss]
    letters = [what for what in told if what.occasion is Occasion.WARNED]
    assert [what.sentence for what in letters] == [f"the way back goes on, though {loss}"]
    assert any("skylift pause" in detail for detail in letters[0].details)
    assert [line[6:] for line in shown if "though" in line] == [f"goes on, though {loss}"]
    assert f"  not held by loss-budget.spent: {loss}" in lines(plan, went, None)
    assert not any("not held by" in line for line in lines(plan, run_of(desk, BACK), None))
    assert f"loss-budget.spent: {loss}" in "\n".join(report_lines(report))


def test_whoever_takes_it_over_does_not_tell_it_again_but_an_operators_word_does(desk: Desk) -> None:
    text = by_hand(desk)
    hurts = desk.at_each_look

    def dies(run: Run) -> None:
        hurts(run)
        if run.warned:
            raise Killed

    desk.at_each_look = dies
    with pytest.raises(Killed):
        apply_back(desk, text)

    def pauses(run: Run) -> None:
        hurts(run)
        if len(run.within(Phase.DONE)) > 15 and run.pause is None:
            with open_journal(desk.site.runs.find(BACK)) as journal:
                pause(journal, desk.asked_now)

    desk.at_each_look = pauses
    paused = take_up(desk.site, BACK, desk.bench, show=lambda _proposal: None)
    once = len(warned(desk))
    desk.at_each_look = hurts
    ended = go_on(desk.site, desk.site.runs.find(BACK), desk.bench)

    assert (paused.standing, once) == (Standing.PAUSED, 1), "an operator's own pause is one"
    assert ended.standing is Standing.COMPLETED
    assert len(warned(desk)) == 2


def test_what_a_way_back_itself_does_wrong_still_halts_it(desk: Desk) -> None:
    """Old code that cannot start is no reason to take the next backend."""
    text = by_hand(desk)
    old = next(a for a in desk.site.record.artifacts.values() if not a.name.endswith(NEW))
    desk.cloud.broken.add(old.path)

    ended = apply_back(desk, text)

    assert ended.standing is Standing.HALTED
    assert {ended.steps[step].problem.code for step in ended.within(Phase.FAILED)} == {"service.died"}  # type: ignore[union-attr]


class TestGates:
    """A gate that watches what new code does cannot be good before that is gone."""

    @pytest.mark.parametrize(
        ("verdict", "code"), [(Verdict.BAD, "gate.bad"), (Verdict.INCONCLUSIVE, "gate.inconclusive")]
    )
    def test_that_are_not_good_are_told_and_do_not_hold_it(
        self, desk: Desk, verdict: Verdict, code: str
    ) -> None:
        asked: list[float] = []

        def ask(_gate: GateEntry) -> Answer:
            asked.append(desk.cloud.now)
            return Answer(verdict, "0.7") if not is_back(desk) else Answer(Verdict.GOOD, "0")

        paused_at(desk, GLANCE_OUT)
        desk.site = replace(desk.site, record=replace(desk.site.record, gates={"errors": ERRORS}), ask=ask)
        ended = apply_back(desk, way_back(desk))

        assert (ended.standing, ended.pause) == (Standing.COMPLETED, None)
        assert is_back(desk)
        assert len(asked) > 3, "it is asked all the while"
        assert [event.problem.code for event in warned(desk)] == [code]

    def test_it_begins_before_they_have_answered(self, desk: Desk) -> None:
        begun = threading.Event()

        def ask(_gate: GateEntry) -> Answer:
            return Answer(Verdict.GOOD, "0") if begun.wait(60) else Answer(Verdict.BAD, "nothing has begun")

        def look(run: Run) -> None:
            if run.within(Phase.DONE):
                begun.set()

        paused_at(desk, GLANCE_OUT)
        slow = replace(ERRORS, patience=Seconds(10**6))
        desk.site = replace(desk.site, record=replace(desk.site.record, gates={"errors": slow}), ask=ask)
        text, desk.at_each_look = way_back(desk), look
        ended = apply_back(desk, text)

        assert ended.standing is Standing.COMPLETED
        assert warned(desk) == []
