"""Artifacts: Keystone, Glance and Placement of one release in one environment, built from PyPI.

An artifact is built at the very path it will have on the hosts (scripts and byte code name it), in a
mount namespace where only this build sees it. It carries a launcher per component, so that the units
of the hosts stay the same from release to release, and a manifest, whose digest is its address.
"""

from __future__ import annotations

import shutil
import sysconfig
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from skylift.gate.lab.cache import Entry, entry
from skylift.gate.lab.commands import run_here, run_sealed
from skylift.gate.lab.host import LabProblem
from skylift.gate.lab.launchers import COMPONENTS, launcher
from skylift.gate.lab.manifest import digest, write_manifest
from skylift.gate.lab.pypi import uv_environment
from skylift.model.problem import Fix, Remedy

HOME = "/opt/openstack/artifacts"
"""Where artifacts lie on every host, by name."""

_PYTHON = "/usr/bin/python3"
_FORMAT = 1
"""Part of every key: raise it when how an artifact is built changes in a way its inputs do not show."""
_BUILD_LIMIT_S = 900

_BUILD = """
cd "$FOLDER"
mount -t tmpfs scratch /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay opt -o lowerdir=/opt,upperdir=/mnt/upper,workdir=/mnt/work /opt
mkdir -p "$ARTIFACT" "tree$ARTIFACT"
mount --bind "tree$ARTIFACT" "$ARTIFACT"
"$UV" venv --quiet --allow-existing --python "$PYTHON" "$ARTIFACT"
"$UV" pip install --quiet --no-deps --python "$ARTIFACT/bin/python" --requirement /dev/stdin
env -u PYTHONDONTWRITEBYTECODE "$ARTIFACT/bin/python" -m compileall -q -j 2 \\
  --invalidation-mode unchecked-hash "$ARTIFACT/lib" >&2
"""

_PACK = """
tar --create --directory "$TREE" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 . |
  zstd --quiet --force -T2 -3 -o "$ARCHIVE"
"""


@dataclass(frozen=True, slots=True)
class Artifact:
    """An environment of one release, known before it is built: its name says what it is built from."""

    release: str
    entry: Entry

    @property
    def name(self) -> str:
        """``RELEASE-`` and 16 hex digits of what it depends on; other inputs give another name."""
        return f"{self.release}-{self.entry.path.name.rpartition('-')[2]}"

    @property
    def path(self) -> str:
        """Where it lies on a host."""
        return f"{HOME}/{self.name}"

    @property
    def layer(self) -> Path:
        """A tree to stack under a host that shall have it from the start."""
        return self.entry.path / "tree"

    @property
    def tree(self) -> Path:
        """Its files, on this machine."""
        return self.layer / self.path.lstrip("/")

    @property
    def archive(self) -> Path:
        """All of it in one file, with paths relative to :attr:`path`."""
        return self.entry.path / f"{self.name}.tar.zst"

    @property
    def digest(self) -> str:
        """Its address, ``sha256:...``: the digest of its manifest. It must be built."""
        return digest(self.tree)


def releases() -> tuple[str, ...]:
    """The releases the lab has pins for, oldest first."""
    pins = resources.files("skylift.gate.lab") / "constraints"
    return tuple(
        sorted(file.name.removesuffix(".txt") for file in pins.iterdir() if file.name.endswith(".txt"))
    )


def artifact(release: str) -> Artifact:
    """The artifact of ``release``, built or not.

    Raises:
        LabProblem: the lab has no pins for it.
    """
    inputs = {
        "release": release,
        "pins": _pins(release),
        "launchers": [launcher(component, module=kind) for component in COMPONENTS for kind in (False, True)],
        "python": _python_version(),
        "platform": sysconfig.get_platform(),
        "format": _FORMAT,
    }
    return Artifact(release, entry("artifact", inputs))


def broken(whole: Artifact, *, component: str) -> Artifact:
    """The artifact like ``whole`` in all but this: its launcher of ``component`` ends with code 1."""
    return Artifact(whole.release, entry("artifact", {"like": whole.entry.path.name, "broken": component}))


def build(wanted: Artifact) -> None:
    """Build the artifact of a release and its archive; a no-op if it is in the cache.

    Raises:
        LabProblem: uv is not installed, or failed; the end of what it said is in the sentence.
    """
    wanted.entry.build(lambda folder: _fill(folder, wanted))


def build_broken(wanted: Artifact, whole: Artifact, *, component: str) -> None:
    """Derive what :func:`broken` names from ``whole``, which is built; a no-op if it is in the cache.

    Both names have the same length, so that one can take the other's place in every file.
    """
    wanted.entry.build(lambda folder: _derive(folder, wanted, whole, component))


def publish(wanted: Artifact, depot: Path) -> None:
    """Put the archive in the depot, whole or not at all; a no-op if it is there."""
    there = depot / wanted.archive.name
    if there.exists():
        return
    depot.mkdir(parents=True, exist_ok=True)
    unfinished = there.with_suffix(".unfinished")
    shutil.copyfile(wanted.archive, unfinished)
    unfinished.rename(there)


def _fill(folder: Path, wanted: Artifact) -> None:
    environment = {
        **uv_environment(),
        "FOLDER": str(folder),
        "ARTIFACT": wanted.path,
        "PYTHON": _PYTHON,
        "UV": _uv(),
    }
    pins = _pins(wanted.release).encode()
    run_sealed(["sh", "-euc", _BUILD], timeout_s=_BUILD_LIMIT_S, env=environment, input=pins)
    tree = folder / "tree" / wanted.path.lstrip("/")
    for component, program in COMPONENTS.items():
        module = next(tree.glob(f"lib/python3.*/site-packages/{program.module_file}"), None)
        _put_program(tree / f"libexec/serve-{component}", launcher(component, module=module is not None))
    _seal(folder, wanted, tree)


def _derive(folder: Path, wanted: Artifact, whole: Artifact, component: str) -> None:
    tree = folder / "tree" / wanted.path.lstrip("/")
    tree.parent.mkdir(parents=True)
    shutil.copytree(whole.tree, tree, symlinks=True)
    old, new = whole.path.encode(), wanted.path.encode()
    for file in tree.rglob("*"):
        if file.is_symlink() or not file.is_file():
            continue
        content = file.read_bytes()
        if old in content:
            file.write_bytes(content.replace(old, new))
    _put_program(
        tree / f"libexec/serve-{component}",
        "#!/bin/sh\necho 'this artifact is broken on purpose' >&2\nexit 1\n",
    )
    _seal(folder, wanted, tree)


def _seal(folder: Path, wanted: Artifact, tree: Path) -> None:
    write_manifest(tree)
    environment = {"TREE": str(tree), "ARCHIVE": str(folder / wanted.archive.name)}
    run_sealed(["sh", "-euc", _PACK], timeout_s=300, env=environment)


def _put_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _pins(release: str) -> str:
    file = resources.files("skylift.gate.lab") / "constraints" / f"{release}.txt"
    if not file.is_file():
        raise LabProblem(
            f"the lab cannot build release {release}: it has pins for {', '.join(releases())}",
            Remedy(Fix.REPAIR, "choose one of those with --release"),
        )
    return file.read_text()


@cache
def _python_version() -> str:
    """The interpreter an environment is bound to; Debian's own, the same as on the hosts."""
    return run_here([_PYTHON, "-c", "import sys; print(sys.version)"]).strip()


def _uv() -> str:
    beside = Path(sysconfig.get_path("scripts"), "uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise LabProblem(
            "artifacts cannot be built: uv is not installed",
            Remedy(Fix.REPAIR, "pip install 'skylift[lab]'"),
        )
    return found
