"""Machines, read over a real sshd."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath

import pytest
from tests.drivers.loopback import HOST

from skylift.drivers.hosts import SshHosts, parse_look
from skylift.drivers.ssh import Ssh

RECORDED = """\
begun=1795347198000000000
boot_id=2aebe371-1ffa-4792-a55d-1df901a8a9ff
os_release=Debian GNU/Linux 12 (bookworm)
disk_free= 80027009024
key_fernet=sha256:aa
ended=1795347198060000000
"""


@pytest.fixture
def hosts(ssh: Ssh) -> SshHosts:
    return SshHosts(ssh, PurePosixPath("/opt/openstack/artifacts"))


def test_a_host_says_what_it_is_in_one_round_trip(hosts: SshHosts) -> None:
    seen = hosts.look(HOST)

    assert seen.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert seen.disk_free_bytes > 0
    assert abs(seen.clock_offset_ms) < 5000
    assert seen.os_release


def test_the_clock_is_compared_in_the_middle_of_the_round_trip() -> None:
    seen = parse_look(HOST, RECORDED, middle=1795347196.53)

    assert seen.clock_offset_ms == 1500
    assert seen.disk_free_bytes == 80027009024


def test_only_repositories_that_are_there_have_a_digest() -> None:
    assert parse_look(HOST, RECORDED, middle=0).key_digests == {"fernet": "sha256:aa"}


def test_the_digest_of_a_repository_depends_on_names_and_contents_alone(ssh: Ssh, tmp_path: Path) -> None:
    """Keys never leave the host: what travels is one digest of the whole folder."""
    (tmp_path / "10").write_text("older", encoding="ascii")
    (tmp_path / "9").write_text("newer", encoding="ascii")
    lines = "".join(
        f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in ("10", "9")
    )

    seen = SshHosts(ssh, PurePosixPath("/"), key_repositories={"fernet": str(tmp_path)}).look(HOST)

    assert seen.key_digests == {"fernet": f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"}


def test_a_question_gets_code_and_both_streams(hosts: SshHosts) -> None:
    answer = hosts.ask(HOST, ["sh", "-c", "echo out; echo err >&2; exit 2"])

    assert (answer.code, sorted(answer.text.split())) == (2, ["err", "out"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask as another user")
def test_a_question_is_asked_as_the_user_who_may(hosts: SshHosts) -> None:
    assert hosts.ask(HOST, ["id", "-un"], user="nobody").text.strip() == "nobody"


def test_the_end_of_a_file_is_read_from_where_one_was(hosts: SshHosts, tmp_path: Path) -> None:
    file = tmp_path / "grows"
    file.write_bytes(b"first\n\xff\x00")
    path = PurePosixPath(file)

    assert hosts.tail(HOST, path, offset=0) == b"first\n\xff\x00"
    assert hosts.tail(HOST, path, offset=6) == b"\xff\x00"
    assert hosts.tail(HOST, path, offset=8) == b""
    assert hosts.tail(HOST, PurePosixPath(tmp_path / "absent"), offset=0) == b""


def test_a_long_file_comes_in_pieces_of_a_mebibyte(hosts: SshHosts, tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_bytes(b"x" * (1 << 20) + b"rest")
    path = PurePosixPath(file)

    assert len(hosts.tail(HOST, path, offset=0)) == 1 << 20
    assert hosts.tail(HOST, path, offset=1 << 20) == b"rest"
