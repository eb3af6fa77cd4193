"""The lab itself: up, again, killed, rebooted, powered off, down; each on a lab of its own.

Issue 2, section 1: idempotent, resumable after Ctrl-C or SIGKILL anywhere, and nothing left behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skylift.cli.views.lab import lines
from skylift.gate.lab import cgroups
from skylift.gate.lab.commands import poll
from skylift.gate.lab.faults import boot_id, power_off, power_on
from skylift.gate.lab.host import Lab, LabHost, LabProblem, run
from skylift.gate.lab.status import status
from skylift.gate.lab.supervisor import serve_depot
from skylift.gate.lab.up import answers

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(1800)]

UP_S = 1500
BOOT_S = 60
WHOLE_S = 180


def skylift(*words: str, timeout_s: int = UP_S) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skylift.cli.main", *words],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def up(lab: Lab) -> subprocess.CompletedProcess[str]:
    return skylift("lab", "up", "--dir", str(lab.folder), "--release", "2023.1", "--artifacts", "2023.1")


def down(lab: Lab) -> None:
    ended = skylift("lab", "down", "--dir", str(lab.folder), timeout_s=120)
    assert ended.returncode == 0, ended.stderr


def traces(lab: Lab) -> list[str]:
    """All that tells on this machine that the lab ever was."""
    found = [str(place) for place in (lab.folder, lab.namespace, cgroups.group_of(lab)) if place.exists()]
    for each in Path("/proc").iterdir():
        if not each.name.isdigit() or int(each.name) == os.getpid():
            continue
        try:
            if str(lab.folder) in (each / "mountinfo").read_text():
                found.append(f"{each.name} has a mount of it")
            if str(lab.folder).encode() in (each / "cmdline").read_bytes():
                found.append(f"{each.name} runs for it")
            if f"/{lab.name}/" in (each / "cgroup").read_text():
                found.append(f"{each.name} is in its cgroup")
        except OSError:
            continue  # ended while we looked
    return found


KILLED_AT = (
    "network",
    "root file systems",
    "hosts",
    "configuration",
    "database cluster",
    "keystone schema",
    "APIs",
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose ``up`` was killed on the way again and again; taken down at the end of this file."""
    place = Lab(tmp_path_factory.mktemp("lifecycle") / "lab")
    try:
        for stage in KILLED_AT:
            kill_up_as_it_starts(place, stage)
        ended = up(place)
        assert ended.returncode == 0, ended.stderr
        yield place
    finally:
        down(place)
    assert traces(place) == []


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Lab]:
    """A lab that is not up yet."""
    place = Lab(tmp_path / "lab")
    yield place
    down(place)


def test_a_lab_whose_up_was_killed_again_and_again_is_whole(lab: Lab) -> None:
    assert poll(lambda: status(lab).whole, limit_s=WHOLE_S, every_s=1), list(lines(status(lab)))


def test_a_second_up_says_that_there_is_nothing_to_be_done(lab: Lab) -> None:
    start = time.monotonic()

    again = up(lab)

    assert again.returncode == 0
    assert "up already" in again.stdout
    assert time.monotonic() - start < 30


def test_a_lab_for_another_release_is_refused(lab: Lab) -> None:
    other = skylift("lab", "up", "--dir", str(lab.folder), "--release", "2024.1")

    assert other.returncode == 3
    assert "was made for 2023.1" in other.stderr


def test_a_reboot_over_ssh_is_a_real_one(lab: Lab) -> None:
    host = lab.host("ctl3")
    before = boot_id(host)

    run(host, "systemctl --no-block reboot", timeout_s=15)

    assert poll(lambda: booted_since(host, before), limit_s=BOOT_S, every_s=0.5)
    assert poll(lambda: status(lab).whole, limit_s=WHOLE_S, every_s=1), list(lines(status(lab)))


def test_a_host_whose_power_was_cut_comes_back_with_its_disk(lab: Lab) -> None:
    host = lab.client
    run(host, "echo kept > /root/kept; sync", timeout_s=15)

    power_off(host)

    assert {h.name: h.powered for h in status(lab).hosts}["client"] is False
    with pytest.raises(LabProblem):
        run(host, "true", timeout_s=15)
    power_on(host)
    assert poll(lambda: answers(host), limit_s=BOOT_S, every_s=0.5)
    assert run(host, "cat /root/kept", timeout_s=15) == "kept\n"


def test_up_repairs_a_cloud_that_lost_a_controller(lab: Lab) -> None:
    power_off(lab.host("ctl1"))

    again = up(lab)

    assert again.returncode == 0, again.stderr
    assert poll(lambda: status(lab).whole, limit_s=WHOLE_S, every_s=1), list(lines(status(lab)))


def test_hosts_have_no_way_out_of_their_network(lab: Lab) -> None:
    routes = run(lab.client, "ip route show default; ip -6 route show default", timeout_s=15)

    assert routes == ""


@pytest.mark.parametrize("stage", ["network", "root file systems", "hosts"])
def test_down_leaves_nothing_of_a_lab_whose_up_was_killed(fresh: Lab, stage: str) -> None:
    kill_up_as_it_starts(fresh, stage)

    down(fresh)

    assert traces(fresh) == []


def test_down_leaves_nothing_of_a_lab_that_was_hurt(fresh: Lab) -> None:
    kill_up_as_it_starts(fresh, "hosts")
    serve_depot(fresh)
    power_on(fresh.client)
    assert poll(lambda: answers(fresh.client), limit_s=BOOT_S, every_s=0.5)
    for part in ("client", "depot"):
        keeper = (cgroups.group_of(fresh, part) / "watch/cgroup.procs").read_text().split()[0]
        os.kill(int(keeper), signal.SIGKILL)

    down(fresh)

    assert traces(fresh) == []


def booted_since(host: LabHost, before: str) -> bool:
    try:
        return boot_id(host) != before
    except LabProblem:
        return False


def kill_up_as_it_starts(lab: Lab, stage: str) -> None:
    """SIGKILL to ``lab up`` in the moment it says that it begins ``stage``."""
    words = ["lab", "up", "--dir", str(lab.folder), "--release", "2023.1", "--artifacts", "2023.1"]
    with subprocess.Popen(
        [sys.executable, "-m", "skylift.cli.main", *words], stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        said = []
        for line in running.stderr:
            said.append(line)
            if line.rstrip().endswith(f"> {stage}"):
                break
        else:
            pytest.fail(f"lab up ended before it came to {stage}:\n{''.join(said)}")
        running.kill()
