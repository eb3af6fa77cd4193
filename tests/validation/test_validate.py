"""The verdict on an upgrade comes from what was observed, and every issue says what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from skylift.app.validate import Outcome, Validation, validate
from skylift.catalog.catalog import load
from skylift.model.cloud import BackendState, Cloud, SchemaSeen, UnitState, Unreached
from skylift.model.goal import Rollback, Upgrade
from skylift.model.ids import ComponentName, Digest, HostName, RunId
from skylift.testing.samples import (
    EXPANDED_2024_1,
    GLANCE,
    GLANCE_API,
    KEYSTONE,
    R2023_1,
    R2024_1,
    artifact_name,
    sample_cloud,
    sample_record,
)

RECORD = sample_record()
GOAL = Upgrade(R2024_1)
CTL1, CTL2, CLIENT = HostName("ctl1"), HostName("ctl2"), HostName("client")
OLD = str(RECORD.artifacts[artifact_name(R2023_1)].path)
GONE = "client could not be reached: no route"

Change = Callable[[Cloud], Cloud]


def _upgraded() -> Cloud:
    return sample_cloud(RECORD, release=R2024_1, goal=R2024_1)


def _unit(**changed: object) -> Change:
    def change(cloud: Cloud) -> Cloud:
        unit = cloud.units[GLANCE_API, CTL2]
        fields = {f: getattr(unit, f) for f in type(unit).__slots__} | changed
        return replace(cloud, units={**cloud.units, (GLANCE_API, CTL2): type(unit)(**fields)})

    return change


def _rows(*rows: str) -> Change:
    seen = SchemaSeen(KEYSTONE, "", frozenset(rows))
    return lambda cloud: replace(cloud, schemas={**cloud.schemas, KEYSTONE: seen})


def _backends(*servers: str) -> Change:
    return lambda cloud: replace(
        cloud,
        backends=tuple(
            replace(b, state=BackendState.MAINT) if b.pool == "glance" and b.server in servers else b
            for b in cloud.backends
        ),
    )


FAILED, ISSUES = Outcome.FAILED, Outcome.WITH_ISSUES
CASES: dict[str, tuple[Outcome, Change, str]] = {
    "a service on the old release": (
        FAILED,
        _unit(running=OLD, linked=OLD),
        "glance on ctl2 runs 2023.1, not 2024.1",
    ),
    "a service that is down": (FAILED, _unit(state=UnitState.FAILED), "glance-api.service on ctl2 is failed"),
    "a schema before contract": (
        FAILED,
        _rows(*EXPANDED_2024_1[KEYSTONE]),
        "the schema of keystone is not at the head of 2024.1: it lacks 99de3849d860, c88cdce8f248",
    ),
    "a schema that is newer": (FAILED, _rows("47147121", "c88cdce8f248", "abcdef"), "it has abcdef"),
    "a schema nobody could read": (
        FAILED,
        lambda c: replace(c, schemas={}, unread={"schema glance": "no server answers"}),
        "the schema of glance could not be judged: no server answers",
    ),
    "an API that no balancer serves": (
        FAILED,
        _backends("ctl1", "ctl2", "ctl3"),
        "the balancers on ctl1, ctl2, ctl3 have no backend of glance-api up",
    ),
    "a balancer nobody could ask": (
        FAILED,
        lambda c: replace(
            c,
            backends=tuple(b for b in c.backends if b.balancer != CTL2),
            unread={"backends ctl2": "haproxy does not run"},
        ),
        "backends of ctl2 could not be read: haproxy does not run",
    ),
    "a catalog without an endpoint": (
        FAILED,
        lambda c: replace(c, endpoints=tuple(e for e in c.endpoints if e.service != "image")),
        "the catalog has no endpoint of image",
    ),
    "endpoints nobody could read": (
        FAILED,
        lambda c: replace(c, endpoints=(), unread={"endpoints": "keystone did not answer"}),
        "endpoints could not be read: keystone did not answer",
    ),
    "a backend left out": (ISSUES, _backends("ctl2"), "ctl2 in pool glance is maint in the balancer on ctl1"),
    "a link to something else": (ISSUES, _unit(linked=OLD), "but its next start would run"),
    "a host outside that is gone": (
        ISSUES,
        lambda c: replace(
            c, hosts={**c.hosts, CLIENT: Unreached(CLIENT, "client could not be reached: no route")}
        ),
        GONE,
    ),
    "a database short of a server": (
        ISSUES,
        lambda c: replace(c, galera={h: n for h, n in c.galera.items() if h != CTL2}),
        "the database on ctl2 did not answer",
    ),
}


def test_a_cloud_that_is_whole_at_the_goal_is_completed() -> None:
    validation = validate(_upgraded(), RECORD, GOAL, load())

    assert validation.outcome is Outcome.COMPLETED
    assert validation.issues == ()
    assert {s.outcome for s in validation.services} == {Outcome.COMPLETED}
    assert len(validation.services) == 9


@pytest.mark.parametrize("case", CASES)
def test_each_issue_decides_the_verdict_and_carries_an_action(case: str) -> None:
    """Rows 10 and 174."""
    outcome, change, told = CASES[case]

    validation = validate(change(_upgraded()), RECORD, GOAL, load())

    issues = [issue for issue in validation.issues if told in issue.sentence]
    assert issues, validation.issues
    assert validation.outcome is outcome
    assert {issue.outcome for issue in issues} == {outcome}
    assert all(issue.remedies for issue in validation.issues)


def test_the_verdict_is_told_for_each_service_on_each_host() -> None:
    """Row 9."""
    cloud = _unit(running=OLD)(_upgraded())

    services = validate(cloud, RECORD, GOAL, load()).services

    (failed,) = [s for s in services if s.outcome is FAILED]
    assert (failed.service, failed.host, failed.release) == (GLANCE_API, CTL2, R2023_1)


def test_graver_issues_come_first() -> None:
    cloud = _unit(running=OLD, linked=OLD)(_backends("ctl2")(_upgraded()))

    outcomes = [issue.outcome for issue in validate(cloud, RECORD, GOAL, load()).issues]

    assert outcomes == [FAILED] + [ISSUES] * 3


def test_a_cloud_that_was_never_upgraded_has_failed_whatever_was_journaled() -> None:
    validation = validate(sample_cloud(RECORD), RECORD, GOAL, load())

    assert validation.outcome is FAILED
    assert "keystone on ctl1, ctl2, ctl3 runs 2023.1, not 2024.1" in [i.sentence for i in validation.issues]


def test_a_record_without_the_goals_artifact_cannot_be_at_it() -> None:
    artifacts = {n: a for n, a in RECORD.artifacts.items() if a.release != R2024_1}

    validation = validate(_upgraded(), replace(RECORD, artifacts=artifacts), GOAL, load())

    assert validation.outcome is FAILED
    assert any("the record has no artifact of 2024.1" in issue.sentence for issue in validation.issues)


def test_of_a_part_that_went_back_only_that_part_is_judged() -> None:
    """What is not part of it may be down, out of its pools, or without a unit that runs."""
    cloud = sample_cloud(RECORD, release=R2023_1, goal=R2024_1)
    spoilt = _unit(state=UnitState.FAILED, running=None)(_backends(CTL1, CTL2, HostName("ctl3"))(cloud))

    def judged(component: ComponentName) -> Validation:
        back = Rollback(R2023_1, R2024_1, RunId("r"), Digest("sha256:1"), (component,), ())
        return validate(spoilt, RECORD, back, load())

    assert judged(KEYSTONE).outcome is Outcome.COMPLETED, judged(KEYSTONE).issues
    assert judged(GLANCE).outcome is Outcome.FAILED


def test_what_did_not_go_back_is_planned_again_by_its_own_command() -> None:
    """A way back is no upgrade to the release before."""
    cloud = sample_cloud(RECORD, release=R2024_1, goal=R2024_1)
    back = Rollback(R2023_1, R2024_1, RunId("run-1"), Digest("sha256:1"), (KEYSTONE,), ())

    remedies = [r.how for issue in validate(cloud, RECORD, back, load()).issues for r in issue.remedies]

    assert "or plan what is left: skylift rollback run-1 --component keystone -o back.plan" in remedies
    assert not any("skylift plan" in how for how in remedies)
