"""Samples as lines: written by the agent, read by the report."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skylift.model.sample import FAILURES, OK, Sample, read_samples

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=20)
samples = st.builds(
    Sample,
    scheduled=st.integers(0, 2**42).map(lambda ms: ms / 1000),
    latency_ms=st.integers(0, 10**6).map(lambda tenths: tenths / 10),
    stream=words,
    api=words,
    outcome=st.sampled_from([OK, *FAILURES]),
    status=st.integers(0, 599),
    detail=words,
)


@given(st.lists(samples, max_size=12))
def test_what_was_written_is_read(written: list[Sample]) -> None:
    assert list(read_samples(sample.line() for sample in written)) == written


@given(samples, st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])))
def test_whatever_the_detail_a_sample_is_one_line(sample: Sample, detail: str) -> None:
    line = sample._replace(detail=detail).line()

    assert len(line.splitlines()) == 1
    assert [s._replace(detail="") for s in read_samples([line])] == [sample._replace(detail="")]


@given(samples, st.integers(1, 10))
def test_a_line_cut_short_is_passed_over(sample: Sample, cut: int) -> None:
    whole = sample.line()

    assert list(read_samples([whole, whole[:-cut]])) == [sample]
