"""What ``make bench-scale`` says, and that its long run is one that the product can go on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from skylift.drivers.sqlite_journal import read_journal
from skylift.engine.fold import fold
from skylift.scalebench.crews import Spread
from skylift.scalebench.goals import HOSTS, Results, judged
from skylift.scalebench.long_run import AT_ONCE, STEPS_A_HOST, Resumed, fill_file, resumed, so_far
from skylift.scalebench.page import page
from skylift.scalebench.share import Share
from skylift.testing.crew.shift import TakeOver


def results() -> Results:
    """All goals are held."""
    return Results(
        cores=2,
        load=0.5,
        hosts=HOSTS,
        spread=[Spread(1, 396, 20, 5.1, 2.2)],
        take_overs=[TakeOver(40, (), by_the_other=True, held_after_s=14, written_after_s=14.2)],
        shares=[Share("SQLite", steps=200, events=402, process_cpu_s=4, journal_cpu_s=0.12)],
        resumed=[Resumed("SQLite", 90, 900_001, read_cpu_s=4, cpu_s=8, wall_s=9.9, peak_mib=900)],
    )


def held(of: Results) -> list[bool]:
    return [verdict.held for verdict in judged(of)]


def test_the_page_says_of_each_goal_whether_it_was_held() -> None:
    assert held(results()) == [True, True]
    assert page(results())[-1] == "`bench-scale: 2 of 2 goals held`"


def test_a_resume_is_judged_by_the_time_that_an_operator_waits() -> None:
    of = results()

    slow = replace(of, resumed=[replace(of.resumed[0], wall_s=10.1)])

    assert held(slow) == [True, False]


def test_a_run_over_fewer_hosts_proves_nothing() -> None:
    assert held(replace(results(), hosts=HOSTS - 1)) == [True, False]


def test_a_journal_that_takes_more_than_its_share_is_told() -> None:
    of = results()

    dear = replace(of, shares=[replace(of.shares[0], journal_cpu_s=0.21)])

    assert held(dear) == [False, True]
    assert "| SQLite | 200 | 402 | 20.0 | 0.52 | 5.2 % |" in page(dear)


@pytest.mark.parametrize("percent", [0, 50, 90])
def test_the_long_run_goes_on_where_it_was(percent: int, tmp_path: Path) -> None:
    path, hosts = tmp_path / "long", 2 * AT_ONCE
    fill_file(path, hosts, percent)
    filled = len(read_journal(path))

    found = resumed("SQLite", str(path), hosts, percent)

    went_on = read_journal(path)
    assert found.events == filled == len(tuple(so_far(hosts, percent)))
    assert filled == 1 + 2 * STEPS_A_HOST * hosts * percent // 100
    assert len(fold(went_on).passed) > len(fold(went_on[:filled]).passed)
    assert found.cpu_s > 0
    assert found.read_cpu_s <= found.cpu_s
