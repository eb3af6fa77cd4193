"""What an artifact consists of, written down so that one changed byte is found.

``MANIFEST.sha256`` has the line ``sha256sum`` prints for every regular file but itself, and
``MANIFEST.links`` a line ``path<TAB>target`` for every symbolic link, both in the order of the paths'
bytes. The digest of an artifact is the SHA-256 of the first, which names the second. So ``sha256sum
--strict --check`` and two listings of ``find`` verify an artifact on any host.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILES = "MANIFEST.sha256"
LINKS = "MANIFEST.links"


def write_manifest(tree: Path) -> str:
    """Write both manifests of ``tree``, over those it may have, and return its digest.

    Raises:
        ValueError: a name holds a line feed, a tab or a backslash, which a manifest could not tell apart.
    """
    ours = (tree / FILES, tree / LINKS)
    everything = [path for path in tree.rglob("*") if path not in ours]
    links = {_name(tree, path): str(path.readlink()) for path in everything if path.is_symlink()}
    files = {_name(tree, path): path for path in everything if not path.is_symlink() and path.is_file()}
    (tree / LINKS).write_text("".join(f"{name}\t{links[name]}\n" for name in _ordered(links)))
    files[LINKS] = tree / LINKS
    (tree / FILES).write_text("".join(f"{_sha256(files[name])}  {name}\n" for name in _ordered(files)))
    return digest(tree)


def digest(tree: Path) -> str:
    """The digest of the artifact in ``tree``, by its manifest; whether the files agree is not looked at.

    Raises:
        FileNotFoundError: it has no manifest.
    """
    return f"sha256:{_sha256(tree / FILES)}"


def _name(tree: Path, path: Path) -> str:
    name = str(path.relative_to(tree))
    if any(sign in name for sign in "\n\t\\"):
        raise ValueError(f"a manifest cannot hold the name {name!r}")
    return name


def _ordered(names: dict[str, str] | dict[str, Path]) -> list[str]:
    return sorted(names, key=str.encode)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
