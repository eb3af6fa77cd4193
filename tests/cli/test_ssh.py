"""``skylift ssh`` reaches a host as Skylift does, with OpenSSH's own client, and is the command it runs."""

from __future__ import annotations

import getpass
import subprocess
import sys
from pathlib import Path

import pytest
from tests.drivers.loopback import ADDRESS, make_key, serving
from tests.record.conftest import WHOLE

from skylift.cli.exits import Exit
from skylift.cli.main import call

SSH_FAILED = 255
"""What OpenSSH's client ends with if it did not get in."""
SSH_PORT = 22


def record(folder: Path, *, port: int = SSH_PORT, proxy: str = "") -> Path:
    """A record whose ctl1 is the sshd on loopback, for which the user's own files know no name."""
    way = f'port: {port}, proxy_command: "{proxy}"' if proxy else f"port: {port}"
    access = f"ssh: {{user: {getpass.getuser()}, key: id, known_hosts: known_hosts, {way}}}"
    lines = [access if line.startswith("ssh:") else line for line in WHOLE.splitlines()]
    file = folder / "cloud.yaml"
    file.write_text("\n".join(lines).replace("10.77.0.11", ADDRESS) + "\n", encoding="utf-8")
    (folder / "clouds.yaml").write_text("clouds: {lab: {auth: {}}}\n", encoding="utf-8")
    (folder / "clouds.yaml").chmod(0o600)
    pins = folder / "known_hosts"
    own = pins.read_text(encoding="ascii") if pins.exists() else f"{_at(ADDRESS, port)} ssh-ed25519 AAAA"
    rest = (f"{_at(f'10.77.0.{n}', port)} ssh-ed25519 AAAA" for n in (12, 13, 20))
    pins.write_text("\n".join((own, *rest, "")), encoding="ascii")
    return file


def _at(address: str, port: int) -> str:
    return address if port == SSH_PORT else f"[{address}]:{port}"


def types(cloud: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "skylift.cli.main", "--cloud", str(cloud), "ssh", *words)
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)


def test_a_command_runs_there_in_a_shell_and_its_exit_code_is_the_commands(tmp_path: Path) -> None:
    with serving(tmp_path) as sshd:
        said = types(record(tmp_path, port=sshd.port), "ctl1", "echo -n a", "&& printf %s b; exit 7")

    assert (said.stdout, said.returncode) == ("ab", 7), said.stderr


def test_the_way_in_and_the_pinned_key_are_the_records(tmp_path: Path) -> None:
    """Nobody listens on the port of the record: only the proxy command leads there."""
    with serving(tmp_path) as sshd:
        (tmp_path / "known_hosts").write_text(f"{ADDRESS} {(tmp_path / 'host_key.pub').read_text()}")
        cloud = record(tmp_path, proxy=f"socat - TCP:%h:{sshd.port}")
        said = types(cloud, "ctl1", "df", "-h", "/")
        pins = (tmp_path / "known_hosts").read_text().splitlines(keepends=True)[2:]
        (tmp_path / "known_hosts").write_text(f"{ADDRESS} {make_key(tmp_path / 'another')}{''.join(pins)}")
        refused = types(cloud, "ctl1", "true")

    assert (said.returncode, said.stdout.split()[0]) == (0, "Filesystem"), said.stderr
    assert refused.returncode == SSH_FAILED
    assert "Host key verification failed" in refused.stderr


def test_a_host_that_the_record_does_not_have_is_named_with_those_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_key(tmp_path / "id")

    assert call(["--cloud", str(record(tmp_path)), "ssh", "ctl9", "true"]) == Exit.USAGE
    assert "the record has no host ctl9; it has ctl1, ctl2, ctl3, client" in capsys.readouterr().err
