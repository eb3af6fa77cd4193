"""A run keeps to its windows: nothing starts that could not end, and it says until when it waits."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.app.desk import GOAL, RUN, Desk, desk_at

from skylift.app.account import standing
from skylift.app.approvals import Approval
from skylift.app.as_planned import CloudDrifted
from skylift.app.conduct import apply, go_on
from skylift.app.control import tell
from skylift.app.open_runs import RunOpen
from skylift.app.propose import propose
from skylift.app.take_up import looks_in_again, take_up
from skylift.app.windows import Windows, WindowTooShort
from skylift.app.wiring import hold, open_journal, worker_on
from skylift.cli.views import run as run_view
from skylift.engine.decide import Order
from skylift.engine.fold import Run, Standing, fold
from skylift.engine.journal import Journal, StepStarted, Why
from skylift.engine.operate import Asked, abort, pause
from skylift.engine.problems import Holder
from skylift.model.ids import Epoch, RunId
from skylift.model.record import Policy
from skylift.planning.text import read_plan
from skylift.testing.fuse import Killed

OTHER = RunId("20260102-000000-run-0002")
HOURLY = tuple(f"daily {hour:02}:00-{hour:02}:50" for hour in range(24))
"""Ten minutes of each hour are closed."""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = desk_at(tmp_path)
    policy = replace(desk.site.record.policy, windows=HOURLY)
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))
    return desk


def pass_until(desk: Desk, minute: int) -> None:
    """Let time pass until so many minutes after a full hour."""
    past = desk.cloud.now % 3600
    desk.cloud.pass_time((minute * 60 - past) % 3600)


def began(desk: Desk) -> list[tuple[str, float]]:
    """Each step with the second of the hour at which it was started."""
    with open_journal(desk.site.runs.find(None)) as journal:
        return [(e.step, e.at_ms / 1000 % 3600) for e in journal.events() if isinstance(e, StepStarted)]


def first_began(desk: Desk) -> float:
    with open_journal(desk.site.runs.find(None)) as journal:
        return next(e.at_ms / 1000 for e in journal.events() if isinstance(e, StepStarted))


def status_of(desk: Desk) -> list[str]:
    seen = standing(desk.site.runs, desk.site.runs.find(None))
    return run_view.lines(seen.plan, seen.run, seen.holder)


def test_nothing_starts_that_could_not_end_before_its_window_closes(desk: Desk) -> None:
    """Told from the journal; what gives back something taken is started at any time, and needs not wait."""
    text = desk.plan()
    plan = read_plan(text)
    order, longest = Order.of(plan), 0
    pass_until(desk, 44)

    ended = apply(desk.site, RUN, text, desk.bench, approval=Approval.ALL)

    assert ended.standing is Standing.COMPLETED
    assert desk.cloud.failed == []
    owed = {step for loan in order.loans for step in loan.way}
    for name, second in began(desk):
        step = next(step for step in plan.steps if step.id == name)
        longest = max(longest, order.takes_s(step))
        assert name in owed or second + order.takes_s(step) <= 50 * 60, name
    waits = [remark for remark in desk.remarks if "waiting until" in remark]
    assert waits, longest
    assert all("before the window closes: waiting until" in remark for remark in waits)


def test_a_run_begins_when_a_window_opens_and_holds_nothing_until_then(desk: Desk) -> None:
    text = desk.plan()
    pass_until(desk, 51)
    now, held = desk.cloud.now, list[Holder | None]()

    def waits() -> None:
        if desk.cloud.now < now + 8 * 60:
            held.append(worker_on(desk.site.runs))
        desk.cloud.pass_time(1)

    ended = apply(desk.site, RUN, text, replace(desk.bench, pause=waits), approval=Approval.ALL)

    opens = f"{datetime.fromtimestamp(now + 9 * 60, UTC):%a %Y-%m-%d %H:%M} UTC"
    waiting = f"waiting until {opens}; nothing is held or changed before"
    assert waiting in desk.remarks
    assert set(held) == {None}
    assert first_began(desk) >= now + 9 * 60
    assert ended.standing is Standing.COMPLETED


def test_what_has_changed_until_it_begins_pauses_the_run_before_its_first_step(desk: Desk) -> None:
    """And a resume looks once more."""
    text = desk.plan()
    pass_until(desk, 2)
    asked_for = Epoch(desk.cloud.now + 300)
    entry = next(iter(desk.site.record.services.values()))
    host = desk.cloud.hosts[desk.cloud.controllers[1].name]
    was = host.links[entry.link]

    def drifts() -> None:
        if desk.cloud.now > asked_for - 100:
            host.links[entry.link] = was.parent
        desk.cloud.pass_time(1)

    bench = replace(desk.bench, pause=drifts)
    paused = apply(desk.site, RUN, text, bench, approval=Approval.ALL, at=asked_for)
    again = go_on(desk.site, desk.site.runs.find(None), desk.bench)
    host.links[entry.link] = was
    ended = go_on(desk.site, desk.site.runs.find(None), desk.bench)

    for run in (paused, again):
        assert run.standing is Standing.PAUSED
        assert run.steps == {}
        assert run.pause is not None
        assert run.pause.why is Why.DRIFT
        assert run.pause.problem is not None
        assert run.pause.problem.code == "plan.drifted"
    assert ended.standing is Standing.COMPLETED


def test_a_run_begins_at_the_time_that_was_asked_for(desk: Desk) -> None:
    text = desk.plan()
    pass_until(desk, 2)
    asked_for = Epoch(desk.cloud.now + 300)

    ended = apply(desk.site, RUN, text, desk.bench, approval=Approval.ALL, at=asked_for)

    assert ended.opened_ms / 1000 < asked_for
    assert 0 <= first_began(desk) - asked_for < 15
    assert ended.standing is Standing.COMPLETED


def test_whoever_presses_ctrl_c_before_it_begins_has_paused_it_and_begun_nothing(desk: Desk) -> None:
    text = desk.plan()
    pass_until(desk, 51)
    desk.asked = True

    paused = apply(desk.site, RUN, text, desk.bench, approval=Approval.ALL)
    desk.asked = False
    ended = go_on(desk.site, desk.site.runs.find(None), desk.bench)

    assert (paused.standing, dict(paused.steps)) == (Standing.PAUSED, {})
    assert ended.standing is Standing.COMPLETED


def scheduled(desk: Desk, *, in_s: int = 600) -> Epoch:
    """A run that was left to begin later, and when."""
    text = desk.plan()
    pass_until(desk, 2)
    at = Epoch(desk.cloud.now + in_s)
    apply(desk.site, RUN, text, desk.bench, approval=Approval.ALL, at=at, detached=True)
    return at


def test_a_run_whose_process_died_while_it_waited_begins_at_its_time_all_the_same(desk: Desk) -> None:
    text = desk.plan()
    pass_until(desk, 2)
    at = Epoch(desk.cloud.now + 600)

    def dies() -> None:
        desk.cloud.pass_time(1)
        if desk.cloud.now > at - 300:
            raise Killed

    with pytest.raises(Killed):
        apply(desk.site, RUN, text, replace(desk.bench, pause=dies), approval=Approval.ALL, at=at)
    told = "\n".join(status_of(desk))
    ended = go_on(desk.site, desk.site.runs.find(None), desk.bench)

    assert f"begins at {datetime.fromtimestamp(at, UTC):%a %Y-%m-%d %H:%M} UTC" in told
    assert ": scheduled" in told
    assert 0 <= first_began(desk) - at < 15
    assert ended.standing is Standing.COMPLETED


def test_a_worker_looks_in_on_a_run_that_begins_later_and_drives_it_then(desk: Desk) -> None:
    at = scheduled(desk)

    def taken_up() -> Run:
        return take_up(desk.site, RUN, desk.bench, show=lambda _proposal: None)

    before, first = taken_up(), looks_in_again(desk.site, RUN)
    desk.cloud.pass_time(at - desk.cloud.now - 20)
    last = looks_in_again(desk.site, RUN)
    desk.cloud.pass_time(last)
    ended = taken_up()

    assert (before.length, dict(before.steps)) == (1, {})
    assert (first, last) == (60, 20)
    assert 0 <= first_began(desk) - at < 15
    assert ended.standing is Standing.COMPLETED
    assert looks_in_again(desk.site, RUN) == 0


def test_what_cannot_be_looked_at_when_a_run_begins_does_not_pause_it(desk: Desk) -> None:
    """Nothing is known to have changed: a worker tells it and tries again, and so may anybody."""
    at = scheduled(desk)
    desk.cloud.pass_time(at - desk.cloud.now)
    host = desk.cloud.hosts[desk.cloud.controllers[1].name]
    host.reachable = False

    with pytest.raises(CloudDrifted, match="unread"):
        take_up(desk.site, RUN, desk.bench, show=lambda _proposal: None)
    silent = standing(desk.site.runs, desk.site.runs.find(RUN)).run
    host.reachable = True
    ended = take_up(desk.site, RUN, desk.bench, show=lambda _proposal: None)

    assert silent.pause is None
    assert silent.steps == {}
    assert ended.standing is Standing.COMPLETED


def test_a_run_that_begins_later_is_in_nobodys_way_and_looks_for_others_when_it_begins(desk: Desk) -> None:
    at, text = scheduled(desk, in_s=3 * 3600), desk.plan()
    policy = replace(desk.site.record.policy, windows=())
    urgent = replace(desk.site, record=replace(desk.site.record, policy=policy))

    with pytest.raises(RunOpen, match="this plan has begun already"):
        apply(desk.site, OTHER, text, desk.bench, approval=Approval.ALL)
    meanwhile = apply(urgent, OTHER, propose(urgent, GOAL).text, desk.bench, approval=Approval.ALL)
    then = go_on(desk.site, desk.site.runs.find(RUN), desk.bench)

    assert meanwhile.standing is Standing.COMPLETED
    assert meanwhile.last_ms / 1000 < at <= then.last_ms / 1000
    assert then.pause is not None
    assert then.pause.why is Why.DRIFT
    assert then.steps == {}


def test_a_run_whose_time_has_come_waits_for_another_that_is_worked_on(desk: Desk) -> None:
    text = desk.plan()
    pass_until(desk, 2)
    at, others = Epoch(desk.cloud.now + 300), ExitStack()

    def waits() -> None:
        desk.cloud.pass_time(1)
        if desk.cloud.now == at - 10:
            others.enter_context(hold(desk.site, OTHER))
        if desk.cloud.now == at + 60:
            others.close()

    ended = apply(desk.site, RUN, text, replace(desk.bench, pause=waits), approval=Approval.ALL, at=at)

    assert any(remark.startswith("waiting for rey with process") for remark in desk.remarks)
    assert first_began(desk) >= at + 60
    assert ended.standing is Standing.COMPLETED


def test_what_is_called_off_before_it_begins_is_closed_at_once(desk: Desk) -> None:
    at = scheduled(desk)

    ended = go_on(
        desk.site,
        desk.site.runs.find(None),
        desk.bench,
        lambda journal, asked: abort(journal, asked, reason="not tonight", leave=False),
    )

    assert (ended.standing, dict(ended.steps)) == (Standing.ABORTED, {})
    assert desk.cloud.now < at


def begun_outside(desk: Desk) -> None:
    """A run that was paused early, and the time is past its window."""
    pass_until(desk, 0)
    desk.asked = True
    apply(desk.site, RUN, desk.plan(), desk.bench, approval=Approval.ALL)
    desk.asked = False
    pass_until(desk, 52)
    desk.remarks.clear()


def test_a_run_that_is_resumed_outside_its_windows_waits_and_can_be_paused_meanwhile(desk: Desk) -> None:
    """As after a death while it waited: waiting leaves nothing behind."""
    begun_outside(desk)
    folder = desk.site.runs.find(None)
    desk.asked = True

    waited = go_on(desk.site, folder, desk.bench)

    assert waited.standing is Standing.PAUSED
    assert waited.pause is not None
    assert waited.pause.why is Why.OPERATOR
    assert "waiting until" in desk.remarks[0]
    desk.asked = False
    assert go_on(desk.site, folder, desk.bench).standing is Standing.COMPLETED


@pytest.mark.parametrize("word", ["pause", "abort"])
def test_a_word_from_another_terminal_ends_the_waiting(desk: Desk, word: str) -> None:
    begun_outside(desk)
    folder, start = desk.site.runs.find(None), desk.cloud.now

    def say(journal: Journal, _order: Order) -> Run:
        asked = Asked("ann@console", desk.cloud.now)
        return pause(journal, asked) if word == "pause" else abort(journal, asked, reason="no", leave=False)

    def say_once(_line: str) -> None:
        tell(folder, say)

    bench = replace(desk.bench, remark=say_once)
    ended = go_on(desk.site, folder, bench)

    assert ended.standing is {"pause": Standing.PAUSED, "abort": Standing.ABORTED}[word]
    assert desk.cloud.now - start < 60


def test_a_step_that_fits_into_no_window_is_told_before_anything_begins(desk: Desk) -> None:
    policy = Policy(windows=("sat 01:00-01:03",))
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))
    text = desk.plan()

    with pytest.raises(WindowTooShort, match="the longest window lasts 3 min"):
        apply(desk.site, RUN, text, desk.bench, approval=Approval.ALL)

    assert desk.site.runs.known() == ()


def test_a_run_is_given_up_at_any_time_whatever_the_windows_are_by_now(desk: Desk) -> None:
    begun_outside(desk)
    policy = replace(desk.site.record.policy, windows=("sat 01:00-01:01",))
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))
    folder = desk.site.runs.find(None)

    ended = go_on(desk.site, folder, desk.bench, lambda j, a: abort(j, a, reason="no", leave=False))

    assert ended.standing is Standing.ABORTED


def test_status_can_say_until_when_it_waits(desk: Desk) -> None:
    begun_outside(desk)
    seen = standing(desk.site.runs, desk.site.runs.find(None))
    with open_journal(desk.site.runs.find(None)) as journal:
        run = fold(journal.events())
    windows, order = Windows(desk.site.record.policy), Order.of(seen.plan)

    assert run.standing is Standing.PAUSED
    assert windows.opens(60, desk.cloud.now) == desk.cloud.now + 8 * 60
    assert windows.may_take(60, Epoch(desk.cloud.now + 8 * 60))
    assert order.takes_s(seen.plan.steps[0]) > 0
