"""Units as systemd 252 showed them in the lab, and links on a real file system."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePosixPath

import pytest
from tests.drivers.loopback import ADDRESS, HOST

from skylift.drivers.ssh import Ssh
from skylift.drivers.systemd import NoArtifact, SystemdServices, parse_enabled, parse_unit
from skylift.gate.lab.commands import poll
from skylift.gate.lab.loopback import free_port
from skylift.model.cloud import UnitSeen, UnitState
from skylift.model.ids import Epoch, UnitName

UNIT = UnitName("keystone-api.service")
SHOWN = """\
MainPID={pid}
ExecMainStartTimestamp={started}
LoadState={load}
ActiveState={active}
"""


def shown(active: str, *, load: str = "loaded", pid: int = 1273, started: str = "@1795347584") -> str:
    return SHOWN.format(active=active, load=load, pid=pid, started=started)


@pytest.fixture
def services(ssh: Ssh) -> SystemdServices:
    return SystemdServices(ssh, {HOST: ADDRESS}, [PurePosixPath("/opt/openstack/artifacts")])


def test_what_runs_is_what_is_mapped_and_not_what_is_linked() -> None:
    text = shown("active") + "linked=/opt/a/2024.1-bb\nmapped=/opt/a/2023.1-aa/\n"

    assert parse_unit(HOST, UNIT, text) == UnitSeen(
        HOST,
        UNIT,
        UnitState.ACTIVE,
        pid=1273,
        started_at=Epoch(1795347584.0),
        running="/opt/a/2023.1-aa",
        linked="/opt/a/2024.1-bb",
    )


def test_a_unit_that_runs_two_artifacts_at_once_is_taken_for_neither() -> None:
    text = shown("active") + "mapped=/opt/a/2023.1-aa/\nmapped=/opt/a/2024.1-bb/\n"

    assert parse_unit(HOST, UNIT, text).running == "/opt/a/2023.1-aa and /opt/a/2024.1-bb"


@pytest.mark.parametrize(
    ("active", "state"),
    [
        ("active", UnitState.ACTIVE),
        ("reloading", UnitState.ACTIVE),
        ("activating", UnitState.ACTIVATING),
        ("deactivating", UnitState.DEACTIVATING),
        ("inactive", UnitState.INACTIVE),
        ("failed", UnitState.FAILED),
    ],
)
def test_states_are_systemds(active: str, state: UnitState) -> None:
    assert parse_unit(HOST, UNIT, shown(active)).state is state


def test_a_stopped_unit_has_no_process_and_no_start() -> None:
    seen = parse_unit(HOST, UNIT, shown("inactive", pid=0))

    assert (seen.pid, seen.started_at, seen.running) == (None, None, None)


def test_a_unit_that_is_not_installed_is_absent() -> None:
    seen = parse_unit(HOST, UNIT, shown("inactive", load="not-found", pid=0, started=""))

    assert seen.state is UnitState.ABSENT


@pytest.mark.parametrize(
    ("said", "starts"),
    [
        ("enabled\n", True),
        ("alias\n", True),
        ("disabled\n", False),
        ("enabled-runtime\n", False),
        ("linked\n", False),
        ("masked\n", False),
        ("", False),
        ("static\n", None),
        ("generated\n", None),
    ],
)
def test_a_unit_starts_with_its_host_if_systemd_will_not_forget_it(said: str, starts: object) -> None:
    assert parse_enabled(said) is starts


def test_a_link_is_switched_and_read_back(services: SystemdServices, tmp_path: Path) -> None:
    old, new, link = tmp_path / "old", tmp_path / "new", PurePosixPath(tmp_path / "current/keystone")
    old.mkdir()
    new.mkdir()

    assert services.linked(HOST, link) is None
    services.point(HOST, link, PurePosixPath(old))
    services.point(HOST, link, PurePosixPath(new))
    services.point(HOST, link, PurePosixPath(new))

    assert services.linked(HOST, link) == PurePosixPath(new)
    assert [each.name for each in Path(link.parent).iterdir()] == ["keystone"]


def test_a_link_is_not_pointed_to_an_artifact_that_is_absent(
    services: SystemdServices, tmp_path: Path
) -> None:
    old, link = tmp_path / "old", PurePosixPath(tmp_path / "link")
    old.mkdir()
    services.point(HOST, link, PurePosixPath(old))

    with pytest.raises(NoArtifact, match="no artifact") as it:
        services.point(HOST, link, PurePosixPath(tmp_path / "new"))

    assert it.value.code == "artifact.absent"
    assert services.linked(HOST, link) == PurePosixPath(old)


class _Busy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/healthcheck" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


def test_an_answer_is_its_status_and_silence_is_none(services: SystemdServices) -> None:
    seen: list[int | None] = []

    def answered() -> bool:
        seen.append(services.answers(HOST, server.server_port, "/healthcheck"))
        return seen[-1] is not None

    with HTTPServer((ADDRESS, 0), _Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        # The answer is waited for a few seconds, and this process may have to wait longer for its turn.
        assert poll(answered, limit_s=60)

        server.shutdown()

    assert seen[-1] == 503
    assert services.answers(HOST, free_port(), "/healthcheck") is None
