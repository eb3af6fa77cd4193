"""Claims about the secrets of a lab."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from skylift.gate.lab.host import Lab, LabProblem
from skylift.gate.lab.passwords import passwords

if TYPE_CHECKING:
    from pathlib import Path


def test_they_are_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    first = passwords(Lab(tmp_path))

    again = passwords(Lab(tmp_path))

    assert again == first
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_every_lab_has_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()

    one, two = (passwords(Lab(tmp_path / name)) for name in ("one", "two"))

    assert one.admin != two.admin
    assert not set(one.fernet) & set(two.fernet)


def test_keys_have_the_32_bytes_fernet_wants(tmp_path: Path) -> None:
    made = passwords(Lab(tmp_path))

    keys = (*made.fernet, *made.credential)
    assert {len(base64.urlsafe_b64decode(key)) for key in keys} == {32}
    assert len(set(keys)) == 4


@pytest.mark.parametrize("content", ["", "[]", '{"admin": "x"}'])
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "passwords.json").write_text(content)

    with pytest.raises(LabProblem, match=r"passwords\.json does not read as the passwords"):
        passwords(Lab(tmp_path))
