"""What is built carries what it needs, and the core needs nothing."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
CORE = ("model", "ports", "catalog", "actions", "checks", "planning", "fleet", "verifier", "engine")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from this tree as it is, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=250)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_carries_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    """TOML, templates, constraints and scripts as well as modules."""
    files = {
        str(path.relative_to(SRC))
        for path in (SRC / "skylift").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert files <= set(wheel.namelist())
    assert {Path(name).suffix for name in files} >= {".py", ".toml", ".txt", ".typed"}


def test_the_wheel_carries_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"skylift"}


def test_the_wheel_gives_the_command(wheel: zipfile.ZipFile) -> None:
    (entry,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]

    assert b"skylift = skylift.cli.main:main" in wheel.read(entry)


def said_alone(script: str, *flags: str) -> str:
    """What a fresh interpreter prints; with ``-S`` it sees no installed package."""
    script = f"import sys; sys.path.insert(0, {str(SRC)!r}); {script}"
    ended = subprocess.run(
        [sys.executable, *flags, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_the_core_needs_the_standard_library_only() -> None:
    modules = [
        ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
        for layer in CORE
        for path in sorted((SRC / "skylift" / layer).rglob("*.py"))
    ]

    said_alone(f"import importlib; [importlib.import_module(name) for name in {modules!r}]", "-I", "-S")


def test_the_agent_of_the_vantage_host_needs_the_standard_library_only() -> None:
    said_alone("import skylift.probe.__main__", "-I", "-S")


def test_looking_at_a_plan_loads_neither_the_lab_nor_ssh() -> None:
    far = ("skylift.gate", "skylift.drivers", "asyncssh")

    loaded = said_alone(
        "import skylift.cli.main, skylift.planning.text, skylift.planning.why; "
        f"print([name for name in sys.modules if name.startswith({far!r})])"
    )

    assert loaded == "[]"
