"""Approvals: per stage, of points of no return by name, and by a second person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import GOAL, RUN, Desk, desk_at

from skylift.app.account import standing
from skylift.app.approvals import Approval, NotApproved, needs_approval
from skylift.app.conduct import apply, go_on
from skylift.app.control import tell
from skylift.app.propose import propose
from skylift.app.propose_rollback import propose_rollback
from skylift.app.verify import verify
from skylift.app.wiring import open_journal
from skylift.cli.views import run as run_view
from skylift.drivers.ed25519 import KeyFile
from skylift.engine.decide import Order
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.journal import Journal, StageApproved, StepDone
from skylift.engine.operate import Asked, abort, approve
from skylift.engine.problems import NoReturnUnnamed, NothingToApprove, SecondPersonNeeded
from skylift.model.ids import RunId, StepId
from skylift.model.record import Policy
from skylift.model.seal import PublicKey, Signer
from skylift.planning.plan import Stage
from skylift.testing.keys import key_file

CONTRACT = StepId("keystone:contract")
POINTS = (CONTRACT, StepId("glance:contract"), StepId("placement:online-migrations"))
"""All points of no return of the plan."""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def with_policy(desk: Desk, policy: Policy) -> Desk:
    desk.site = replace(desk.site, record=replace(desk.site.record, policy=policy))
    return desk


def held(desk: Desk) -> Run:
    return apply(desk.site, RUN, desk.plan(), desk.bench, approval=Approval.HOLD)


def says(desk: Desk) -> str:
    seen = standing(desk.site.runs, desk.site.runs.find(None))
    return "\n".join(run_view.lines(seen.plan, seen.run, None, rested=seen.rested))


def approved(
    desk: Desk,
    stage: Stage,
    signer: str = "",
    key: PublicKey | None = None,
    *,
    naming: tuple[StepId, ...] | None = None,
) -> Run:
    """A word that names all of the stage's points of no return, unless it says which."""
    who = Asked(f"{signer or 'ann'}@console", desk.cloud.now, signer, key)

    def say(journal: Journal, order: Order) -> Run:
        named = order.unapproved(fold(journal.events())).get(stage, ()) if naming is None else naming
        return approve(journal, order, who, stage, no_returns=named)

    return tell(desk.site.runs.find(None), say)


def test_a_run_waits_before_a_point_of_no_return_until_it_is_approved_by_name(desk: Desk) -> None:
    at_rest = held(desk)
    told = says(desk)
    after = approved(desk, Stage.CONVERGE)
    ended = go_on(desk.site, desk.site.runs.find(None), desk.bench)

    assert at_rest.standing is Standing.RUNNING
    assert CONTRACT not in at_rest.steps
    assert f"waits for the approval of converge, which passes {', '.join(POINTS)}" in told
    assert "next: approve it, then: skylift resume" in told
    assert CONTRACT in after.approved
    assert ended.standing is Standing.COMPLETED
    assert desk.cloud.failed == []


def test_a_stage_with_points_of_no_return_is_approved_by_nobody_who_names_none(desk: Desk) -> None:
    before = held(desk)

    with pytest.raises(NoReturnUnnamed, match="none of them is named in stage converge") as caught:
        approved(desk, Stage.CONVERGE, naming=())
    with pytest.raises(NoReturnUnnamed, match="keystone:expand waits for no approval in stage converge"):
        approved(desk, Stage.CONVERGE, naming=(CONTRACT, StepId("keystone:expand")))

    command = "skylift approve converge --no-return keystone:contract --no-return glance:contract"
    with open_journal(desk.site.runs.find(None)) as journal:
        assert len(journal.events()) == before.length
    assert command in caught.value.remedies[1].how
    assert command in says(desk)


