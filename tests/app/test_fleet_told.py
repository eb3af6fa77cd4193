"""What the record says of approvals, of a second person and of who is told holds for fleets, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.app.maintained import CMP, RUN, SiteOf, at_desk, bench_of, boots, folder, planned, site_of

from skylift.app.approvals import Approval, NotApproved
from skylift.app.control import tell
from skylift.app.fleet_account import fleet_account
from skylift.app.fleet_subject import Maintaining
from skylift.app.maintain import apply_mandate, go_on
from skylift.app.mandates import read_approved
from skylift.app.notify import tell_what_is_left, untold
from skylift.app.plan_seal import seal_plan
from skylift.app.wiring import open_journal
from skylift.cli.views import fleet_run as run_view
from skylift.cli.views import turning as turning_view
from skylift.drivers.ed25519 import KeyFile
from skylift.engine.fold import Run, Standing
from skylift.engine.operate import Asked, abort, approve, resume
from skylift.engine.problems import NothingToApprove, SecondPersonNeeded
from skylift.fleet.mandate import digest_of_mandate
from skylift.fleet.reasons import turning
from skylift.model.ids import Seconds, StepId
from skylift.model.notification import Notification, NotifyEntry, Occasion, Way
from skylift.model.record import Policy
from skylift.model.seal import PublicKey
from skylift.planning.plan import Stage
from skylift.testing.fake_services import FakeVantage
from skylift.testing.keys import key_file


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Three compute hosts, an instance on each of two."""
    made = site_of(tmp_path, computes=3)
    for n in (1, 2):
        made.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    return made


@pytest.fixture
def gated(at: SiteOf) -> SiteOf:
    """A policy that wants the work on hosts to be approved."""
    return under(at, Policy(baseline=Seconds(2), approvals=("data-plane",)))


def under(at: SiteOf, policy: Policy) -> SiteOf:
    at.site = replace(at.site, record=replace(at.site.record, policy=policy))
    return at


def approved(at: SiteOf, signer: str = "", key: PublicKey | None = None) -> Run:
    who = Asked("ann@console", at.cloud.now, signer, key)
    return tell(folder(at), lambda journal, order: approve(journal, order, who, Stage.DATA_PLANE))


def held(at: SiteOf) -> Run:
    return apply_mandate(at.site, RUN, planned(at), bench_of(at), approval=Approval.HOLD)


def test_without_a_word_on_a_stage_that_needs_an_approval_nothing_begins(gated: SiteOf) -> None:
    with pytest.raises(NotApproved, match="data-plane"):
        apply_mandate(gated.site, RUN, planned(gated), bench_of(gated))

    assert gated.site.runs.known() == ()


def test_a_held_run_touches_nothing_until_its_stage_is_approved(gated: SiteOf) -> None:
    at_rest = held(gated)
    touched = list(gated.cloud.deeds)
    told = "\n".join(run_view.lines(fleet_account(gated.site.runs, folder(gated))))
    approved(gated)
    with pytest.raises(NothingToApprove):
        approved(gated)
    ended = go_on(gated.site, folder(gated), bench_of(gated))

    assert (dict(at_rest.steps), touched) == ({}, [])
    assert "next: skylift approve data-plane, and then skylift resume" in told
    assert ended.standing is Standing.COMPLETED
    assert set(boots(gated).values()) == {2}


def test_a_run_that_was_never_approved_can_be_given_up(gated: SiteOf) -> None:
    held(gated)

    run = go_on(
        gated.site,
        folder(gated),
        bench_of(gated),
        lambda journal, asked: abort(journal, asked, reason="not tonight", leave=False),
    )

    assert run.standing is Standing.ABORTED
    assert set(boots(gated).values()) == {1}


