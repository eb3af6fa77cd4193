"""The summary of the lab's tests says what pytest's own report says."""

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from tests.lab.back import STOPS

from skylift.gate.matrix import (
    STAGES,
    STORIES,
    Measured,
    Told,
    main,
    page,
    read_cases,
    read_results,
    summary,
    too_few,
    verdict,
    write_results,
)

ENOUGH = STORIES["api"].requests
REPORT = f"""<testsuites><testsuite>
<testcase classname="tests.lab.test_upgrade" name="test_no_request_failed" time="421.7"><properties>
<property name="requests" value="{ENOUGH}"/><property name="figures" value="0 failed | all good"/>
</properties></testcase>
<testcase classname="tests.lab.test_faults" name="test_a_b[one]" time="1"><failure message="m"/></testcase>
<testcase classname="tests.lab.test_faults" name="test_c" time="0"><error message="m"/></testcase>
<testcase classname="tests.lab.test_faults" name="test_d" time="0"><skipped message="m"/></testcase>
</testsuite></testsuites>"""
SEEN = Measured(
    "2024.1 to 2025.1",
    "skylift",
    requests=21_000,
    failed=0,
    boots=45,
    boots_lost=0,
    works=90,
    works_lost=0,
    pings=900,
    pings_lost=0,
    restarts=0,
    longest_gap_ms=1600,
)
CORE = f"""<testsuite>
<testcase classname="tests.lab.test_core_upgrade.TestKilled" name="test_no_request_failed"
time="1800"><properties><property name="upgrade" value={quoteattr(json.dumps(SEEN._asdict()))}/></properties>
</testcase></testsuite>"""


def told(report: str, story: str = "api") -> Told:
    return Told(story, "2026-11-22", "abc1234", 2, read_cases(report))


def test_the_last_line_counts_errors_as_failures() -> None:
    assert summary(read_cases(REPORT)) == "test-lab: 1 passed, 2 failed, 1 skipped"


def test_whatever_did_not_pass_speaks_against_the_matrix() -> None:
    assert verdict(told(REPORT)) == ["faults: a b[one] failed", "faults: c failed", "faults: d skipped"]


def test_too_few_requests_speak_against_it() -> None:
    few = told(REPORT.replace(f'"{ENOUGH}"', '"49999"'))

    assert verdict(few)[-1] == "only 49999 requests were made, and 50000 are needed"


def test_a_story_that_never_ran_is_no_success() -> None:
    assert verdict(told("<testsuites/>")) != []


def test_the_page_has_a_row_per_test_with_what_it_measured() -> None:
    shown = page([told(REPORT)])

    assert "| upgrade | no request failed | passed | 422 s | 0 failed / all good |" in shown
    assert f"{ENOUGH} requests" in shown
    assert "Not as it should be: faults: c failed." in shown


def test_upgrades_of_a_core_stand_in_one_table_and_their_requests_count() -> None:
    core = told(CORE, "core")

    shown = page([told(REPORT), core])

    row = "| 2024.1 to 2025.1 | skylift | 0 of 21000 | 0 of 45 | 0 of 90 | 0 of 900 | 0 | 1.6 s |"
    assert row in shown
    assert "Ours together: 0 of 21000 requests failed, 0 of 45 boots lost, 0 of 900 pings lost." in shown
    assert verdict(core) == []


def test_our_upgrades_of_a_core_make_enough_boots_together_and_those_of_another_way_do_not_count() -> None:
    once = told(CORE, "core")
    naive = told(CORE.replace("skylift", "plain rolling restart"), "core-control")

    assert too_few([once, once, naive]) == ["all upgrades of a core made 90 boots, and 100 are needed"]
    assert too_few([once, once, once]) == []


def test_what_users_got_is_taken_from_the_report() -> None:
    report = {
        "requests": 21_000,
        "failed": 0,
        "works": 90,
        "lost": 0,
        "boots": {"asked": 45, "failed": 0, "lost": 0},
        "guests": [{"pings": 500, "lost": 0, "restarts": 0}, {"pings": 400, "lost": 0, "restarts": 0}],
        "longest_gap_ms": 1600,
    }

    assert Measured.of(report, "2024.1 to 2025.1", "skylift") == SEEN


def test_what_another_client_skips_is_listed_once_with_its_reason() -> None:
    skip = quoteattr(json.dumps(["tempest.api.X.test_y", "no such | extension"]))
    case = f"""<testcase classname="c" name="n"><properties><property name="left-out" value={skip}/>
</properties></testcase>"""
    twice = told(f"<testsuite>{case}{case}</testsuite>", "core")

    assert page([twice]).count("| `tempest.api.X.test_y` | no such / extension |") == 1


def test_results_are_kept_by_story(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    write_results(kept, [told(REPORT), told(CORE, "core")])

    again = read_results(kept)

    assert list(again) == ["api", "core"]
    assert page(list(again.values())) == page([told(REPORT), told(CORE, "core")])


def test_an_unknown_story_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cores"]) == 2
    assert "no story cores: there are api, core" in capsys.readouterr().err


def test_every_module_of_lab_tests_is_in_one_story_or_in_parts_that_differ() -> None:
    told = [(module, *story.environment.items()) for story in STORIES.values() for module in story.modules]
    there = {path.stem.removeprefix("test_") for path in Path("tests/lab").glob("test_*.py")}

    assert {module for module, *_ in told} == there
    assert len(set(told)) == len(told)


def test_the_parts_of_the_ways_back_are_all_of_them() -> None:
    parts = [story.environment[STAGES] for story in STORIES.values() if STAGES in story.environment]

    assert [int(number) for part in parts for number in part.split(",")] == list(range(1, len(STOPS) + 1))
