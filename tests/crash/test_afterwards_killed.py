"""A run that is killed while it brings instances back moves each once for that, and ends as it would have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.app.maintained import SiteOf, site_of
from tests.crash.test_fleet_killed import BESIDE, CMP, mandate_of, run_of
from tests.crash.worlds import Snapshots, thawed

from skylift.engine.fold import Run, Standing, fold
from skylift.engine.journal import Journal, MovesAsked
from skylift.engine.settled_places import step_of
from skylift.fleet.plan import Kind
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal

COLD = "cold"
"""An instance whose owner wants it stopped to be moved: it is not stopped again for its place."""


@pytest.fixture
def at(tmp_path: Path) -> SiteOf:
    """Three compute hosts, with instances on two; and something that would work against a run."""
    made = site_of(tmp_path, computes=3, maintenance=BESIDE)
    made.cloud.automation = {"masakari": False}
    for name in ("vm1a", "vm1b", "vm2a"):
        made.cloud.nova.boot(name, f"cmp{name[2]}")
    made.cloud.nova.boot(COLD, "cmp2", tags=("maintenance=cold",))
    return made


def is_as_it_should_be(cloud: FakeCloud, run: Run, journal: Journal, where: str) -> None:
    nova = cloud.nova
    asked = Counter(of.instance for e in journal.events() if isinstance(e, MovesAsked) for of in e.moves)
    assert Counter(m.seen.instance for m in nova.moves.all) <= asked, f"{where}: not written down before"
    assert run.standing is Standing.COMPLETED, where
    assert {h: cloud.hosts[h].boots for h in CMP} == dict.fromkeys(CMP, 2), where
    assert cloud.automation == {"masakari": False}, f"{where}: what was paused is not given back"
    assert cloud.roster.closed == {}, where
    users = {s.id: s for s in nova.servers.values() if not s.ours}
    cold = users.pop(COLD)
    assert (cold.moves, cold.boots) == (1, 2), where
    for name, server in users.items():
        assert server.host == f"cmp{name[2]}", f"{where}: {name} is not back"
        assert (server.moves, server.boots) == (2, 1), f"{where}: {name}"


def test_killed_anywhere_while_it_brings_instances_back_it_ends_like_one_that_was_not(at: SiteOf) -> None:
    mandate, here, journal = mandate_of(at, Kind.BRING_BACK), at.cloud, MemoryJournal()
    step = step_of(Kind.BRING_BACK)
    snapshots = Snapshots((here, journal))
    ports = fused(ports_of(here), snapshots)

    run = run_of(at, mandate, here, FusedJournal(journal, snapshots), ports=ports)

    is_as_it_should_be(here, run, journal, "undisturbed")
    late = 0
    for frozen, where in snapshots.worlds.items():
        survivor, kept = thawed(frozen)
        if not kept.events() or step not in fold(kept.events()).steps:
            continue
        late += 1
        survivor.pass_time(7)
        again = run_of(at, mandate, survivor, kept, ports=ports_of(survivor))
        is_as_it_should_be(survivor, again, kept, str(where))
    assert late > 8
