"""What a real user of the lab's cloud has: the command-line clients, and tempest."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib import resources
from typing import TYPE_CHECKING

from skylift.gate.lab.cache import entry
from skylift.gate.lab.commands import run_sealed
from skylift.gate.lab.host import LabProblem
from skylift.gate.lab.pypi import uv, uv_environment
from skylift.model.problem import Fix, Remedy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from skylift.gate.lab.host import Lab

_BUILD_LIMIT_S = 600
_BUILD = """
"$UV" venv --quiet --allow-existing --python "$PYTHON" "$FOLDER"
"$UV" pip install --quiet --no-deps --python "$FOLDER/bin/python" --requirement /dev/stdin
"""


def python_of_clients() -> Path:
    """A Python that has them, built from its pins the first time.

    Modules are run with it, not scripts: these name the folder in which they were built.

    Raises:
        LabProblem: uv is not installed, or failed.
    """
    pins = (resources.files("skylift.gate.lab") / "constraints/clients/2026.txt").read_text()
    kept = entry("clients", {"pins": pins, "python": sys.version, "platform": sysconfig.get_platform()})
    kept.build(lambda folder: _fill(folder, pins))
    return kept.path / "bin/python"


def as_user(
    lab: Lab,
    module: str,
    words: Sequence[str],
    *,
    folder: Path | None = None,
    capture: bool = True,
    timeout_s: int | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run one of their modules in the network of ``lab``, with its ``clouds.yaml``.

    Args:
        lab: it must be up.
        module: of the environment, such as ``openstackclient.shell``.
        words: its arguments; no secret is among them.
        folder: where it runs, and its home; by default where we are.
        capture: whether its output is kept, or goes where ours does.
        timeout_s: how long it may take; by default as long as it likes.

    Raises:
        LabProblem: there is no such lab, or it took longer.
    """
    clouds = lab.folder / "clouds.yaml"
    if not clouds.exists():
        raise LabProblem(f"there is no cloud in {lab.folder}", Remedy(Fix.REPAIR, "build it: skylift lab up"))
    python = str(python_of_clients())
    environment = os.environ | {"OS_CLIENT_CONFIG_FILE": str(clouds), "OS_CLOUD": "lab", "PYTHON": python}
    try:
        return subprocess.run(
            ["nsenter", f"--net={lab.namespace}", python, "-m", module, *words],
            cwd=folder,
            env=environment | ({"HOME": str(folder)} if folder else {}),
            capture_output=capture,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        look = Remedy(Fix.REPAIR, "see whether its services run: skylift lab status")
        raise LabProblem(f"{module} {' '.join(words)} did not end within {timeout_s} s", look) from None


def _fill(folder: Path, pins: str) -> None:
    environment: Mapping[str, str] = {
        **uv_environment(),
        "FOLDER": str(folder),
        "PYTHON": sys.executable,
        "UV": uv(),
    }
    run_sealed(["sh", "-euc", _BUILD], timeout_s=_BUILD_LIMIT_S, env=environment, input=pins.encode())
