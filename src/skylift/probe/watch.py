"""One run of the request streams, from its start to a signal, a time limit or a number of requests."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from skylift.model.sample import CONTENT, OK, STATUS, TIME_LIMIT_S
from skylift.probe.access import KEYSTONE, Access, Token, fresh_token, token_request
from skylift.probe.choice import NOTHING_WANTED, Wanted
from skylift.probe.exchange import Answer, Unanswered, exchange
from skylift.probe.folder import Folder, write_whole
from skylift.probe.guest import Guests
from skylift.probe.hands import Hands
from skylift.probe.log import Log
from skylift.probe.schedule import Firing, Schedule
from skylift.probe.session import Call, Ear, Named, Session, State, Work
from skylift.probe.streams import FULL_PACE, STREAMS, default_rates
from skylift.probe.sweep import sweep

STOPS = (signal.SIGTERM, signal.SIGINT)
_TALLY_EVERY_S = 1.0
_SWEEP_S = 60.0
"""How long what an agent before this one left may take to become removable."""
_SPARE = 16
"""Hands for the later requests of cycles, beside those for what is due."""


class Limits(NamedTuple):
    """Bounds of one run, so that probes which nobody stops end by themselves."""

    seconds: float = 6 * 3600.0
    requests: int = 500_000
    pace: int = FULL_PACE
    """Percent of the usual rates at which the APIs are asked, where no rates are told."""
    in_flight: int = 0
    """Firings at work at once of the streams of one API; if 0, as many as its streams make in ``answer_s``.

    One that finds no hand free waits, and its wait counts as latency. So an API that answers nobody takes
    no hands from those that ask another, and every request to it is made when it is due.
    """
    answer_s: float = TIME_LIMIT_S
    """How long users wait for one answer, from when the request was due."""
    work_s: float = 300.0
    """How long they wait for what was accepted, such as a server's boot: as tempest's users do."""
    look_every_s: float = 1.0
    """How often they look whether it has come about."""


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
        witnesses: Folder | None = None,
    ) -> None:
        """``rates`` may be empty: then each stream has its own. The guest of ``witnesses`` is asked, too."""
        self._access = access
        self._wanted = wanted
        self._guests = Guests(witnesses.witnesses if witnesses else None, folder.guests)
        self._folder = folder
        self._rates = rates
        self._limits = limits
        self._log = Log(folder, time.time() - time.monotonic())
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
                    self._guests,
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
        asked = self._rates or default_rates(session.urls, self._limits.pace)
        rates = {name: rate for name, rate in asked.items() if STREAMS[name].needs in session.urls}
        hands = self._hands(session, rates)
        self._fire(rates, hands)
        self._asked_until = time.monotonic()
        self._ending.set()
        for each in set(hands.values()):
            each.let_go()
        # Each request in flight meets its own limit by then; the rest of a cycle need not be made.
        end = time.monotonic() + self._limits.answer_s + 1
        for each in set(hands.values()):
            each.wait_until(end)

    def _hands(self, session: Session, rates: Mapping[str, float]) -> Mapping[str, Hands]:
        """Who does the firings of each stream: those of one API together, those that wait for work alone."""

        def work(firing: Firing) -> None:
            stream = STREAMS[firing.stream]
            # Nobody would wait for what is begun now.
            if not (stream.at_once and self._ending.is_set()):
                stream.run(session, firing.at)

        limits = self._limits
        asking = {name: STREAMS[name].needs for name in rates if not STREAMS[name].at_once}
        most = {api: sum(rates[name] for name in asking if asking[name] == api) for api in asking.values()}
        shared = {
            api: Hands(limits.in_flight or math.ceil(rate * limits.answer_s) + _SPARE, work)
            for api, rate in most.items()
        }
        alone = {n: Hands(STREAMS[n].at_once, work, queues=False) for n in rates if n not in asking}
        return {**{name: shared[api] for name, api in asking.items()}, **alone}

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
            sweep(self._access, session.name, but=session.born, within_s=_SWEEP_S)

    def _fire(self, rates: Mapping[str, float], hands: Mapping[str, Hands]) -> None:
        start = time.monotonic()
        schedule = Schedule(rates, start)
        end = start + self._limits.seconds
        publish_at = start
        while time.monotonic() < end and self._log.requests < self._limits.requests:
            for firing in schedule.due(min(time.monotonic(), end)):
                hands[firing.stream].give(firing)
            if time.monotonic() >= publish_at:
                self._log.publish()
                publish_at = time.monotonic() + _TALLY_EVERY_S
            if _stopped_within(min(schedule.next_at(), publish_at, end) - time.monotonic()):
                return
        # What was due while this program was held up at the very end.
        for firing in schedule.due(min(time.monotonic(), end)):
            hands[firing.stream].give(firing)

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
                return fresh_token(self._access, self._limits.answer_s)
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
