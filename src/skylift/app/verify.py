"""Are plan, journal and audit trail what was written, and by whom? Told from the files alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from skylift.app.audit import last_heads, read_deed
from skylift.app.mandates import read_approved
from skylift.app.plan_seal import author
from skylift.app.runs import RunFolder, Runs
from skylift.app.site import digest_of_record
from skylift.app.wiring import audit_rows, holds, journal_rows
from skylift.engine.chain import Row
from skylift.engine.fold import Run, fold
from skylift.engine.journal import Event, RunOpened, StageApproved, decode_event
from skylift.engine.journal_problems import JournalUnwritable
from skylift.engine.store_problems import StoreRefuses
from skylift.fleet.mandate import digest_of_mandate
from skylift.model.codec import Malformed
from skylift.model.problem import Problem, Transient
from skylift.model.record import Record
from skylift.model.seal import Signers, name_of
from skylift.planning.text import digest_of, read_plan


class Broken(Exception):  # noqa: N818 - what was found, as a Problem is
    """A document is not what was written, or not by whom it had to be; the message says where."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What can be said of one document."""

    document: str
    holds: bool
    says: str
    read: bool = True
    """Whether it could be read at all; of one that could not, nothing is known."""


def verify(runs: Runs, folder: RunFolder, record: Record) -> tuple[Proof, ...]:
    """Look at one run's plan and journal and at the cloud's audit trail; each on its own.

    A record without signers finds edits alone: whoever may write the files could have written all of them.
    """
    return (
        _proof("plan", lambda: _plan(folder, record)),
        _proof("journal", lambda: _journal(folder, record)),
        _proof("audit trail", lambda: _audit(runs, record.signers)),
    )


def _proof(document: str, look: Callable[[], str]) -> Proof:
    try:
        return Proof(document, holds=True, says=look())
    except (JournalUnwritable, StoreRefuses, Transient) as unread:
        return Proof(document, holds=False, says=str(unread), read=False)
    except (Problem, Broken) as broken:
        return Proof(document, holds=False, says=str(broken))
    except OSError as error:
        gone = isinstance(error, FileNotFoundError | IsADirectoryError)
        says = f"it cannot be read: {(error.strerror or '').lower()}"
        return Proof(document, holds=False, says=says, read=gone)


def _plan(folder: RunFolder, record: Record) -> str:
    text, made_from = folder.plan.read_bytes(), ""
    if folder.of_fleet:
        mandate = read_approved(text)
        digest, made_from = digest_of_mandate(mandate), mandate.record
    else:
        plan = read_plan(text)
        digest, made_from = digest_of(plan), plan.record
    opened = _events(folder)[0]
    if not isinstance(opened, RunOpened) or opened.plan != digest:
        raise Broken("it is not the plan that the run was opened with")
    seal = folder.seal.read_bytes() if folder.seal.exists() else None
    name = author(digest, seal, record.signers, holds)
    told = f"{digest[:19]}, " + (f"sealed by {name}" if name else "and this record names no signers")
    # No edit of the plan: records change. But whose word counted was in that one, and not in this.
    return told if made_from == digest_of_record(record) else f"{told}; made from another state of the record"


def _journal(folder: RunFolder, record: Record) -> str:
    events, rows, signers = _events(folder), journal_rows(folder), record.signers
    sealed = _sealed(rows, signers)
    try:
        run = fold(events)
    except AssertionError as contradiction:
        raise Broken(str(contradiction)) from None
    if run.id != folder.id:
        raise Broken(f"it is the journal of run {run.id}")
    for event, row in zip(events, rows, strict=True):
        _approval(event, row, run, signers)
    alone = record.policy.second_person and not run.author
    return f"{len(events)} events, {sealed}" + ("; opened without the second person of this record" * alone)


def _approval(event: Event, row: Row, run: Run, signers: Signers) -> None:
    """See that an approval is of whom it says, and of another person than the author where that matters.

    Who may approve is what the run was opened with, whatever the record says by now.
    """
    sealed_by = (name_of(row.seal.key, run.signers or signers) if row.seal else None) or ""
    match event:
        case StageApproved(stage, _, signer):
            if signer != sealed_by:
                raise Broken(
                    f"the approval of {stage.value} is said to be {signer or 'nobody'}'s, and is not"
                )
        case RunOpened(approved=(_, *_)):
            pass
        case _:
            return
    if run.author and sealed_by in {"", run.author}:
        who = f"{run.author} made the plan and" if sealed_by else "a key that was no signer's then"
        raise Broken(f"{who} approved it, and the policy wanted another person than {run.author}")


def _events(folder: RunFolder) -> tuple[Event, ...]:
    found: list[Event] = []
    for number, row in enumerate(journal_rows(folder), start=1):
        try:
            found.append(decode_event(json.loads(row.body)))
        except (Malformed, ValueError) as error:
            raise Broken(f"row {number} is no event: {error}") from None
    if not found:
        raise Broken("it is empty")
    return tuple(found)


def _audit(runs: Runs, signers: Signers) -> str:
    rows = audit_rows(runs)
    sealed = _sealed(rows, signers)
    try:
        deeds = tuple(read_deed(row.body) for row in rows)
    except Malformed as error:
        raise Broken(f"an entry cannot be read: {error}") from None
    for run, head in last_heads(deeds).items():
        folder = runs.find(run)
        kept = journal_rows(folder)
        if len(kept) < head.rows or kept[head.rows - 1].chain.hex() != head.chain:
            raise Broken(f"it saw {head.rows} events in the journal of run {run}, which are not there now")
    return f"{len(deeds)} entries, {sealed}"


def _sealed(rows: Iterable[Row], signers: Signers) -> str:
    """Who sealed the rows, each with how many."""
    by: Counter[str] = Counter()
    for number, row in enumerate(rows, start=1):
        if row.seal is not None and not holds(row.seal, row.said):
            raise Broken(f"the seal of row {number} does not hold")
        if not signers:
            continue
        name = name_of(row.seal.key, signers) if row.seal else None
        if name is None:
            raise Broken(f"row {number} was sealed by nobody whom the record trusts")
        by[name] += 1
    told = ", ".join(f"{name} ({count})" for name, count in sorted(by.items()))
    return f"sealed by {told}" if told else "chained, and this record names no signers"
