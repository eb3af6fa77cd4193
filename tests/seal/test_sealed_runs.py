"""Plans and runs of a record that names signers: what is refused, and what is sealed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import Desk, desk_at

from skylift.app.approvals import Approval
from skylift.app.conduct import apply, go_on
from skylift.app.plan_seal import PlanExpired, PlanUnsealed, SignerUnknown, seal_plan
from skylift.app.propose import propose
from skylift.app.verify import verify
from skylift.drivers.ed25519 import KeyFile
from skylift.engine.fold import Standing
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, Epoch, RunId
from skylift.model.problem import Refused
from skylift.model.release import Release
from skylift.planning.text import digest_of
from skylift.testing.keys import key_file

RUN = RunId("20260101-000000-run-0001")
HOUR_S = 3600


class Team:
    """Rey and Ann, whom the record trusts, and Eve, whom it does not."""

    def __init__(self, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
        self.files = {name: key_file(tmp_path / name, n) for n, name in enumerate(("rey", "ann", "eve"), 1)}
        self.keys = {name: KeyFile(file) for name, file in self.files.items()}
        self.signers = {name: self.keys[name].key for name in ("rey", "ann")}
        self._patch = patch
        desk = desk_at(tmp_path)
        desk.site = replace(desk.site, record=replace(desk.site.record, signers=self.signers))
        self.desk: Desk = desk
        self.is_at_the_desk("rey")

    def is_at_the_desk(self, name: str) -> None:
        self._patch.setenv("SKYLIFT_KEY", str(self.files[name]))
        self.desk.site = replace(self.desk.site, signer=self.keys[name])

    def plan(self, by: str = "rey", *, ago_s: int = 0) -> tuple[bytes, bytes]:
        """A plan and its seal, as if it had been made a while ago."""
        proposal = propose(self.desk.site, Upgrade(Release(2024, 1)))
        digest = digest_of(proposal.plan)
        made = Epoch(self.desk.cloud.now - ago_s)
        return proposal.text, seal_plan(digest, self.keys[by], now=made, valid_h=72)


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    return Team(tmp_path, monkeypatch)


def test_what_rey_planned_and_ann_applied_is_proved_of_both(team: Team) -> None:
    text, seal = team.plan()
    team.is_at_the_desk("ann")

    ended = apply(team.desk.site, RUN, text, team.desk.bench, approval=Approval.ALL, seal=seal)

    runs = team.desk.site.runs
    plan, journal, _ = verify(runs, runs.find(None), team.desk.site.record)
    assert ended.standing is Standing.COMPLETED
    assert plan.says.endswith("sealed by rey")
    assert journal.says.endswith(f"sealed by ann ({ended.length})")


Bent = Callable[[Team, bytes], bytes | None]
REFUSED: dict[str, tuple[Bent, type[Refused], str]] = {
    "none": (lambda _team, _seal: None, PlanUnsealed, "no seal lies beside it"),
    "cut short": (lambda _team, seal: seal[:-20], PlanUnsealed, "not in the form"),
    "a longer time": (
        lambda _team, seal: seal.replace(b'"until_ms":', b'"until_ms":9'),
        PlanUnsealed,
        "was changed",
    ),
    "a stranger's": (lambda team, _seal: team.plan("eve")[1], PlanUnsealed, "does not trust"),
    "another plan's": (
        lambda team, _seal: seal_plan(Digest("sha256:0"), team.keys["rey"], now=Epoch(0), valid_h=9),
        PlanUnsealed,
        "another plan's",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_plan_that_nobody_trusted_answers_for_is_refused(team: Team, case: str) -> None:
    text, seal = team.plan()
    bent, problem, told = REFUSED[case]

    with pytest.raises(problem, match=told):
        apply(team.desk.site, RUN, text, team.desk.bench, approval=Approval.ALL, seal=bent(team, seal))

    assert team.desk.site.runs.known() == ()


def test_a_plan_is_applied_to_its_last_minute_and_not_after_it(team: Team) -> None:
    text, seal = team.plan(ago_s=72 * HOUR_S + 1)

    with pytest.raises(PlanExpired, match="it was sealed 72 h ago, for 72 h"):
        apply(team.desk.site, RUN, text, team.desk.bench, approval=Approval.ALL, seal=seal)


def test_a_plan_that_will_no_longer_be_valid_when_it_begins_is_refused_at_once(team: Team) -> None:
    text, seal = team.plan()
    at = Epoch(team.desk.cloud.now + 73 * HOUR_S)

    with pytest.raises(PlanExpired):
        apply(team.desk.site, RUN, text, team.desk.bench, approval=Approval.ALL, seal=seal, at=at)

    assert team.desk.site.runs.known() == ()


def test_a_run_that_was_begun_in_time_is_resumed_at_any_time(team: Team) -> None:
    text, seal = team.plan(ago_s=72 * HOUR_S - 60)
    team.desk.asked = True
    apply(team.desk.site, RUN, text, team.desk.bench, approval=Approval.ALL, seal=seal)
    team.desk.asked = False
    team.desk.cloud.pass_time(120)

    ended = go_on(team.desk.site, team.desk.site.runs.find(None), team.desk.bench)

    assert ended.standing is Standing.COMPLETED


@pytest.mark.parametrize("name", ["eve", None])
def test_whom_the_record_does_not_trust_neither_applies_nor_resumes(team: Team, name: str | None) -> None:
    text, seal = team.plan()
    team.desk.asked = True
    apply(team.desk.site, RUN, text, team.desk.bench, approval=Approval.ALL, seal=seal)
    team.desk.site = replace(team.desk.site, signer=team.keys[name] if name else None)

    with pytest.raises(SignerUnknown):
        go_on(team.desk.site, team.desk.site.runs.find(None), team.desk.bench)
    with pytest.raises(SignerUnknown):
        apply(team.desk.site, RUN, text, team.desk.bench, approval=Approval.ALL, seal=seal)


def test_no_private_key_is_in_anything_that_is_written(team: Team) -> None:
    text, seal = team.plan()
    apply(team.desk.site, RUN, text, team.desk.bench, approval=Approval.ALL, seal=seal)

    secret = bytes([1] * 32)
    forms = (secret, secret.hex().encode(), team.files["rey"].read_bytes().splitlines()[2])
    home = team.desk.site.runs.home
    for file in (path for path in home.rglob("*") if path.is_file()):
        assert not any(form in file.read_bytes() for form in forms), file
    db = sqlite3.connect(team.desk.site.runs.find(None).journal)
    assert db.execute("SELECT count(*) FROM entry WHERE mark = ''").fetchone() == (0,)
    db.close()
