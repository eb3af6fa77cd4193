"""Workers drive a run over compute hosts, too: real processes, a real PostgreSQL, and a fake cloud.

What was done is judged from the cloud: each host rebooted once, nobody moved twice, nothing left.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.maintained import site_of
from tests.store.conftest import Processes

from skylift.app.maintain import apply_mandate
from skylift.app.propose_fleet import propose_maintenance
from skylift.engine.fold import Standing
from skylift.engine.guards import pairs_of
from skylift.engine.host_turn import emptying_of
from skylift.engine.journal import MovesAsked, RunResumed, RunTakenUp
from skylift.engine.operate import Asked, pause, resume
from skylift.fleet.mandate import Purpose, write_mandate
from skylift.model.automation import AutomationEntry
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName, Seconds
from skylift.model.maintenance import Maintenance
from skylift.testing.crew.crew import Crew, crew_at
from skylift.testing.crew.shift import Shift, loses_driver
from skylift.testing.crew.worker import bench
from skylift.testing.fake_work import AUTOMATION

SPEED = 20
"""A look at the whole fleet is many calls, and its deadlines are meant for a cloud and no busy machine."""
CMP = [HostName(f"cmp{n}") for n in range(1, 4)]
BESIDE = AutomationEntry(
    HostName("ctl1"), *((AUTOMATION, verb, "masakari") for verb in ("paused", "pause", "give-back"))
)
PATIENT = Maintenance(
    settle=Seconds(30),
    look=Seconds(2),
    back=Seconds(3600),
    move=Seconds(3600),
    limits=FleetPolicy(first=(CMP[2],)),
    automation={"masakari": BESIDE},
)


@pytest.fixture
def crew(processes: Processes, tmp_path: Path) -> Iterator[Crew]:
    """Three compute hosts, instances on all but the first to be done; and what would work against a run."""
    cloud = site_of(tmp_path, computes=3, maintenance=PATIENT).cloud
    cloud.automation = {"masakari": False}
    for n in (1, 2):
        cloud.nova.boot(f"vm{n}", f"cmp{n}")
    with crew_at(tmp_path, processes.reference, processes.cloud, cloud=cloud, speed=SPEED) as crew:
        yield crew


def opens(crew: Crew) -> None:
    """Open a run that reboots every host, and leave it to two workers."""
    mandate = propose_maintenance(crew.site, Purpose.REBOOT, (), frontier=False).mandate
    assert mandate is not None
    run = apply_mandate(crew.site, crew.id, write_mandate(mandate), bench(), detached=True)
    assert (run.standing, dict(run.steps)) == (Standing.RUNNING, {})
    Shift.begin(crew, 2)


def assert_all_was_done_once(crew: Crew) -> None:
    crew.completes()
    crew.until(lambda: crew.holder() is None, "its probes ended")
    with crew.alone:
        nova, events = crew.cloud.nova, crew.events()
        assert crew.run().standing is Standing.COMPLETED
        assert {host: crew.cloud.hosts[host].boots for host in CMP} == dict.fromkeys(CMP, 2)
        asked = Counter(of.instance for e in events if isinstance(e, MovesAsked) for of in e.moves)
        assert Counter(m.seen.instance for m in nova.moves.all) <= asked
        users = [s for s in nova.servers.values() if not s.ours]
        assert {(s.moves, s.boots, s.vm_state) for s in users} == {(1, 1, "active")}
        assert crew.cloud.roster.closed == {}
        assert [s.id for s in nova.servers.values() if s.ours and not s.deleted] == []
        assert crew.cloud.automation == {"masakari": False}
        assert not any(pair.is_owed(crew.run()) for pair in pairs_of(crew.run()))


def test_a_driver_that_is_killed_in_the_middle_of_a_host_is_taken_over(crew: Crew) -> None:
    """``kill -9`` twice, without a human in between."""
    opens(crew)

    taken_over = [t for start in (3, 7) for t in loses_driver(crew, start=start, and_s=0.2)]

    assert_all_was_done_once(crew)
    assert sum(bool(t.under_way) for t in taken_over) >= 2, taken_over
    assert crew.ended.count(-signal.SIGKILL) == len(taken_over)
    assert sum(isinstance(event, RunTakenUp) for event in crew.events()) > len(taken_over)
    assert not any(isinstance(event, RunResumed) for event in crew.events()), "nobody was asked"


def test_a_pause_holds_for_whoever_takes_over_and_a_resume_is_obeyed(crew: Crew) -> None:
    """What was under way is ended, no other host is begun, and what was paused beside it is given back."""
    opens(crew)
    crew.comes_to(lambda: emptying_of(CMP[2]) in crew.run().steps, "the first host")
    rey = Asked("rey@laptop", crew.site.clock())
    pause(crew.store.journal(crew.id, None), rey)
    begun = {host for host in CMP if emptying_of(host) in crew.run().steps}
    crew.driver().kill()

    crew.until(lambda: not crew.store.shelf.restless(), "its rest")
    with crew.alone:
        rested = {host for host in CMP if crew.cloud.hosts[host].boots == 2}
        closed, automation = dict(crew.cloud.roster.closed), dict(crew.cloud.automation)
    resume(crew.store.journal(crew.id, None), rey)

    assert_all_was_done_once(crew)
    assert (rested, closed, automation) == (begun, {}, {"masakari": False})
    assert begun < set(CMP)