def test_of_two_points_of_no_return_only_the_one_that_was_named_is_passed(desk: Desk) -> None:
    held(desk)
    approved(desk, Stage.CONVERGE, naming=(CONTRACT,))
    meanwhile = says(desk)

    then = go_on(desk.site, desk.site.runs.find(None), desk.bench)

    assert then.steps[CONTRACT].phase is Phase.DONE
    assert StepId("glance:contract") not in then.steps
    assert "skylift approve converge --no-return glance:contract" in says(desk)
    assert ": at rest\n" in meanwhile, "its process had ended by itself"
    assert "approved, and yet to begin: keystone:contract" in meanwhile
    assert "wait for the approval of converge, which passes glance:contract, placement:" in meanwhile
    assert "next: skylift resume" in meanwhile


def test_what_will_wait_is_told_once_something_of_its_stage_was_approved(desk: Desk) -> None:
    """A restore comes to one component after the other, and is approved in the same way."""
    desk.apply(desk.plan())
    back = RunId("20260102-000000-run-0002")
    text = propose_rollback(desk.site, desk.site.runs.find(RUN), (), restore=True).text
    apply(desk.site, back, text, desk.bench, approval=Approval.HOLD)

    approved(desk, Stage.CONTROL_PLANE, naming=(StepId("placement:restore"),))
    told = says(desk)

    assert ": at rest\n" in told
    assert "approved, and yet to begin: placement:restore" in told
    assert "for the approval of control-plane, which passes glance:restore, keystone:restore" in told


def test_a_run_that_was_killed_before_anybody_spoke_to_it_is_still_interrupted(desk: Desk) -> None:
    held(desk)
    seen = standing(desk.site.runs, desk.site.runs.find(None))
    at = next(n for n, event in enumerate(seen.events) if isinstance(event, StepDone))
    word = StageApproved(Stage.CONVERGE, (CONTRACT,), "", "ann@console", seen.events[at].at_ms)

    killed = replace(seen, events=(*seen.events[: at + 1], word))

    assert not killed.rested


def test_an_apply_may_name_what_it_passes_and_says_plainly_what_it_passes_unnamed(desk: Desk) -> None:
    text = desk.plan()

    with pytest.raises(NoReturnUnnamed, match="keystone:expand is none"):
        apply(desk.site, RUN, text, desk.bench, approval=Approval.ALL, named=(StepId("keystone:expand"),))
    with pytest.raises(NotApproved, match="not approved: glance:contract"):
        apply(desk.site, RUN, text, desk.bench, approval=Approval.NONE, named=POINTS[:1])
    assert desk.site.runs.known() == ()
    at_rest = apply(desk.site, RUN, text, desk.bench, approval=Approval.HOLD, named=POINTS[:1])
    assert at_rest.steps[CONTRACT].phase is Phase.DONE
    assert POINTS[1] not in at_rest.steps
    assert not any("leads back" in remark for remark in desk.remarks)


def test_a_name_where_there_is_no_point_of_no_return_is_refused_in_a_sentence() -> None:
    refused = NoReturnUnnamed("nosuch is none", (), command="skylift apply FILE")

    assert str(refused) == "nosuch is none: there is no point of no return"
    assert refused.remedies[-1].how == "then name none: skylift apply FILE"


def test_what_is_approved_as_a_whole_is_said_by_name(desk: Desk) -> None:
    desk.apply(desk.plan())

    assert f"approved, and no step alone leads back from it: {', '.join(POINTS)}" in desk.remarks


def test_a_stage_that_the_policy_names_waits_for_an_approval_of_its_own(desk: Desk) -> None:
    with_policy(desk, Policy(baseline=desk.site.record.policy.baseline, approvals=("control-plane",)))

    at_rest = held(desk)
    plan = standing(desk.site.runs, desk.site.runs.find(None)).plan
    begun = {plan.step(step).stage for step in at_rest.steps}
    approved(desk, Stage.CONTROL_PLANE)
    then = go_on(desk.site, desk.site.runs.find(None), desk.bench)

    assert begun == {Stage.PREPARE, Stage.EXPAND}
    assert "waits for the approval of converge" in says(desk)
    assert CONTRACT not in then.steps


