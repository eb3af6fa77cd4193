"""Checks are asked one by one: none hides another, and what nobody could judge blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from skylift.catalog.catalog import load
from skylift.checks.check import Check, Complaint, Question, warns
from skylift.checks.finding import Finding, Level, blocked
from skylift.checks.registry import CHECKS, check_all
from skylift.model.cloud import BackendState, Cloud
from skylift.model.goal import Upgrade
from skylift.testing.samples import R2024_1, sample_cloud, sample_record

RECORD = sample_record()
GOAL = Upgrade(R2024_1)

SUBJECTS = {
    "unit": "unit glance ctl2",
    "answer": "answer glance ctl2",
    "staged": "staged openstack-2024.1 ctl2",
    "obtainable": "obtainable openstack-2024.1 ctl2",
    "grants": "grants glance",
    "backup": "backup glance",
    "upgrade-check": "upgrade-check glance",
    "backends": "backends ctl2",
    "endpoints": "endpoints",
    "galera": "galera",
    "doctor": "doctor",
    "reports": "reports nova_cell1",
    "work": "work nova_cell1",
    "broker": "broker",
    "machine-types": "machine-types nova",
}


def _asked(cloud: Cloud, *checks: Check) -> tuple[Finding, ...]:
    return check_all(cloud, RECORD, GOAL, load(), checks=checks or CHECKS)


def _crash(question: Question) -> Iterator[Complaint]:
    yield warns(f"something about {question.goal.to}")
    raise KeyError("nobody thought of this")


def _content(_: Question) -> Iterator[Complaint]:
    yield from ()


CRASHING = Check("crashing", "all is well", _crash, needs=(), rows=(8,))
CONTENT = Check("content", "all is well", _content, needs=())


def test_every_check_is_reported_in_the_order_of_the_registry() -> None:
    findings = _asked(sample_cloud(RECORD))

    assert list(dict.fromkeys(f.check for f in findings)) == [check.name for check in CHECKS]


def test_a_check_that_fails_in_itself_blocks_under_its_name_and_hides_no_other() -> None:
    before, broken, after = _asked(sample_cloud(RECORD), CONTENT, CRASHING, replace(CONTENT, name="last"))

    assert broken.level is Level.BROKEN
    assert broken.blocks
    assert broken.check == "crashing"
    assert broken.sentence == "the check crashing failed in itself: KeyError: 'nobody thought of this'"
    assert broken.rows == (8,)
    assert [before.level, after.level] == [Level.PASSED, Level.PASSED]


@pytest.mark.parametrize("kind", SUBJECTS)
def test_what_could_not_be_read_blocks_whoever_needs_it(kind: str) -> None:
    cloud = replace(sample_cloud(RECORD), unread={SUBJECTS[kind]: "the moon was full"})
    wanting = [check for check in CHECKS if kind in check.needs]

    findings = _asked(cloud, *wanting)

    assert wanting
    for check in wanting:
        told = [f.sentence for f in findings if f.check == check.name and f.blocks]
        assert any("could not be read: the moon was full" in sentence for sentence in told)


def test_every_kind_that_a_check_needs_is_tried() -> None:
    assert {kind for check in CHECKS for kind in check.needs} == SUBJECTS.keys()


def test_a_kind_that_is_unread_as_a_whole_is_one_complaint() -> None:
    cloud = replace(sample_cloud(RECORD), galera={}, unread={"galera": "no server answers"})

    findings = [f for f in _asked(cloud) if f.check == "galera"]

    assert [f.sentence for f in findings] == ["galera could not be read: no server answers"]
    assert "skylift check --to 2024.1" in findings[0].remedies[-1].how


def test_a_balancer_that_cannot_be_read_hides_nothing_of_the_others() -> None:
    """It blocks as what it is: neither it nor the others are told to have no backend up."""
    whole = sample_cloud(RECORD)
    heard = tuple(
        replace(b, state=BackendState.DOWN) if (b.pool, b.server) == ("glance", "ctl2") else b
        for b in whole.backends
        if b.balancer != "ctl3"
    )
    cloud = replace(whole, backends=heard, unread={"backends ctl3": "haproxy does not run"})

    told = [(f.level, f.sentence) for f in _asked(cloud) if f.check == "backends"]

    assert told == [
        (Level.BLOCKS, "backends of ctl3 could not be read: haproxy does not run"),
        *(
            (Level.WARNS, f"ctl2 in pool glance is down in the balancer on {b}; an upgrade ends with it up")
            for b in ("ctl1", "ctl2")
        ),
    ]


@pytest.mark.parametrize("kind", ["unit", "grants", "upgrade-check"])
def test_what_is_told_as_unread_is_not_told_again_as_missing(kind: str) -> None:
    whole = sample_cloud(RECORD)
    cloud = replace(
        whole,
        units={key: unit for key, unit in whole.units.items() if key != ("glance", "ctl2")},
        grants={name: facts for name, facts in whole.grants.items() if name != "glance"},
        upgrade_checks={name: a for name, a in whole.upgrade_checks.items() if name != "glance"},
        unread={SUBJECTS[kind]: "the moon was full"},
    )
    wanting = [check for check in CHECKS if kind in check.needs]

    findings = _asked(cloud, *wanting)

    assert {f.sentence for f in findings if f.blocks} == {
        f"{kind} of {SUBJECTS[kind].partition(' ')[2]} could not be read: the moon was full"
    }


def test_subjects_that_are_unread_for_one_reason_are_one_complaint() -> None:
    unread = {"backup glance": "no disk", "backup keystone": "no disk", "backup placement": "no host"}

    findings = [f for f in _asked(replace(sample_cloud(RECORD), unread=unread)) if f.check == "backup"]

    assert [f.sentence for f in findings] == [
        "backup of glance, keystone could not be read: no disk",
        "backup of placement could not be read: no host",
    ]


def test_a_warning_does_not_block_and_can_be_accepted() -> None:
    warning = Check("warning", "", lambda q: [warns(f"mind {q.goal.to}", "repair it")], needs=())

    findings = _asked(sample_cloud(RECORD), warning)

    assert not blocked(findings)
    assert [r.fix.value for r in findings[0].remedies] == ["repair", "accept"]


def test_asking_changes_nothing_and_answers_the_same_again() -> None:
    cloud = sample_cloud(RECORD)

    assert _asked(cloud) == _asked(cloud)
