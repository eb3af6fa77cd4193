"""Where packages come from: the index this machine's own pip is set up for, told to uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from skylift.gate.lab.host import LabProblem, cache_folder
from skylift.model.problem import Fix, Remedy

if TYPE_CHECKING:
    from collections.abc import Mapping

_AS_UV_CALLS_IT = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}


def uv() -> str:
    """Where uv is: beside this Python, or on the PATH.

    Raises:
        LabProblem: it is not installed.
    """
    beside = Path(sysconfig.get_path("scripts"), "uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise LabProblem(
            "environments cannot be built: uv is not installed",
            Remedy(Fix.REPAIR, "pip install 'skylift[lab]'"),
        )
    return found


def uv_environment() -> dict[str, str]:
    """What uv needs in its environment here: pip's index and certificates, no downloads of Pythons.

    What the environment says already wins over pip's settings.
    """
    told = {name: value for name, value in from_pip(_pip_config()).items() if name not in os.environ}
    return {
        **told,
        "UV_CACHE_DIR": str(cache_folder() / "uv"),
        "UV_LINK_MODE": "copy",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def from_pip(listing: str) -> Mapping[str, str]:
    """What uv calls the settings in the lines of ``pip config list``, which read ``global.index-url='...'``.

    pip's extra indexes are left out: uv would ask them first for every package.
    """
    lines = (line.partition("=") for line in listing.splitlines())
    settings = {name.rpartition(".")[2]: value.strip("'\"") for name, _, value in lines}
    return {ours: settings[theirs] for theirs, ours in _AS_UV_CALLS_IT.items() if theirs in settings}


def _pip_config() -> str:
    """Empty if there is no pip beside this Python: then uv's own settings hold."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, check=False, timeout=60
    )
    return asked.stdout.decode(errors="replace") if asked.returncode == 0 else ""
