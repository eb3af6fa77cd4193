"""Artifacts: all services of one release in one environment, built from PyPI.

An artifact is built at the very path it will have on the hosts (scripts and byte code name it), in a
mount namespace where only this build sees it. It carries a launcher per service, so that the units
of the hosts stay the same from release to release, and a manifest, whose digest is its address.
"""

from __future__ import annotations

import shutil
import sysconfig
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from skylift.gate.lab.cache import Entry, entry
from skylift.gate.lab.commands import run_here, run_sealed
from skylift.gate.lab.host import LabProblem
from skylift.gate.lab.launchers import Wsgi, launcher
from skylift.gate.lab.manifest import digest, write_manifest
from skylift.gate.lab.profiles import API, Profile
from skylift.gate.lab.pypi import uv, uv_environment
from skylift.model.problem import Fix, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

HOME = "/opt/openstack/artifacts"
"""Where artifacts lie on every host, by name."""

_PYTHON = "/usr/bin/python3"
_FORMAT = 2
"""Part of every key: raise it when how an artifact is built changes in a way its inputs do not show."""
_BUILD_LIMIT_S = 900
_UNCHECKED_HASH = b"\1\0\0\0"

_BUILD = """
export PYTHONDONTWRITEBYTECODE=1
cd "$FOLDER"
mount -t tmpfs scratch /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay opt -o lowerdir=/opt,upperdir=/mnt/upper,workdir=/mnt/work /opt
mkdir -p "$ARTIFACT" "tree$ARTIFACT"
mount --bind "tree$ARTIFACT" "$ARTIFACT"
"$UV" venv --quiet --allow-existing --python "$PYTHON" "$ARTIFACT"
# Some source packages are built with what later ones no longer bring.
echo 'setuptools<81' > /mnt/build-constraints
export UV_BUILD_CONSTRAINT=/mnt/build-constraints
"$UV" pip install --quiet --no-deps --python "$ARTIFACT/bin/python" --requirement /dev/stdin
[ ! -d additions ] || cp -R additions/. "$ARTIFACT"/lib/python3.*/site-packages/
rm -rf additions
eval "$FINISH"
"$ARTIFACT/bin/python" -m compileall -q -f -j 2 --invalidation-mode unchecked-hash "$ARTIFACT/lib" >&2
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
    profile: Profile = API

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


def releases(profile: Profile = API) -> tuple[str, ...]:
    """The releases the lab has pins for, oldest first."""
    return tuple(
        sorted(
            file.name.removesuffix(".txt")
            for file in _pins_of(profile.larger or profile).iterdir()
            if file.name.endswith(".txt")
        )
    )


def artifact(release: str, profile: Profile = API) -> Artifact:
    """The artifact of ``release`` with all services of ``profile``, built or not.

    Raises:
        LabProblem: the lab has no pins for it.
    """
    profile = profile.larger or profile
    inputs: dict[str, object] = {
        "release": release,
        "pins": _pins(release, profile),
        "launchers": [
            launcher(service.link_name, service.program, module=kind)
            for service in profile.services
            for kind in (False, True)
        ],
        "python": _python_version(),
        "platform": sysconfig.get_platform(),
        "format": _FORMAT,
    }
    if added := _additions(profile):
        inputs |= {"additions": added, "finish": _finish(profile)}
    return Artifact(release, entry("artifact", inputs), profile)


def broken(whole: Artifact, *, component: str) -> Artifact:
    """The artifact like ``whole`` in all but this: its launcher of ``component`` ends with code 1."""
    inputs = {"like": whole.entry.path.name, "broken": component}
    return Artifact(whole.release, entry("artifact", inputs), whole.profile)


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


def dated_files(tree: Path) -> Iterator[Path]:
    """Compiled files that hold by their source's time, and not as they are.

    An archive does not keep that time, so whoever may would write them again, and the artifact would not be
    what its manifest says: helpers of oslo.privsep are root, and begin with no environment that forbids it.
    Source: PEP 552, of the second word of a compiled file.
    """
    for compiled in tree.rglob("*.pyc"):
        with compiled.open("rb") as file:
            if file.read(8)[4:] != _UNCHECKED_HASH:
                yield compiled


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
        "UV": uv(),
        "FINISH": _finish(wanted.profile),
    }
    for path, text in _additions(wanted.profile).items():
        added = folder / "additions" / path
        added.parent.mkdir(parents=True, exist_ok=True)
        added.write_text(text)
    run_sealed(
        ["sh", "-euc", _BUILD],
        timeout_s=_BUILD_LIMIT_S,
        env=environment,
        input=_pins(wanted.release, wanted.profile).encode(),
    )
    tree = folder / "tree" / wanted.path.lstrip("/")
    for service in wanted.profile.services:
        program = service.program
        module = isinstance(program, Wsgi) and any(
            tree.glob(f"lib/python3.*/site-packages/{program.module_file}")
        )
        _put_program(
            tree / f"libexec/serve-{service.link_name}", launcher(service.link_name, program, module=module)
        )
    _seal(folder, wanted, tree)


def _additions(profile: Profile) -> dict[str, str]:
    """By path below site-packages: what is not upstream's."""
    ours = resources.files("skylift.gate.lab") / "artifactside"
    return {
        path: (ours / name).read_text()
        for component in profile.components
        for path, name in component.additions
    }


def _finish(profile: Profile) -> str:
    return "\n".join(component.finish for component in profile.components if component.finish)


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
    if dated := next(dated_files(tree), None):
        raise LabProblem(f"{wanted.name} was not built well: Python would write {dated} again as it runs")
    write_manifest(tree)
    environment = {"TREE": str(tree), "ARCHIVE": str(folder / wanted.archive.name)}
    run_sealed(["sh", "-euc", _PACK], timeout_s=300, env=environment)


def _put_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _pins_of(profile: Profile) -> Traversable:
    return resources.files("skylift.gate.lab") / "constraints" / profile.name


def _pins(release: str, profile: Profile) -> str:
    file = _pins_of(profile) / f"{release}.txt"
    if not file.is_file():
        raise LabProblem(
            f"the lab cannot build release {release}: it has pins for {', '.join(releases(profile))}",
            Remedy(Fix.REPAIR, "choose one of those with --release"),
        )
    return file.read_text()


@cache
def _python_version() -> str:
    """The interpreter an environment is bound to; Debian's own, the same as on the hosts."""
    return run_here([_PYTHON, "-c", "import sys; print(sys.version)"]).strip()
