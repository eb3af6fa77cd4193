"""What users got while a run went on, told from samples alone (rows 3 and 23).

Pure. Times are epochs in seconds of the vantage host's clock; durations are whole milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from skylift.model.sample import BOOT, BOOT_ASKED, GUEST_PING, LOST, RESTARTED, UNWATCHED_S, Sample

GAP_ALLOWED_MS = 1000
"""How much longer a gap may be than the slowest request before any change, for a run to be seamless."""


@dataclass(frozen=True, slots=True)
class Span:
    """A step under way from ``began`` to ``ended``; infinity while it is."""

    step: str
    began: float
    ended: float

    def meets(self, began: float, ended: float) -> bool:
        """Whether the step was under way at some time between the two."""
        return self.began <= ended and began <= self.ended


@dataclass(frozen=True, slots=True)
class Latency:
    """How long good answers took; all zero if there were none, and shown as ``-`` then."""

    answers: int
    p50_ms: int
    p99_ms: int
    slowest_ms: int

    @property
    def p50(self) -> str:
        """For whoever reads: half of the answers took no longer."""
        return self._shown(self.p50_ms)

    @property
    def p99(self) -> str:
        """For whoever reads: 99 of 100 answers took no longer."""
        return self._shown(self.p99_ms)

    @property
    def slowest(self) -> str:
        """For whoever reads: no answer took longer."""
        return self._shown(self.slowest_ms)

    def _shown(self, ms: int) -> str:
        return f"{ms} ms" if self.answers else "-"


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time an API's users were without a good answer, and the steps under way then."""

    length_ms: int
    began: float
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApiAvailability:
    """One API, as its users met it; or one guest, which is asked past every API."""

    api: str
    guest: bool
    requests: int
    failed: int
    slow: int
    """Good answers that came only when most would have given up, as while the balancers let requests wait."""
    works: int
    """What it had accepted, such as a server's boot, that was followed to its end."""
    lost: int
    """How many of these works did not come about in time."""
    outcomes: Mapping[str, int]
    """How many requests failed in which way, and how many works were lost."""
    failed_by_stream: Mapping[str, int]
    """How many requests of each stream failed."""
    failed_by_step: Mapping[str, int]
    """How many failed while each step was under way; one may count for several steps at once."""
    gap: Gap
    asked_every_ms: int
    """The mean time from one request to the next: of an API asked rarely, a gap so long tells nothing."""
    baseline: Latency
    """Before the first change to the control plane."""
    during: Latency

    @property
    def seamless(self) -> bool:
        """Nothing failed or was lost, and no gap was much longer than a slow baseline request makes."""
        return self.within(0)

    def within(self, announced_ms: int) -> bool:
        """The same, but for gaps of a length that was announced: then requests wait, and are answered."""
        return self.failed == self.lost == 0 and self.gap.length_ms <= self.gap_allowed_ms(announced_ms)

    def gap_allowed_ms(self, announced_ms: int) -> int:
        """How long a gap may be: as the slowest request before any change, a second, and what was announced.

        Of an API that is asked less often than twice a second, one request may be late by its interval.
        """
        beyond_ms = max(GAP_ALLOWED_MS, self.asked_every_ms + min(self.asked_every_ms, GAP_ALLOWED_MS))
        return self.baseline.slowest_ms + beyond_ms + announced_ms


@dataclass(frozen=True, slots=True)
class Boots:
    """The servers that probes asked for, all zero if they asked for none."""

    asked: int
    failed: int
    """Those whose request failed: their user was told so."""
    lost: int
    """Those that were accepted, and ended in an error or in nothing."""

    def __str__(self) -> str:
        return f"{self.failed} failed and {self.lost} lost of {self.asked} boots"


@dataclass(frozen=True, slots=True)
class Guest:
    """One guest, as those met it who need no API."""

    guest: str
    """Its name in the samples, such as ``guest 10.0.0.5``."""
    pings: int
    lost: int
    """How many pings had no answer."""
    restarts: int
    """How often its counter was lower than before."""
    gap: Gap

    def __str__(self) -> str:
        gap = f"longest gap {self.gap.length_ms / 1000:.1f} s"
        return f"{self.guest}: {self.lost} lost of {self.pings} pings, {self.restarts} restarts, {gap}"


@dataclass(frozen=True, slots=True)
class Availability:
    """All APIs, and the failed requests and lost works themselves, the earliest first."""

    apis: tuple[ApiAvailability, ...]
    """Guests among them."""
    boots: Boots
    guests: tuple[Guest, ...]
    failures: tuple[Sample, ...]
    unwatched: tuple[tuple[float, float], ...] = ()
    """From when to when nobody asked anything: of these times no figure says anything, good or bad."""

    @property
    def requests(self) -> int:
        """How many were made to APIs."""
        return sum(api.requests for api in self.apis if not api.guest)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(api.failed for api in self.apis if not api.guest)

    @property
    def slow(self) -> int:
        """How many of them were answered well, but late."""
        return sum(api.slow for api in self.apis if not api.guest)

    @property
    def works(self) -> int:
        """How many accepted works were followed to their end."""
        return sum(api.works for api in self.apis)

    @property
    def lost(self) -> tuple[Sample, ...]:
        """The works that did not come about."""
        return tuple(sample for sample in self.failures if sample.work)

    @property
    def longest_gap_ms(self) -> int:
        """Of the API that had the longest; 0 if none was measured."""
        return max((api.gap.length_ms for api in self.apis if not api.guest), default=0)

    @property
    def seamless(self) -> bool:
        """Whether it was measured at all, and every API was seamless."""
        return bool(self.apis) and all(api.seamless for api in self.apis)


