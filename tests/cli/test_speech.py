"""Whoever listens to a verb may go: it ends silently, as it would have ended."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skylift.app.runs import Runs
from skylift.app.wiring import open_journal
from skylift.cli.exits import Exit
from skylift.engine.operate import Asked, open_run
from skylift.model.ids import Epoch, RunId
from skylift.planning.text import digest_of, write_plan
from skylift.testing.plans import planned
from skylift.testing.samples import sample_record

SEEN = """
from skylift.cli.bench import bench_of
with bench_of() as bench:
    bench.remark("measuring")
    bench.remark("and more")
print("driven to its end")
"""


@contextmanager
def nobody_listens() -> Iterator[int]:
    """The end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    try:
        yield write
    finally:
        os.close(write)


def test_a_closed_pipe_is_no_mistake_of_skylift(tmp_path: Path) -> None:
    plan = planned(sample_record())
    folder = Runs.beside(tmp_path / "cloud.yaml").create(RunId("run-1"), write_plan(plan))
    with open_journal(folder) as journal:
        asked = Asked("rey@console", Epoch(0))
        open_run(journal, folder.id, cloud="sample", plan=digest_of(plan), approved=(), asked=asked)

    with nobody_listens() as pipe:
        status = [sys.executable, "-m", "skylift.cli.main", "status", "--json"]
        ended = subprocess.run(
            status, cwd=tmp_path, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (ended.returncode, ended.stderr) == (Exit.OK, "")
    assert not [*tmp_path.rglob("bug-*")]


def test_whoever_drives_a_run_goes_on_when_nobody_hears_its_remarks() -> None:
    with nobody_listens() as pipe:
        ended = subprocess.run(
            [sys.executable, "-c", SEEN], stdout=subprocess.PIPE, stderr=pipe, text=True, check=False
        )

    assert (ended.returncode, ended.stdout) == (0, "driven to its end\n")


CUT_SHORT = """
import signal
from skylift.cli.bench import bench_of
with bench_of() as bench:
    signal.raise_signal(signal.SIGINT)
    assert bench.asked_to_stop()
    signal.raise_signal(signal.SIGINT)
"""


def test_a_second_interrupt_says_what_goes_on_and_how_before_it_ends_all_at_once() -> None:
    ended = subprocess.run([sys.executable, "-c", CUT_SHORT], capture_output=True, text=True, check=False)

    assert ended.returncode == -signal.SIGINT
    assert "what runs on hosts goes on to its end, and the run with: skylift resume" in ended.stderr
    assert "\x1b" not in ended.stderr, "no terminal, no cursor"


def test_on_a_terminal_it_shows_the_cursor_again() -> None:
    screen, terminal = pty.openpty()
    ended = subprocess.run([sys.executable, "-c", CUT_SHORT], stderr=terminal, check=False)
    os.close(terminal)

    shown = os.read(screen, 65536)
    os.close(screen)
    assert ended.returncode == -signal.SIGINT
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l") > -1
