"""``skylift notify``, and what status says of those who were not told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.record.conftest import PINNED, WHOLE

from skylift.app.outbox import OutboxFile, Settled
from skylift.app.runs import Runs
from skylift.app.wiring import open_journal
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.engine.operate import Asked, open_run, pause
from skylift.model.ids import Epoch, RunId
from skylift.planning.text import digest_of, write_plan
from skylift.testing.plans import planned
from skylift.testing.samples import sample_record

PLAN = planned(sample_record())
RUN = RunId("run-1")
WORDS = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record that names a program, and a paused run whose process died and told only of its opening."""
    for name, text, mode in (
        ("id_ed25519", "key", 0o600),
        ("known_hosts", PINNED, 0o644),
        ("clouds.yaml", "clouds: {lab: {auth: {}}}\n", 0o600),
        ("cloud.yaml", WHOLE, 0o644),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    file = tmp_path / "cloud.yaml"
    argv = json.dumps([sys.executable, "-c", WORDS, str(tmp_path / "got")])
    file.write_text(f"{WHOLE}notify:\n  ops: {{kind: command, argv: {argv}}}\n")
    runs = Runs.beside(file)
    with open_journal(runs.create(RUN, write_plan(PLAN))) as journal:
        asked = Asked("rey@console", Epoch(0))
        open_run(journal, RUN, cloud="sample", plan=digest_of(PLAN), approved=(), asked=asked)
        pause(journal, asked)
    OutboxFile(runs.outbox).settle(Settled("run-1/1/opened", "ops", "code 7", 1))
    return file


def test_what_was_not_told_is_shown_and_then_told(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["--cloud", str(record), "status"]) == Exit.OK
    shown = capsys.readouterr().out
    assert call(["--cloud", str(record), "notify"]) == Exit.OK
    answered = capsys.readouterr().out
    call(["--cloud", str(record), "status", "--json"])

    assert "  ops was not told of opened: code 7\n  ops is not told yet of paused\n" in shown
    assert "  to tell it now: skylift notify" in shown
    assert answered == "everybody was told\n"
    assert json.loads(capsys.readouterr().out)["untold"] == {"failed": [], "left": []}
    got = [json.loads(line)["occasion"] for line in (tmp_path / "got").read_text().splitlines()]
    assert got == ["opened", "paused"]


def test_who_still_cannot_be_reached_makes_it_fail(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record.write_text(record.read_text().replace(sys.executable, "/nowhere/at-all"))
    OutboxFile(Runs.beside(record).outbox).settle(Settled("run-1/2/paused", "ops", None, 2))

    assert call(["--cloud", str(record), "notify"]) == Exit.FAILED
    assert "ops was not told of opened: it could not be started" in capsys.readouterr().out
