"""What a lab was asked to be survives on disk; one command at a time may change it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from skylift.gate.lab.host import Lab, default_folder, marker_of
from skylift.gate.lab.state import (
    LabBusy,
    LabRefused,
    LabState,
    locked,
    read_state,
    write_state,
    write_whole,
)
from skylift.gate.lab.up import refuse_other

ASKED = LabState("2023.1", ("2023.1", "2024.1"))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab")


def test_what_was_written_is_read_back(lab: Lab) -> None:
    write_state(lab, ASKED)

    assert read_state(lab) == ASKED


def test_no_lab_is_none_and_makes_nothing(lab: Lab) -> None:
    assert read_state(lab) is None
    assert not lab.folder.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"release": "2023.1"}', json.dumps("2023.1")])
def test_a_file_that_is_not_ours_is_refused_with_its_folder(lab: Lab, text: str) -> None:
    lab.folder.mkdir()
    marker_of(lab).write_text(text)

    with pytest.raises(LabRefused, match=str(lab.folder)):
        read_state(lab)


def test_a_writer_killed_before_the_rename_leaves_the_old_whole(lab: Lab) -> None:
    write_state(lab, ASKED)
    dies = (
        "import os, pathlib, sys\n"
        "from skylift.gate.lab.state import write_whole\n"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), 9)\n"
        "write_whole(pathlib.Path(sys.argv[1]), 'half')\n"
    )

    ended = subprocess.run([sys.executable, "-c", dies, str(marker_of(lab))], check=False, timeout=120)

    assert ended.returncode == -9
    assert read_state(lab) == ASKED


def test_a_secret_is_readable_by_its_owner_alone_from_the_first_byte(tmp_path: Path) -> None:
    write_whole(tmp_path / "clouds.yaml", "password: x\n", mode=0o600)

    assert stat.S_IMODE((tmp_path / "clouds.yaml").stat().st_mode) == 0o600


def test_a_second_command_is_refused_and_told_who_is_at_it(lab: Lab) -> None:
    with (
        locked(lab, "up"),
        pytest.raises(LabBusy, match=r"skylift lab up \(PID \d+\) is at it"),
        locked(lab, "down"),
    ):
        pass


def test_the_lock_is_free_again_afterwards(lab: Lab) -> None:
    with locked(lab, "up"):
        pass

    with locked(lab, "down"):
        pass


def test_a_folder_with_other_files_in_it_is_refused_untouched(lab: Lab) -> None:
    lab.folder.mkdir()
    (lab.folder / "thesis.tex").write_text("x")

    with pytest.raises(LabRefused, match="is not empty and holds no lab"):
        refuse_other(lab, None, ASKED)


def test_a_lab_made_for_another_release_is_refused_with_the_command_that_helps(lab: Lab) -> None:
    with pytest.raises(LabRefused) as refused:
        refuse_other(lab, ASKED, LabState("2024.1", ("2024.1",)))

    assert "was made for 2023.1" in str(refused.value)
    assert f"skylift lab down --dir {lab.folder}" in str(refused.value.remedies[0])


def test_labs_in_other_folders_have_networks_of_their_own(tmp_path: Path) -> None:
    names = {Lab(default_folder()).name, Lab(tmp_path / "a").name, Lab(tmp_path / "b").name}

    assert len(names) == 3
    assert "skylift" in names


def test_a_host_knows_the_lab_it_belongs_to(lab: Lab) -> None:
    assert all(host.lab == lab for host in lab.hosts)
    assert [host.name for host in lab.controllers] == ["ctl1", "ctl2", "ctl3"]
