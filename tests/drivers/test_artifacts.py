"""Staging: whole and verified, or not at all; the command is run here as a host would run it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest
from tests.drivers.loopback import HOST

from skylift.drivers.artifacts import SshArtifacts
from skylift.drivers.ssh import Ssh
from skylift.model.ids import ArtifactName, Digest
from skylift.model.record import Artifact
from skylift.model.release import Release


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Depot:
    """An artifact being made, the server that offers it, and the place it shall lie at."""

    tree: Path
    served: Path
    artifact: Artifact
    ssh: Ssh

    @property
    def path(self) -> Path:
        return Path(self.artifact.path)

    def write_manifest(self) -> str:
        """Write both manifests of the tree and return its digest."""
        found = sorted(self.tree.rglob("*"), key=lambda p: bytes(p.relative_to(self.tree)))
        links = [f"{p.relative_to(self.tree)}\t{p.readlink()}\n" for p in found if p.is_symlink()]
        (self.tree / "MANIFEST.links").write_text("".join(links), encoding="utf-8")
        files = [p for p in found if p.is_file() and not p.is_symlink() and p.name != "MANIFEST.sha256"]
        names = {*(p.relative_to(self.tree) for p in files), Path("MANIFEST.links")}
        lines = [f"{_sha256(self.tree / name)}  {name}\n" for name in sorted(names, key=bytes)]
        (self.tree / "MANIFEST.sha256").write_text("".join(lines), encoding="utf-8")
        return f"sha256:{_sha256(self.tree / 'MANIFEST.sha256')}"

    def publish(self) -> None:
        """Pack the tree, as it is now, for the server."""
        tar: list[str | Path] = ["tar", "-c", "--zstd", "-f", self.served / "a.tar.zst", "-C", self.tree, "."]
        subprocess.run(tar, check=True)

    def stage(self, artifact: Artifact | None = None) -> subprocess.CompletedProcess[str]:
        """Run the stage command, as a job does."""
        command = SshArtifacts(self.ssh).stage_command(artifact or self.artifact)
        return subprocess.run(
            command.argv,
            check=False,
            timeout=180,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def beside(self) -> list[str]:
        """What lies in the artifacts' folder."""
        return sorted(p.name for p in self.path.parent.iterdir() if not p.name.startswith("."))


@pytest.fixture
def depot(tmp_path: Path, ssh: Ssh) -> Iterator[Depot]:
    tree, served = tmp_path / "tree", tmp_path / "served"
    (tree / "bin").mkdir(parents=True)
    served.mkdir()
    (tree / "bin/python").symlink_to("/usr/bin/python3")
    (tree / "bin/serve").write_text("#!/bin/sh\n", encoding="ascii")
    (tree / "bin/serve").chmod(0o755)
    (tree / "with space.py").write_text("x = 1\n", encoding="ascii")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    artifact = Artifact(
        name=ArtifactName("openstack-2024.1"),
        release=Release(2024, 1),
        digest=Digest(""),
        source=f"http://127.0.0.1:{server.server_port}/a.tar.zst",
        path=PurePosixPath(tmp_path / "artifacts/2024.1-aa"),
    )
    made = Depot(tree, served, artifact, ssh)
    yield replace(made, artifact=replace(artifact, digest=Digest(made.write_manifest())))
    server.shutdown()
    server.server_close()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _change(depot: Depot) -> None:
    (depot.tree / "bin/serve").write_text("#!/bin/sh\nevil\n", encoding="ascii")


def _add(depot: Depot) -> None:
    (depot.tree / "bin/sitecustomize.py").touch()


def _remove(depot: Depot) -> None:
    (depot.tree / "with space.py").unlink()


def _relink(depot: Depot) -> None:
    (depot.tree / "bin/python").unlink()
    (depot.tree / "bin/python").symlink_to("/tmp/python")  # noqa: S108 - the point


def _add_pipe(depot: Depot) -> None:
    os.mkfifo(depot.tree / "pipe")