def test_what_a_plan_asks_to_be_approved_is_told_beforehand_and_a_plan_that_asks_for_nothing_begins(
    desk: Desk,
) -> None:
    """To name the file of a plan that was read is to approve it, as far as it can be taken back."""
    with_policy(desk, Policy(baseline=desk.site.record.policy.baseline, approvals=("control-plane",)))
    asks = needs_approval(desk.site, propose(desk.site, GOAL).plan)
    desk.apply(desk.plan())
    with_policy(desk, Policy(baseline=desk.site.record.policy.baseline))

    again = propose(desk.site, GOAL)
    ended = apply(desk.site, RunId("20260102-000000-run-2"), again.text, desk.bench, approval=Approval.NONE)

    assert asks == ("control-plane", *POINTS)
    assert needs_approval(desk.site, again.plan) == ()
    assert ended.standing is Standing.COMPLETED


def test_without_a_word_on_approvals_nothing_begins(desk: Desk) -> None:
    with_policy(desk, Policy(approvals=("control-plane",)))

    with pytest.raises(NotApproved, match="control-plane, keystone:contract") as caught:
        apply(desk.site, RUN, desk.plan(), desk.bench, approval=Approval.NONE)

    assert any("--hold" in remedy.how for remedy in caught.value.remedies)
    assert desk.site.runs.known() == ()


def test_what_waits_for_no_approval_gets_none(desk: Desk) -> None:
    held(desk)
    approved(desk, Stage.CONVERGE)

    with pytest.raises(NothingToApprove, match=r"stage converge of run .* no stage does"):
        approved(desk, Stage.CONVERGE)
    with pytest.raises(NothingToApprove):
        approved(desk, Stage.PREPARE)


