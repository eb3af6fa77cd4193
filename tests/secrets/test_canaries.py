"""Issue 5, proof 4: at least 200 canaries over all error paths, and none is told or written down."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePath, PurePosixPath
from threading import Thread
from typing import Any

import pytest
from tests.secrets.planted import FORMS, Planted, said
from tools import reference

from skylift.actions.action import Action
from skylift.actions.prepare import StageArtifact
from skylift.actions.prove import CreateWitnesses
from skylift.app.report import report
from skylift.cli.views.run import lines as run_lines
from skylift.drivers.clouds_yaml import CredentialsRefused, credentials
from skylift.drivers.ed25519 import KeyFile, SigningKeyRefused
from skylift.drivers.gate_asker import ask
from skylift.drivers.jobs import parse_state
from skylift.drivers.notifier import send
from skylift.drivers.ssh_keys import Keys
from skylift.drivers.ssh_problems import KeyFileRefused
from skylift.engine.fold import fold
from skylift.model.codec import canonical, encode
from skylift.model.gate import GateEntry, GateKind
from skylift.model.ids import HostName
from skylift.model.masking import MASK, masked
from skylift.model.notification import Notification, NotifyEntry, Occasion, Way
from skylift.model.problem import Problem
from skylift.model.record import SshAccess, VantageEntry
from skylift.ports import Ended
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.keys import key_file
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, plan_of, step_of
from skylift.testing.samples import R2024_1, artifact_of, sample_record

AT_LEAST = 200
WHOLE = """\
clouds:
  sample:
    auth:
      auth_url: http://10.77.0.10:5000/v3
      username: admin
      password: {canary}
      project_name: admin
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
    interface: public
"""


def everything(problem: Problem) -> str:
    return "\n".join((str(problem), repr(problem), *map(str, problem.remedies), *map(repr, problem.args)))


# What is wrong with a file.


def _bent(text: str) -> Iterator[tuple[str, bytes]]:
    """A file of lines, bent in every way that an editor's slip bends it."""
    rows = text.splitlines()
    for n, row in enumerate(rows):
        for slip, new in (
            ("lost", []),
            ("tab", ["\t" + row]),
            ("colon", [row.replace(":", "", 1)]),
            ("quote", [row + " '"]),
            ("brace", [row.replace(": ", ": {", 1)]),
            ("cut", None),
        ):
            found = rows[: n + 1] if new is None else [*rows[:n], *new, *rows[n + 1 :]]
            yield f"{slip} {n}", "\n".join(found).encode()
    yield "not UTF-8", text.encode() + b"\xe9"
    yield "NUL", text.encode() + b"\0"
    yield "a list", b"- " + text.encode().replace(b"\n", b"\n- ")
    yield "a date", text.replace("password: ", "password: 2024-99-99 #").encode()


def credentials_planted(planted: Planted, folder: Path) -> Iterator[str]:
    for name, _ in _bent(WHOLE.format(canary="x")):
        canary = planted.canary(f"clouds.yaml, {name}")
        file = folder / "clouds.yaml"
        file.write_bytes(dict(_bent(WHOLE.format(canary=canary)))[name])
        try:
            credentials(VantageEntry(HostName("client"), PurePosixPath(file), "sample"))
        except CredentialsRefused as refused:
            yield everything(refused)


def keys_planted(planted: Planted, folder: Path) -> Iterator[str]:
    whole = key_file(folder / "whole", 1).read_text()
    rows = whole.splitlines()
    for name in (*(f"row {n}" for n in range(len(rows))), "mode", "empty", "another kind", "not UTF-8"):
        canary = planted.canary(f"private key, {name}")
        text = "\n".join(
            row[:9] + canary + row[9 + len(canary) :] if name == f"row {n}" else row
            for n, row in enumerate(rows)
        )
        other = {
            "another kind": f"-----BEGIN RSA PRIVATE KEY-----\n{canary}\n",
            "empty": "",
            "mode": text + canary,
        }
        file = folder / "key"
        file.unlink(missing_ok=True)
        file.touch(mode=0o644 if name == "mode" else 0o600)
        file.write_bytes(other.get(name, text).encode() + (b"\xe9" if name == "not UTF-8" else b""))
        access = SshAccess("root", PurePosixPath(file), PurePosixPath(file))
        readers: tuple[Callable[[], object], ...] = (
            lambda: KeyFile(file),  # noqa: B023 - called at once
            lambda: Keys(access).read(),  # noqa: B023 - as above
        )
        for read in readers:
            try:
                read()
            except (SigningKeyRefused, KeyFileRefused) as refused:
                yield everything(refused)


