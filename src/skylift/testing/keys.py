"""Keys for tests: made here, for nobody."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def key_file(path: Path, number: int) -> Path:
    """A private key in a file of mode 0600: the same for the same ``number``, from 0 to 255."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))
    path.touch(mode=0o600)
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return path


def public_line(number: int) -> str:
    """Its public half, as ``ssh-keygen`` writes it."""
    public = Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " of a test"
