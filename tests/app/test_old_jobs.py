"""What jobs left on hosts is removed once nobody can ask for it, and never sooner."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import GOAL, RUN, Desk, desk_at

from skylift.app.approvals import Approval
from skylift.app.conduct import apply, go_on
from skylift.app.old_jobs import KEPT_S, jobs_on
from skylift.app.propose import propose
from skylift.engine.fold import Standing
from skylift.model.ids import Epoch, HostName, RunId
from skylift.ports import Command
from skylift.testing.fuse import Fuse, Killed, fused

NEXT = RunId("20260301-000000-run-0002")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def kept(desk: Desk) -> Counter[str]:
    """How many jobs there are of each run, on all hosts."""
    return Counter(key.partition(".")[0] for host in desk.cloud.hosts.values() for key in host.jobs)


def later(desk: Desk, seconds: int) -> None:
    """Nobody works on the cloud for so long."""
    desk.cloud.now = Epoch(desk.cloud.now + seconds)


def dies(desk: Desk, run: RunId, touches: int) -> None:
    """A process begins a run, and is killed after so many calls."""
    text = propose(desk.site, GOAL).text
    site = replace(desk.site, ports=fused(desk.site.ports, Fuse(touches)))
    with pytest.raises(Killed):
        apply(site, run, text, desk.bench, approval=Approval.ALL)


def begin(desk: Desk, run: RunId) -> None:
    apply(desk.site, run, propose(desk.site, GOAL).text, desk.bench, approval=Approval.ALL)


def test_jobs_of_a_run_that_ended_long_ago_are_removed_as_the_next_one_begins(desk: Desk) -> None:
    begin(desk, RUN)
    before = kept(desk)
    later(desk, KEPT_S + 1)

    begin(desk, NEXT)

    assert before[RUN] > 0
    assert kept(desk)[RUN] == 0
    assert desk.cloud.failed == []


def test_what_a_run_left_can_be_read_for_a_month(desk: Desk) -> None:
    begin(desk, RUN)
    before = kept(desk)
    later(desk, KEPT_S - 3600)

    begin(desk, NEXT)

    assert kept(desk)[RUN] == before[RUN] > 0


def test_a_run_that_died_long_ago_finds_its_jobs_again_when_it_is_resumed(desk: Desk) -> None:
    """Whatever began meanwhile: without them a schema would be migrated twice."""
    dies(desk, RUN, 700)
    before = kept(desk)

    much_later = replace(desk.site, clock=lambda: Epoch(desk.cloud.now + 2 * KEPT_S))
    jobs_on(much_later, desk.cloud.hosts).forget()
    found = kept(desk)
    ended = go_on(desk.site, desk.site.runs.find(RUN), desk.bench)

    assert before == found
    assert before[RUN] > 0
    assert ended.standing is Standing.COMPLETED
    assert max(Counter((d.host, d.what) for d in desk.cloud.deeds if "-manage" in d.what).values()) == 1


def test_a_process_that_dies_while_it_removes_jobs_loses_none_that_is_asked_for(desk: Desk) -> None:
    begin(desk, RUN)
    later(desk, KEPT_S + 1)
    host = desk.cloud.hosts[HostName("ctl1")]
    for run in (NEXT, "by-hand", f"{RUN}-b"):
        desk.site.ports.under(f"{run}.step.1").jobs.start(host.name, Command(("true",)))
    desk.cloud.pass_time(10)

    for touches in itertools.count():
        try:
            site = replace(desk.site, ports=fused(desk.site.ports, Fuse(touches)))
            jobs_on(site, desk.cloud.hosts).forget()
        except Killed:
            assert {NEXT, "by-hand", f"{RUN}-b"} <= kept(desk).keys()
        else:
            break

    assert touches > len(desk.cloud.hosts)
    assert kept(desk).keys() == {NEXT, "by-hand", f"{RUN}-b"}


def test_a_host_out_of_reach_holds_no_run_up_and_is_cleared_by_the_next(desk: Desk) -> None:
    begin(desk, RUN)
    later(desk, KEPT_S + 1)
    silent = desk.cloud.hosts[HostName("ctl2")]
    silent.reachable = False

    jobs_on(desk.site, desk.cloud.hosts).forget()
    left = kept(desk)[RUN]
    silent.reachable = True
    jobs_on(desk.site, desk.cloud.hosts).forget()

    assert left > 0
    assert kept(desk)[RUN] == 0
