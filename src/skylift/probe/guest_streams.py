"""What users ask of the guests themselves: an echo, and a count that never goes back."""

from __future__ import annotations

import time

from skylift.model.sample import CONTENT, GUEST_COUNTER, GUEST_PING, OK, RESTARTED
from skylift.probe.exchange import Unanswered
from skylift.probe.guest import PING_S, Guest, counted, ping, restarted
from skylift.probe.session import Named, Session, State


def guest_ping(session: Session, due: float) -> None:
    """Ping each guest."""
    for guest in _reachable(session):
        try:
            ping(guest.address)
        except Unanswered as lost:
            if session.guests.count(guest) is not None:
                session.tell(Named(GUEST_PING, guest.api), due, State(lost.outcome, str(lost)))
        else:
            session.guests.keep(guest, -1)
            session.tell(Named(GUEST_PING, guest.api), due, State(OK))
        due = time.monotonic()


def guest_counter(session: Session, due: float) -> None:
    """Read the count of each guest that has one."""
    for guest in _reachable(session):
        before = session.guests.count(guest)
        found = _counted(session, guest, before, due)
        if found.outcome:
            session.tell(Named(GUEST_COUNTER, guest.api), due, found)
        due = time.monotonic()


def _reachable(session: Session) -> list[Guest]:
    return [guest for guest in session.guests() if guest.address]


def _counted(session: Session, guest: Guest, before: int | None, due: float) -> State:
    """What became of one look at a count; no outcome if this guest has never counted."""
    known = before is not None and before >= 0
    try:
        now = counted(guest, due + PING_S)
    except Unanswered as lost:
        return State(lost.outcome if known else "", str(lost))
    wrong = restarted(guest, before, now) if before is not None and known else ""
    if now is not None:
        session.guests.keep(guest, now, anew=bool(wrong))
    if wrong:
        return State(CONTENT if now is None else RESTARTED, wrong)
    return State(OK if now is not None else "")
