"""Times in which nobody measured what users got, and what the run had taken meanwhile: no figure tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from skylift.app.loss_budget import out_of
from skylift.engine.decide import Order
from skylift.engine.fold import Run, after, fold
from skylift.engine.journal import Event
from skylift.model.ids import StepId
from skylift.model.sample import UNWATCHED_S
from skylift.planning.plan import Impact, Notice, Plan

_LEAST_MS = round(UNWATCHED_S * 1000)
"""What was short for less, as when the first step after a rest began before the first request, is no news."""

_LONG_MS = 600_000


@dataclass(frozen=True, slots=True)
class Short:
    """How an API was short of something of its own, and for how long that was not measured."""

    how: str
    """Such as ``stopped``."""
    length_ms: int


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A time without any sample of any probe, as while a run is at rest: that ends the probes."""

    began_ms: int
    ended_ms: int
    taken: tuple[StepId, ...]
    """The steps that had taken something which was not given back then."""
    apis: Mapping[str, Short]
    """By API that was short of something of its own meanwhile; of several ways, that which lasted longest."""

    @property
    def length_ms(self) -> int:
        """How long it was."""
        return self.ended_ms - self.began_ms


def unmeasured(
    plan: Plan, events: Sequence[Event], times: Iterable[tuple[float, float]]
) -> tuple[Unmeasured, ...]:
    """What the journal says of these ``times``, which are epochs in seconds."""
    order, out = Order.of(plan), out_of(plan)
    return tuple(_unmeasured(plan, order, out, slices) for b, e in times if (slices := _slices(events, b, e)))


def _unmeasured(
    plan: Plan, order: Order, out: Callable[[Run], frozenset[str]], slices: Sequence[_Slice]
) -> Unmeasured:
    taken: Counter[StepId] = Counter()
    short: Counter[tuple[str, str]] = Counter()
    for of in slices:
        steps = [loan.taken_by for loan in order.kept(of.run)]
        impacts = [i for i in (plan.step(step).impact for step in steps) if i.notice is not Notice.NONE]
        stopped = out(of.run)
        taken.update(dict.fromkeys(steps, of.length_ms))
        short.update(dict.fromkeys(((i.api, _how(i, stopped)) for i in impacts if i.api), of.length_ms))
    return Unmeasured(
        slices[0].began_ms,
        slices[-1].ended_ms,
        tuple(step for step, length in taken.items() if length > _LEAST_MS),
        {
            api: Short(how, length)
            for (api, how), length in sorted(short.items(), key=itemgetter(1))
            if length > _LEAST_MS
        },
    )


def _how(impact: Impact, stopped: frozenset[str]) -> str:
    if impact.api in stopped:
        return "stopped"
    return "partly stopped" if impact.notice is Notice.DOWN else impact.notice.value


@dataclass(frozen=True, slots=True)
class _Slice:
    """The run as it stood for a while."""

    run: Run
    began_ms: int
    ended_ms: int

    @property
    def length_ms(self) -> int:
        return self.ended_ms - self.began_ms


def _slices(events: Sequence[Event], began: float, ended: float) -> list[_Slice]:
    """The run as it stood when this time began, and after each event in it."""
    at_ms, last_ms = round(began * 1000), round(ended * 1000)
    before = [event for event in events if event.at_ms <= at_ms] or list(events[:1])
    run, found = fold(before), []
    for event in events[len(before) :]:
        if event.at_ms >= last_ms:
            break
        found.append(_Slice(run, at_ms, event.at_ms))
        run, at_ms = after(run, event), event.at_ms
    return [*found, _Slice(run, at_ms, last_ms)]


def untold_of(told: Iterable[Unmeasured], api: str) -> str:
    """What no figure of ``api`` says: for how long it was short of something unmeasured, and how."""
    lengths: Counter[str] = Counter()
    for short in (each.apis[api] for each in told if api in each.apis):
        lengths[short.how] += short.length_ms
    return ", ".join(f"not measured for {_long(ms)}, {how} meanwhile" for how, ms in lengths.items())


def in_a_line(told: Sequence[Unmeasured]) -> str:
    """How long nobody measured, and which APIs were short of something meanwhile; empty if never."""
    if not told:
        return ""
    apis = sorted({f"{api} {short.how}" for each in told for api, short in each.apis.items()})
    short = f" ({', '.join(apis)})" if apis else ""
    return f"not measured for {_long(sum(each.length_ms for each in told))}{short}"


def _long(ms: int) -> str:
    """A run may wait for a window for a day."""
    return f"{ms / 1000:.0f} s" if ms < _LONG_MS else f"{ms / 60_000:.0f} min"
