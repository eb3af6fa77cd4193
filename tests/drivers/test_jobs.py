"""Jobs: names, the script that systemd runs, and what a host's answer means. Real ones: tests/lab."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from tests.drivers.loopback import HOST

from skylift.drivers.jobs import FOLDER, SshJobs, command_script, folder_name, parse_state, unit_name
from skylift.drivers.ssh import Said, Ssh
from skylift.model.ids import Epoch
from skylift.ports import Command, Ended, NoJob, Running


def run(folder: Path, command: Command) -> int:
    folder.mkdir(exist_ok=True)
    (folder / "rc.new").write_text("   \n", encoding="ascii")
    (folder / "rc.new").chmod(0o600)
    script = command_script("run.step.1", PurePosixPath(folder), command)
    return subprocess.run(["sh", "-c", script], check=False, timeout=120).returncode


def test_a_key_is_its_own_folder_where_it_may_be() -> None:
    assert folder_name("r1.expand-keystone.2") == "r1.expand-keystone.2"


def test_keys_that_may_be_no_names_stay_apart() -> None:
    names = {folder_name(key) for key in ("a/b", "a b", "../b", "x" * 300, "x" * 301, ".hidden")}

    assert len(names) == 6
    assert all(len(name) < 200 and "/" not in name and not name.startswith(".") for name in names)


def test_a_unit_is_named_by_its_key_and_short() -> None:
    assert unit_name("k" * 500) != unit_name("k" * 501)
    assert len(unit_name("k" * 500)) < 40


def test_the_script_leaves_code_output_and_the_mark_that_it_began(tmp_path: Path) -> None:
    code = run(tmp_path / "job", Command(("sh", "-c", "echo out; echo err >&2; exit 3")))

    assert code == 3
    assert (tmp_path / "job/rc").read_text() == "3  \n"
    assert (tmp_path / "job/output").read_text() == "out\nerr\n"
    assert (tmp_path / "job/started").exists()


def test_every_word_and_value_reaches_the_command_as_it_was(tmp_path: Path) -> None:
    odd = ("$HOME", "a b", "'", '"', "*", "%s", "", "new\nline")
    printed = Command(("sh", "-c", 'printf "%s|" "$@" "$X"', "sh", *odd), env=(("X", "y $z'"),))

    run(tmp_path / "job", printed)

    assert (tmp_path / "job/output").read_text() == "|".join((*odd, "y $z'")) + "|"


def test_a_command_of_which_a_part_arrived_is_not_run(tmp_path: Path) -> None:
    """Rows 5, 6: whoever sends it may be killed meanwhile; seen in the lab, where an empty one was run."""
    sent: list[tuple[list[str], bytes]] = []

    class Line:
        def run(self, _: str, words: list[str], *, input: bytes, changes: bool) -> Said:  # noqa: A002 - its name
            sent.append((words, input))
            assert changes
            return Said(0, b"", b"", Epoch(0), Epoch(0))

    SshJobs(Line(), "r1.step.1").start(HOST, Command(("nova-manage", "db", "sync")))  # type: ignore[arg-type] # all of it that is used
    ((words, whole),) = sent
    words = [str(tmp_path / "jobs") if word == str(FOLDER) else word for word in words]
    for name, script in {"systemctl": "echo inactive", "systemd-run": f"echo run >>{tmp_path}/runs"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def arrives(part: bytes) -> int:
        return subprocess.run(words, input=part, env=path, capture_output=True, check=False).returncode

    assert [arrives(whole[:n]) for n in (0, len(whole) // 2, len(whole) - 1)] == [75, 75, 75]
    assert not (tmp_path / "runs").exists()
    assert arrives(whole) == 0
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_command_that_is_not_there_ends_with_127(tmp_path: Path) -> None:
    assert run(tmp_path / "job", Command(("/no/such/program",))) == 127


def test_nobody_else_can_read_what_a_job_said(tmp_path: Path) -> None:
    run(tmp_path / "job", Command(("true",)))

    assert {file.stat().st_mode & 0o077 for file in (tmp_path / "job").iterdir()} == {0}


def test_another_user_is_entered_by_runuser_without_a_shell() -> None:
    script = command_script("k", PurePosixPath("/f"), Command(("prog", "a b"), user="keystone"))

    assert "exec runuser -u keystone -- prog 'a b'" in script


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_fills_up_meanwhile_hides_neither_the_end_nor_the_reason(tmp_path: Path) -> None:
    """Issue 2, fault: full disk on one host."""
    folder = tmp_path / "job"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128K", "small", folder], check=True)
    try:
        (folder / "output").touch()
        subprocess.run(["fallocate", "--keep-size", "--length", "65536", folder / "output"], check=True)
        fill = f"head -c 1M /dev/zero >{folder}/filler; echo no room; exit 1"

        assert run(folder, Command(("sh", "-c", fill))) == 1
        assert (folder / "rc").read_text().split() == ["1"]
        assert (folder / "output").read_text().endswith("no room\n")
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("none\n", NoJob()),
        ("running\n", Running("")),
        ("running\nfirst\nsecond 40 %\n", Running("second 40 %")),
        ("ended 0  \nall well\n", Ended(0, "all well\n")),
        ("ended 255\nfailed\n", Ended(255, "failed\n")),
        ("ended 137\n", Ended(255, "cut short by signal 9\n")),
        ("ended 143\nhalf", Ended(255, "half\ncut short by signal 15\n")),
    ],
)
def test_a_hosts_answer_tells_what_became_of_a_job(said: str, state: object) -> None:
    assert parse_state(said) == state


def test_a_job_without_code_and_unit_was_cut_short() -> None:
    state = parse_state("cut\nstep 2 of 5\n")

    assert isinstance(state, Ended)
    assert state.code == 255
    assert state.tail.startswith("step 2 of 5\ncut short before it ended")


def test_a_port_that_is_not_bound_to_a_key_starts_nothing(ssh: Ssh) -> None:
    with pytest.raises(ValueError, match="under"):
        SshJobs(ssh).start(HOST, Command(("true",)))


def test_every_job_is_known_with_whether_it_runs_and_what_is_forgotten_leaves_nothing(tmp_path: Path) -> None:
    """The host's own scripts, on folders as jobs leave them; of systemd, what it says of a unit."""
    ended, odd, running, cut = "r1.done.1", "r1.a b/c@ctl1.1", "r1.runs.1", "r1.was-cut.1"
    jobs = tmp_path / "jobs"
    for key in (ended, odd, running, cut):
        folder = jobs / folder_name(key)
        folder.mkdir(parents=True)
        (folder / "command").write_text(command_script(key, PurePosixPath(folder), Command(("true",))))
        (folder / "started").touch()
    for key in (ended, odd):
        (jobs / folder_name(key) / "rc").write_text("0  \n")
    (jobs / "half").mkdir()
    (jobs / ".gone-before").mkdir()
    systemctl = tmp_path / "systemctl"
    says = f'case "$*" in *{unit_name(running)}) echo active;; *) echo inactive;; esac'
    systemctl.write_text(f"#!/bin/sh\n{says}\n")
    systemctl.chmod(0o755)
    host = SshJobs(Here(tmp_path))  # type: ignore[arg-type] # all of it that is used

    known = host.known(HOST)
    host.forget(HOST, [odd, cut, "r1.never.1"])

    assert known == {ended: False, odd: False, running: True, cut: False}
    assert host.known(HOST) == {ended: False, running: True}
    assert {path.name for path in jobs.iterdir()} == {folder_name(ended), folder_name(running), "half"}


class Here:
    """This machine as a host: its folder of jobs, and the programs in it, are a test's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, _: str, script: str, *words: str) -> str:
        return self.run(HOST, ["sh", "-c", script, "sh", *words], input=b"").text

    def run(self, _: str, words: list[str], *, input: bytes, changes: bool = True) -> Said:  # noqa: A002 - its name
        assert changes
        words = [str(self._folder / "jobs") if word == str(FOLDER) else word for word in words]
        path = {"PATH": f"{self._folder}:{os.environ['PATH']}"}
        ran = subprocess.run(words, input=input, env=path, capture_output=True, check=False, timeout=60)
        return Said(ran.returncode, ran.stdout, ran.stderr, Epoch(0), Epoch(0))
