"""Who is trusted, and what waits for whose approval: the people in a record."""

from __future__ import annotations

from pathlib import Path

import pytest

from skylift.app.record_file import RecordInvalid, load_record
from skylift.drivers.ed25519 import KeyFile
from skylift.testing.keys import key_file, public_line


def test_a_record_names_its_signers_by_the_keys_that_ssh_keygen_writes(file: Path, tmp_path: Path) -> None:
    file.write_text(file.read_text() + f"signers:\n  rey: {public_line(1)}\n")

    record = load_record(file)

    assert record.signers == {"rey": KeyFile(key_file(tmp_path / "rey", 1)).key}


@pytest.mark.parametrize("line", ["ssh-rsa AAAAB3NzaC1yc2E", "ssh-ed25519 AAAA", '""'])
def test_a_signer_with_another_kind_of_key_is_a_mistake(file: Path, line: str) -> None:
    file.write_text(file.read_text() + f"signers:\n  rey: {line}\n")

    with pytest.raises(RecordInvalid, match="write the public half of an ed25519 key"):
        load_record(file)


def test_a_policy_may_want_approvals_of_stages_and_a_second_person(file: Path) -> None:
    policy = "policy:\n  batch: 1\n  approvals: [control-plane, converge]\n  second_person: true\n"
    signers = f"signers:\n  rey: {public_line(1)}\n  ann: {public_line(2)}\n"
    file.write_text(file.read_text().replace("policy:\n  batch: 1\n", policy) + signers)

    record = load_record(file)

    assert record.policy.approvals == ("control-plane", "converge")
    assert record.policy.second_person


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("approvals: [contract]", "write a list such as"),
        ("second_person: true", "name them under 'signers:'"),
        ("second_person: maybe", "write true or false"),
    ],
)
def test_an_approval_that_nobody_could_give_is_a_mistake(file: Path, line: str, told: str) -> None:
    file.write_text(file.read_text() + f"  {line}\n")

    with pytest.raises(RecordInvalid, match=told):
        load_record(file)
