"""What users got, told from samples: nothing that failed is lost, and no pause of ours is their gap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skylift.model.availability import Boots, Span, availability, latency, steps_at
from skylift.model.sample import (
    BOOT,
    BOOT_ASKED,
    DONE,
    GUEST_COUNTER,
    GUEST_PING,
    LOST,
    OK,
    RESTARTED,
    STATUS,
    TIMEOUT,
    Sample,
)
from skylift.probe.counting import Count

APIS = ["glance", "keystone", "placement"]

requests = st.builds(
    Sample,
    scheduled=st.integers(0, 60_000).map(lambda ms: 1e9 + ms / 1000),
    latency_ms=st.integers(1, 20_000).map(float),
    stream=st.just("list"),
    api=st.sampled_from(APIS),
    outcome=st.sampled_from([OK, OK, OK, STATUS, TIMEOUT, DONE, LOST]),
    status=st.just(0),
)
steps = st.builds(
    lambda step, began, length: Span(step, 1e9 + began, 1e9 + began + length),
    st.sampled_from(["a", "b", "c"]),
    st.integers(-10, 70),
    st.integers(0, 30),
)


def steady(api: str, began: float, ended: float, *, every: float = 0.25, outcome: str = OK) -> list[Sample]:
    count = round((ended - began) / every)
    return [Sample(began + n * every, 20.0, "list", api, outcome, 200) for n in range(count)]


@given(st.lists(requests, max_size=25), st.lists(steps, max_size=6), st.floats(1e9, 1e9 + 60) | st.none())
def test_every_request_and_every_work_is_counted_once(
    samples: list[Sample], spans: list[Span], border: float | None
) -> None:
    seen = availability(samples, spans, changed_from=border)

    works = sum(sample.work for sample in samples)
    assert (seen.requests, seen.works) == (len(samples) - works, works)
    assert seen.slow == sum(sample.slow for sample in samples)
    assert len(seen.failures) == seen.failed + len(seen.lost) == sum(not s.good for s in samples)
    assert sum(sum(api.outcomes.values()) for api in seen.apis) == len(seen.failures)
    assert sum(a.baseline.answers + a.during.answers for a in seen.apis) == sum(
        s.outcome == OK for s in samples
    )


@given(st.lists(requests, min_size=1, max_size=25), st.lists(steps, max_size=6))
def test_a_failure_counts_for_each_step_that_was_under_way(samples: list[Sample], spans: list[Span]) -> None:
    by_step = {
        step: sum(api.failed_by_step.get(step, 0) for api in availability(samples, spans).apis)
        for step in ["a", "b", "c"]
    }

    for step, count in by_step.items():
        own = [span for span in spans if span.step == step]
        failed = [s for s in samples if not s.good and not s.work]
        met = [s for s in failed if steps_at(own, s.scheduled, s.ended)]
        assert count == len(met)


@given(st.lists(requests, min_size=1, max_size=25))
def test_the_agent_and_the_report_agree_on_gaps(samples: list[Sample]) -> None:
    """Where nobody paused: what halts a run is what its report shows."""
    beat = [Sample(1e9 + n * 4, 1.0, "beat", "beat", OK, 200) for n in range(19)]
    whole = sorted([*samples, *beat], key=lambda s: s.ended)
    count = Count()
    for sample in whole:
        count.add(sample)

    seen = {api.api: api.gap.length_ms for api in availability(whole).apis}

    for api, gap_s in count.document(max(s.ended for s in whole))["longest_gap_s"].items():
        own = [s for s in whole if s.api == api and not s.work]
        still_open_ms = (whole[-1].ended - own[-1].ended) * 1000
        assert seen[api] - 2 <= gap_s * 1000 <= seen[api] + still_open_ms + 2


@given(st.lists(st.integers(1, 10_000), min_size=1))
def test_percentiles_are_latencies_that_occurred(times: list[int]) -> None:
    seen = latency(Sample(0, float(t), "list", "glance", OK, 200) for t in times)

    assert {seen.p50_ms, seen.p99_ms, seen.slowest_ms} <= set(times)
    assert seen.p50_ms <= seen.p99_ms <= seen.slowest_ms == max(times)
    assert sum(t <= seen.p50_ms for t in times) * 2 >= len(times)


def test_an_outage_is_a_gap_as_long_as_it_lasted_at_the_step_that_caused_it() -> None:
    samples = [
        *steady("glance", 100, 110),
        *steady("glance", 110, 113, outcome=STATUS),
        *steady("glance", 113, 120),
    ]
    spans = [Span("glance:restart@ctl1", 109, 114), Span("keystone:expand", 100, 105)]

    seen = availability(samples, spans, changed_from=109).apis[0]

    assert 3000 <= seen.gap.length_ms <= 3300
    assert seen.gap.steps == ("glance:restart@ctl1",)
    assert seen.failed_by_step == {"glance:restart@ctl1": 12}
    assert not seen.seamless


def test_an_outage_that_never_ended_is_a_gap_until_the_last_request() -> None:
    samples = [*steady("glance", 100, 101), *steady("glance", 101, 104, outcome=TIMEOUT)]

    assert availability(samples).apis[0].gap.length_ms >= 2900


def test_an_api_that_never_gave_a_good_answer_has_one_gap_from_first_to_last() -> None:
    seen = availability(steady("glance", 100, 110, outcome=STATUS)).apis[0]

    assert 9700 <= seen.gap.length_ms <= 9800
    assert seen.baseline.answers == 0


def test_a_time_when_nobody_asked_is_no_gap() -> None:
    """A run that was halted overnight and resumed in the morning."""
    samples = [*steady("glance", 100, 110), *steady("glance", 40_000, 40_010)]

    assert availability(samples).apis[0].gap.length_ms < 300


def test_one_api_that_hangs_while_others_are_asked_is_a_gap() -> None:
    samples = [
        *steady("keystone", 100, 130),
        *steady("glance", 100, 105),
        *steady("glance", 120, 130),
    ]

    gaps = {api.api: api.gap.length_ms for api in availability(samples).apis}

    assert gaps["glance"] > 14_000
    assert gaps["keystone"] < 300


def test_a_gap_up_to_a_second_over_the_slowest_baseline_request_is_seamless() -> None:
    slow = Sample(100.1, 600.0, "list", "glance", OK, 200)
    before, after = steady("glance", 100, 105), steady("glance", 106.2, 110)

    assert availability([slow, *before, *after], changed_from=105).seamless
    assert not availability([*before, *steady("glance", 106.8, 110)], changed_from=105).seamless


def test_nothing_measured_is_not_seamless() -> None:
    assert not availability([]).seamless


def test_a_boot_that_took_a_minute_is_no_slow_answer() -> None:
    boot = Sample(1.0, 60_000.0, "server-boot", "nova", DONE, 0)

    (nova,) = availability([*steady("nova", 0.0, 70.0), boot]).apis

    assert (nova.works, nova.lost, nova.baseline.slowest_ms) == (1, 0, 20)
    assert nova.seamless


def test_one_lost_boot_is_enough_for_a_run_not_to_be_seamless() -> None:
    boot = Sample(1.0, 60_000.0, "server-boot", "nova", LOST, 0, "server 1: it ended in ERROR")

    (nova,) = availability([*steady("nova", 0.0, 70.0), boot]).apis

    assert (nova.failed, nova.lost) == (0, 1)
    assert not nova.seamless


def test_boots_are_counted_by_what_their_users_were_told() -> None:
    def asked(outcome: str) -> Sample:
        return Sample(1.0, 20.0, BOOT_ASKED, "nova", outcome, 0)

    def ended(outcome: str) -> Sample:
        return Sample(1.0, 9_000.0, BOOT, "nova", outcome, 0)

    samples = [*map(asked, [OK, OK, OK, STATUS]), *map(ended, [DONE, LOST])]

    seen = availability(samples)

    assert seen.boots == Boots(asked=4, failed=1, lost=1)
    assert (seen.requests, seen.failed, seen.works) == (4, 1, 2)


def test_a_guests_losses_are_its_own_and_no_failed_requests_of_an_api() -> None:
    def of(stream: str, at: float, outcome: str) -> Sample:
        return Sample(at, 5.0, stream, "guest 10.0.0.5", outcome, 0)

    pings = [of(GUEST_PING, n / 2, TIMEOUT if n in {4, 5, 6, 7} else OK) for n in range(20)]
    counts = [of(GUEST_COUNTER, 5.0, OK), of(GUEST_COUNTER, 6.0, RESTARTED)]

    seen = availability([*steady("nova", 0.0, 10.0), *pings, *counts])
    (guest,) = seen.guests

    assert (guest.guest, guest.pings, guest.lost, guest.restarts) == ("guest 10.0.0.5", 20, 4, 1)
    assert guest.gap.length_ms == 2500
    assert (seen.requests, seen.failed, seen.longest_gap_ms) == (40, 0, 250)
    assert not seen.seamless


def test_an_answer_that_came_late_is_slow_and_its_gap_is_seen() -> None:
    held = Sample(105.0, 15_000.0, "list", "nova", OK, 200)

    (nova,) = availability(
        [*steady("nova", 100, 105), held, *steady("nova", 120.1, 125)], changed_from=105
    ).apis

    assert (nova.failed, nova.slow) == (0, 1)
    assert nova.gap.length_ms > 15_000
    assert not nova.seamless
    assert nova.within(20_000)


def test_an_api_that_is_asked_rarely_may_be_without_an_answer_for_as_long() -> None:
    """At one request in two seconds, a gap of three seconds is a slow answer and no more."""
    asked = [Sample(1e9 + s, 100, "list", "cinder", OK, 200) for s in range(0, 60, 2)]
    late = Sample(1e9 + 60, 1100, "list", "cinder", OK, 200)

    (api,) = availability([*asked, late], changed_from=1e9 + 59).apis

    assert (api.gap.length_ms, api.asked_every_ms, api.seamless) == (3000, 2000, True)


def test_an_api_that_is_asked_often_is_held_to_one_second_beyond_its_slowest_request() -> None:
    asked = [Sample(1e9 + n / 2, 100, "list", "cinder", OK, 200) for n in range(120)]
    in_time, late = (Sample(1e9 + 60, ms, "list", "cinder", OK, 200) for ms in (700, 900))

    (still,) = availability([*asked, in_time], changed_from=1e9 + 59).apis
    (no_more,) = availability([*asked, late], changed_from=1e9 + 59).apis

    assert (still.asked_every_ms, still.gap.length_ms, still.seamless) == (500, 1100, True)
    assert (no_more.asked_every_ms, no_more.gap.length_ms, no_more.seamless) == (500, 1300, False)


def test_pauses_between_three_starts_of_the_probes_are_no_gaps() -> None:
    """Each start counts what all before it recorded: a run that halts twice is not stopped for that."""
    asked = [
        Sample(1e9 + start + s, 100, "list", "cinder", OK, 200) for start in (0, 400, 900) for s in range(9)
    ]
    count = Count()

    count.take_over(asked)

    assert count.document(1e9 + 2000)["longest_gap_s"] == {"cinder": 1.0}
