"""Keys and seals: whose they are, and that nothing else passes for them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.drivers.ed25519 import KeyFile, SigningKeyRefused, holds
from skylift.model.seal import PublicKey, Seal, name_of
from skylift.testing.keys import key_file, public_line


@pytest.fixture(scope="module")
def rey(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    return KeyFile(key_file(tmp_path_factory.mktemp("keys") / "rey", 1))


@given(said=st.binary(max_size=80), other=st.binary(max_size=80))
def test_a_seal_holds_for_what_was_said_and_for_nothing_else(rey: KeyFile, said: bytes, other: bytes) -> None:
    seal = rey.seal(said)

    assert holds(seal, said)
    assert holds(seal, other) == (said == other)


def test_every_edit_of_a_seal_breaks_it(rey: KeyFile) -> None:
    """Each digit to each other one, upper case too: row of the goals, every single edit is found."""
    seal = rey.seal(b"go on")
    digits = "0123456789abcdefABCDEF -"

    keys = [Seal(PublicKey(key), seal.mark) for key in edits(seal.key, digits)]
    marks = [Seal(seal.key, mark) for mark in edits(seal.mark, digits)]

    assert not any(holds(edited, b"go on") for edited in (*keys, *marks))
    assert len(keys) + len(marks) > 4000


def edits(text: str, digits: str) -> Iterator[str]:
    """Each place with each other digit, one digit more, and one less."""
    for at in range(len(text)):
        yield from (text[:at] + digit + text[at + 1 :] for digit in digits if digit != text[at])
    yield from (text + " ", " " + text, text + "0", text[:-1])


def test_a_key_that_ssh_keygen_makes_is_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)

    key = KeyFile(path)

    assert holds(key.seal(b"go on"), b"go on")


def test_a_signer_is_known_by_the_key(rey: KeyFile) -> None:
    assert name_of(rey.key, {"ann": PublicKey("0" * 64), "rey": rey.key}) == "rey"
    assert name_of(rey.key, {"ann": PublicKey("0" * 64)}) is None


def test_a_key_that_others_may_read_or_that_is_none_is_refused_without_a_word_of_what_is_in_it(
    tmp_path: Path,
) -> None:
    key = key_file(tmp_path / "key", 1)
    key.chmod(0o640)
    none = tmp_path / "none"
    none.touch(mode=0o600)
    none.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nplanted-secret\n")

    with pytest.raises(SigningKeyRefused, match="others than its owner may read it"):
        KeyFile(key)
    with pytest.raises(SigningKeyRefused, match="no private key of OpenSSH without a passphrase") as caught:
        KeyFile(none)
    with pytest.raises(SigningKeyRefused, match="no such file"):
        KeyFile(tmp_path / "nowhere")
    assert "planted-secret" not in str(caught.value)
    assert public_line(1).startswith("ssh-ed25519 ")
