"""Claims about bringing the database cluster together, on members that are played."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from skylift.gate.lab.cluster import Cluster, Member
from skylift.gate.lab.host import Lab, LabProblem

if TYPE_CHECKING:
    from skylift.gate.lab.host import LabHost

_HOSTS = Lab(Path("/nowhere/lab")).controllers
_NOT_THERE = "inactive\n"


@dataclass(slots=True)
class Played:
    """Three members: a member that is started joins the cluster if there is one."""

    seqnos: dict[str, int]
    primary: set[str] = field(default_factory=set)
    founders: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    joining: dict[str, int] = field(default_factory=dict)
    """Members that start by themselves, and how often they are asked before they have joined."""

    def __call__(self, host: LabHost, script: str, *, timeout_s: int) -> str:
        assert timeout_s > 0
        if "galera_new_cluster" in script:
            self.founders.append(host.name)
            self.primary.add(host.name)
        elif "wsrep-recover" in script:
            return f"{self.seqnos[host.name]}\n"
        elif "systemctl start mariadb" in script:
            assert self.primary, "nobody to join"
            self.started.append(host.name)
            self.primary.add(host.name)
        elif self.joining.get(host.name):
            self.joining[host.name] -= 1
            if not self.joining[host.name]:
                self.primary.add(host.name)
            return "activating\n"
        elif host.name in self.primary:
            return (
                "active\nwsrep_cluster_status\tPrimary\nwsrep_local_state_comment\tSynced\n"
                f"wsrep_cluster_size\t{len(self.primary)}\n"
            )
        return _NOT_THERE


def test_a_new_cluster_is_founded_by_the_first_member() -> None:
    played = Played({"ctl1": -1, "ctl2": -1, "ctl3": -1})

    Cluster(_HOSTS, played).gather()

    assert played.founders == ["ctl1"]
    assert played.started == ["ctl2", "ctl3"]


def test_after_all_went_down_the_one_that_saw_most_founds_it_anew() -> None:
    """Anything else would lose what the others had not seen."""
    played = Played({"ctl1": 40, "ctl2": 42, "ctl3": 41})

    Cluster(_HOSTS, played).gather()

    assert played.founders == ["ctl2"]


def test_a_member_that_fell_out_joins_those_that_are_there() -> None:
    played = Played({}, primary={"ctl1", "ctl2"})

    Cluster(_HOSTS, played).gather()

    assert played.founders == []
    assert played.started == ["ctl3"]


def test_a_member_that_is_about_to_join_is_let() -> None:
    """A transfer of the data that was cut short once left both its ends waiting for each other."""
    played = Played({}, primary={"ctl2", "ctl3"}, joining={"ctl1": 2})

    Cluster(_HOSTS, played).gather()

    assert played.started == []


def test_a_member_that_does_not_come_to_join_is_started_anew() -> None:
    played = Played({}, primary={"ctl2", "ctl3"}, joining={"ctl1": 9})

    Cluster(_HOSTS, played, join_s=0).gather()

    assert played.started == ["ctl1"]


def test_a_cluster_is_whole_when_all_members_agree() -> None:
    played = Played({}, primary={"ctl1", "ctl2"})

    before = Cluster(_HOSTS, played).whole()
    played.primary.add("ctl3")

    assert (before, Cluster(_HOSTS, played).whole()) == (False, True)


def test_a_member_that_does_not_run_is_in_no_cluster() -> None:
    cluster = Cluster(_HOSTS, Played({}))

    assert cluster.member(_HOSTS[0]) == Member("inactive", primary=False, synced=False, size=0)


def test_a_cluster_that_does_not_become_whole_is_told_member_by_member() -> None:
    played = Played({}, primary={"ctl1", "ctl2", "ctl3", "ctl4"})

    with pytest.raises(LabProblem, match=r"did not become whole: ctl1 .*ctl2 .*ctl3"):
        Cluster(_HOSTS, played, gather_s=0).gather()
