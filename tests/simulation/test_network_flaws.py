"""Deciders of network hosts with one flaw each are caught by the verifier, and the true one is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.network_run import RUN, mandate_of, run_of, scene
from tests.simulation.flawed_network import FLAWS, Flaw

from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.watched_network import WatchedNetwork
from skylift.verifier.fleet.seen import Violation

SETTLES_S = 5


def judged(folder: Path, flaw: Flaw) -> tuple[Violation, ...]:
    """What the verifier says of a whole run of a product that is flawed so."""
    at, journal = scene(folder), MemoryJournal()
    mandate = mandate_of(at, *flaw.hosts)
    flaw.there_is(at.cloud)
    eyes = WatchedNetwork(at.cloud, RUN, flaw.hosts)
    ports = eyes.ports(ports_of(at.cloud))
    run_of(at, mandate, at.cloud, journal, ports=ports, execution=flaw.execution, turns=flaw.turns)
    at.cloud.pass_time(SETTLES_S)
    return eyes.judged(journal.events())


@pytest.mark.parametrize("name", FLAWS)
def test_a_decider_with_this_flaw_is_caught_by_the_rule_that_names_it(name: str, tmp_path: Path) -> None:
    flaw = FLAWS[name]

    assert flaw.rule in {violation.rule for violation in judged(tmp_path, flaw)}


@pytest.mark.parametrize("name", FLAWS)
def test_without_the_flaw_the_same_cloud_has_nobody_complain(name: str, tmp_path: Path) -> None:
    flaw = FLAWS[name]

    assert judged(tmp_path, Flaw(flaw.rule, there_is=flaw.there_is, hosts=flaw.hosts)) == ()