def availability(
    samples: Iterable[Sample],
    spans: Sequence[Span] = (),
    *,
    changed_from: float | None = None,
    until: float | None = None,
) -> Availability:
    """Sum up ``samples``; ``changed_from`` is when the control plane was first touched, none if never.

    ``until`` is when the samples should end, if that is known: what is between was not watched either.
    """
    ordered = sorted(samples, key=lambda sample: sample.ended)
    pauses = _pauses(sample for sample in ordered if not sample.work)
    by_api: dict[str, list[Sample]] = {}
    for sample in ordered:
        by_api.setdefault(sample.api, []).append(sample)
    apis = tuple(_api(api, by_api[api], spans, pauses, changed_from=changed_from) for api in sorted(by_api))
    return Availability(
        apis=apis,
        boots=_boots(ordered),
        guests=tuple(_guest(api.gap, by_api[api.api]) for api in apis if api.guest),
        failures=tuple(sample for sample in ordered if not sample.good),
        unwatched=(*pauses, *_missing(ordered, until)),
    )


def steps_at(spans: Sequence[Span], began: float, ended: float) -> tuple[str, ...]:
    """The steps that were under way at some time between the two, in their order."""
    return tuple(dict.fromkeys(span.step for span in spans if span.meets(began, ended)))


def latency(samples: Iterable[Sample]) -> Latency:
    """The latencies of the good answers among ``samples``; percentiles by nearest rank."""
    times = sorted(sample.latency_ms for sample in samples if sample.good and not sample.work)
    if not times:
        return Latency(0, 0, 0, 0)
    return Latency(len(times), _rank(times, 50), _rank(times, 99), round(times[-1]))


def _api(
    api: str,
    samples: Sequence[Sample],
    spans: Sequence[Span],
    pauses: Sequence[tuple[float, float]],
    *,
    changed_from: float | None,
) -> ApiAvailability:
    border = float("inf") if changed_from is None else changed_from
    asked = [sample for sample in samples if not sample.work]
    bad = [sample for sample in samples if not sample.good]
    failed = [sample for sample in bad if not sample.work]
    began, ended = _longest(asked or samples, pauses)
    return ApiAvailability(
        api=api,
        guest=samples[0].of_guest,
        requests=len(asked),
        failed=len(failed),
        slow=sum(sample.slow for sample in asked),
        works=len(samples) - len(asked),
        lost=len(bad) - len(failed),
        outcomes=Counter(sample.outcome for sample in bad),
        failed_by_stream=Counter(sample.stream for sample in failed),
        failed_by_step=Counter(
            step for sample in failed for step in steps_at(spans, sample.scheduled, sample.ended)
        ),
        gap=Gap(round((ended - began) * 1000), began, steps_at(spans, began, ended)),
        asked_every_ms=_every_ms(asked or samples, pauses),
        baseline=latency(sample for sample in samples if sample.ended < border),
        during=latency(sample for sample in samples if sample.ended >= border),
    )


def _boots(samples: Iterable[Sample]) -> Boots:
    asked, failed, lost = 0, 0, 0
    for sample in samples:
        asked += sample.stream == BOOT_ASKED
        failed += sample.stream == BOOT_ASKED and not sample.good
        lost += sample.stream == BOOT and sample.outcome == LOST
    return Boots(asked, failed, lost)


def _guest(gap: Gap, samples: Sequence[Sample]) -> Guest:
    pings = [sample for sample in samples if sample.stream == GUEST_PING]
    return Guest(
        guest=samples[0].api,
        pings=len(pings),
        lost=sum(not ping.good for ping in pings),
        restarts=sum(sample.outcome == RESTARTED for sample in samples),
        gap=gap,
    )


def _longest(samples: Sequence[Sample], pauses: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The longest time without a good answer; ``samples`` are of one API, in the order they ended."""
    marks = [samples[0].scheduled, *(s.ended for s in samples if s.good), samples[-1].ended]
    for began, ended in pauses:
        marks = [m for m in marks if not began < m < ended] + [began, ended]
    watched = [
        pair for pair in pairwise(sorted(marks)) if not any(b <= pair[0] and pair[1] <= e for b, e in pauses)
    ]
    return max(watched, key=lambda pair: pair[1] - pair[0], default=(samples[0].scheduled,) * 2)


def _every_ms(samples: Sequence[Sample], pauses: Iterable[tuple[float, float]]) -> int:
    """How often a request was due, but for times in which nobody asked anything; 0 for a single one."""
    due = [sample.scheduled for sample in samples]
    watched = max(due) - min(due) - sum(ended - began for began, ended in pauses if began >= min(due))
    return round(1000 * max(watched, 0.0) / (len(due) - 1)) if len(due) > 1 else 0


def _pauses(samples: Iterable[Sample]) -> list[tuple[float, float]]:
    """From the last answer to the next request, wherever nobody asked for long."""
    pauses: list[tuple[float, float]] = []
    busy_until, last_due = float("inf"), float("inf")
    for sample in sorted(samples, key=lambda s: s.scheduled):
        if sample.scheduled - last_due > UNWATCHED_S and sample.scheduled > busy_until:
            pauses.append((busy_until, sample.scheduled))
        last_due = sample.scheduled
        busy_until = sample.ended if busy_until == float("inf") else max(busy_until, sample.ended)
    return pauses


def _missing(ordered: Sequence[Sample], until: float | None) -> list[tuple[float, float]]:
    """From the last answer until then, if that is long."""
    if not ordered or until is None or until - ordered[-1].ended <= UNWATCHED_S:
        return []
    return [(ordered[-1].ended, until)]


def _rank(ordered: Sequence[float], percent: int) -> int:
    return round(ordered[max(-(-len(ordered) * percent // 100), 1) - 1])
