"""A run over hosts closes no host that could not be emptied and back before its window closes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import CMP, SiteOf, at_desk, boots, folder, is_whole, planned, ran, site_of

from skylift.app.mandates import read_approved
from skylift.app.windows import WindowTooShort
from skylift.app.wiring import open_journal
from skylift.engine.fold import Run
from skylift.engine.journal import StepStarted
from skylift.engine.operate import pause
from skylift.fleet.mandate import Purpose
from skylift.model.ids import HostName

FIRST, LAST = CMP[0], CMP[3]
BEFORE_S = 8
"""More than is measured before the first host, and less than it takes to empty it."""


def windowed(at: SiteOf, *windows: str) -> None:
    policy = replace(at.site.record.policy, windows=windows)
    at.site = replace(at.site, record=replace(at.site.record, policy=policy))


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """A compute host with instances, beside others; it is 16:00, and the one is to be rebooted."""
    made = site_of(tmp_path, computes=4)
    for n in range(20):
        made.cloud.nova.boot(f"vm{n}", FIRST)
    return made


def lasts_s(at: SiteOf) -> tuple[int, int]:
    """Of the one host: with its emptying, and without."""
    mandate = read_approved(planned(at, Purpose.REBOOT, FIRST))
    ((host, seconds),) = mandate.takes_s()
    assert host == f"host {FIRST}"
    return seconds, mandate.policy.host_s


def began_s(at: SiteOf, host: HostName = FIRST) -> list[int]:
    """When a host was closed."""
    with open_journal(folder(at)) as journal:
        started = (event for event in journal.events() if isinstance(event, StepStarted))
        return [event.at_ms // 1000 for event in started if event.step == f"empty@{host}"]


def applied_before_the_close(at: SiteOf, seconds: int, *hosts: HostName) -> Run:
    """So many seconds before a window closes, and another opens a while later."""
    windowed(at, "daily 15:00-16:21", "daily 16:40-18:00")
    at.cloud.pass_time(int(21 * 60 - at.cloud.now % 3600 - seconds))
    return ran(at, Purpose.REBOOT, *(hosts or (FIRST,)))


def test_a_host_that_could_be_worked_on_but_not_emptied_first_waits_for_the_next_window(at: SiteOf) -> None:
    """Issue 5, section 1: a step that cannot end is not started; the run waits and says until when."""
    whole, alone = lasts_s(at)
    assert whole > alone + 2 * BEFORE_S

    run = applied_before_the_close(at, alone + BEFORE_S)

    assert run.closed is not None
    assert boots(at)[FIRST] == 2
    assert is_whole(at)
    assert [at_s % 3600 // 60 for at_s in began_s(at)] == [40]
    assert any("waiting until Mon 2025-11-24 16:40" in told for told in at.remarks)


def test_a_run_that_has_begun_waits_for_the_next_window_with_what_is_left(at: SiteOf) -> None:
    """A host that has nothing on it is through before the close; the one that is to be emptied is not."""
    _, alone = lasts_s(at)

    run = applied_before_the_close(at, alone + BEFORE_S, FIRST, LAST)

    assert run.closed is not None
    assert [at_s % 3600 // 60 < 21 for at_s in began_s(at, LAST)] == [True]
    assert [at_s % 3600 // 60 for at_s in began_s(at, FIRST)] == [40]
    assert any("no host could be back before the window closes: waiting until" in told for told in at.remarks)


def test_a_host_that_can_be_through_before_the_close_is_begun(at: SiteOf) -> None:
    """So the test before this one can fail."""
    whole, _ = lasts_s(at)

    run = applied_before_the_close(at, whole + BEFORE_S)

    assert run.closed is not None
    assert boots(at)[FIRST] == 2
    assert {at_s % 3600 // 60 < 21 for at_s in began_s(at)} == {True}


def test_a_run_that_waits_for_its_next_window_is_paused_by_a_word(at: SiteOf) -> None:
    _, alone = lasts_s(at)

    def say() -> None:
        if any("waiting until" in told for told in at.remarks) and not at.said:
            at.said = True
            with open_journal(folder(at)) as journal:
                pause(journal, at_desk(at))

    at.meanwhile = say

    run = applied_before_the_close(at, alone + BEFORE_S)

    assert at.said
    assert run.pause is not None
    assert boots(at)[FIRST] == 1
    assert is_whole(at)


def test_a_host_that_fits_into_no_window_is_refused_before_anything_begins(at: SiteOf) -> None:
    whole, alone = lasts_s(at)
    windowed(at, "daily 16:00-16:20")
    assert alone <= 20 * 60 < whole

    with pytest.raises(WindowTooShort) as refused:
        ran(at, Purpose.REBOOT, FIRST)

    assert f"host {FIRST} could never start" in str(refused.value)
    assert at.site.runs.known() == ()
