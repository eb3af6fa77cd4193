"""Claims about the manifest of an artifact."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from skylift.gate.lab.manifest import FILES, LINKS, digest, write_manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/serve").write_text("#!/bin/sh\n")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/Über sicht.py").write_text("x = 1\n")
    (tmp_path / "bin/python").symlink_to("/usr/bin/python3")
    return tmp_path


def test_names_every_file_and_link(tree: Path) -> None:
    write_manifest(tree)

    files = [line[66:] for line in (tree / FILES).read_text().splitlines()]
    assert files == [LINKS, "bin/serve", "lib/Über sicht.py"]
    assert (tree / LINKS).read_text() == "bin/python\t/usr/bin/python3\n"


def test_one_changed_byte_changes_the_digest(tree: Path) -> None:
    """Row 98."""
    before = write_manifest(tree)

    (tree / "bin/serve").write_text("#!/bin/sH\n")

    assert write_manifest(tree) != before


def test_a_link_that_leads_elsewhere_changes_the_digest(tree: Path) -> None:
    before = write_manifest(tree)

    (tree / "bin/python").unlink()
    (tree / "bin/python").symlink_to("/usr/bin/python3.12")

    assert write_manifest(tree) != before


def test_the_same_files_have_the_same_digest(tree: Path) -> None:
    before = write_manifest(tree)

    (tree / "bin/serve").touch()

    assert write_manifest(tree) == before == digest(tree)


def test_a_manifest_further_down_is_a_file_like_any_other(tree: Path) -> None:
    (tree / "lib" / FILES).write_text("theirs\n")

    write_manifest(tree)

    assert f"  lib/{FILES}\n" in (tree / FILES).read_text()


@pytest.mark.parametrize("name", ["two\nlines", "a\ttab", "back\\slash"])
def test_a_name_it_could_not_tell_apart_is_refused(tree: Path, name: str) -> None:
    (tree / name).write_text("")

    with pytest.raises(ValueError, match="cannot hold the name"):
        write_manifest(tree)


def test_sha256sum_agrees_until_a_byte_changes(tree: Path) -> None:
    write_manifest(tree)
    check = ["sha256sum", "--quiet", "--strict", "--check", FILES]

    before = subprocess.run(check, cwd=tree, check=False, capture_output=True)
    (tree / "lib/Über sicht.py").write_text("x = 2\n")
    after = subprocess.run(check, cwd=tree, check=False, capture_output=True)

    assert (before.returncode, after.returncode) == (0, 1)
