"""Migration files of the three layouts, read by a real interpreter without running them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from tests.drivers.loopback import HOST

from skylift.drivers.artifacts import SshArtifacts
from skylift.drivers.migrations import MigrationsUnreadable
from skylift.drivers.ssh import Ssh
from skylift.model.cloud import Revision

NEVER_RUN = "raise SystemExit('a migration was run')\n"


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text + NEVER_RUN, encoding="utf-8")


def read(ssh: Ssh, folder: Path) -> tuple[Revision, ...]:
    return SshArtifacts(ssh).migrations(HOST, PurePosixPath(folder))


def test_keystone_tells_the_branch_by_the_folder(ssh: Ssh, tmp_path: Path) -> None:
    write(tmp_path, "27e6_initial_version.py", "revision = '27e6'\ndown_revision = None\n")
    write(tmp_path, "2024.01/expand/47147121_mapping.py", "revision = '47147121'\ndown_revision = '11c3'\n")
    write(
        tmp_path,
        "yoga/contract/e25f_initial.py",
        "revision = 'e25f'\ndown_revision = '27e6'\nbranch_labels = ('contract',)\ndepends_on = None\n",
    )
    write(tmp_path, "yoga/__pycache__/e25f_initial.cpython-311.pyc", "\0")

    assert read(ssh, tmp_path) == (
        Revision("27e6", (), (), ""),
        Revision("47147121", ("11c3",), (), "expand"),
        Revision("e25f", ("27e6",), (), "contract"),
    )


def test_glance_tells_the_branch_by_labels_that_are_expressions(ssh: Ssh, tmp_path: Path) -> None:
    write(tmp_path, "__init__.py", "")
    write(
        tmp_path,
        "ocata_expand01.py",
        "from glance.db import migration\nrevision = 'ocata_expand01'\ndown_revision = 'mitaka02'\n"
        "branch_labels = migration.EXPAND_BRANCH\ndepends_on = None\n",
    )
    write(
        tmp_path,
        "ocata_contract01.py",
        "revision = 'ocata_contract01'\ndown_revision = 'mitaka02'\n"
        "branch_labels = ('ocata01', migration.CONTRACT_BRANCH)\ndepends_on = 'ocata_expand01'\n",
    )

    assert read(ssh, tmp_path) == (
        Revision("ocata_contract01", ("mitaka02",), ("ocata_expand01",), "contract"),
        Revision("ocata_expand01", ("mitaka02",), (), "expand"),
    )


def test_merges_annotations_and_other_labels_are_read_too(ssh: Ssh, tmp_path: Path) -> None:
    write(
        tmp_path,
        "m.py",
        "revision: str = 'm'\ndown_revision: tuple = ('a', 'b')\nbranch_labels = ['main']\n",
    )

    assert read(ssh, tmp_path) == (Revision("m", ("a", "b"), (), "main"),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("revision = 'x'\ndown_revision = compute()\n", "line 2 is not a string"),
        ("revision = 'x'\ndown_revision = (\n", "cannot be read as a migration"),
        ("x = 1\n", "there are none"),
    ],
)
def test_what_cannot_be_read_is_refused_naming_the_place(
    ssh: Ssh, tmp_path: Path, text: str, why: str
) -> None:
    write(tmp_path, "odd.py", text)

    with pytest.raises(MigrationsUnreadable, match=why) as it:
        read(ssh, tmp_path)

    assert str(tmp_path) in str(it.value)


def test_a_star_stands_for_the_one_folder_that_matches(ssh: Ssh, tmp_path: Path) -> None:
    """A catalog cannot know an artifact's version of Python."""
    write(tmp_path, "lib/python3.11/versions/a.py", "revision = 'a'\ndown_revision = None\n")

    assert read(ssh, tmp_path / "lib/python3*/versions") == (Revision("a", (), (), ""),)

    write(tmp_path, "lib/python3.12/versions/a.py", "revision = 'a'\ndown_revision = None\n")
    with pytest.raises(MigrationsUnreadable, match="several folders match"):
        read(ssh, tmp_path / "lib/python3*/versions")


def test_a_folder_that_is_absent_is_refused(ssh: Ssh, tmp_path: Path) -> None:
    with pytest.raises(MigrationsUnreadable, match="no such folder"):
        read(ssh, tmp_path / "absent")
