"""``skylift plan --reboot --fleet FILE``: a whole fleet from a file, with no cloud and no record."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.drainbench.make import main as make


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A cloud of the bench, as a file."""
    make(["30", "50", "1"])
    file = tmp_path / "fleet.json"
    file.write_text(capsys.readouterr().out)
    return file


def changed(fleet: Path, **policy: object) -> Path:
    document = json.loads(fleet.read_text())
    document["policy"] |= policy
    fleet.write_text(json.dumps(document))
    return fleet


def test_a_plan_is_shown_with_its_waves_bounds_and_interval(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["plan", "--reboot", "--fleet", str(fleet), "--frontier"]) == Exit.OK

    told = capsys.readouterr().out
    assert told.startswith("30 of 30 hosts, ")
    for word in ("B0 room", "B1 moves", "B6 makespan", "wave  hosts", "first wave  moves", "likely "):
        assert word in told


def test_the_same_plan_is_told_in_json_written_and_drawn(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, svg = tmp_path / "up.plan", tmp_path / "up.svg"
    words = ["plan", "--hypervisor", "--fleet", str(fleet), "-o", str(plan), "--svg", str(svg), "--json"]

    assert call(words) == Exit.OK

    told = json.loads(capsys.readouterr().out)
    written = json.loads(plan.read_text())
    assert {key: told[key] for key in written} == written
    assert told["interval"]["low"] <= told["interval"]["likely"] <= told["interval"]["high"]
    rows = [g for g in ET.fromstring(svg.read_text()) if g.tag.endswith("}g")]  # noqa: S314 - our own
    assert len(rows) == 30


def test_one_host_is_drained_and_no_other_touched(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plan", "--drain", "cmp03", "--fleet", str(fleet), "--json"]) == Exit.OK

    told = json.loads(capsys.readouterr().out)
    assert [turn[0] for turn in told["turns"]] == ["cmp03"]
    assert {move[1] for move in told["moves"]} == {"cmp03"}


def test_without_a_word_the_plan_says_that_nothing_is_moved_afterwards(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["plan", "--reboot", "--fleet", str(fleet)]) == Exit.OK

    told = capsys.readouterr().out
    assert "afterwards: nothing is moved; hosts are then 0 to 100 % full" in told
    assert "else: --afterwards bring-back, or --afterwards balance" in told


@pytest.mark.parametrize("kind", ["bring-back", "balance"])
def test_what_is_done_afterwards_is_shown_written_explained_and_drawn(
    fleet: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, svg = tmp_path / "up.plan", tmp_path / "up.svg"
    words = ["plan", "--reboot", "--fleet", str(fleet), "--afterwards", kind]

    assert call([*words, "-o", str(plan), "--svg", str(svg)]) == Exit.OK

    told, written = capsys.readouterr().out, json.loads(plan.read_text())["afterwards"]
    assert f"afterwards, {kind}: {len(written['moves'])} moves, of {written['fewest']}" in told
    assert written["ends"] == max(move[5] for move in written["moves"])
    assert 'fill="#4f9d69"' in svg.read_text()


def test_a_pool_that_cannot_be_done_blocks_with_its_proof_and_fix(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(fleet, headroom_percent=55)

    assert call(["plan", "--reboot", "--fleet", str(fleet)]) == Exit.BLOCKED

    told = capsys.readouterr().out
    assert "refused: a pool of" in told
    assert "repair: add" in told
    assert "or stop, or move out of the pool: i0" in told


def test_what_waits_for_somebody_is_told_with_its_remedy(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(fleet.read_text())
    document["instances"][0]["wish"] = "ask"
    fleet.write_text(json.dumps(document))

    assert call(["plan", "--reboot", "--fleet", str(fleet)]) == Exit.BLOCKED

    told = capsys.readouterr().out
    assert "ask       i000001: its owner wants to be asked" in told
    assert "left alone until these are settled: cmp" in told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "it is no JSON"),
        ("[]", "expected an object with a list 'instances'"),
        ('{"format": 1, "hosts": {}, "flavors": {}, "instances": [{"id": "i"}]}', "look at flavor, host"),
        ('{"format": 2, "hosts": {}, "flavors": {}, "instances": []}', "$.format: expected 1, found 2"),
        (
            '{"format": 1, "hosts": {}, "flavors": {}, "instances": [{"id":"i", "host":"h", "flavor":"f"}]}',
            "instance i is on host h, which is not described; instance i has flavor f",
        ),
        (
            '{"format": 1, "hosts": {}, "flavors": {}, "instances": [{"id": 1, "host": "h", "flavor": "f"}]}',
            "$.instances[0].id: expected str, found 1",
        ),
        (
            '{"format": 1, "hosts": {}, "flavors": {}, "instances": [], "policy": {"out_percent": 0}}',
            "policy.out_percent is 0, and must be from 1 to 100",
        ),
    ],
)
def test_a_file_that_is_no_fleet_is_refused_with_the_place(
    tmp_path: Path, text: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fleet.json"
    file.write_text(text)

    assert call(["plan", "--reboot", "--fleet", str(file)]) == Exit.BLOCKED

    assert why in capsys.readouterr().err


def test_a_host_that_is_not_there_cannot_be_drained(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plan", "--drain", "nobody", "--fleet", str(fleet)]) == Exit.BLOCKED

    assert "it has no host nobody" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--reboot", "--fleet", "f.json", "--host", "cmp1"],
        ["--drain", "cmp1", "--host", "cmp2"],
        ["--to", "2024.1", "--partial"],
        ["--to", "2024.1", "--afterwards", "balance"],
        ["--drain", "cmp1", "--afterwards", "bring-back"],
        ["--reboot", "--hypervisor", "--fleet", "f.json"],
        ["--to", "2024.1", "--fleet", "f.json"],
    ],
)
def test_one_thing_is_planned_at_a_time(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["plan", *words]) == Exit.USAGE

    assert "Error" in capsys.readouterr().err
