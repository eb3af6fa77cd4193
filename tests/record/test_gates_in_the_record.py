"""Gates in a record."""

from __future__ import annotations

from pathlib import Path

import pytest

from skylift.app.record_file import RecordInvalid, load_record
from skylift.model.gate import GateKind

ERRORS = 'gates:\n  errors: {kind: prometheus, url: "http://p:9090", query: "sum(x)", bad: "> 1"}\n'


def test_a_record_may_have_gates_of_each_kind(file: Path) -> None:
    page = '  shop: {kind: http, url: "https://shop/health", every: 5, patience: 10, token: token}\n'
    program = "  ticket: {kind: command, argv: [/usr/local/bin/change-is-open, CHG1]}\n"
    (file.parent / "token").touch(mode=0o600)
    file.write_text(file.read_text() + ERRORS + page + program)

    gates = load_record(file).gates

    assert [gate.kind for gate in gates.values()] == list(GateKind)
    assert (gates["errors"].bad, gates["errors"].every, gates["shop"].patience) == ("> 1", 30, 10)
    assert gates["shop"].token is not None
    assert gates["ticket"].argv == ("/usr/local/bin/change-is-open", "CHG1")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("kind: prometheus", "kind: grafana", "write one of prometheus"),
        ("http://p:9090", "http://me:secret@p:9090", "without a user or password"),
        ('"> 1"', '"many"', "write a bound such as"),
        (', bad: "> 1"', "", "is missing, and so is bad"),
        (', query: "sum(x)"', "", "write a query"),
        ("kind: prometheus", "kind: command", "write a list such as"),
    ],
)
def test_a_gate_that_could_say_nothing_is_a_mistake(file: Path, old: str, new: str, told: str) -> None:
    file.write_text(file.read_text() + ERRORS.replace(old, new))

    with pytest.raises(RecordInvalid, match=told):
        load_record(file)


def test_a_token_that_others_may_read_is_a_mistake(file: Path) -> None:
    (file.parent / "token").write_text("secret")
    file.write_text(file.read_text() + ERRORS.replace("bad:", "token: token, bad:"))

    with pytest.raises(RecordInvalid, match="so others may read it"):
        load_record(file)
