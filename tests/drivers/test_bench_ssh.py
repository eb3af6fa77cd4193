"""The bench of the SSH driver: what it counts, and goals that can be missed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from skylift.sshbench.farm import Farm, farm
from skylift.sshbench.goals import Results, Round, judged
from skylift.sshbench.measure import Memory, Ours, measure_ours
from skylift.sshbench.page import page
from skylift.sshbench.spent import Spent

HOSTS = 6
GOOD = Round(
    Ours(Spent(100, 0.35, 3), Spent(400, 0.6, 3)), {"raw": Spent(500, 30, 9), "command": Spent(500, 35, 9)}
)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Farm]:
    with farm(HOSTS) as hosts:
        yield hosts


def results(*rounds: Round) -> Results:
    return Results(100, 5, 20, 2, 1.0, rounds or (GOOD,), Memory(1000, 40, 95))


def held(found: Results) -> list[bool]:
    return [verdict.held for verdict in judged(found)]


def test_a_task_on_a_held_connection_costs_less_than_one_with_its_own(hosts: Farm) -> None:
    """And each less than a process of ansible-core's; the goals themselves are for a machine at rest."""
    measure_ours(hosts, hosts=1, tasks=2, at_once=1)

    ours = measure_ours(hosts, hosts=HOSTS, tasks=10, at_once=3)

    assert (ours.connecting.tasks, ours.held.tasks, ours.job.tasks) == (HOSTS, 9 * HOSTS, 10 * HOSTS)
    assert ours.held.asking_ms < ours.connecting.asking_ms
    assert ours.job.asking_ms < 10
    assert ours.job.hosts_s > 0


def test_as_many_connections_are_open_as_were_to_be_and_none_afterwards() -> None:
    """In a process of its own, whose limits it changes."""
    script = (
        "from skylift.sshbench.farm import farm\n"
        "from skylift.sshbench.measure import measure_memory\n"
        f"with farm({HOSTS}) as hosts:\n"
        f"    memory = measure_memory(hosts, {HOSTS}, 2)\n"
        "    assert 0 < memory.before_mb <= memory.at_most_mb < 200, memory\n"
        "    print(memory.connections)\n"
        "print(hosts.connections(), hosts.folder.exists())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=False
    )

    assert ended.stdout.split() == [str(HOSTS), "0", "False"], ended.stderr


def test_its_hosts_are_reached_from_this_machine_alone(hosts: Farm) -> None:
    """A socket of all addresses that is bound to the loopback device."""
    listing = subprocess.run(
        ["ss", "-Hltn", f"sport = :{hosts.port}"], capture_output=True, text=True, check=True
    )

    assert [line.split()[3] for line in listing.stdout.splitlines()] == [f"0.0.0.0%lo:{hosts.port}"]


def test_every_host_has_its_own_pin(hosts: Farm) -> None:
    pins = Path(hosts.access.known_hosts).read_text(encoding="ascii").splitlines()

    assert {pin.split()[0] for pin in pins} == {f"[{a}]:{hosts.port}" for a in hosts.addresses.values()}
    assert len(set(hosts.addresses.values())) == HOSTS


def test_goals_that_are_reached_are_held_and_the_last_line_says_so() -> None:
    assert held(results()) == [True, True, True, True]
    assert page(results())[-1] == "`bench-ssh: 4 of 4 goals held`"


def test_each_goal_is_missed_by_itself() -> None:
    dear = replace(GOOD, ours=replace(GOOD.ours, connecting=Spent(100, 0.41, 3)))
    slow = replace(GOOD, ours=replace(GOOD.ours, held=Spent(400, 0.81, 3)))
    near = replace(GOOD, ansible={**GOOD.ansible, "raw": Spent(500, 14, 9)})

    assert held(results(dear)) == [False, True, True, True]
    assert held(results(slow)) == [True, False, True, True]
    assert held(results(near)) == [True, True, True, False]
    assert held(replace(results(), memory=Memory(1000, 40, 101))) == [True, True, False, True]


def test_memory_of_fewer_connections_than_the_goal_is_about_is_no_proof() -> None:
    assert held(replace(results(), memory=Memory(999, 40, 50))) == [True, True, False, True]


def test_the_median_of_all_rounds_is_judged() -> None:
    bad = replace(GOOD, ours=Ours(Spent(100, 9, 3), Spent(400, 9, 3)))

    assert held(results(GOOD, bad, GOOD)) == [True, True, True, True]
    assert held(results(GOOD, bad, bad)) == [False, False, True, False]
