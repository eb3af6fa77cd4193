"""Seals: who answers for a document, in a form that anybody can check and nobody else can make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NewType, Protocol

PublicKey = NewType("PublicKey", str)
"""The public half of an Ed25519 key: 64 hexadecimal digits."""

Signers = Mapping[str, PublicKey]
"""The people whose seals a record trusts, by name."""


@dataclass(frozen=True, slots=True)
class Seal:
    """An Ed25519 signature, and the key that it is checked by."""

    key: PublicKey
    mark: str
    """128 hexadecimal digits."""


class Signer(Protocol):
    """Whoever works here, with the private key."""

    @property
    def key(self) -> PublicKey:
        """The public half of the key."""
        ...

    def seal(self, said: bytes) -> Seal:
        """A seal on ``said``."""
        ...


Holds = Callable[[Seal, bytes], bool]
"""Whether a seal was made by its key, on these bytes."""


def name_of(key: PublicKey, signers: Signers) -> str | None:
    """Whose key it is; none if the record does not name it."""
    return next((name for name in sorted(signers) if signers[name] == key), None)
