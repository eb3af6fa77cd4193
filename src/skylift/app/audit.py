"""The audit trail of a cloud: every word said to it that may change something, and what came of it.

It is written before a verb does anything and after it ended, so one that was killed is there without an end.
Each entry also has the heads of the journals that grew since the last one: a journal whose end was cut off,
or that was written anew, does not agree with what the trail saw of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from skylift.app.runs import Runs
from skylift.app.wiring import asked, audit_rows, heads_of, open_audit
from skylift.engine.journal import Overtaken
from skylift.engine.journal_problems import JournalDamaged
from skylift.model.codec import Malformed, canonical, decode, encode
from skylift.model.ids import RunId
from skylift.model.problem import Fix, Problem, Refused, Remedy

BEGUN = "begun"
CUT_SHORT = "cut short"
"""Ended by no problem and no exit code: an operator's second Ctrl-C, or her leaving a question."""


class AuditDamaged(Refused):
    """The audit trail is not what was written to it."""

    code = "audit.damaged"

    def __init__(self, anew: str, why: str) -> None:
        super().__init__(
            f"nothing can be added to the audit trail: {why}",
            Remedy(Fix.REPAIR, f"keep it as evidence, and begin another one: {anew}"),
            Remedy(Fix.REPAIR, "see what else is not as it was written: skylift verify"),
        )


@dataclass(frozen=True, slots=True)
class Head:
    """How far a journal was."""

    rows: int
    chain: str
    """The chain of its last row: 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry: who said what, and what came of it."""

    at_ms: int
    actor: str
    verb: str
    said: Mapping[str, str]
    """What was said with it: the step, the reason, the file."""
    outcome: str
    """``begun``; then ``exit`` with its code, the code of the problem that ended it, or ``cut short``."""
    heads: Mapping[RunId, Head]
    """Journals that are not as they were at the entry before, and how far they are now."""


@contextmanager
def audited(runs: Runs, verb: str, said: Mapping[str, str]) -> Iterator[Callable[[int], None]]:
    """Write down that ``verb`` is said, and then what came of it; call what is yielded with its exit code.

    Raises:
        AuditDamaged: the trail cannot be trusted.
        SignerNeeded, JournalUnwritable: it cannot be written.
    """
    outcome = CUT_SHORT

    def ended(code: int) -> None:
        nonlocal outcome
        outcome = f"exit {code}"

    _write(runs, verb, said, BEGUN)
    try:
        yield ended
    except Problem as problem:
        outcome = problem.code
        raise
    finally:
        _write(runs, verb, said, outcome)


def read_deed(body: bytes) -> Deed:
    """The entry in the bytes of a row.

    Raises:
        codec.Malformed: it is none.
    """
    try:
        return decode(Deed, json.loads(body))
    except ValueError as error:
        raise Malformed(str(error)) from None


def deeds_of(runs: Runs) -> tuple[Deed, ...]:
    """All that the trail has, oldest first; whose seals it bears is for ``skylift verify``.

    Raises:
        AuditDamaged: it is not what was written.
    """
    if runs.store is None and not runs.audit.exists():
        return ()
    try:
        return tuple(read_deed(row.body) for row in audit_rows(runs))
    except (JournalDamaged, Malformed) as damaged:
        raise AuditDamaged(_begin_anew(runs), str(damaged)) from None


def last_heads(deeds: tuple[Deed, ...]) -> dict[RunId, Head]:
    """How far each journal was when it was last looked at."""
    return {run: head for deed in deeds for run, head in deed.heads.items()}


def _write(runs: Runs, verb: str, said: Mapping[str, str], outcome: str) -> None:
    runs.make_home()
    now = {run: Head(*found) for run, found in heads_of(runs).items()}
    try:
        with open_audit(runs) as trail:
            while True:
                rows = trail.rows()
                before = last_heads(tuple(read_deed(row.body) for row in rows))
                heads = {run: head for run, head in now.items() if head != before.get(run)}
                who = asked()
                deed = Deed(who.at_ms, who.actor, verb, dict(said), outcome, heads)
                try:
                    trail.append(canonical(encode(deed)), after=len(rows))
                except Overtaken:
                    continue
                return
    except (JournalDamaged, Malformed) as damaged:
        raise AuditDamaged(_begin_anew(runs), str(damaged)) from None


def _begin_anew(runs: Runs) -> str:
    if runs.store is None:
        return f"mv {runs.audit} {runs.audit}.damaged"
    aside = "; ".join(
        f"UPDATE skylift.{table} SET name = 'audit.' || extract(epoch FROM now())::bigint "  # noqa: S608 - our own words, and a cloud's name
        f"WHERE name = 'audit' AND cloud = '{runs.store.cloud}'"
        for table in ("head", "entry")
    )
    return f'psql {runs.store.where} -c "BEGIN; {aside}; COMMIT"'
