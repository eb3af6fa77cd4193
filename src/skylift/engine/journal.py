"""The journal of a run: the facts that cannot be learnt from the cloud, in the order they became true.

A fact about an effect is on disk before the effect. What the cloud can tell (how far a step is, what a
host runs) is never a fact here: it is observed again. Times are milliseconds since 1970-01-01 UTC, as
integers, because equal events must have equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, get_args

from skylift.model import codec
from skylift.model.ids import Digest, Epoch, RunId, StepId
from skylift.model.problem import Fix, Problem, Refused, Remedy

FORMAT = 1
"""Version of the events; a reader refuses any other."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A problem as it was when it was met, kept for the operator who comes back in the morning."""

    code: str
    sentence: str
    remedies: tuple[Remedy, ...]

    @classmethod
    def of(cls, problem: Problem) -> Reported:
        """What there is to keep of ``problem``."""
        return cls(problem.code, str(problem), tuple(problem.remedies))


class Why(Enum):
    """Why a run was paused."""

    OPERATOR = "operator"
    SIGNAL = "signal"
    LOSS_BUDGET = "loss budget"


class Outcome(Enum):
    """How a run was closed. One that halted is not closed: it waits for a retry."""

    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class RunOpened:
    """A run of the plan with this digest begins. Always the first event, and only the first."""

    kind: ClassVar[str] = "run-opened"

    format: int
    run: RunId
    cloud: str
    plan: Digest
    approved: tuple[StepId, ...]
    """The points of no return that ``actor`` approved by name; no other is ever passed."""
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """The first effect of this attempt comes after this event."""

    kind: ClassVar[str] = "step-started"

    step: StepId
    attempt: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class StepDone:
    """The step was observed to be done."""

    kind: ClassVar[str] = "step-done"

    step: StepId
    attempt: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The step will not get there by itself; an operator must choose a remedy."""

    kind: ClassVar[str] = "step-failed"

    step: StepId
    attempt: int
    problem: Reported
    ended: bool
    """Whether its job has ended, as the problem says.

    A retry then starts a new one; otherwise it watches the same job under the same key, for a second
    one must never start beside it.
    """
    at_ms: int


@dataclass(frozen=True, slots=True)
class StepRetried:
    """An operator repaired the cause; the step starts again as this attempt."""

    kind: ClassVar[str] = "step-retried"

    step: StepId
    attempt: int
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunPaused:
    """Nothing new is started from here on; ``problem`` says what spent the loss budget."""

    kind: ClassVar[str] = "run-paused"

    why: Why
    problem: Reported | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunResumed:
    """An operator lets the run go on, after a pause or after its process died."""

    kind: ClassVar[str] = "run-resumed"

    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunClosed:
    """Nothing is left to do. Always the last event."""

    kind: ClassVar[str] = "run-closed"

    outcome: Outcome
    at_ms: int


Event = RunOpened | StepStarted | StepDone | StepFailed | StepRetried | RunPaused | RunResumed | RunClosed

EVENTS: Mapping[str, type[Any]] = MappingProxyType({event.kind: event for event in get_args(Event)})


class Journal(Protocol):
    """The only memory of a run. One writer at a time: whoever holds the cloud's lease."""

    def append(self, event: Event) -> None:
        """Add ``event``; when this returns, a power cut can no longer take it away.

        Raises:
            JournalUnwritable: it was not added.
        """
        ...

    def events(self) -> tuple[Event, ...]:
        """All events, in the order they were appended.

        Raises:
            JournalDamaged: what is stored is not what was appended.
        """
        ...

    def close(self) -> None:
        """Let go of what is stored; no effect on a closed journal."""
        ...


class JournalDamaged(Refused):
    """What a journal holds is not what was written to it."""

    code = "journal.damaged"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"the journal {where} cannot be trusted: {why}",
            Remedy(Fix.REPAIR, "bring back the file from a backup of this machine, if there is one"),
            Remedy(
                Fix.RETRY,
                "plan from what the cloud is now, for finished steps drop out of the plan: skylift plan",
            ),
        )


class JournalUnwritable(Refused):
    """A fact could not be written down, so nothing more may be done."""

    code = "journal.unwritable"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"the journal {where} could not be written: {why}",
            Remedy(Fix.REPAIR, f"see what fills its disk or bars it: df -h {where}; ls -l {where}"),
            Remedy(Fix.RETRY, "then let the run go on: skylift resume"),
        )


def encode_event(event: Event) -> bytes:
    """The one byte form of ``event``: canonical JSON, with its kind."""
    return codec.canonical(codec.encode(event))


def decode_event(document: object) -> Event:
    """The event whose JSON form is ``document``.

    Raises:
        codec.Malformed: it is none.
    """
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind not in EVENTS:
        msg = f"$: {kind!r} is not a known kind of event"
        raise codec.Malformed(msg)
    event: Event = codec.decode(EVENTS[kind], document)
    return event


def milliseconds(now: Epoch) -> int:
    """``now`` as events write it."""
    return round(now * 1000)
