"""``skylift lab`` on a terminal and in a log."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from skylift.cli.lab import choose_artifacts
from skylift.cli.main import call
from skylift.cli.views.lab import PlainProgress, lines
from skylift.gate.lab.stages import Outcome
from skylift.gate.lab.state import LabState
from skylift.gate.lab.status import HostStatus, LabStatus

WELL = HostStatus(
    name="ctl1",
    address="10.77.0.11",
    powered=True,
    answers=True,
    holds_vip=True,
    units={"mariadb": "active", "haproxy": "active"},
    database="Synced 3",
    releases={"keystone": "2023.1"},
)
ILL = HostStatus(
    name="ctl2",
    address="10.77.0.12",
    powered=True,
    answers=True,
    holds_vip=False,
    units={"mariadb": "failed", "haproxy": "active"},
    database="",
    releases={},
)
APART = replace(WELL, name="ctl2", database="Synced 1")
OFF = HostStatus(
    name="ctl3",
    address="10.77.0.13",
    powered=False,
    answers=False,
    holds_vip=False,
    units={},
    database="",
    releases={},
)


def a_status(*hosts: HostStatus) -> LabStatus:
    return LabStatus(Path("/srv/lab"), LabState("2023.1", ("2023.1", "2024.1")), depot=True, hosts=hosts)


def test_the_table_says_what_is_ill_and_what_is_off() -> None:
    told = list(lines(a_status(WELL, ILL, OFF)))

    assert told == [
        "lab in /srv/lab: made for 2023.1, artifacts 2023.1, 2024.1",
        "VIP on ctl1, depot served",
        "  ctl1   10.77.0.11  answers   keystone 2023.1; 2 of 2 units active; database Synced 3",
        "  ctl2   10.77.0.12  answers   1 of 2 units active; mariadb failed",
        "  ctl3   10.77.0.13  off",
    ]


@pytest.mark.parametrize(
    ("hosts", "whole"),
    [((WELL,), True), ((WELL, ILL), False), ((WELL, OFF), False), ((WELL, APART), False), ((), False)],
)
def test_a_lab_is_whole_only_if_all_of_it_is(hosts: tuple[HostStatus, ...], whole: bool) -> None:  # noqa: FBT001
    assert a_status(*hosts).whole is whole


def test_no_lab_is_told_as_such_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = call(["lab", "status", "--dir", str(tmp_path / "lab")])

    assert code == 1
    assert capsys.readouterr().out == f"no lab in {tmp_path / 'lab'}\n"


def test_status_reads_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(["lab", "status", "--json", "--dir", str(tmp_path / "lab")])

    assert json.loads(capsys.readouterr().out)["asked"] is None


def test_every_later_release_is_an_artifact_unless_told_otherwise() -> None:
    known = ("2023.1", "2024.1", "2025.1")

    assert choose_artifacts("2024.1", None, known) == ("2024.1", "2025.1")
    assert choose_artifacts("2023.1", "2024.1", known) == ("2023.1", "2024.1")
    assert choose_artifacts("2025.1", "", known) == ("2025.1",)


def test_an_unknown_artifact_is_an_error_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["lab", "up", "--artifacts", "2019.2"]) == 2
    assert "no artifacts of 2019.2: known are 2023.1" in capsys.readouterr().err


def test_a_profile_has_releases_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["lab", "up", "--profile", "core", "--release", "2023.1"]) == 2
    assert "no artifacts of 2023.1: known are 2024.1" in capsys.readouterr().err


def test_a_log_has_a_line_when_a_stage_begins_and_one_when_it_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = PlainProgress()

    progress.started("network")
    progress.ended("network", Outcome.DONE)
    progress.ended("depot", Outcome.ALREADY)

    begun, ended, already = (line.partition(" s  ")[2] for line in capsys.readouterr().err.splitlines())
    assert begun == "> network"
    assert ended.startswith("+ network: done (")
    assert already == "= depot: already"


def test_the_client_of_a_lab_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLIFT_LAB_DIR", str(tmp_path))

    code = call(["lab", "openstack", "server", "list", "--long"])

    assert code != 0
    told = capsys.readouterr().err
    assert f"there is no cloud in {tmp_path}" in told
    assert "skylift lab up" in told
