"""A run and those who are told of it: what, when, and that they are never in its way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from tests.app.desk import RUN, Desk, desk_at
from tests.notify.receivers import Hook, serving

from skylift.app.account import account, standing
from skylift.app.approvals import Approval
from skylift.app.cadence import next_update
from skylift.app.conduct import apply, go_on
from skylift.app.control import tell
from skylift.app.notify import tell_what_is_left, untold
from skylift.app.outbox import OutboxFile
from skylift.app.subject import Upgrading
from skylift.app.take_up import take_up
from skylift.app.wiring import open_journal
from skylift.drivers.notifier import send
from skylift.engine.fold import Run, Standing
from skylift.engine.operate import abort, approve, pause
from skylift.model.ids import Epoch, RunId
from skylift.model.notification import Notification, NotifyEntry, Occasion, Way
from skylift.planning.plan import Stage

EVERYTHING = NotifyEntry(Way.COMMAND, events=tuple(Occasion))
USERS = NotifyEntry(Way.COMMAND, events=(Occasion.USERS_BEFORE, Occasion.USERS_AFTER), lead_min=60)
HOURLY = tuple(f"daily {hour:02}:00-{hour:02}:50" for hour in range(24))
BEHIND = {"ops": EVERYTHING}
DAY_S = 24 * 3600


@dataclass
class Office:
    """A desk whose record names somebody, and what they were told."""

    desk: Desk
    got: list[tuple[Notification, float]] = field(default_factory=list)
    answers: Callable[[Notification], str | None] = lambda _what: None

    def tells(self, entries: Mapping[str, NotifyEntry]) -> None:
        record = replace(self.desk.site.record, notify=entries)
        self.desk.site = replace(self.desk.site, record=record, send=self.send)

    def send(self, _entry: NotifyEntry, what: Notification) -> str | None:
        self.got.append((what, self.desk.cloud.now))
        return self.answers(what)

    def occasions(self) -> list[str]:
        return [what.occasion.value for what, _ in self.got]

    def of(self, occasion: Occasion) -> list[Notification]:
        return [what for what, _ in self.got if what.occasion is occasion]

    def resume(self) -> Run:
        return go_on(self.desk.site, self.desk.site.runs.find(None), self.desk.bench)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    found = Office(desk_at(tmp_path))
    found.tells(BEHIND)
    return found


def test_a_run_is_told_from_its_opening_to_what_users_got_and_each_thing_once(office: Office) -> None:
    text = office.desk.plan()
    ended = office.desk.apply(text)

    assert ended.standing is Standing.COMPLETED
    told = office.occasions()
    assert (told[0], told[1]) == ("opened", "users-before")
    assert told[-2:] == ["completed", "users-after"]
    stages = [what.sentence for what in office.of(Occasion.STAGE_BEGUN)]
    assert stages == [
        f"the stage {s.value} has begun" for s in Stage if any(s.value in told for told in stages)
    ]
    assert len(stages) > 2
    assert len({what.key for what, _ in office.got}) == len(office.got)
    assert {what.run for what, _ in office.got} == {RUN}


def test_users_are_told_what_the_plan_announces_and_what_the_report_sums_up(office: Office) -> None:
    office.desk.apply(office.desk.plan())

    (before,), (after,) = office.of(Occasion.USERS_BEFORE), office.of(Occasion.USERS_AFTER)
    assert before.sentence.startswith("maintenance of sample from ")
    assert any("glance: no request fails; one backend fewer" in line for line in before.details)
    seen = account(office.desk.site, office.desk.site.runs.find(None), office.desk.remarks.append)
    assert after.sentence == f"the maintenance of sample has ended: {seen.summary}"


def test_users_are_told_so_long_before_a_later_begin_as_they_wish_and_not_again(office: Office) -> None:
    office.tells({"users": USERS})
    text = office.desk.plan()
    begins = Epoch(office.desk.cloud.now + 2 * 3600)

    apply(office.desk.site, RUN, text, office.desk.bench, approval=Approval.ALL, at=begins)

    (before, told_at), (after, _) = office.got
    assert (before.occasion, after.occasion) == (Occasion.USERS_BEFORE, Occasion.USERS_AFTER)
    assert before.at_ms == begins * 1000
    assert begins - 3600 <= told_at <= begins - 3590


def windows(office: Office) -> Desk:
    """The desk, its policy with windows, at the beginning of ten minutes in which none is open."""
    desk = office.desk
    policy = replace(desk.site.record.policy, windows=HOURLY)
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))
    desk.plan()
    desk.cloud.pass_time((50 * 60 - desk.cloud.now % 3600) % 3600)
    return desk


def looked_in(desk: Desk) -> Run:
    """As a worker does it."""
    return take_up(desk.site, RUN, desk.bench, show=lambda _proposal: None)


def test_users_are_told_when_the_window_opens_and_not_when_the_run_was_opened(office: Office) -> None:
    desk = windows(office)
    office.tells({"ops": NotifyEntry(Way.COMMAND), "users": replace(USERS, lead_min=5)})
    text, opens = desk.plan(), Epoch(desk.cloud.now + 600)
    apply(desk.site, RUN, text, desk.bench, approval=Approval.ALL, detached=True)

    looked_in(desk)
    early = office.occasions()
    desk.cloud.pass_time(opens - desk.cloud.now - 290)
    looked_in(desk)
    looked_in(desk)

    at = f"{datetime.fromtimestamp(opens, UTC):%a %Y-%m-%d %H:%M} UTC"
    assert early == ["window-awaited", "opened"]
    assert office.of(Occasion.OPENED)[0].sentence.endswith(f"was opened by rey@console; it begins on {at}")
    assert office.occasions() == [*early, "users-before"]
    assert office.of(Occasion.USERS_BEFORE)[0].sentence.startswith(f"maintenance of sample from {at}: ")


@pytest.mark.parametrize(
    ("in_s", "told"), [(1800, ["users-before", "users-called-off"]), (7200, [])], ids=["told", "not told"]
)
def test_a_run_that_is_called_off_is_told_to_those_users_who_were_told_of_it(
    office: Office, in_s: int, told: list[str]
) -> None:
    office.tells({"users": USERS})
    desk, text = office.desk, office.desk.plan()
    at = Epoch(desk.cloud.now + in_s)
    apply(desk.site, RUN, text, desk.bench, approval=Approval.ALL, at=at, detached=True)
    looked_in(desk)

    folder = desk.site.runs.find(None)
    go_on(desk.site, folder, desk.bench, lambda j, a: abort(j, a, reason="not tonight", leave=False))
    seen = standing(desk.site.runs, folder)
    left = untold(desk.site.runs, desk.site.record, Upgrading(seen.plan), seen.events, now=desk.cloud.now)
    with open_journal(folder) as journal:
        tell_what_is_left(desk.site, folder, Upgrading(seen.plan), journal, bench=desk.bench)

    assert office.occasions() == told
    assert left.lines == []


def test_when_the_next_update_is_due_is_told_once_a_run_is_completed(office: Office) -> None:
    desk = office.desk
    policy = replace(desk.site.record.policy, every="month")
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))

    desk.apply(desk.plan())

    assert office.occasions()[-3:] == ["completed", "update-due", "users-after"]
    assert office.of(Occasion.UPDATE_DUE)[0].sentence.startswith("the next update is due on ")


def reminded(office: Office) -> list[Notification]:
    """What ``skylift notify`` tells now of the first run, as a timer would have it do."""
    desk, before = office.desk, len(office.got)
    folder = desk.site.runs.find(RUN)
    subject = Upgrading(standing(desk.site.runs, folder).plan)
    with open_journal(folder) as journal:
        tell_what_is_left(desk.site, folder, subject, journal, bench=desk.bench)
    return [what for what, _ in office.got[before:]]


def test_that_an_update_is_due_is_told_once_it_is_and_each_week_until_another_run_is_opened(
    office: Office,
) -> None:
    """Row 30: what was said a month ago reminds nobody."""
    desk = office.desk
    policy = replace(desk.site.record.policy, every="month")
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))
    text = desk.plan()
    desk.apply(text)
    seen = standing(desk.site.runs, desk.site.runs.find(RUN))
    found = next_update(policy, Upgrading(seen.plan), seen.run, desk.cloud.now)
    assert found is not None

    before = reminded(office)
    desk.cloud.now = Epoch(found.due + 60)
    late = untold(desk.site.runs, desk.site.record, Upgrading(seen.plan), seen.events, now=desk.cloud.now)
    first, again = reminded(office), reminded(office)
    desk.cloud.now = Epoch(found.due + 7 * DAY_S)
    second = reminded(office)
    with open_journal(desk.site.runs.create(RunId("20990101-000000-run-0002"), text)):
        pass
    desk.cloud.now = Epoch(found.due + 14 * DAY_S)

    assert (before, again, reminded(office)) == ([], [], [])
    assert late.lines[0] == "ops is not told yet of update-due"
    assert [what.occasion for what in (*first, *second)] == [Occasion.UPDATE_DUE] * 2
    assert first[0].sentence.startswith("the next update was due on ")
    assert first[0].sentence.endswith(": plan it, then: skylift apply FILE")
    assert len({what.key for what in (*first, *second)}) == 2


def test_who_was_not_reminded_is_named_until_the_next_reminder(office: Office) -> None:
    desk = office.desk
    policy = replace(desk.site.record.policy, every="week")
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))
    desk.apply(desk.plan())
    seen = standing(desk.site.runs, desk.site.runs.find(RUN))
    office.answers = lambda _what: "nobody at home"

    def told() -> list[str]:
        now = desk.cloud.now
        found = untold(desk.site.runs, desk.site.record, Upgrading(seen.plan), seen.events, now=now)
        return found.lines

    desk.cloud.now = Epoch(desk.cloud.now + 8 * DAY_S)
    reminded(office)
    deaf = told()
    desk.cloud.now = Epoch(desk.cloud.now + 7 * DAY_S)

    assert deaf[0] == "ops was not told of update-due: nobody at home"
    assert told()[0] == "ops is not told yet of update-due"
    assert len(told()) == 2


def test_who_waits_for_a_window_is_told_so_before_the_begin_and_meanwhile(office: Office) -> None:
    policy = replace(office.desk.site.record.policy, windows=HOURLY)
    office.desk.site = replace(office.desk.site, record=replace(office.desk.site.record, policy=policy))
    text = office.desk.plan()
    office.desk.cloud.pass_time((51 * 60 - office.desk.cloud.now % 3600) % 3600)

    ended = office.desk.apply(text)

    assert ended.standing is Standing.COMPLETED
    assert office.occasions()[:1] == ["window-awaited"]
    waits = [remark for remark in office.desk.remarks if "waiting until" in remark]
    assert len(office.of(Occasion.WINDOW_AWAITED)) == len(waits)


def test_a_pause_and_an_approval_are_told_when_they_are_waited_for(office: Office) -> None:
    desk = office.desk
    held = replace(desk.site.record.policy, approvals=(Stage.CONTROL_PLANE.value,))
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=held))

    def pauses(run: Run) -> None:
        if run.standing is Standing.RUNNING and len(run.steps) == 20:
            tell(folder, lambda journal, _: pause(journal, desk.asked_now))

    apply(desk.site, RUN, desk.plan(), desk.bench, approval=Approval.HOLD)
    awaited = office.of(Occasion.APPROVAL_AWAITED)
    folder = desk.site.runs.find(None)
    tell(folder, lambda journal, order: approve(journal, order, desk.asked_now, Stage.CONTROL_PLANE))
    desk.at_each_look = pauses
    paused = office.resume()
    desk.at_each_look = lambda _run: None
    office.resume()

    assert any("skylift approve control" in what.sentence for what in awaited)
    assert paused.standing is Standing.PAUSED
    assert [what.sentence for what in office.of(Occasion.PAUSED)] == [
        "the run was paused as an operator asked"
    ]
    assert len({what.key for what, _ in office.got}) == len(office.got)


def test_who_cannot_be_reached_is_tried_three_times_and_the_run_goes_on_as_if_nobody_was_told(
    tmp_path: Path, office: Office
) -> None:
    (tmp_path / "alone").mkdir()
    alone = desk_at(tmp_path / "alone")
    expected = alone.apply(alone.plan())
    office.answers = lambda what: "status 503" if what.occasion is not Occasion.OPENED else None

    ended = office.desk.apply(office.desk.plan())

    assert ended.standing is expected.standing is Standing.COMPLETED
    assert office.desk.cloud.failed == []
    assert ended.steps.keys() == expected.steps.keys()
    tries = {what.key: sum(other.key == what.key for other, _ in office.got) for what, _ in office.got}
    assert tries.pop(f"{RUN}/1/opened") == 1
    assert set(tries.values()) == {3}
    assert (
        "ops was not told of completed: status 503; it is tried again by: skylift notify"
        in office.desk.remarks
    )


def test_what_was_given_up_is_shown_and_told_when_an_operator_asks_for_it(office: Office) -> None:
    office.answers = lambda what: "code 1" if what.occasion is Occasion.COMPLETED else None
    office.desk.apply(office.desk.plan())
    site = office.desk.site
    folder = site.runs.find(None)
    seen = standing(site.runs, folder)
    before = untold(site.runs, site.record, Upgrading(seen.plan), seen.events, now=site.clock())
    office.answers, office.got = lambda _what: None, []

    with open_journal(folder) as journal:
        tell_what_is_left(site, folder, Upgrading(seen.plan), journal, bench=office.desk.bench)

    assert before.lines == ["ops was not told of completed: code 1", "to tell it now: skylift notify"]
    assert office.occasions() == ["completed"]
    assert untold(site.runs, site.record, Upgrading(seen.plan), seen.events, now=site.clock()).lines == []


def test_a_resume_tells_nothing_twice_and_what_a_dead_process_left_untold(office: Office) -> None:
    office.desk.at_each_look = lambda run: setattr(office.desk, "asked", len(run.steps) > 9)
    office.desk.apply(office.desk.plan())
    outbox = office.desk.site.runs.outbox
    lines = outbox.read_bytes().split(b"\n")
    outbox.write_bytes(b"\n".join(lines[:-1]) + b"\n" + lines[-1][:20])
    office.desk.at_each_look, office.desk.asked = lambda _run: None, False
    first = [what.key for what, _ in office.got]

    office.resume()

    second = [what.key for what, _ in office.got][len(first) :]
    assert second[0] == first[-1]
    assert set(second[1:]).isdisjoint(first)
    settled = OutboxFile(outbox).settled()
    assert len({s.key for s in settled}) == len(settled) == len(set(first) | set(second))


def test_an_outbox_that_cannot_be_written_harms_nothing(office: Office) -> None:
    office.desk.site.runs.make_home()
    office.desk.site.runs.outbox.mkdir()

    ended = office.desk.apply(office.desk.plan())

    assert ended.standing is Standing.COMPLETED
    assert len({what.key for what, _ in office.got}) == len(office.got)
    assert "it was not kept that ops was told of opened: is a directory" in office.desk.remarks


def test_a_real_run_posts_to_a_real_server_and_no_secret_is_left_behind(
    office: Office, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("planted-secret-canary")
    with serving(hook := Hook()):
        entry = NotifyEntry(Way.WEBHOOK, tuple(Occasion), url=hook.url, token=PurePosixPath(token))
        office.tells({"chat": entry})
        office.desk.site = replace(office.desk.site, send=send)
        hook.statuses = [500, 500]
        office.desk.apply(office.desk.plan())

    bodies = [json.loads(body) for *_, body in hook.got]
    assert {bearer for _, bearer, _ in hook.got} == {"Bearer planted-secret-canary"}
    assert [body["occasion"] for body in bodies][-2:] == ["completed", "users-after"]
    assert len(bodies) == len({body["key"] for body in bodies}) + 2
    for file in [p for p in office.desk.site.runs.home.rglob("*") if p.is_file()]:
        assert b"planted-secret-canary" not in file.read_bytes(), file
    assert "planted-secret-canary" not in str(office.desk.remarks) + str(bodies)