# What a server does with what it was sent.


class _Echo(BaseHTTPRequestHandler):
    """Says back all that it was sent, in every place where a server may say something."""

    def do_GET(self) -> None:
        asked = re.search(r"/q-(\d+)", self.path)
        status = int(asked[1]) if asked else 404
        told = self.headers.get("Authorization", "")
        self.send_response_only(status, f"refused {told}")
        self.send_header("Location", f"http://127.0.0.1:1/{told.replace(' ', '')}")
        self.end_headers()
        self.wfile.write(f'{{"data": {{"resultType": "{told}", "result": "{told}"}}}}'.encode())

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own word
        """Nothing."""


@pytest.fixture
def echo() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Echo) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


STATUSES = (200, 204, 301, 302, 307, 401, 403, 404, 500, 503)
TOKENS: Mapping[str, Callable[[str], bytes]] = {
    "of two lines": lambda c: f"{c}\n{c}\n".encode(),
    "with a header in it": lambda c: f"{c}\r\nX-Told: {c}".encode(),
    "not ASCII": lambda c: f"{c} café".encode(),
    "with a NUL": lambda c: f"{c}\0".encode(),
}


def servers_planted(planted: Planted, folder: Path, url: str) -> Iterator[str]:
    """Of gates and of addressees: the token's way there, and whatever comes back."""
    kept = PurePosixPath(folder / "token")
    Path(kept).touch(mode=0o600)
    note = Notification("k", Occasion.OPENED, "sample", "run", 0, "it was opened")
    places: list[tuple[str, str, Callable[[str], bytes]]]
    places = [(str(status), f"{url}/q-{status}", lambda c: c.encode()) for status in STATUSES]
    places += [(name, f"{url}/q-200", of) for name, of in TOKENS.items()]
    places += [(name, f"{name}/q-200", lambda c: c.encode()) for name in ("http://127.0.0.1:1", "http://[")]
    for name, there, of in places:
        for kind in (GateKind.HTTP, GateKind.PROMETHEUS):
            Path(kept).write_bytes(of(planted.canary(f"gate {kind.value}, {name}")))
            yield ask(GateEntry(kind, url=there, query="up", token=kept)).saw
        Path(kept).write_bytes(of(planted.canary(f"webhook, {name}")))
        yield str(send(NotifyEntry(Way.WEBHOOK, url=there, token=kept), note))
        canary = planted.canary(f"webhook's own URL, {name}")
        Path(kept).write_bytes(of(f"{there}/{canary}"))
        yield str(send(NotifyEntry(Way.WEBHOOK, url_file=kept), note))


# What programs of others are given.

ENVIRONMENT = (
    *("SKYLIFT_KEY", "OS_PASSWORD", "OS_TOKEN", "OS_AUTH_URL", "OS_CLIENT_CONFIG_FILE", "SSH_AUTH_SOCK"),
    *(
        "AWS_SECRET_ACCESS_KEY",
        "VAULT_TOKEN",
        "DATABASE_URL",
        "MYSQL_PWD",
        "PGPASSWORD",
        "RABBITMQ_ERLANG_COOKIE",
    ),
)
"""Where operators keep secrets for the tools that they use beside this one."""