def test_whoever_made_the_plan_may_not_approve_it_where_a_second_person_is_wanted(
    at: SiteOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rey, ann = (KeyFile(key_file(tmp_path / name, n)) for n, name in enumerate(("rey", "ann"), 1))
    monkeypatch.setenv("SKYLIFT_KEY", str(tmp_path / "rey"))
    policy = Policy(baseline=Seconds(2), approvals=("data-plane",), second_person=True)
    record = replace(at.site.record, policy=policy, signers={"rey": rey.key, "ann": ann.key})
    at.site = replace(at.site, record=record, signer=rey)
    text = planned(at)
    seal = seal_plan(digest_of_mandate(read_approved(text)), rey, now=at.cloud.now, valid_h=1)

    with pytest.raises(SecondPersonNeeded):
        apply_mandate(at.site, RUN, text, bench_of(at), approval=Approval.ALL, seal=seal)
    apply_mandate(at.site, RUN, text, bench_of(at), approval=Approval.HOLD, seal=seal)
    with pytest.raises(SecondPersonNeeded):
        approved(at, "rey", rey.key)
    approved(at, "ann", ann.key)
    ended = go_on(at.site, folder(at), bench_of(at))

    assert ended.standing is Standing.COMPLETED


class Post:
    """Who is told, and what; until it is there, nobody can be reached."""

    def __init__(self, at: SiteOf, *, there: bool = True) -> None:
        self.got: list[Notification] = []
        self.there = there
        entry = NotifyEntry(Way.COMMAND, events=tuple(Occasion))
        record = replace(at.site.record, notify={"ops": entry})
        at.site = replace(at.site, record=record, send=self._send)

    def _send(self, _entry: NotifyEntry, what: Notification) -> str | None:
        if self.there:
            self.got.append(what)
        return None if self.there else "no route"

    @property
    def occasions(self) -> list[str]:
        return [what.occasion.value for what in self.got]


def test_those_whom_the_record_names_are_told_of_a_fleets_run(at: SiteOf) -> None:
    post = Post(at)

    apply_mandate(at.site, RUN, planned(at), bench_of(at))

    assert post.occasions == ["opened", "users-before", "stage-begun", "completed", "users-after"]
    opened, before, *_, after = post.got
    assert opened.sentence == "a run of 3 compute hosts for reboot was opened by rey@console"
    assert before.details == ("2 instances are moved to other hosts while they run",)
    assert "3 of 3 hosts" in after.sentence


def test_a_failed_host_is_told_and_the_rest_is_not_called_halted(at: SiteOf) -> None:
    post = Post(at)
    at.cloud.nova.sick.add(CMP[2])

    apply_mandate(at.site, RUN, planned(at), bench_of(at))

    assert "step-failed" in post.occasions
    assert "halted" not in post.occasions


def test_what_was_not_told_is_named_and_told_afterwards(at: SiteOf) -> None:
    post = Post(at, there=False)
    apply_mandate(at.site, RUN, planned(at), bench_of(at))
    seen = fleet_account(at.site.runs, folder(at))
    subject = Maintaining(seen.mandate)
    before = untold(at.site.runs, at.site.record, subject, seen.events, now=at.site.clock())

    post.there = True
    with open_journal(folder(at)) as journal:
        tell_what_is_left(at.site, folder(at), subject, journal, bench=bench_of(at))

    assert len(before.failed) == 5
    assert post.occasions == ["opened", "users-before", "stage-begun", "completed", "users-after"]
    assert untold(at.site.runs, at.site.record, subject, seen.events, now=at.site.clock()).lines == []


@dataclass(frozen=True, slots=True)
class LateWord(FakeVantage):
    """Somebody says something while the probes end, which is when the loop over the hosts is over."""

    say: Callable[[], None]

    def stop_probes(self, label: str) -> None:
        FakeVantage.stop_probes(self, label)
        self.say()


def test_a_word_that_comes_after_the_last_look_is_not_left_to_nobody(at: SiteOf) -> None:
    """Whoever said it was told that a process works on the run: that one, which was about to end."""

    def stop() -> None:
        at.asked = bool(at.cloud.roster.closed)

    def say() -> None:
        if not at.said:
            at.said, at.meanwhile, at.asked = True, (lambda: None), False
            with open_journal(folder(at)) as journal:
                resume(journal, at_desk(at))

    at.meanwhile = stop
    at.site = replace(at.site, ports=replace(at.site.ports, vantage=LateWord(at.cloud, say)))

    run = apply_mandate(at.site, RUN, planned(at), bench_of(at))

    assert at.said
    assert run.standing is Standing.COMPLETED


def test_a_step_of_a_host_says_why_it_is_where_it_is(at: SiteOf) -> None:
    mandate = read_approved(planned(at))
    first, second = mandate.hosts[:2]

    told = turning_view.lines(turning(mandate, StepId(f"empty@{second}")))
    rebooted = turning(mandate, StepId(f"reboot@{second}"))

    assert any(f"moves to   {first} (1)" in line for line in told)
    assert any(f"waits for  {first}: it is emptied onto them" in line for line in told)
    assert (rebooted.title, rebooted.waits_for) == (f"reboot {second}", (first,))
    assert second in turning(mandate, StepId(f"empty@{first}")).then
    for unknown in ("empty@cmp9", "reboot", ""):
        with pytest.raises(KeyError):
            turning(mandate, StepId(unknown))
