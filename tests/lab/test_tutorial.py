"""The tutorial does what it says: its commands are taken from the page and run, in one shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.lab.pages import commands

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial" / "first-upgrade.md"
LIMIT_S = 2700


def test_commands_are_the_lines_with_a_prompt() -> None:
    page = "Text.\n\n```console\n$ one --two\nits output\n$ three\n```\n\n```\n$ not this\n```\n"

    assert commands(page) == ["one --two", "three"]


def test_the_tutorial_goes_from_nothing_to_nothing() -> None:
    told = commands(PAGE.read_text())

    assert any(command.startswith("skylift lab up") for command in told)
    assert "skylift apply up.plan --yes" in told
    assert told[-1] == "skylift lab down"


@pytest.mark.lab
@pytest.mark.timeout(LIMIT_S)
def test_every_command_of_the_tutorial_does_what_the_page_says(tmp_path: Path) -> None:
    """On a lab of its own, so that whatever stands on this machine stays as it is."""
    script = "set -ex\n" + "\n".join(commands(PAGE.read_text())) + "\n"
    environment = {**os.environ, "SKYLIFT_LAB_DIR": str(tmp_path / "lab")}
    written = (ROOT / "up.plan", ROOT / "report.html")

    try:
        ended = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S - 120,
            check=False,
        )
    finally:
        for file in written:
            file.unlink(missing_ok=True)
        leave = [str(ROOT / ".venv/bin/skylift"), "lab", "down", "--dir", str(tmp_path / "lab")]
        subprocess.run(leave, check=False, timeout=120)

    assert ended.returncode == 0, ended.stdout[-6000:]
    assert "0 failed" in ended.stdout
