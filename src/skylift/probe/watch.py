"""One run of the request streams, from its start to a signal, a time limit or a number of requests."""

from __future__ import annotations

import json
import queue
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, TextIO

from skylift.model.sample import CONTENT, OK, STATUS, Sample, read_samples
from skylift.probe.access import KEYSTONE, TIME_LIMIT_S, Access, Token, fresh_token, token_request
from skylift.probe.choice import NOTHING_WANTED, Wanted
from skylift.probe.counting import Count
from skylift.probe.exchange import Answer, Unanswered, exchange
from skylift.probe.folder import Folder, write_whole
from skylift.probe.guest import Guests
from skylift.probe.schedule import Firing, Schedule
from skylift.probe.session import Call, Ear, Named, Session, State, Work
from skylift.probe.streams import STREAMS, default_rates
from skylift.probe.sweep import sweep

STOPS = (signal.SIGTERM, signal.SIGINT)
_TALLY_EVERY_S = 1.0


class Limits(NamedTuple):
    """Bounds of one run, so that probes which nobody stops end by themselves."""

    seconds: float = 6 * 3600.0
    requests: int = 500_000
    in_flight: int = 48
    """Streams at work at once; a firing that finds none free waits, and its wait counts as latency."""
    patient: int = 40
    """The same, of streams that wait for what an API does later: they take no hands from the others."""
    answer_s: float = TIME_LIMIT_S
    """How long users wait for one answer, from when the request was due."""
    work_s: float = 300.0
    """How long they wait for what was accepted, such as a server's boot: as tempest's users do."""
    look_every_s: float = 1.0
    """How often they look whether it has come about."""


class Log:
    """The samples' file and their count, written by many threads."""

    def __init__(self, folder: Folder, offset: float) -> None:
        self._folder = folder
        self._offset = offset
        """Added to the monotonic clock, gives the time of day as it was when the run started."""
        self._lock = threading.Lock()
        self._count = Count()
        self._file = _open_after(folder, self._count)

    @property
    def requests(self) -> int:
        """How many were recorded under this label."""
        return self._count.requests

    def add(self, of: Call | Work | Named, due: float, outcome: str, *, status: int, detail: str) -> None:
        """Record one request, or work that was accepted, that ended now."""
        latency_ms = (time.monotonic() - due) * 1000
        sample = Sample(due + self._offset, latency_ms, of.stream, of.api, outcome, status, detail)
        with self._lock:
            if not self._file.closed:
                self._file.write(sample.line())
                self._count.add(sample)

    def publish(self, asked_until: float | None = None) -> None:
        """Let readers see all samples so far, and their count.

        ``asked_until`` is when the last request was due, if no more are: the time since is no gap.
        """
        until = time.monotonic() if asked_until is None else asked_until
        with self._lock:
            self._file.flush()
            count = self._count.document(until + self._offset)
        write_whole(self._folder.tally, json.dumps(count) + "\n")

    def close(self, asked_until: float) -> None:
        """Publish for the last time; what is still in flight is not recorded any more."""
        self.publish(asked_until)
        with self._lock:
            self._file.close()


def _open_after(folder: Folder, count: Count) -> TextIO:
    """The samples' file at its end; a line that was cut short there is ended, so that the next is whole."""
    file = folder.samples.open("a+")
    file.seek(0)
    lines = file.readlines()
    count.take_over(read_samples(lines))
    if lines and not lines[-1].endswith("\n"):
        file.write("\n")
    return file


