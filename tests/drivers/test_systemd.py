"""Units as systemd 252 showed them in the lab, and links on a real file system."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePosixPath

import pytest
from tests.drivers.loopback import ADDRESS, HOST

from skylift.drivers.ssh import Ssh
from skylift.drivers.systemd import NoArtifact, SystemdServices, parse_enabled, parse_unit, parse_words
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


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", ""),
        (
            "Traceback (most recent call last):\nModuleNotFoundError: No module named 'nova'\n\n",
            "ModuleNotFoundError: No module named 'nova'",
        ),
        (
            "cannot reach mysql+pymysql://keystone:k9-Zr2@10.0.0.9/keystone\n",
            "cannot reach mysql+pymysql://keystone:***@10.0.0.9/keystone",
        ),
        ("x" * 1000, "x" * 300),
    ],
)
def test_the_last_line_that_says_anything_is_told_short_and_without_a_secret(
    written: str, words: str
) -> None:
    assert parse_words(written) == words


UNPARSED = """\
running "unix_signal:15 gracefully_kill_them_all" (master-start)...
Traceback (most recent call last):
  File "/opt/openstack/oslo_config/iniparser.py", line 112, in error_invalid_assignment
    raise self.parse_exc("No ':' or '=' found in assignment",
oslo_config.cfg.ParseError: at /etc/glance/glance-api.conf:1, No ':' or '=' found
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
  File "/opt/openstack/bin/glance-wsgi-api", line 52, in <module>
    application = init_app()
                  ^^^^^^^^^^
  File "/opt/openstack/oslo_config/cfg.py", line 1639, in _parse_file
    raise ConfigFileParseError(pe.filename, str(pe))
oslo_config.cfg.ConfigFileParseError: Failed to parse /etc/glance/glance-api.conf
unable to load app 0 (mountpoint='') (callable not found or import error)
*** no app loaded. GAME OVER ***
OOPS ! failed loading app in worker 1 (pid 2804)
Sat Nov 28 12:21:25 2026 - need-app requested, destroying the instance...
SIGINT/SIGTERM received...killing workers...
goodbye to uWSGI.
"""
"""What Glance wrote in the lab when its configuration could not be parsed, shortened."""
UNWRITTEN = """\
2026-11-28 12:38:19.206 9887 ERROR glance OSError: write error
2026-11-28 12:38:19.206 9887 ERROR glance \x1b[00m
2026-11-28 12:38:19.218 9887 CRITICAL glance [-] Unhandled error: OSError: write error
2026-11-28 12:38:19.218 9887 ERROR glance OSError: write error
2026-11-28 12:38:19.218 9887 ERROR glance \x1b[00m
2026-11-28 12:38:22.178 9887 INFO glance.api.v2.image_data [None req-ae42ee69] Unable to create trust
"""
"""What it logged there at each of the levels, shortened."""
UNSAVED = """\
2026-11-28 12:40:01.1 77 ERROR nova   File "/opt/pymysql/err.py", line 143, in raise_mysql_exception
2026-11-28 12:40:01.1 77 ERROR nova     raise errorclass(errno, errval)
2026-11-28 12:40:01.1 77 ERROR nova sqlalchemy.exc.OperationalError: (2003, 'no MySQL server')
2026-11-28 12:40:01.1 77 ERROR nova (Background on this error at: https://sqlalche.me/e/14/e3q8)
2026-11-28 12:40:01.1 77 ERROR nova
2026-11-28 12:40:01.200 77 INFO nova [-] state went to ERROR
"""
"""A traceback as oslo.log writes it, whose first lines are too far above."""


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (
            UNPARSED,
            "oslo_config.cfg.ConfigFileParseError: Failed to parse /etc/glance/glance-api.conf",
        ),
        (UNPARSED.partition("Traceback")[0] + "goodbye to uWSGI.\n", "goodbye to uWSGI."),
        (UNWRITTEN, "2026-11-28 12:38:19.218 9887 ERROR glance OSError: write error"),
        (
            UNSAVED,
            "2026-11-28 12:40:01.1 77 ERROR nova sqlalchemy.exc.OperationalError: (2003, 'no MySQL server')",
        ),
    ],
)
def test_what_was_raised_or_logged_as_an_error_is_told_rather_than_a_goodbye(
    written: str, words: str
) -> None:
    assert parse_words(written) == words


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
