"""Where packages come from: the index this machine's own pip is set up for, told to uv."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from skylift.gate.lab.host import cache_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

_AS_UV_CALLS_IT = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}


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