def children_planted(planted: Planted, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Programs that gates ask and that notifications are told to: what they see of us."""
    for name in ENVIRONMENT:
        patch.setenv(name, planted.canary(f"our environment, {name}"))
    note = Notification("k", Occasion.OPENED, "sample", "run", 0, "it was opened")
    for way in ("gate", "addressee"):
        seen = folder / way
        script = f"env > {seen}; tr '\\0' ' ' < /proc/$$/cmdline >> {seen}; cat >> {seen}; exit 3"
        argv = ("sh", "-c", script)
        if way == "gate":
            yield ask(GateEntry(GateKind.COMMAND, argv=argv)).saw
        else:
            yield str(send(NotifyEntry(Way.COMMAND, argv=argv), note))
        assert "PATH=" in seen.read_text()
        yield seen.read_text()


# What hosts say.


def jobs_planted(planted: Planted) -> Iterator[str]:
    """A job fails and says it: what a driver makes of it, and all that is kept and shown of the run."""
    record = sample_record(controllers=1)

    step = step_of(StageArtifact(HostName("ctl1"), artifact_of(R2024_1)), deadline=60)
    plan = plan_of((step,))
    for form in FORMS:
        text = said(form, planted.canary(f"a job's output: {form}"))
        yield str(parse_state(f"ended 1\nTraceback\n{text}\n"))
        yield str(parse_state(f"running\n{text}"))
        cloud, journal = FakeCloud(record), MemoryJournal()

        def fail(*_: object, cloud: FakeCloud = cloud, text: str = text) -> None:
            for job in cloud.hosts[HostName("ctl1")].jobs.values():
                job.fails = Ended(1, f"Traceback\n{text}\n")

        run = Runner(cloud=cloud, journal=journal, view=fail).run(plan)
        assert run.steps[step.id].problem is not None, form
        yield "\n".join(row.decode() for row in journal.rows)
        yield canonical(encode(report(plan, journal.events(), ()).troubles)).decode()
        yield "\n".join(map(str, run_lines(plan, fold(journal.events()), None)))


# Whatever else is a problem.


def plain(kind: Any, text: str) -> Any:
    """Something of a type that is made of no others."""
    if isinstance(kind, type) and issubclass(kind, PurePath):
        # A path is no secret, and would bend what a URL is known by.
        return kind("/etc/skylift/cloud.yaml")
    if kind is Action:
        return CreateWitnesses(text)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    return {int: 1, float: 1.0, bool: True}.get(kind) or (text if kind in {str, object, Any} else kind(text))


def value_of(kind: Any, text: str) -> Any:
    """Something of a type, with ``text`` wherever it has text."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, typing.NewType):
        return value_of(kind.__supertype__, text)
    if origin in {typing.Union, types.UnionType}:
        return value_of(args[0], text)
    if origin is typing.Literal:
        return args[0]
    if origin is tuple:
        return tuple(value_of(arg, text) for arg in args if arg is not ...)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {value_of(args[0], text): value_of(args[1], text)}
    if isinstance(origin, type):
        return [value_of(args[0], text)] if inspect.isabstract(origin) else origin([value_of(args[0], text)])
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{f.name: value_of(hints[f.name], text) for f in dataclasses.fields(kind)})  # type: ignore[operator]
    return plain(kind, text)


def problems_planted(planted: Planted) -> Iterator[str]:
    """Each problem there is, with a URL of a database in each word that it is made from."""
    for problem in reference.problems():
        signature = inspect.signature(problem)
        hints = typing.get_type_hints(problem.__init__)
        text = said(FORMS[0], planted.canary(f"problem {problem.__name__}"))
        given: list[Any] = []
        named: dict[str, Any] = {}
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                continue
            value = value_of(hints.get(name, str), text)
            if parameter.kind is parameter.KEYWORD_ONLY:
                named[name] = value
            else:
                given.append(value)
        yield everything(problem(*given, **named))


def test_no_canary_of_at_least_two_hundred_is_told_or_kept(
    tmp_path: Path, echo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted, said_of = Planted(), dict[str, int]()
    groups: dict[str, Iterator[str]] = {
        "credentials": credentials_planted(planted, tmp_path),
        "private keys": keys_planted(planted, tmp_path),
        "gates and addressees": servers_planted(planted, tmp_path, echo),
        "children": children_planted(planted, tmp_path, monkeypatch),
        "jobs": jobs_planted(planted),
        "problems": problems_planted(planted),
    }

    for group, found in groups.items():
        texts = list(found)
        assert planted.told(*texts) == [], group
        said_of[group] = len(texts)

    assert len(planted.where) >= AT_LEAST, {group: said_of[group] for group in groups}
    assert min(said_of.values()) >= 4, said_of


def test_what_is_masked_is_the_secret_and_nothing_else() -> None:
    """So that the test before this one is not kept by masking all."""
    for form in FORMS:
        text = said(form, "c4n4ry0123456789abcdef01")
        assert "c4n4ry" in text
        assert MASK in masked(text)
        assert masked(masked(text)) == masked(text)
    for plain in (
        "could not stop keystone within 30 s: keystone.service is deactivating",
        "see what the openstack client says: openstack --os-cloud sample token issue -f value -c expires",
        "http://10.77.0.10:5000/v3 answers with status 503",
        "name your key and say it again: export SKYLIFT_KEY=PATH",
        "this record names no signers, so a passphrase is not supported",
        "cloud.yaml:34: notify.chat.token: token would go over plain http",
    ):
        assert masked(plain) == plain


def test_a_url_in_a_message_keeps_its_host_so_that_it_says_where() -> None:
    text = masked("mysql+pymysql://nova:p@ss/w:rd@10.77.0.10/nova is refused")

    assert text == f"mysql+pymysql://nova:{MASK}@10.77.0.10/nova is refused"
