"""The vantage agent as one file: built from this package, named by its own content."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

FOLDER = PurePosixPath("/var/lib/skylift/vantage")

_SHIPPED = {"skylift": ("__init__.py",), "skylift.model": ("__init__.py", "sample.py")}
_START = "import sys\nfrom skylift.probe.__main__ import main\nsys.exit(main())\n"
_OLDEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent's archive, which Python runs as it is, and where it lies on the vantage host."""

    content: bytes
    sha256: str
    path: PurePosixPath


@cache
def agent() -> Agent:
    """The agent of this version of Skylift: the same bytes whenever and wherever it is built."""
    shipped = {"__main__.py": _START.encode()}
    for package, names in _SHIPPED.items():
        folder = files(package)
        shipped |= {
            f"{package.replace('.', '/')}/{name}": folder.joinpath(name).read_bytes() for name in names
        }
    for file in files("skylift.probe").iterdir():
        if file.name.endswith(".py"):
            shipped[f"skylift/probe/{file.name}"] = file.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(shipped):
            archive.writestr(zipfile.ZipInfo(name, _OLDEST_ZIP_DATE), shipped[name])
    content = packed.getvalue()
    sha256 = hashlib.sha256(content).hexdigest()
    return Agent(content, sha256, FOLDER / f"agent-{sha256[:16]}.pyz")