def _write_another_manifest(depot: Depot) -> None:
    _change(depot)
    depot.write_manifest()


def test_an_artifact_is_staged_whole_at_its_place(depot: Depot) -> None:
    """Row 78."""
    depot.publish()

    ended = depot.stage()

    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, f"staged {depot.path}")
    assert (depot.path / "bin/serve").stat().st_mode & 0o777 == 0o755
    assert depot.path.stat().st_mode & 0o777 == 0o755
    assert depot.beside() == ["2024.1-aa"]
    assert SshArtifacts(depot.ssh).staged(HOST, depot.artifact.path) == depot.artifact.digest


def test_staging_again_verifies_what_is_there_and_fetches_nothing(depot: Depot) -> None:
    depot.publish()
    depot.stage()
    (depot.served / "a.tar.zst").unlink()

    ended = depot.stage()

    assert ended.returncode == 0
    assert "already and whole" in ended.stdout


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_change, "a file is not what its manifest says"),
        (_remove, "a file is not what its manifest says"),
        (_add, "files that its manifest does not list"),
        (_relink, "links that its manifest does not list"),
        (_add_pipe, "neither file, folder nor link"),
        (_write_another_manifest, "its manifest is not sha256:"),
    ],
)
def test_an_artifact_that_differs_in_anything_is_not_staged(
    depot: Depot, spoil: Callable[[Depot], None], why: str
) -> None:
    spoil(depot)
    depot.publish()

    ended = depot.stage()

    assert ended.returncode != 0
    assert why in ended.stdout.splitlines()[-1]
    assert depot.beside() == []


def test_an_artifact_that_was_changed_where_it_lies_is_found_and_left_alone(depot: Depot) -> None:
    depot.publish()
    depot.stage()
    (depot.path / "bin/serve").write_text("changed", encoding="ascii")

    ended = depot.stage()

    assert ended.returncode != 0
    assert "bin/serve" in ended.stdout
    assert depot.beside() == ["2024.1-aa"]


def test_an_archive_that_is_cut_off_leaves_nothing(depot: Depot) -> None:
    depot.publish()
    archive = depot.served / "a.tar.zst"
    archive.write_bytes(archive.read_bytes()[:-20])

    ended = depot.stage()

    assert ended.returncode != 0
    assert ended.stdout.splitlines()[-1].startswith("could not unpack http://127.0.0.1")
    assert depot.beside() == []


def test_a_source_that_is_gone_is_named(depot: Depot) -> None:
    ended = depot.stage()

    assert ended.returncode != 0
    assert ended.stdout.splitlines()[-1].startswith(f"could not fetch {depot.artifact.source} (")
    assert depot.beside() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_is_named_and_left_as_it_was(depot: Depot, tmp_path: Path) -> None:
    """Issue 2, fault: full disk on one host."""
    (depot.tree / "large").write_bytes(os.urandom(3 << 20))
    digest = Digest(depot.write_manifest())
    depot.publish()
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "small", small], check=True)
    try:
        ended = depot.stage(replace(depot.artifact, digest=digest, path=PurePosixPath(small / "a")))

        assert ended.returncode != 0
        assert "are free there)" in ended.stdout.splitlines()[-1]
        assert [p.name for p in small.iterdir()] == [".staging.lock"]
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_an_earlier_attempt_left_is_removed(depot: Depot) -> None:
    depot.publish()
    left = depot.path.parent / "2024.1-aa.staging.killed"
    left.mkdir(parents=True)

    assert depot.stage().returncode == 0
    assert depot.beside() == ["2024.1-aa"]


def test_a_host_knows_whether_it_could_fetch_an_artifact(depot: Depot) -> None:
    artifacts = SshArtifacts(depot.ssh)

    assert not artifacts.obtainable(HOST, depot.artifact)
    depot.publish()
    assert artifacts.obtainable(HOST, depot.artifact)


def test_nothing_staged_has_no_digest(depot: Depot) -> None:
    assert SshArtifacts(depot.ssh).staged(HOST, depot.artifact.path) is None