class TestASecondPerson:
    @pytest.fixture
    def desk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
        """Rey's desk; Ann has one, too."""
        self.keys = {name: KeyFile(key_file(tmp_path / name, n)) for n, name in enumerate(("rey", "ann"), 1)}
        monkeypatch.setenv("SKYLIFT_KEY", str(tmp_path / "rey"))
        desk = desk_at(tmp_path)
        record = replace(
            desk.site.record,
            signers={name: key.key for name, key in self.keys.items()},
            policy=Policy(baseline=desk.site.record.policy.baseline, second_person=True),
        )
        signer: Signer = self.keys["rey"]
        desk.site = replace(desk.site, record=record, signer=signer)
        return desk

    @staticmethod
    def sealed(desk: Desk, approval: Approval) -> Run:
        return apply(desk.site, RUN, desk.plan(), desk.bench, approval=approval, seal=desk.seal())

    def test_the_author_of_a_plan_neither_applies_it_whole_nor_approves_it_later(self, desk: Desk) -> None:
        with pytest.raises(SecondPersonNeeded, match="rey made this plan and cannot approve it"):
            self.sealed(desk, Approval.ALL)
        assert desk.site.runs.known() == ()

        self.sealed(desk, Approval.HOLD)
        with pytest.raises(SecondPersonNeeded):
            approved(desk, Stage.CONVERGE, "rey", self.keys["rey"].key)
        assert "by another than rey" in says(desk)

    def test_another_signer_who_applies_it_names_each_point_of_no_return(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        text, seal = desk.plan(), desk.seal()
        monkeypatch.setenv("SKYLIFT_KEY", str(tmp_path / "ann"))
        desk.site = replace(desk.site, signer=self.keys["ann"])

        def applied(*names: StepId) -> Run:
            said = Approval.ALL
            return apply(desk.site, RUN, text, desk.bench, approval=said, named=names, seal=seal)

        with pytest.raises(NotApproved, match="not approved: glance:contract") as caught:
            applied(CONTRACT)
        ended = applied(*POINTS)

        words = "skylift apply FILE --yes --no-return keystone:contract --no-return glance:contract"
        assert words in caught.value.remedies[0].how
        assert ended.standing is Standing.COMPLETED
        assert ended.approved == set(POINTS)

    def test_another_signer_approves_and_the_run_goes_on_and_is_proved(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.sealed(desk, Approval.HOLD)
        monkeypatch.setenv("SKYLIFT_KEY", str(tmp_path / "ann"))
        approved(desk, Stage.CONVERGE, "ann", self.keys["ann"].key)
        monkeypatch.setenv("SKYLIFT_KEY", str(tmp_path / "rey"))

        ended = go_on(desk.site, desk.site.runs.find(None), desk.bench)

        runs = desk.site.runs
        journal = verify(runs, runs.find(None), desk.site.record)[1]
        assert ended.standing is Standing.COMPLETED
        assert journal.holds
        assert "ann (1)" in journal.says

    def test_an_approval_in_anothers_name_is_found(self, desk: Desk) -> None:
        self.sealed(desk, Approval.HOLD)
        with open_journal(desk.site.runs.find(None)) as journal:
            forged = StageApproved(Stage.CONVERGE, (CONTRACT,), "ann", "ann@console", 1)
            journal.append(forged, after=len(journal.events()))

        proof = verify(desk.site.runs, desk.site.runs.find(None), desk.site.record)[1]

        assert proof.says == "the approval of converge is said to be ann's, and is not"

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("rey2", id="a second key of hers under another name"),
            pytest.param("ann", id="a second key of hers under another signer's name"),
            pytest.param("", id="no signers at all"),
        ],
    )
    def test_whoever_edits_the_record_meanwhile_is_still_no_other_person(
        self, desk: Desk, name: str, tmp_path: Path
    ) -> None:
        self.sealed(desk, Approval.HOLD)
        hers = KeyFile(key_file(tmp_path / "rey2", 3))

        with pytest.raises(SecondPersonNeeded, match="what rey planned, for that key was no other signer's"):
            approved(desk, Stage.CONVERGE, name, hers.key)
        with pytest.raises(SecondPersonNeeded, match="what rey planned"):
            approved(desk, Stage.CONVERGE, name, self.keys["rey"].key)
        with pytest.raises(SecondPersonNeeded):
            approved(desk, Stage.CONVERGE, name)

    def test_what_is_corrected_elsewhere_in_the_record_keeps_nobody_from_approving(self, desk: Desk) -> None:
        self.sealed(desk, Approval.HOLD)
        with_policy(desk, replace(desk.site.record.policy, windows=("daily 00:00-24:00",)))

        then = approved(desk, Stage.CONVERGE, "ann", self.keys["ann"].key)

        assert CONTRACT in then.approved

    def test_an_approval_by_a_key_that_the_record_got_later_is_found_with_that_record(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.sealed(desk, Approval.HOLD)
        hers = KeyFile(key_file(tmp_path / "rey2", 3))
        monkeypatch.setenv("SKYLIFT_KEY", str(tmp_path / "rey2"))
        with open_journal(desk.site.runs.find(None)) as journal:
            said = StageApproved(Stage.CONVERGE, (CONTRACT,), "rey2", "rey@console", 1)
            journal.append(said, after=len(journal.events()))
        edited = replace(desk.site.record, signers={**desk.site.record.signers, "rey2": hers.key})

        plan, proof, _ = verify(desk.site.runs, desk.site.runs.find(None), edited)

        assert plan.says.endswith("made from another state of the record")
        assert not proof.holds
        assert proof.says == "the approval of converge is said to be rey2's, and is not"

    def test_a_run_whose_record_wanted_no_second_person_is_told_where_the_record_does(
        self, desk: Desk
    ) -> None:
        wants = desk.site.record
        with_policy(desk, replace(wants.policy, second_person=False))
        self.sealed(desk, Approval.ALL)

        plan, journal, _ = verify(desk.site.runs, desk.site.runs.find(None), wants)

        assert plan.says.endswith("made from another state of the record")
        assert journal.says.endswith("opened without the second person of this record")


def test_a_run_that_is_given_up_before_its_first_step_measures_nothing(desk: Desk) -> None:
    """There is nothing to compare with what users get now."""
    baseline = desk.site.record.policy.baseline
    with_policy(desk, Policy(baseline=baseline, approvals=("prepare",)))
    begun = held(desk)
    desk.remarks.clear()

    ended = go_on(
        desk.site,
        desk.site.runs.find(None),
        desk.bench,
        lambda journal, asked: abort(journal, asked, reason="not tonight", leave=False),
    )

    assert begun.steps == {}
    assert ended.standing is Standing.ABORTED
    assert not any("measuring" in remark for remark in desk.remarks)
