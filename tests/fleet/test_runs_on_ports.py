"""Runs over a fleet through the ports, with faults from seeds; invariants are looked at every second.

The twin tries the conductor alone; here the whole loop is tried: journal, look, ask, and the work on hosts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.maintained import QUICK, SiteOf, ran, site_of

from skylift.app.fleet_account import fleet_account
from skylift.drainbench.clouds import Chance
from skylift.engine.fold import Phase
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName

HOSTS = 5
OUT_PERCENT = 40
PROMILLE = 1000


class Weather:
    """What goes wrong in a cloud, second by second, and what must never be."""

    def __init__(self, at: SiteOf, seed: int) -> None:
        self.at, self.chance = at, Chance(seed * 7919)
        self.broken: list[str] = []
        self.late = 0
        self.dead: HostName | None = None

    def __call__(self) -> None:
        cloud = self.at.cloud
        if not cloud.roster.closed:
            return
        if self._hits(30):
            cloud.blind = 1 + self.chance.below(4)
        if self._hits(40):
            cloud.lose_answer(("compute.migrate", "jobs.start", "intake.close")[self.chance.below(3)])
        if self._hits(15):
            users = self._users()
            cloud.nova.servers[users[self.chance.below(len(users))]].fails += 1
        if self._hits(10) and self.late < 3:
            host = f"cmp{1 + self.chance.below(HOSTS)}"
            if cloud.nova.takes(HostName(host)):
                cloud.nova.boot(f"late{self.late}", host)
                self.late += 1
        self._look()

    def _users(self) -> list[str]:
        return [s.id for s in self.at.cloud.nova.servers.values() if not s.ours and not s.deleted]

    def _look(self) -> None:
        cloud = self.at.cloud
        going = Counter(m.seen.instance for m in cloud.nova.moves.all if m.seen.under_way)
        self.broken += [f"{name} is moved twice at once" for name, times in going.items() if times > 1]
        most = max(1, HOSTS * OUT_PERCENT // 100)
        if len(cloud.roster.closed) > most:
            self.broken.append(f"{sorted(cloud.roster.closed)} are out, and {most} may be")
        hurt = [s.id for s in cloud.nova.servers.values() if not s.ours and s.boots > 1]
        self.broken += [f"{name} was rebooted with its host" for name in hurt]

    def _hits(self, in_thousand: int) -> bool:
        return self.chance.below(PROMILLE) < in_thousand


@pytest.mark.parametrize("seed", range(1, 13))
def test_no_fault_of_any_seed_breaks_an_invariant(seed: int, tmp_path: Path) -> None:
    limits = FleetPolicy(out_percent=OUT_PERCENT, leaving=2, arriving=2)
    at = site_of(tmp_path, computes=HOSTS, maintenance=replace(QUICK, failures=HOSTS, limits=limits))
    for n in range(1, HOSTS):
        for guest in range(3):
            at.cloud.nova.boot(f"vm{n}{guest}", f"cmp{n}")
    weather = Weather(at, seed)
    at.meanwhile = weather

    run = ran(at)

    found = fleet_account(at.site.runs, at.site.runs.find(None))
    where = f"seed {seed}: {found.left} {at.remarks[-12:]}"
    assert weather.broken == [], where
    named = {step.partition("@")[2] for step in run.within(Phase.FAILED)}
    assert set(found.left) == named, where
    assert {*found.done, *named} == {f"cmp{n}" for n in range(1, HOSTS + 1)}, where
    held = {name.removeprefix("nova-compute-") for name in at.cloud.roster.closed}
    assert held <= named, where
    assert all(at.cloud.hosts[host].boots == 2 for host in found.done), where
    assert not any(m.seen.under_way for m in at.cloud.nova.moves.all), where
    assert [s.id for s in at.cloud.nova.servers.values() if s.ours and not s.deleted] == [], where
