"""What is told of a command that outlives its step in a run over hosts (rows 10, 34)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import CMP, QUICK, RUN, SiteOf, bench_of, folder, planned, ran, site_of

from skylift.app.fleet_account import FleetAccount, fleet_account
from skylift.app.host_turns import turns_of
from skylift.app.maintain import go_on
from skylift.cli.views import fleet_run as run_view
from skylift.engine.fold import Run, Standing
from skylift.engine.host_turn import commands_of
from skylift.engine.journal import Journal
from skylift.engine.operate import Asked, abort
from skylift.fleet.mandate import Purpose, read_mandate
from skylift.model.automation import AutomationEntry
from skylift.model.ids import HostName, Seconds, StepId
from skylift.model.record import Timeouts
from skylift.testing.fake_state import FakeJob
from skylift.testing.fake_work import AUTOMATION

CTL1 = HostName("ctl1")
LONG_S = 100_000
HYPERVISOR, PAUSE = StepId(f"hypervisor@{CMP[0]}"), StepId("pause-1:watcher")
WATCHER = AutomationEntry(
    CTL1,
    (AUTOMATION, "paused", "watcher"),
    (AUTOMATION, "pause", "watcher"),
    (AUTOMATION, "give-back", "watcher"),
)


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Two compute hosts; a command may take 30 s."""
    made = site_of(tmp_path, computes=2, maintenance=replace(QUICK, hypervisor=("true",)))
    policy = replace(made.site.record.policy, timeouts=Timeouts(command=Seconds(30)))
    made.site = replace(made.site, record=replace(made.site.record, policy=policy))
    return made


def job(at: SiteOf, host: HostName, step: StepId) -> FakeJob | None:
    return at.cloud.hosts[host].jobs.get(f"{RUN}.{step}.1")


def overdue(at: SiteOf, host: HostName, step: StepId) -> Run:
    """A run in which the command of a step takes longer than its deadline."""

    def lasts() -> None:
        if begun := job(at, host, step):
            begun.ends_at = at.cloud.now + LONG_S

    at.meanwhile = lasts
    run = ran(at, Purpose.HYPERVISOR)
    at.meanwhile = lambda: None
    return run


def pauses_watcher(at: SiteOf) -> None:
    """What is to be paused before a host is begun."""
    maintenance = replace(at.site.record.maintenance, automation={"watcher": WATCHER})
    at.site = replace(at.site, record=replace(at.site.record, maintenance=maintenance))
    at.cloud.automation = {"watcher": False}


def given_up(at: SiteOf, *, leave: bool = False) -> Run:
    def say(journal: Journal, asked: Asked) -> Run:
        return abort(journal, asked, reason="enough", leave=leave)

    return go_on(at.site, folder(at), bench_of(at), say)


def seen(at: SiteOf) -> FleetAccount:
    return fleet_account(at.site.runs, folder(at), at.site.record)


def test_status_names_a_command_that_has_outlived_its_step_and_its_host(at: SiteOf) -> None:
    overdue(at, CMP[0], HYPERVISOR)

    told = "\n".join(run_view.lines(seen(at)))

    assert run_view.document(seen(at))["may_run"] == {HYPERVISOR: CMP[0]}
    assert f"MAY STILL RUN on cmp1: the command of {HYPERVISOR}" in told
    assert "skylift ssh cmp1 'systemctl status" in told


def test_a_run_that_is_given_up_says_what_its_end_waits_for(at: SiteOf) -> None:
    overdue(at, CMP[0], HYPERVISOR)

    run = given_up(at)

    assert run.standing is Standing.ABORTING
    assert f"waits until no command of {HYPERVISOR} runs any more" in run_view.lines(seen(at))[-1]


def test_a_run_that_is_left_as_it_is_names_the_command_afterwards(at: SiteOf) -> None:
    overdue(at, CMP[0], HYPERVISOR)

    left = given_up(at, leave=True)
    told = "\n".join(run_view.lines(seen(at)))

    assert left.standing is Standing.ABORTED
    assert f"the command of {HYPERVISOR}; until it has ended, nothing new begins there" in told


def test_a_run_that_was_closed_when_its_command_had_ended_names_none(at: SiteOf) -> None:
    pauses_watcher(at)
    overdue(at, CTL1, PAUSE)
    begun = job(at, CTL1, PAUSE)
    assert begun is not None
    begun.ends_at = at.cloud.now
    at.cloud.pass_time(1)

    run = given_up(at)

    assert run.standing is Standing.ABORTED
    assert seen(at).may_run == {}


def test_what_pauses_automation_is_named_with_the_host_that_the_record_has_for_it(at: SiteOf) -> None:
    pauses_watcher(at)

    overdue(at, CTL1, PAUSE)

    assert seen(at).may_run == {PAUSE: CTL1}
    assert fleet_account(at.site.runs, folder(at)).may_run == {}, "without the record"


@pytest.mark.parametrize("purpose", [Purpose.REBOOT, Purpose.HYPERVISOR])
def test_the_steps_that_may_be_named_are_those_that_run_a_command_on_their_host(
    at: SiteOf, purpose: Purpose
) -> None:
    turns = turns_of(at.site.record, at.site.catalog, read_mandate(planned(at, purpose)), (RUN,))

    for host, turn in turns.items():
        running = {step.id for step in turn.work if step.action.runs_on is not None}
        assert running == set(commands_of(host)) & {step.id for step in turn.work}
