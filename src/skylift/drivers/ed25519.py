"""Ed25519 keys as ``ssh-keygen -t ed25519`` writes them; the mathematics is ``cryptography``'s."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.seal import PublicKey, Seal

_OTHERS = 0o077


class SigningKeyRefused(Refused):
    """The key that seals are made with cannot be used."""

    code = "signing.key"

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"the signing key {path} cannot be used: {why}",
            Remedy(Fix.REPAIR, f"make it yours alone: chmod 600 {path}"),
            Remedy(
                Fix.REPAIR,
                f"or make one without a passphrase: ssh-keygen -t ed25519 -N '' -f {path}; "
                "and name its public half in the record, under signers",
            ),
        )


class KeyFile:
    """The private key in a file, read once.

    Raises:
        SigningKeyRefused: others may read it, or it is no Ed25519 key without a passphrase.
    """

    def __init__(self, path: Path) -> None:
        try:
            if path.stat().st_mode & _OTHERS:
                raise SigningKeyRefused(path, "others than its owner may read it")
            found = load_ssh_private_key(path.read_bytes(), None)
        except OSError as error:
            raise SigningKeyRefused(path, (error.strerror or "no reason given").lower()) from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # Not the library's own words: they might quote the file.
            raise SigningKeyRefused(path, "it is no private key of OpenSSH without a passphrase") from None
        if not isinstance(found, Ed25519PrivateKey):
            raise SigningKeyRefused(path, "it is of another kind than ed25519")
        self._private = found
        self._public = PublicKey(found.public_key().public_bytes_raw().hex())

    @property
    def key(self) -> PublicKey:
        return self._public

    def seal(self, said: bytes) -> Seal:
        return Seal(self._public, self._private.sign(said).hex())


def holds(seal: Seal, said: bytes) -> bool:
    """Whether ``seal`` was made by its key on ``said``; a form that no seal has does not hold."""
    try:
        key, mark = bytes.fromhex(seal.key), bytes.fromhex(seal.mark)
        Ed25519PublicKey.from_public_bytes(key).verify(mark, said)
    except (InvalidSignature, ValueError):
        return False
    # One spelling for each seal, so that every edit of one is found.
    return (key.hex(), mark.hex()) == (seal.key, seal.mark)
