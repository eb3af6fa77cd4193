"""Runs over network hosts of any kind, from seeds: whatever befalls, the verifier has nothing to say."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.maintained import SiteOf, site_of
from tests.app.network_run import RUN, mandate_of, run_of

from skylift.app.read_network import NetworksStuck
from skylift.drainbench.clouds import Chance
from skylift.engine.fold import Standing
from skylift.model.ids import HostName
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_neutron import FakeNeutron
from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.watched_network import WatchedNetwork

SEEDS = 12
SETTLES_S = 8


def night(folder: Path, seed: int) -> SiteOf:
    """Three to five hosts, with agents in two modes and zones, one perhaps closed, and what is on them."""
    chance = Chance(seed)
    made = site_of(folder, computes=1, networks=3 + chance.below(3))
    neutron = made.cloud.neutron
    for number, agent in enumerate(list(neutron.agents.values())):
        agent.zone = ("az1", "az2")[number % 2]
        agent.description = ("", "rack 7; before: rack 6")[chance.below(2)]
        if agent.mode and chance.below(3) == 0:
            agent.mode = "dvr_snat"
    for number in range(2 + chance.below(10)):
        _carried(chance, neutron, number)
    if chance.below(3) == 0:
        closed = list(neutron.agents.values())[chance.below(len(neutron.agents))]
        if not any(closed.id in thing.on for thing in neutron.things.values()):
            closed.open, closed.description = False, "closed by rey"
    made.cloud.pass_time(SETTLES_S)
    return made


def _carried(chance: Chance, neutron: FakeNeutron, number: int) -> None:
    hosts = sorted({agent.host for agent in neutron.agents.values()})
    first, second = (hosts[chance.below(len(hosts))] for _ in range(2))
    sort = chance.below(4)
    if sort == 0:
        neutron.network(f"n{number}", first)
    elif sort == 1:
        neutron.network(f"both{number}", *dict.fromkeys((first, second)))
    elif sort == 2:
        neutron.router(f"ha{number}", *dict.fromkeys((first, second)), ha=True)
    else:
        snat = neutron.agents[f"l3-{first}"].mode == "dvr_snat"
        made = neutron.router(f"r{number}", first, distributed=snat and chance.below(2) == 0)
        made.zones = frozenset({neutron.agents[f"l3-{first}"].zone} if chance.below(4) == 0 else ())


def misfortune(chance: Chance, cloud: FakeCloud) -> None:
    """What Neutron will not do this night, and hosts that do not come back."""
    neutron = cloud.neutron
    things, agents = list(neutron.things), list(neutron.agents)
    if chance.below(2) == 0:
        name = things[chance.below(len(things))]
        # Whoever had it may have it back.
        others = [agent for agent in agents if agent not in neutron.things[name].on]
        neutron.refuses = {(name, agent) for agent in others if chance.below(2)}
    neutron.keeps = chance.below(6) == 0
    if chance.below(6) == 0:
        cloud.stuck = {HostName("net2")}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_run_over_network_hosts_breaks_a_rule(seed: int, tmp_path: Path) -> None:
    at, journal = night(tmp_path, seed), MemoryJournal()
    hosts = tuple(sorted({agent.host for agent in at.cloud.neutron.agents.values()}))
    asked = hosts[: 1 + Chance(seed).below(len(hosts))]
    try:
        mandate = mandate_of(at, *asked)
    except NetworksStuck:
        return
    misfortune(Chance(seed + 1000), at.cloud)
    eyes = WatchedNetwork(at.cloud, RUN, mandate.network_hosts)

    ran = run_of(at, mandate, at.cloud, journal, ports=eyes.ports(ports_of(at.cloud)))
    at.cloud.pass_time(SETTLES_S)

    assert ran.standing in {Standing.COMPLETED, Standing.HALTED, Standing.PAUSED}
    assert eyes.judged(journal.events()) == ()
