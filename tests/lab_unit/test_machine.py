"""The lab asks the machine first, and refuses in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from skylift.gate.lab.machine import Machine, MachineUnfit, lacks, look, refuse_unfit

FIT = Machine(
    root=True,
    system="debian 12",
    architecture="x86_64",
    overlay=True,
    cgroup2=True,
    loop=True,
    apt=True,
    disk_free_gib=50.0,
    disk=Path("/srv"),
    memory_gib=8.0,
)


def test_a_fit_machine_lacks_nothing() -> None:
    assert lacks(FIT) == ()


def test_the_refusal_names_all_that_is_missing_in_one_sentence() -> None:
    unfit = replace(FIT, root=False, system="ubuntu 24.04", disk_free_gib=3.25, memory_gib=3.9)

    problem = MachineUnfit(lacks(unfit))

    assert str(problem) == (
        "this machine cannot carry the lab: it needs root (you are not); Debian 12 (this is ubuntu 24.04); "
        "10 GiB free at /srv (there are 3.2); 6 GiB of memory (there are 3.9)"
    )
    assert "\n" not in str(problem)
    assert problem.remedies


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"root": False}, "root"),
        ({"system": "debian 13"}, "Debian 12"),
        ({"architecture": "aarch64"}, "x86_64"),
        ({"overlay": False}, "overlay"),
        ({"cgroup2": False}, "cgroup v2"),
        ({"loop": False}, "loop devices"),
        ({"apt": False}, "apt-get"),
        ({"disk_free_gib": 9.9}, "GiB free"),
        ({"memory_gib": 5.9}, "memory"),
    ],
)
def test_each_lack_is_named_alone(changed: dict[str, object], named: str) -> None:
    (need,) = lacks(replace(FIT, **changed))  # type: ignore[arg-type] # one field of several types

    assert named in need


def test_a_lab_that_stands_needs_less_disk_than_one_to_be_built() -> None:
    crowded = replace(FIT, disk_free_gib=2.0)

    assert lacks(crowded)
    assert not lacks(crowded, disk_gib=1)


def test_a_folder_that_does_not_exist_yet_is_asked_for_by_its_parent(tmp_path: Path) -> None:
    found = look(tmp_path / "not" / "there")

    assert found.disk == tmp_path
    assert found.disk_free_gib > 0


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(MachineUnfit, match="1000000 GiB free"):
        refuse_unfit(tmp_path / "lab", disk_gib=1_000_000)

    assert not list(tmp_path.iterdir())
