"""Tells those whom the record names of a run, beside it: never in its way, and at least once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass

from skylift.app.outbox import Outbox, Settled
from skylift.engine.journal import milliseconds
from skylift.model.ids import Epoch
from skylift.model.notification import Notification, NotifyEntry, Occasion, Send, announcement

TRIES = 3
_AGAIN_S = (5, 15)
"""After the first try that failed, and after the second."""
_LAST_S = 60
"""How long, by the clock on the wall, the end of a run waits for one try; each ends before that by itself."""

Try = Callable[[], str | None]
Begin = Callable[[Try], "Future[str | None]"]
"""Begins a try, and does not wait for it."""


def beside(attempt: Try) -> Future[str | None]:
    """Begin it in a thread that does not keep the process from ending."""
    future: Future[str | None] = Future()

    def run() -> None:
        why: str | None = "it failed by a mistake of Skylift's own"
        try:
            why = attempt()
        finally:
            future.set_result(why)

    threading.Thread(target=run, daemon=True, name="notify").start()
    return future


@dataclass(slots=True)
class _Letter:
    """One notification on its way to one addressee."""

    to: str
    notification: Notification
    due: Epoch
    tries: int = 0
    trying: Future[str | None] | None = None

    @property
    def announces(self) -> bool:
        """Whether it tells users beforehand, and nobody has tried yet."""
        first = not self.tries and self.trying is None
        return first and self.notification.occasion is Occasion.USERS_BEFORE


def due_at(notification: Notification, entry: NotifyEntry) -> Epoch:
    """When an addressee is to be told, at the earliest: users so long before the begin as the record says."""
    before = notification.occasion is Occasion.USERS_BEFORE
    return Epoch(notification.at_ms / 1000 - entry.lead_min * 60) if before else Epoch(0)


def wanted(
    notification: Notification, to: str, entry: NotifyEntry, announced: Callable[[str, str], bool]
) -> bool:
    """Whether somebody is to be told; that users need not wait, whoever was told that they would."""
    if notification.occasion is Occasion.USERS_CALLED_OFF:
        return announced(notification.run, to)
    return notification.occasion in entry.events


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What a herald works with."""

    entries: Mapping[str, NotifyEntry]
    send: Send
    outbox: Outbox
    clock: Callable[[], Epoch]
    remark: Callable[[str], None]
    begin: Begin = beside
    complete: Callable[[Notification], Notification] = lambda notification: notification
    """Adds to a notification what is looked up only if somebody is to be told."""


class Herald:
    """Whoever conducts a run calls ``go_round`` as often as it waits, and ``finish`` when the run is at rest.

    What was settled before is not told again; with ``again``, only what was taken is settled.
    """

    def __init__(self, post: Post, *, again: bool = False) -> None:
        self._post = post
        self._letters: list[_Letter] = []
        self._again = again
        settled = post.outbox.settled()
        self._taken = {(s.key, s.to) for s in settled if s.failed is None}
        self._known = set(self._taken) if again else {(s.key, s.to) for s in settled}
        self._completed: dict[str, Notification] = {}

    def tell(self, notifications: Iterable[Notification]) -> None:
        """Have everybody told who wishes it; of what begins later, so long before as they wish."""
        for notification in notifications:
            if notification.occasion is Occasion.USERS_CALLED_OFF:
                self._letters = [letter for letter in self._letters if not letter.announces]
            for to, entry in self._post.entries.items():
                key = (notification.key, to)
                if key in self._known or not wanted(notification, to, entry, self._announced):
                    continue
                self._known.add(key)
                now = self._post.clock()
                due = now if self._again else max(now, due_at(notification, entry))
                self._letters.append(_Letter(to, notification, due))

    def go_round(self) -> None:
        """Settle the tries that ended, and begin those that are due, one for each addressee at a time."""
        for letter in self._letters:
            if letter.trying is not None and letter.trying.done():
                self._heard(letter, letter.trying.result())
        self._letters = [letter for letter in self._letters if letter.tries < TRIES]
        busy = {letter.to for letter in self._letters if letter.trying is not None}
        for letter in self._letters:
            if letter.to not in busy and letter.due <= self._post.clock():
                busy.add(letter.to)
                letter.trying = self._post.begin(self._attempt(letter))

    def finish(self, pause: Callable[[], None]) -> None:
        """Wait until everything is settled; that is bounded, for so is each try and how many there are.

        What users are to be told later is left to whoever works on the run then.
        """
        now = self._post.clock()
        self._letters = [letter for letter in self._letters if not (letter.announces and letter.due > now)]
        self.go_round()
        while self._letters:
            trying = [letter.trying for letter in self._letters if letter.trying is not None]
            late = wait(trying, timeout=_LAST_S).not_done if trying else set()
            for letter in self._letters:
                if letter.trying in late:
                    self._heard(letter, f"it did not end in {_LAST_S} s")
            if not trying:
                pause()
            self.go_round()

    def _announced(self, run: str, to: str) -> bool:
        key = announcement(run)
        trying = any(le.to == to and le.notification.key == key for le in self._letters)
        return trying or (key, to) in self._taken

    def _attempt(self, letter: _Letter) -> Try:
        # Looked up here, where the run is conducted; a thread has only to send.
        whole = self._whole(letter.notification)
        return lambda: self._post.send(self._post.entries[letter.to], whole)

    def _heard(self, letter: _Letter, failed: str | None) -> None:
        letter.trying = None
        letter.tries = letter.tries + 1 if failed else TRIES
        if letter.tries < TRIES:
            letter.due = Epoch(self._post.clock() + _AGAIN_S[letter.tries - 1])
            return
        what = f"of {letter.notification.occasion.value}"
        if failed:
            self._post.remark(
                f"{letter.to} was not told {what}: {failed}; it is tried again by: skylift notify"
            )
        else:
            self._taken.add((letter.notification.key, letter.to))
        now_ms = milliseconds(self._post.clock())
        try:
            self._post.outbox.settle(Settled(letter.notification.key, letter.to, failed, now_ms))
        except OSError as error:
            told = (error.strerror or "").lower()
            self._post.remark(f"it was not kept that {letter.to} was told {what}: {told}")

    def _whole(self, notification: Notification) -> Notification:
        """Looked up once, for all who are told."""
        if notification.key not in self._completed:
            self._completed[notification.key] = self._post.complete(notification)
        return self._completed[notification.key]
