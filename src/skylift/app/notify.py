"""Tell whoever the record names of a run: while it is conducted, afterwards, and what was not told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from skylift.app.bench import Bench
from skylift.app.cadence import reminder
from skylift.app.herald import Herald, Post, due_at, wanted
from skylift.app.outbox import Settled, outbox_of
from skylift.app.runs import RunFolder, Runs
from skylift.app.site import Site
from skylift.app.story import Story, window_awaited
from skylift.app.subject import Subject
from skylift.engine.fold import Run, fold
from skylift.engine.journal import Event, Journal, RunClosed
from skylift.model.ids import Epoch, RunId
from skylift.model.notification import Notification, Occasion, announcement
from skylift.model.problem import Problem
from skylift.model.record import Record


class Teller:
    """Tells of one run while it is conducted: whoever waits does so by its ``bench``."""

    def __init__(self, site: Site, subject: Subject, bench: Bench, *, again: bool = False) -> None:
        self._site = site
        self._subject = subject
        self._waits = bench
        self._journal: Journal | None = None
        self._folder: RunFolder | None = None
        self._story = Story(subject, site.record.policy)
        post = Post(
            entries=site.record.notify,
            send=site.send,
            outbox=outbox_of(site.runs),
            clock=site.clock,
            remark=bench.remark,
            complete=self._complete,
        )
        self._herald = Herald(post, again=again)
        self.bench = replace(bench, pause=self._pause) if site.record.notify else bench

    def follow(self, journal: Journal, folder: RunFolder) -> None:
        """From here on, tell what this journal has."""
        self._journal, self._folder = journal, folder

    def window(self, run: RunId, until: Epoch) -> None:
        """Tell that the run waits for a window."""
        self._herald.tell((window_awaited(self._subject, run, until, self._site.clock()),))

    def remind(self, due: Sequence[Notification]) -> None:
        """Tell what no event of the journal tells, but the time."""
        self._herald.tell(due)

    def finish(self) -> None:
        """Tell what is left, now that the run is at rest."""
        if self._site.record.notify:
            if self._journal is not None:
                self._herald.tell(self._story.goes_on(self._journal.events()))
            self._herald.finish(self._waits.pause)

    def _pause(self) -> None:
        self._waits.pause()
        events = self._journal.events() if self._journal is not None else ()
        # How it has ended is told at rest: the report needs what the probes wrote last.
        if events and not isinstance(events[-1], RunClosed):
            self._herald.tell(self._story.goes_on(events))
        self._herald.go_round()

    def _complete(self, notification: Notification) -> Notification:
        if notification.occasion is not Occasion.USERS_AFTER or self._folder is None:
            return notification
        try:
            got = self._subject.got(self._site, self._folder, self._waits.remark)
        except Problem as problem:
            self._waits.remark(f"users are told without figures: {problem}")
            return notification
        told = f"{notification.sentence}: {got.summary}"
        return replace(notification, sentence=told, details=got.details)


def tell_what_is_left(
    site: Site, folder: RunFolder, subject: Subject, journal: Journal, *, bench: Bench
) -> None:
    """Tell of a run that nobody works on what was not told, and try again those who could not be reached."""
    teller = Teller(site, subject, bench, again=True)
    teller.follow(journal, folder)
    run = fold(journal.events())
    teller.remind(_reminders(site.runs, site.record, subject, run, now=site.clock()))
    teller.finish()


def _reminders(
    runs: Runs, record: Record, subject: Subject, run: Run, *, now: Epoch
) -> tuple[Notification, ...]:
    """That an update is due, until another run was opened: whatever it is for, somebody is at it."""
    if runs.known()[-1].id != run.id:
        return ()
    due = reminder(record.policy, subject, run, now)
    return (due,) if due else ()


@dataclass(frozen=True, slots=True)
class Untold:
    """What of a run somebody was not told."""

    failed: tuple[Settled, ...]
    """What was tried as often as it may be."""
    left: tuple[tuple[str, Notification], ...]
    """Whom, and of what, there was no last try yet."""

    @property
    def lines(self) -> list[str]:
        """For a terminal."""
        told = [f"{s.to} was not told of {s.occasion}: {s.failed}" for s in self.failed]
        told += [f"{to} is not told yet of {what.occasion.value}" for to, what in self.left]
        return [*told, "to tell it now: skylift notify"] if told else []


def untold(
    runs: Runs, record: Record | None, subject: Subject, events: Sequence[Event], *, now: Epoch
) -> Untold:
    """Compare what the journal has with what is settled; without a ``record``, what was tried in vain."""
    run = fold(events)
    newest = {(s.key, s.to): s for s in outbox_of(runs).settled() if s.run == run.id}
    failed = tuple(s for s in newest.values() if s.failed is not None)
    if record is None:
        return Untold(failed, ())
    told = (
        *Story(subject, record.policy).goes_on(events),
        *_reminders(runs, record, subject, run, now=now),
    )
    keys, due = {what.key for what in told}, Occasion.UPDATE_DUE.value
    failed = tuple(s for s in failed if s.key in keys or s.occasion != due)  # an older reminder is over
    off = any(what.occasion is Occasion.USERS_CALLED_OFF for what in told)

    def announced(run_id: str, to: str) -> bool:
        before = newest.get((announcement(run_id), to))
        return before is not None and before.failed is None

    left = tuple(
        (to, what)
        for what in told
        if not (off and what.occasion is Occasion.USERS_BEFORE)
        for to, entry in record.notify.items()
        if wanted(what, to, entry, announced) and due_at(what, entry) <= now and (what.key, to) not in newest
    )
    return Untold(failed, left)