class Watch:
    """The request streams of one label."""

    def __init__(
        self,
        folder: Folder,
        access: Access,
        rates: Mapping[str, float],
        limits: Limits,
        *,
        wanted: Wanted = NOTHING_WANTED,
    ) -> None:
        """``rates`` may be empty: then each stream has its own."""
        self._access = access
        self._wanted = wanted
        self._folder = folder
        self._rates = rates
        self._limits = limits
        self._log = Log(folder, time.time() - time.monotonic())
        self._hands = {False: limits.in_flight, True: limits.patient}
        """How many of each kind of stream may be at work: the patient and the others."""
        self._firings: dict[bool, queue.SimpleQueue[Firing | None]] = {
            k: queue.SimpleQueue() for k in self._hands
        }
        self._ending = threading.Event()
        self._asked_until = time.monotonic()

    def run(self) -> None:
        """Fire the streams until told to stop or a limit is met; then wait for what is in flight.

        The caller blocks ``STOPS``, so that they are waited for here.

        Raises:
            Unanswered: keystone answered that the credentials are none.
        """
        try:
            token = self._first_token()
            if token is not None:
                limits = self._limits
                ear = Ear(
                    self._attempt,
                    self._judged,
                    Guests(self._folder.state.parent, self._folder.guests),
                    self._ending,
                    look_every_s=limits.look_every_s,
                    work_s=limits.work_s,
                    wanted=self._wanted,
                )
                self._stream(Session(self._access, token, self._folder.label, ear))
        finally:
            self._log.close(self._asked_until)

    def _stream(self, session: Session) -> None:
        self._remember(session)
        workers = [
            threading.Thread(target=self._work, args=(session, self._firings[kind]), daemon=True)
            for kind, hands in self._hands.items()
            for _ in range(hands)
        ]
        for worker in workers:
            worker.start()
        self._fire(self._rates or default_rates(session.urls), session.urls)
        self._asked_until = time.monotonic()
        self._ending.set()
        for kind, hands in self._hands.items():
            for _ in range(hands):
                self._firings[kind].put(None)
        # Each request in flight meets its own limit by then; the rest of a cycle need not be made.
        end = time.monotonic() + self._limits.answer_s + 1
        for worker in workers:
            worker.join(max(end - time.monotonic(), 0.0))

    def _remember(self, session: Session) -> None:
        """An API that was offered when this label began stays asked for: if it is gone, users miss it."""
        path = self._folder.apis
        if path.exists():
            session.urls = {**json.loads(path.read_text()), **session.urls}
            threading.Thread(target=self._sweep, args=(session,), daemon=True).start()
        write_whole(path, json.dumps(session.urls) + "\n")

    def _sweep(self, session: Session) -> None:
        """Remove what a start before this one left when it was killed; if it fails now, ``stop`` does it."""
        with suppress(Unanswered):
            sweep(self._access, session.name, but=session.born)

    def _fire(self, rates: Mapping[str, float], urls: Mapping[str, str]) -> None:
        start = time.monotonic()
        schedule = Schedule(
            {name: rate for name, rate in rates.items() if STREAMS[name].needs in urls}, start
        )
        end = start + self._limits.seconds
        publish_at = start
        while time.monotonic() < end and self._log.requests < self._limits.requests:
            for firing in schedule.due(time.monotonic()):
                self._firings[STREAMS[firing.stream].patient].put(firing)
            if time.monotonic() >= publish_at:
                self._log.publish()
                publish_at = time.monotonic() + _TALLY_EVERY_S
            if _stopped_within(min(schedule.next_at(), publish_at, end) - time.monotonic()):
                return

    def _work(self, session: Session, firings: queue.SimpleQueue[Firing | None]) -> None:
        while True:
            firing = firings.get()
            if firing is None:
                return
            stream = STREAMS[firing.stream]
            # Nobody would wait for what is begun now.
            if not (stream.patient and self._ending.is_set()):
                stream.run(session, firing.at)

    def _judged(self, what: Work | Named, since: float, seen: State) -> None:
        self._log.add(what, since, seen.outcome, status=0, detail=seen.said)

    def _attempt(self, call: Call, due: float | None) -> Answer | None:
        due = time.monotonic() if due is None else due
        try:
            answer = exchange(call.request, due + self._limits.answer_s, self._access.ca_pem)
        except Unanswered as failure:
            self._log.add(call, due, failure.outcome, status=0, detail=str(failure))
            return None
        if answer.status not in call.expected:
            wanted = " or ".join(map(str, call.expected))
            said = f"expected {wanted}; {answer.body[:120].decode(errors='replace')}"
            self._log.add(call, due, STATUS, status=answer.status, detail=said)
            return None
        fault = call.fault(answer)
        self._log.add(call, due, CONTENT if fault else OK, status=answer.status, detail=fault)
        return None if fault else answer

    def _first_token(self) -> Token | None:
        """The token that tells where the APIs are; none if told to stop before there was one.

        Until then nothing else can be asked, but each try is a user's request, and counts.

        Raises:
            Unanswered: keystone answered that these credentials are none.
        """
        call = Call("token-issue", KEYSTONE, token_request(self._access), (201,))
        end = time.monotonic() + self._limits.seconds
        while time.monotonic() < end:
            due = time.monotonic()
            try:
                return fresh_token(self._access)
            except Unanswered as failure:
                if not failure.passing:
                    raise
                self._log.add(call, due, failure.outcome, status=failure.status, detail=str(failure))
                self._log.publish()
            if _stopped_within(1.0):
                break
        return None


def _stopped_within(seconds: float) -> bool:
    """Wait, and say whether a signal to stop came meanwhile.

    The signals are blocked and waited for here: a handler could run while a lock is held.
    """
    return signal.sigtimedwait(STOPS, max(seconds, 0.0)) is not None
