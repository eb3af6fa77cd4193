"""All checks, and asking them: each on its own, and all of them reported."""

from __future__ import annotations

from collections.abc import Iterator

from skylift.catalog.catalog import Catalog
from skylift.checks.artifacts import ARTIFACTS
from skylift.checks.backends import BACKENDS
from skylift.checks.backup import BACKUP
from skylift.checks.broker import BROKER
from skylift.checks.check import Check, Question, listed
from skylift.checks.endpoints import ENDPOINTS
from skylift.checks.finding import Finding, Level
from skylift.checks.galera import GALERA
from skylift.checks.hosts import CLOCKS, DISK, HOSTS
from skylift.checks.keys import KEYS
from skylift.checks.machine_types import MACHINE_TYPES
from skylift.checks.privileges import PRIVILEGES
from skylift.checks.readiness import DOCTOR, UPGRADE_CHECK
from skylift.checks.release_path import RELEASE_PATH
from skylift.checks.roster import AGENTS, STALE_SERVICES, VERSION_DISTANCE
from skylift.checks.schema import SCHEMA
from skylift.checks.units import UNITS
from skylift.checks.work import WORK_IN_HAND
from skylift.model.cloud import Cloud
from skylift.model.goal import Goal
from skylift.model.problem import Fix, Remedy
from skylift.model.record import Record

CHECKS: tuple[Check, ...] = (
    RELEASE_PATH,
    HOSTS,
    UNITS,
    AGENTS,
    STALE_SERVICES,
    VERSION_DISTANCE,
    WORK_IN_HAND,
    MACHINE_TYPES,
    BACKENDS,
    ENDPOINTS,
    GALERA,
    BROKER,
    PRIVILEGES,
    SCHEMA,
    ARTIFACTS,
    UPGRADE_CHECK,
    DOCTOR,
    KEYS,
    DISK,
    CLOCKS,
    BACKUP,
)
"""In the order in which an operator would repair what they find."""

BACK_CHECKS: tuple[Check, ...] = (HOSTS, GALERA, BROKER, DISK, CLOCKS)
"""What is asked before something goes back: only what could keep its steps from their end. What a run that
failed has left as it should not be must not stand in the way of its being taken back."""

_CRASHES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a mistake in a check raises. One check's bug must not hide what the others found."""


def check_all(
    cloud: Cloud, record: Record, goal: Goal, catalog: Catalog, *, checks: tuple[Check, ...] = CHECKS
) -> tuple[Finding, ...]:
    """What every check found, in their order; a check that passed is there as well (row 8)."""
    question = Question(cloud, record, goal, catalog)
    return tuple(finding for check in checks for finding in _asked(check, question))


def _asked(check: Check, question: Question) -> tuple[Finding, ...]:
    unread = tuple(could_not_read(check, question))
    if any(question.unread(kind) for kind in check.needs):
        return unread
    try:
        complaints = tuple(check.ask(question))
    except _CRASHES as crash:
        told = f"the check {check.name} failed in itself: {type(crash).__name__}: {crash}"
        report = Remedy(Fix.REPAIR, "report it as a bug, with the output of: skylift inspect --json")
        return (*unread, Finding(check.name, Level.BROKEN, told, (report,), check.rows))
    found = tuple(Finding(check.name, c.level, c.sentence, c.remedies, check.rows) for c in complaints)
    if unread or found:
        return (*unread, *found)
    return (Finding(check.name, Level.PASSED, check.claim, (), check.rows),)


def could_not_read(check: Check, question: Question) -> Iterator[Finding]:
    """What ``check`` needs of the cloud and nobody could read, those for the same reason together."""
    remedies = (
        Remedy(Fix.REPAIR, "make it readable, then see whether it is: skylift inspect"),
        Remedy(Fix.RETRY, f"skylift check --to {question.goal.to}"),
    )
    alike: dict[tuple[str, str], list[str]] = {}
    for subject, why in question.cloud.unread.items():
        kind, _, of = subject.partition(" ")
        if kind in check.needs:
            alike.setdefault((kind, why), []).append(of)
    for (kind, why), subjects in alike.items():
        of = f" of {listed(subjects)}" if any(subjects) else ""
        yield Finding(check.name, Level.BLOCKS, f"{kind}{of} could not be read: {why}", remedies, check.rows)
