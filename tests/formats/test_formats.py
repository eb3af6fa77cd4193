"""Every format that was ever released can still be read, or is refused in words; files here never change.

A format that changes gets a new number and a new file beside the old one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from skylift.actions.registry import KINDS
from skylift.drivers.chain_file import read_rows
from skylift.drivers.chain_journal import JOURNAL as KIND
from skylift.drivers.ed25519 import holds
from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.engine.fold import Standing, fold
from skylift.engine.journal import EVENTS, LossCounted, MovesAsked, RunTakenUp, RunWarned, StepWaits
from skylift.engine.journal_problems import JournalFormat
from skylift.fleet.mandate import read_mandate, write_mandate
from skylift.planning.text import PlanFormat, read_plan, write_plan

HERE = Path(__file__).parent
OLD_PLAN, OLD_JOURNAL, JOURNAL = HERE / "plan-1.plan", HERE / "journal-1.sqlite", HERE / "journal-2.sqlite"
FLEET_JOURNAL, MANDATE = HERE / "journal-2-fleet.sqlite", HERE / "mandate-1.plan"
PLANS = PLAN, PARKING_PLAN, ROSTER_PLAN, CLOSING_PLAN, FIRST_PLAN, TOGETHER_PLAN, BACK_PLAN, *_ = tuple(
    HERE / f"plan-2{of}.plan"
    for of in (
        *("", "-parking", "-roster", "-closing", "-first-and-last", "-together", "-way-back"),
        *("-rehearsal", "-restore", "-before-start", "-heard"),
    )
)
REHEARSAL_PLAN, RESTORE_PLAN, READY_PLAN, HEARD_PLAN = PLANS[-4:]
OF_FLEETS = {
    *("reboot-host", "try-host", "remove-canary", "pause-automation", "give-automation-back"),
    *("close-agents", "await-agents", "open-agents", "try-agents"),
    *("keep-in", "let-out", "reboot-storage-host", "await-storage"),
    *("reboot-volume-host", "await-exports"),
}
"""Actions on empty hosts, which no plan file has: a run over a fleet makes them from its mandate."""
TAKEN_UP = HERE / "journal-2-taken-up.sqlite"
WARNED = HERE / "journal-2-warned.sqlite"
LATER, LATEST = {LossCounted.kind, RunTakenUp.kind}, {RunWarned.kind}
"""Kinds of event that are younger than the other journals, and than these."""
WRITTEN = {
    PLAN: "7a11f9051b676f4ab84655db42be8c32af6bef0f22c5d39d17afc9cecc4cd2ba",
    PARKING_PLAN: "19058ad9ee58c1903d76f2c105e17e6a47c2b7d3186226adb04dfb2f30a60692",
    ROSTER_PLAN: "df9ea96dfcfbd6f383a34795e9901fdff1377c704a464874f1cf93392243a99e",
    CLOSING_PLAN: "8bbf55bbe5859cf9a48d7dfc0b7a01d1dd5eb5b9985e921b7dec2d2500f57571",
    FIRST_PLAN: "ade0e332289e9d8d5e8bc18382c8cc4eaf1fac6119308a37b12d3fd99969ae84",
    TOGETHER_PLAN: "1b6bbed0dd248a3b406a091d9d20a5db09260ec416ffd6305c818b8323e543b6",
    BACK_PLAN: "44bae55b0bdc4bd90971b3875a6056d64925ad6f2bee5eccf950838da773bfa6",
    REHEARSAL_PLAN: "0646cfc3675f6898d8ae15b5e527586ecf8fe998f98fb31c714fe9f68c81ffe5",
    RESTORE_PLAN: "0c8605d22c65b53211acad05dd5f535242f32eb2cb31f7311e1e7c796cda6279",
    READY_PLAN: "16381b4b560b6fb32a645e4724fee1e911c842335bfc8d8c1d445c98430dd114",
    HEARD_PLAN: "39dc82500324e9e7f63e2cc6ad0c25d3a117fc4620d7407124d4634d403ecb18",
    OLD_PLAN: "3cc9690eeeb8d29e241f0564f552e8e9784cbaa18e08147dd1174b7c374b725f",
    OLD_JOURNAL: "fb2af0e69425646442a4a30690f1ce29a3c06d7193c45a45595dfee98e473588",
    FLEET_JOURNAL: "64eeec4eae553d6d9d5a7e08de513b3acc25df1c27efd4d49aa59f1509aae8c4",
    TAKEN_UP: "f384fc0b9565041802752259789b8bcb867645a984d4ecdc7c676855ee73de14",
    WARNED: "09c06edf58a0450d9db85fb908efe66ec58dfd77ee9b07a0e0e19db9a8b2f344",
    MANDATE: "41ac46373fb387e26eaf2e06c5ebd0835cd9d6f40bc2dfe1da1d1791d516e45f",
    JOURNAL: "244bdb7b7754adae35cdd7e7585fb13b33e95f7f28f7be75d301d816c2930b35",
}


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.name)
def test_a_file_of_a_released_format_is_never_rewritten(file: Path) -> None:
    assert hashlib.sha256(file.read_bytes()).hexdigest() == WRITTEN[file]


def test_a_plan_of_format_1_is_refused_in_words_for_it_does_not_know_a_components_services() -> None:
    with pytest.raises(PlanFormat, match="cannot be read by this version of Skylift"):
        read_plan(OLD_PLAN.read_bytes())


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.name)
def test_a_plan_of_format_2_is_read_and_written_again_as_the_same_bytes(file: Path) -> None:
    text = file.read_bytes()

    assert write_plan(read_plan(text)) == text


def test_the_plans_of_format_2_show_every_kind_of_action_an_upgrade_has() -> None:
    """A kind that was added later has its own file."""
    kinds = {step.action.kind for file in PLANS for step in read_plan(file.read_bytes()).steps}

    assert kinds == KINDS.keys() - OF_FLEETS


def test_a_mandate_of_format_1_is_read_and_written_again_as_the_same_bytes() -> None:
    text = MANDATE.read_bytes()

    assert write_mandate(read_mandate(text)) == text


def test_a_journal_of_a_run_over_a_fleet_tells_the_same_story(tmp_path: Path) -> None:
    journal = SqliteJournal(Path(shutil.copy(FLEET_JOURNAL, tmp_path)))
    events = journal.events()
    journal.close()

    run = fold(events)

    asked = [of.instance for event in events if isinstance(event, MovesAsked) for of in event.moves]
    assert run.standing is Standing.COMPLETED
    assert run.plan == json.loads(MANDATE.read_bytes())["digest"]
    assert sorted(asked) == ["vm1", "vm2"]


def test_a_journal_of_a_run_that_was_taken_up_says_what_users_had_lost(tmp_path: Path) -> None:
    journal = SqliteJournal(Path(shutil.copy(TAKEN_UP, tmp_path)))
    events = journal.events()
    journal.close()

    assert {event.kind for event in events} >= LATER
    assert fold(events).lost == LossCounted(3, 1, {"glance": 7250}, 2000)


def test_a_journal_of_a_way_back_says_what_did_not_hold_it(tmp_path: Path) -> None:
    journal = SqliteJournal(Path(shutil.copy(WARNED, tmp_path)))
    events = journal.events()
    journal.close()

    assert {event.kind for event in events} >= LATEST
    assert fold(events).warned["loss-budget.spent"].sentence.startswith("6 requests failed")


def test_a_journal_of_format_1_is_refused_in_words_for_it_does_not_know_all_that_may_be_said(
    tmp_path: Path,
) -> None:
    with pytest.raises(JournalFormat, match="its format is 1, and this one reads 2"):
        SqliteJournal(Path(shutil.copy(OLD_JOURNAL, tmp_path)))


def test_a_journal_of_format_2_tells_the_same_story_and_its_seals_hold(tmp_path: Path) -> None:
    path = Path(shutil.copy(JOURNAL, tmp_path))
    journal = SqliteJournal(path)
    events = journal.events()
    journal.close()

    run = fold(events)

    of_fleets = {MovesAsked.kind, StepWaits.kind}
    assert {event.kind for event in events} == EVENTS.keys() - of_fleets - LATER - LATEST
    assert run.standing is Standing.ABORTED
    assert run.plan == json.loads(PLAN.read_bytes())["digest"]
    assert (run.author, run.gated) == ("rey", frozenset())
    assert all(row.seal and holds(row.seal, row.said) for row in read_rows(path, KIND))
