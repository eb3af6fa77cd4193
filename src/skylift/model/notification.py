"""Notifications: who is told what of a run, and by which way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath


class Occasion(Enum):
    """What somebody may be told of."""

    OPENED = "opened"
    """A run was opened."""
    STAGE_BEGUN = "stage-begun"
    """The first step of a stage has started."""
    APPROVAL_AWAITED = "approval-awaited"
    """A stage could begin, or go on, but for an approval; told once for each."""
    WINDOW_AWAITED = "window-awaited"
    """Nothing can start before a window opens."""
    PAUSED = "paused"
    """Nothing new starts: an operator, a signal, the loss budget or a gate said so."""
    WARNED = "warned"
    """A way back goes on, though the loss budget is spent or a gate says bad; each is told once."""
    STEP_FAILED = "step-failed"
    """A step failed; its details are what may be done about it."""
    HALTED = "halted"
    """The first step failed: only what gives back what was taken is still started."""
    ABORTED = "aborted"
    """The run was given up and is closed."""
    COMPLETED = "completed"
    """Every step is done, or was skipped."""
    UPDATE_DUE = "update-due"
    """When the next update is due, by `policy.every`: told once the run is completed, and from then on by
    `skylift notify`, each week once, until another run is opened."""
    USERS_BEFORE = "users-before"
    """What users will notice, as the plan says: `lead_min` before it begins, else at the opening."""
    USERS_CALLED_OFF = "users-called-off"
    """The run was given up before it began: told to whoever was told `users-before`, named here or not."""
    USERS_AFTER = "users-after"
    """What users got, as the report's summary says, once the run is completed or given up."""


FOR_OPERATORS = tuple(
    o for o in Occasion if o not in {Occasion.USERS_BEFORE, Occasion.USERS_CALLED_OFF, Occasion.USERS_AFTER}
)


@dataclass(frozen=True, slots=True)
class Notification:
    """One message, in words that hold no secret."""

    key: str
    """The same whenever the same is told: who got it twice can tell."""
    occasion: Occasion
    cloud: str
    run: str
    at_ms: int
    """When it became true; of `users-before`, when it begins."""
    sentence: str
    details: tuple[str, ...] = ()
    """More lines, such as what may be done about it."""


class Way(Enum):
    """How somebody is reached."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class NotifyEntry:
    """One addressee, told from the machine that Skylift runs on while a process works on a run."""

    kind: Way
    """`webhook` posts JSON to a URL, `email` sends a mail, `command` runs a program that reads that JSON."""
    events: tuple[Occasion, ...] = FOR_OPERATORS
    """What is told; without it everything that concerns operators, and nothing that concerns users."""
    lead_min: int = 24 * 60
    """How long before the begin of a run that waits for it `users-before` is told, in minutes."""
    url: str = ""
    """Of a webhook; only a status from 200 to 299 says that it was taken."""
    url_file: PurePosixPath | None = None
    """Instead of `url`, where the URL itself is a secret: a file of mode 0600 that holds it."""
    token: PurePosixPath | None = None
    """A file of mode 0600 with a bearer token for the webhook; a reference, read when it is used."""
    argv: tuple[str, ...] = ()
    """The program and its words, run without a shell: only code 0 says that it was taken."""
    server: str = ""
    """The mail server."""
    port: int = 587
    """Its port."""
    starttls: bool = True
    """Whether the mail server must be proved by its certificate; without it no password is sent."""
    user: str = ""
    """Who logs in to the mail server; nobody if empty."""
    password: PurePosixPath | None = None
    """A file of mode 0600 with the user's password."""
    sender: str = ""
    """The address a mail comes from."""
    to: tuple[str, ...] = ()
    """The addresses it goes to."""


def announcement(run: str) -> str:
    """The key of what users are told before this run."""
    return f"{run}/1/{Occasion.USERS_BEFORE.value}"


Send = Callable[[NotifyEntry, Notification], str | None]
"""Tell it: none once it was taken, else why it was not, in words that hold no secret."""
