"""A cloud's maintenance windows at work: what may start now, and until when a run waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from skylift.engine.decide import Decision, Order
from skylift.engine.fold import Run
from skylift.model.ids import Epoch
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.record import Policy
from skylift.model.window import Calendar, Freeze, Span, Window


class WindowTooShort(Refused):
    """A step, or a host, can be through in no window that the record has."""

    code = "window.too-short"

    def __init__(self, what: str, needs_s: int, longest_s: float, *, again: str) -> None:
        longest = f"the longest window lasts {round(longest_s / 60)} min" if longest_s else "no window opens"
        needs = f"with what it leads to it may take {-(-needs_s // 60)} min"
        super().__init__(
            f"{what} could never start: {needs}, and {longest}",
            Remedy(Fix.REPAIR, "make policy.windows of the record longer, or its freezes shorter"),
            Remedy(Fix.RETRY, f"then plan again: {again}"),
        )


class Windows:
    """The windows of a policy; open at all times if it names none."""

    def __init__(self, policy: Policy) -> None:
        self._calendar = calendar_of(policy)
        self._spans: tuple[Span, ...] = ()

    @property
    def zone(self) -> tzinfo:
        """Whose clock the windows go by."""
        return self._calendar.zone if self._calendar else UTC

    def may_take(self, seconds: int, now: Epoch) -> bool:
        """Whether what takes so long can end before the window closes that is open ``now``."""
        return self.opens(seconds, now) == now

    def opens(self, seconds: int, now: Epoch) -> Epoch | None:
        """When something that takes so long may start: ``now``, or when a window opens; none if never."""
        if self._calendar is None:
            return now
        if not self._spans or self._spans[0].closes <= now:
            self._spans = self._calendar.spans(now)
        starts = (
            max(span.opens, now) for span in self._spans if max(span.opens, now) + seconds <= span.closes
        )
        return next(starts, None)

    def require(self, left: Iterable[tuple[str, int]], now: Epoch, *, again: str) -> None:
        """See that all that is ``left`` fits into some window: what it is, and for how long, in seconds.

        ``again`` is the command that plans anew.

        Raises:
            WindowTooShort: one does not.
        """
        for what, needs_s in left:
            if self.opens(needs_s, now) is None:
                longest_s = max((span.lasts_s for span in self._spans), default=0)
                raise WindowTooShort(what, needs_s, longest_s, again=again)

    def waits_until(self, order: Order, run: Run, decision: Decision, now: Epoch) -> Epoch | None:
        """When the next step may start, if all that could go on now is a step that must wait for that."""
        if decision.watch or decision.close or not decision.start or run.abort:
            return None
        owed = order.owed(run)
        opens = [now if step.id in owed else self.opens(order.takes_s(step), now) for step in decision.start]
        first = min((moment for moment in opens if moment is not None), default=None)
        return first if first is not None and first > now else None

    def told(self, moment: Epoch) -> str:
        """A moment as the clock on the wall there shows it."""
        return f"{datetime.fromtimestamp(moment, self.zone):%a %Y-%m-%d %H:%M %Z}"


def steps_left(order: Order, run: Run) -> Iterator[tuple[str, int]]:
    """What is left of a run of steps: each with all that leads to what it takes being given back."""
    return ((step.id, order.takes_s(step)) for step in order.steps if step.id not in run.passed)


def calendar_of(policy: Policy) -> Calendar | None:
    """The calendar that a policy declares; none if it names neither windows nor freezes.

    Raises:
        ValueError: a text of it is in no form that the record takes.
        ZoneInfoNotFoundError: this machine does not know the time zone.
    """
    if not policy.windows and not policy.freezes:
        return None
    windows = tuple(Window.parse(text) for text in policy.windows)
    return Calendar(ZoneInfo(policy.time_zone), windows, tuple(Freeze.parse(text) for text in policy.freezes))
