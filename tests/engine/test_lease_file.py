from __future__ import annotations

import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from skylift.drivers.lease_file import holder_of, lease
from skylift.engine.problems import Holder, RunHeld
from skylift.model.ids import RunId

REY = Holder(pid=4711, host="console", user="rey", since_ms=1_764_000_000_000, run=RunId("r1"))


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    """Issue 2, 3.4: a second apply while one runs."""
    with lease(tmp_path, REY), pytest.raises(RunHeld) as caught, lease(tmp_path, REY):
        pass

    assert caught.value.holder == REY
    assert "rey with process 4711 on console (run r1)" in str(caught.value)
    assert any("skylift pause" in remedy.how for remedy in caught.value.remedies)


def test_a_lease_given_back_can_be_taken_again(tmp_path: Path) -> None:
    with lease(tmp_path, REY):
        pass

    with lease(tmp_path, REY):
        assert holder_of(tmp_path) == REY
    assert holder_of(tmp_path) is None


def test_nobody_holds_a_cloud_that_was_never_worked_on(tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None


def test_looking_at_the_holder_neither_takes_nor_loses_the_lease(tmp_path: Path) -> None:
    with lease(tmp_path, REY):
        assert holder_of(tmp_path) == REY
        assert holder_of(tmp_path) == REY
        with pytest.raises(RunHeld), lease(tmp_path, REY):
            pass


def test_a_holder_that_has_not_said_who_it_is_still_holds(tmp_path: Path) -> None:
    with lease(tmp_path, REY):
        (tmp_path / "lease").write_text("{")
        with pytest.raises(RunHeld, match="did not say who it is"), lease(tmp_path, REY):
            pass


def test_a_lease_that_cannot_be_said_is_given_back_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lease(tmp_path, REY):
        raise ZeroDivisionError

    assert holder_of(tmp_path) is None
    assert stat.S_IMODE((tmp_path / "lease").stat().st_mode) == 0o600


HOLDER = """
    import subprocess, sys
    from pathlib import Path
    from skylift.drivers.lease_file import lease
    from skylift.engine.problems import Holder

    with lease(Path(sys.argv[1]), Holder(1, "console", "rey", 0, "r1")):
        child = subprocess.Popen(["sleep", "300"])
        print(child.pid, flush=True)
        sys.stdin.read()
"""


def test_kill_9_frees_the_lease_although_a_child_lives_on(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        held = holder_of(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=60)

        with lease(tmp_path, REY):
            freed_for = holder_of(tmp_path)
        subprocess.run(["kill", str(child)], check=True)

    assert held is not None
    assert held.user == "rey"
    assert freed_for == REY
