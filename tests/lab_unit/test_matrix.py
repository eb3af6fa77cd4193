"""The summary of the lab's tests says what pytest's own report says."""

from __future__ import annotations

from datetime import UTC, datetime

from skylift.gate.matrix import ENOUGH, page, read_cases, summary, verdict

REPORT = f"""<testsuites><testsuite>
<testcase classname="tests.lab.test_upgrade" name="test_no_request_failed" time="421.7"><properties>
<property name="requests" value="{ENOUGH}"/><property name="figures" value="0 failed | all good"/>
</properties></testcase>
<testcase classname="tests.lab.test_faults" name="test_a_b[one]" time="1"><failure message="m"/></testcase>
<testcase classname="tests.lab.test_faults" name="test_c" time="0"><error message="m"/></testcase>
<testcase classname="tests.lab.test_faults" name="test_d" time="0"><skipped message="m"/></testcase>
</testsuite></testsuites>"""


def test_the_last_line_counts_errors_as_failures() -> None:
    assert summary(read_cases(REPORT)) == "test-lab: 1 passed, 2 failed, 1 skipped"


def test_whatever_did_not_pass_speaks_against_the_matrix() -> None:
    assert verdict(read_cases(REPORT)) == ["faults: a b[one] failed", "faults: c failed", "faults: d skipped"]


def test_too_few_requests_speak_against_it() -> None:
    few = read_cases(REPORT.replace(f'"{ENOUGH}"', '"49999"'))[:1]

    assert verdict(few) == ["only 49999 requests were made, and 50000 are needed"]


def test_a_matrix_that_never_ran_is_no_success() -> None:
    assert verdict(()) != []


def test_the_page_has_a_row_per_test_with_what_it_measured() -> None:
    told = page(read_cases(REPORT), datetime(2026, 11, 22, tzinfo=UTC))

    assert "| upgrade | no request failed | passed | 422 s | 0 failed / all good |" in told
    assert f"{ENOUGH} requests" in told
    assert "Not as it should be: faults: c failed." in told
