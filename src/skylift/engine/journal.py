"""The journal of a run: the facts that cannot be learnt from the cloud, in the order they became true.

A fact about an effect is on disk before the effect. What the cloud can tell (how far a step is, what a
host runs) is never a fact here: it is observed again. Times are milliseconds since 1970-01-01 UTC, as
integers, because equal events must have equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, get_args

from skylift.model import codec
from skylift.model.ids import Digest, Epoch, HostName, RunId, StepId
from skylift.model.problem import Problem, Remedy
from skylift.model.seal import PublicKey
from skylift.planning.plan import Stage

FORMAT = 2
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
    GATE = "gate"
    FAILURES = "failed hosts"
    AUTOMATION = "automation"
    DRIFT = "drift"


class Outcome(Enum):
    """How a run was closed. One that halted is not closed: it waits for a retry."""

    COMPLETED = "completed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class RunOpened:
    """A run of the plan with this digest begins. Always the first event, and only the first."""

    kind: ClassVar[str] = "run-opened"

    format: int
    run: RunId
    cloud: str
    plan: Digest
    approved: tuple[StepId, ...]
    """The points of no return that ``actor`` approved; any other needs a later approval that names it."""
    actor: str
    at_ms: int
    gated: tuple[Stage, ...] = ()
    """The stages that still need an approval of their own."""
    author: str = ""
    """Who made the plan and may not approve it; empty if anybody may approve."""
    signers: Mapping[str, PublicKey] = field(default_factory=dict)
    """If there is such an author: who may approve, by name, as the record said that the plan was made from.

    What the record says later makes nobody another person.
    """
    not_before_ms: int = 0
    """When its first step may start at the earliest; 0 if that is at once."""


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
    """An operator repaired the cause, or takes back a step that was postponed; it starts as this attempt."""

    kind: ClassVar[str] = "step-retried"

    step: StepId
    attempt: int
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """An operator answers for the step: the run will not do it, and goes on as if it were done."""

    kind: ClassVar[str] = "step-skipped"

    step: StepId
    reason: str
    actor: str
    at_ms: int
    costs: str = ""
    """What that operator was told that it costs beside the step itself; empty if nothing."""


@dataclass(frozen=True, slots=True)
class StepPostponed:
    """An operator puts the step aside, with all that depends on it; the rest of the plan goes on."""

    kind: ClassVar[str] = "step-postponed"

    step: StepId
    reason: str
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class AskedOf:
    """What is asked of an instance: to go elsewhere, or to stop where it is; or of what agents carry."""

    instance: str
    source: HostName
    target: HostName
    way: str
    """``live`` or ``cold``; ``stop`` if it is stopped on its host, to be started there again; ``router`` or
    ``network`` if another agent is to carry it."""


@dataclass(frozen=True, slots=True)
class MovesAsked:
    """In a run over a fleet: these are asked for after this event. What became of them is seen."""

    kind: ClassVar[str] = "moves-asked"

    moves: tuple[AskedOf, ...]
    at_ms: int


@dataclass(frozen=True, slots=True)
class StepWaits:
    """In a run over a fleet: the step waits for what others do, and this run may not end."""

    kind: ClassVar[str] = "step-waits"

    step: StepId
    what: str
    """What it waits for; empty once it is out of the way."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class StageApproved:
    """Somebody lets a stage begin, and those points of no return in it that were named."""

    kind: ClassVar[str] = "stage-approved"

    stage: Stage
    steps: tuple[StepId, ...]
    """The points of no return that may be passed from here on."""
    signer: str
    """Whose key it was sealed with, by the record's name; empty if the record names no signers."""
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunPaused:
    """Nothing new is started from here on; ``problem`` says what spent the loss budget."""

    kind: ClassVar[str] = "run-paused"

    why: Why
    problem: Reported | None
    at_ms: int
    actor: str = ""
    """Who asked for it; empty if the run paused itself."""


@dataclass(frozen=True, slots=True)
class RunWarned:
    """A run that goes back met what would have paused any other, and goes on: half-way keeps what hurts."""

    kind: ClassVar[str] = "run-warned"

    why: Why
    problem: Reported
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunResumed:
    """An operator lets the run go on, after a pause or after its process died."""

    kind: ClassVar[str] = "run-resumed"

    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunTakenUp:
    """A process goes on with the run by itself: its process died, or a window opened. A pause stays one."""

    kind: ClassVar[str] = "run-taken-up"

    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class LossCounted:
    """An operator's word that let the run go on is obeyed: what users lose counts from here, whoever drives.

    Each number is of all that the probes have counted under the run's label.
    """

    kind: ClassVar[str] = "loss-counted"

    failed: int
    failed_guests: int
    """Of what failed, what was asked of guests."""
    gaps_ms: Mapping[str, int]
    """The longest so far, by API."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunAborting:
    """An operator gives the run up: running steps end, what was taken is given back, nothing else starts."""

    kind: ClassVar[str] = "run-aborting"

    reason: str
    leave: bool
    """Whether even what was taken stays as it is."""
    actor: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class RunClosed:
    """Nothing is left to do, or the run was given up. Always the last event."""

    kind: ClassVar[str] = "run-closed"

    outcome: Outcome
    at_ms: int


Event = (
    RunOpened
    | StepStarted
    | StepDone
    | StepFailed
    | StepRetried
    | StepSkipped
    | StepPostponed
    | MovesAsked
    | StepWaits
    | StageApproved
    | RunPaused
    | RunWarned
    | RunResumed
    | RunTakenUp
    | LossCounted
    | RunAborting
    | RunClosed
)

EVENTS: Mapping[str, type[Any]] = MappingProxyType({event.kind: event for event in get_args(Event)})


_GROWN = (RunOpened, StepSkipped)
"""What an older one of these does not say is as it was then."""


class Overtaken(Exception):  # noqa: N818 - no error: whoever judged by an older journal judges again
    """Another process appended first, so an event was not added."""


class Journal(Protocol):
    """The only memory of a run.

    Whoever holds the cloud's lease writes what is done; an operator's word may come from any process.
    """

    def append(self, event: Event, *, after: int) -> None:
        """Add ``event`` as the next one of ``after``, the number of events it was judged by.

        When this returns, a power cut can no longer take it away.

        Raises:
            Overtaken: there are more events than that by now, and it was not added.
            JournalUnwritable: it was not added.
        """
        ...

    def events(self, after: int = 0) -> tuple[Event, ...]:
        """All events there are by now, but for the first ``after``, in the order they were appended.

        What it costs goes by how many these are, and not by how many there are in all.

        Raises:
            JournalDamaged: what is stored is not what was appended.
        """
        ...

    def close(self) -> None:
        """Let go of what is stored; no effect on a closed journal."""
        ...


def encode_event(event: Event) -> bytes:
    """The one byte form of ``event``: canonical JSON, with its kind."""
    return codec.canonical(codec.encode(event))


def decode_event(document: object) -> Event:
    """The event whose JSON form is ``document``.

    Raises:
        codec.Malformed: it is none.
    """
    kind = document.get("kind") if isinstance(document, dict) else None
    wanted = EVENTS.get(kind) if isinstance(kind, str) else None
    if wanted is None:
        msg = f"$: {kind!r} is not a known kind of event"
        raise codec.Malformed(msg)
    event: Event = codec.decode(wanted, document, defaults=wanted in _GROWN)
    return event


def milliseconds(now: Epoch) -> int:
    """``now`` as events write it."""
    return round(now * 1000)
