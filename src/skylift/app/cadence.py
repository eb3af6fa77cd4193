"""When the next update is due, by the policy; nothing begins by itself."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from skylift.app.subject import Subject
from skylift.app.windows import Windows
from skylift.engine.fold import Run, Standing
from skylift.engine.journal import milliseconds
from skylift.model.ids import Epoch
from skylift.model.notification import Notification, Occasion
from skylift.model.record import Policy

MONTHS = {"month": 1, "quarter": 3, "half-year": 6}
"""What a policy may say, beside ``week``."""
_DECEMBER = 12
_WEEK_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class NextUpdate:
    """When the update after a completed one is due, and when the first window opens from then on."""

    due: Epoch
    opens: Epoch | None
    """From now on, if it was due before; none if none opens within the calendar's horizon."""
    line: str
    """Both in words, with the command that begins then."""


def next_update(policy: Policy, subject: Subject, run: Run, now: Epoch) -> NextUpdate | None:
    """What follows a run: none if the policy says never, it is open, or nothing follows one of its kind."""
    if policy.every == Policy().every or run.standing is not Standing.COMPLETED or not subject.recurs:
        return None
    windows = Windows(policy)
    ended = datetime.fromtimestamp(run.last_ms // 1000, windows.zone)
    day = _later(ended.date(), policy.every)
    due = Epoch(datetime.combine(day, ended.time(), windows.zone).timestamp())
    first = max(due, now)
    opens = windows.opens(0, first)
    told = f"the next update {'was' if due < now else 'is'} due on {windows.told(due)}"
    if opens is None:
        return NextUpdate(due, None, f"{told}; no window opens after that")
    begins = f" --at {datetime.fromtimestamp(opens, windows.zone):%Y-%m-%dT%H:%M}" if opens > now else ""
    window = "" if opens == first else f"; a window opens on {windows.told(opens)}"
    return NextUpdate(due, opens, f"{told}{window}: plan it, then: skylift apply FILE{begins}")


def reminder(policy: Policy, subject: Subject, run: Run, now: Epoch) -> Notification | None:
    """That the update after a run is due, once it is; another one for each week from then on."""
    found = next_update(policy, subject, run, now)
    if found is None or now < found.due:
        return None
    weeks = int(now - found.due) // _WEEK_S
    key = f"{run.id}/{run.length}/{Occasion.UPDATE_DUE.value}/{weeks + 1}"
    at_ms = milliseconds(Epoch(found.due + weeks * _WEEK_S))
    return Notification(key, Occasion.UPDATE_DUE, run.cloud, run.id, at_ms, found.line)


def _later(day: date, every: str) -> date:
    """A week later, or the same day so many months later; the month's last if it has no such day."""
    if every not in MONTHS:
        return day + timedelta(days=7)
    months = day.month + MONTHS[every] - 1
    year, month = day.year + months // _DECEMBER, months % _DECEMBER + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
