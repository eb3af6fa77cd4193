"""``skylift approve``, as typed: what has no way back is named, by whoever was a signer all along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.record.conftest import PINNED, WHOLE

from skylift.app.runs import Runs
from skylift.app.wiring import open_journal
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.drivers.ed25519 import KeyFile
from skylift.engine.fold import Run, fold
from skylift.engine.operate import Asked, Gates, open_run
from skylift.model.ids import Epoch, RunId
from skylift.planning.text import digest_of, write_plan
from skylift.testing.keys import key_file, public_line
from skylift.testing.plans import planned
from skylift.testing.samples import sample_record

PLAN = planned(sample_record())
RUN = RunId("run-1")
NAMING = [word for step in PLAN.no_returns for word in ("--no-return", step)]
REY, ANN, REYS_SECOND = 1, 2, 3


class Terminal:
    """Where a run waits that Rey has planned, beside a record that anybody may edit."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._patch = folder, patch
        self.record = folder / "cloud.yaml"
        for name, text, mode in (
            ("id_ed25519", "key", 0o600),
            ("known_hosts", PINNED, 0o644),
            ("clouds.yaml", "clouds: {lab: {auth: {}}}\n", 0o600),
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(mode)
        self.says()

    def says(self, **signers: int) -> None:
        """The record, with these signers: each with the number of a key."""
        lines = [f"  {name}: {public_line(number)}\n" for name, number in signers.items()]
        self.record.write_text("".join([WHOLE, *(["signers:\n", *lines] if lines else [])]))

    def has_the_key(self, number: int) -> None:
        self._patch.setenv("SKYLIFT_KEY", str(key_file(self._folder / f"key{number}", number)))

    def opened(self, gates: Gates) -> None:
        with open_journal(Runs.beside(self.record).create(RUN, write_plan(PLAN))) as journal:
            asked, digest = Asked("rey@console", Epoch(0)), digest_of(PLAN)
            open_run(journal, RUN, cloud="sample", plan=digest, approved=(), asked=asked, gates=gates)

    def types(self, *words: str) -> int:
        return call(["--cloud", str(self.record), *words])

    @property
    def run(self) -> Run:
        with open_journal(Runs.beside(self.record).find(RUN)) as journal:
            return fold(journal.events())


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Terminal(tmp_path, monkeypatch)


def test_an_approval_that_names_nothing_is_refused_with_the_command_that_does(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.opened(Gates())

    code = terminal.types("approve", "converge", "--json")

    told = json.loads(capsys.readouterr().out)["problem"]
    assert (code, told["code"]) == (Exit.BLOCKED, "approval.unnamed")
    assert told["remedies"][1]["how"].endswith(f"skylift approve converge {' '.join(NAMING)}")
    assert terminal.run.approved == frozenset()
    assert terminal.types("approve", "converge", *NAMING) == Exit.OK
    assert terminal.run.approved == set(PLAN.no_returns)


def test_an_approval_says_what_was_approved_and_what_of_the_stage_still_waits(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.opened(Gates())
    first, *others = PLAN.no_returns

    terminal.types("approve", "converge", "--no-return", first)
    in_part = capsys.readouterr().err
    terminal.types("approve", "converge", *(word for step in others for word in ("--no-return", step)))
    whole = capsys.readouterr().err

    left = " ".join(f"--no-return {step}" for step in others)
    assert others
    assert f"approved converge, which may pass {first}; {', '.join(others)} still waits" in in_part
    assert f": skylift approve converge {left}\n" in in_part
    assert whole == f"approved converge, which may pass {', '.join(others)}\n"


@pytest.mark.parametrize(
    ("key", "signers"),
    [
        pytest.param(REYS_SECOND, {"rey": REY, "ann": ANN, "bea": REYS_SECOND}, id="a key was added"),
        pytest.param(REYS_SECOND, {"rey": REY, "ann": REYS_SECOND}, id="a key was put in another's place"),
        pytest.param(REY, {"robin": REY, "ann": ANN}, id="she has another name"),
        pytest.param(REY, {}, id="nobody is named any more"),
    ],
)
def test_an_author_who_edits_the_record_before_she_approves_is_refused(
    terminal: Terminal, capsys: pytest.CaptureFixture[str], key: int, signers: dict[str, int]
) -> None:
    terminal.has_the_key(REY)
    keys = {name: KeyFile(key_file(terminal.record.parent / name, n)) for name, n in (("rey", 1), ("ann", 2))}
    terminal.opened(Gates(author="rey", signers={name: own.key for name, own in keys.items()}))
    terminal.says(**signers)
    terminal.has_the_key(key)

    code = terminal.types("approve", "converge", *NAMING, "--json")

    assert (code, json.loads(capsys.readouterr().out)["problem"]["code"]) == (
        Exit.BLOCKED,
        "approval.second-person",
    )
    terminal.says(rey=REY, ann=ANN)
    terminal.has_the_key(ANN)
    assert terminal.types("approve", "converge", *NAMING) == Exit.OK
    assert terminal.run.approved == set(PLAN.no_returns)
