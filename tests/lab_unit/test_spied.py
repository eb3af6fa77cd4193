"""A secret in a process's words or in its environment is seen."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.lab.spied import Spy

from skylift.gate.lab.commands import poll

SECRETS = {"passwords.database.nova": "5c2b8d0e", "passwords.bus.glance": "a91f77c3"}


@pytest.mark.parametrize(
    ("argv", "environment", "seen"),
    [
        (("mysql", "--password=5c2b8d0e"), {}, {"passwords.database.nova in cmdline"}),
        (("mysql",), {"MYSQL_PWD": "a91f77c3"}, {"passwords.bus.glance in environ"}),
        (("mysql", "--password-file=/run/x"), {"HOME": "/root"}, set()),
    ],
)
def test_a_spy_sees_what_a_process_was_begun_with(
    argv: tuple[str, ...], environment: dict[str, str], seen: set[str]
) -> None:
    waits = ("sh", "-c", "echo; read _", *argv)
    with subprocess.Popen(
        waits,
        env=environment | {"PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as begun:
        assert begun.stdout
        # What a process was begun with can be read a moment after it has begun, and not before it speaks.
        assert begun.stdout.readline()
        spy = Spy(SECRETS)
        spy.look()

    assert spy.seen == seen


def test_a_spy_looks_on_until_it_is_told_to_stop(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "cmdline").write_bytes(b"glance-api\0a91f77c3\0")

    with Spy(SECRETS, tmp_path) as spy:
        assert poll(lambda: spy.looks > 0, limit_s=60)

    assert spy.seen == {"passwords.bus.glance in cmdline"}
