"""How others are told: by a real web server, a real mail server, real programs, and never with a secret."""

from __future__ import annotations

import base64
import email
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from email.policy import default
from pathlib import Path, PurePosixPath

import pytest
from tests.notify.receivers import Hook, PostOffice, certificate, serving

from skylift.drivers.notifier import document, send
from skylift.model.notification import Notification, NotifyEntry, Occasion, Way

CANARY = "planted-secret-canary"
TOLD = Notification(
    "run-1/7/halted",
    Occasion.HALTED,
    "sample",
    "run-1",
    1_700_000_000_000,
    "glance failed\non ctl2",
    ("retry",),
)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving(found := Hook()):
        yield found


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    return certificate(tmp_path)


@pytest.fixture
def post(proof: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostOffice]:
    """A mail server whose certificate this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(proof))
    with serving(found := PostOffice(proof)):
        yield found


@pytest.fixture
def secret(tmp_path: Path) -> PurePosixPath:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text(CANARY + "\n")
    return PurePosixPath(file)


def webhook(hook: Hook) -> NotifyEntry:
    return NotifyEntry(Way.WEBHOOK, url=hook.url)


def mail(post: PostOffice) -> NotifyEntry:
    to = ("ops@example.com", "boss@example.com")
    return NotifyEntry(Way.EMAIL, server="127.0.0.1", port=post.port, sender="skylift@example.com", to=to)


def program(words: str) -> NotifyEntry:
    return NotifyEntry(Way.COMMAND, argv=(sys.executable, "-c", words))


def test_a_webhook_is_posted_the_documented_json(hook: Hook) -> None:
    assert send(webhook(hook), TOLD) is None

    ((path, authorization, body),) = hook.got
    assert (path, authorization) == ("/hook", None)
    assert json.loads(body) == {
        "skylift": 1,
        "key": "run-1/7/halted",
        "occasion": "halted",
        "cloud": "sample",
        "run": "run-1",
        "at_ms": 1_700_000_000_000,
        "sentence": "glance failed\non ctl2",
        "details": ["retry"],
    }


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503])
def test_a_webhook_that_did_not_take_it_says_why_and_a_redirect_is_not_followed(
    hook: Hook, status: int
) -> None:
    hook.statuses = [status]

    assert send(webhook(hook), TOLD) == f"status {status}"


def test_a_webhook_that_is_not_there_says_so(hook: Hook) -> None:
    assert send(replace(webhook(hook), url="http://127.0.0.1:1/"), TOLD) == "no answer (URLError)"


def test_a_token_and_a_secret_url_go_to_their_server_and_into_no_reason(
    hook: Hook, secret: PurePosixPath, tmp_path: Path
) -> None:
    address = tmp_path / "url"
    address.touch(mode=0o600)
    address.write_text(f"{hook.url}/{CANARY}\n")
    entry = NotifyEntry(Way.WEBHOOK, url_file=PurePosixPath(address), token=secret)

    taken = send(entry, TOLD)
    hook.statuses = [500, 302]
    reasons = [send(entry, TOLD), send(entry, TOLD)]
    for wrong in (
        f"file:///etc/{CANARY}",
        f"no url {CANARY}",
        f"http://127.0.0.1:1/{CANARY}",
        f"http://[{CANARY}",
    ):
        address.write_text(wrong)
        reasons.append(send(entry, TOLD))
    Path(secret).chmod(0o644)
    address.write_text(hook.url)
    reasons.append(send(entry, TOLD))

    assert taken is None
    assert hook.got[0][:2] == (f"/hook/{CANARY}", f"Bearer {CANARY}")
    assert len(hook.got) == 3
    assert all(CANARY not in body.decode() for *_, body in hook.got)
    assert all(reason and CANARY not in reason for reason in reasons), reasons


def test_a_web_server_that_cannot_prove_who_it_is_is_told_nothing(
    proof: Path, secret: PurePosixPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(hook := Hook(proof)):
        entry = replace(webhook(hook), token=secret)
        unknown = send(entry, TOLD)
        monkeypatch.setenv("SSL_CERT_FILE", str(proof))
        known = send(entry, TOLD)

    assert (unknown, known) == ("no answer (URLError)", None)
    assert len(hook.got) == 1


def test_a_mail_goes_to_everybody_over_tls_with_a_login(post: PostOffice, secret: PurePosixPath) -> None:
    assert send(replace(mail(post), user="me", password=secret), TOLD) is None

    got = email.message_from_string(post.mails[0], policy=default)
    login = base64.b64encode(f"\0me\0{CANARY}".encode()).decode()
    assert post.heard.index("STARTTLS") < post.heard.index(f"AUTH PLAIN {login}")
    assert sum(words.upper().startswith("RCPT") for words in post.heard) == 2
    assert got["Subject"] == "[sample] halted: glance failed on ctl2"
    assert (got["To"], got["Auto-Submitted"]) == ("ops@example.com, boss@example.com", "auto-generated")
    assert "retry" in got.get_content()
    assert CANARY not in post.mails[0]


def test_a_mail_server_without_tls_or_proof_is_told_nothing(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch, secret: PurePosixPath
) -> None:
    entry = replace(mail(post), user="me", password=secret)
    post.offers_tls = False
    without = send(entry, TOLD)
    post.offers_tls = True
    monkeypatch.delenv("SSL_CERT_FILE")
    unproved = send(entry, TOLD)

    assert without == "the mail server took nothing (SMTPNotSupportedError)"
    assert unproved == "the mail server took nothing (SSLCertVerificationError)"
    assert post.mails == []
    assert not [words for words in post.heard if words.startswith(("AUTH", "MAIL"))]


def test_a_relay_on_this_machine_needs_no_tls(post: PostOffice) -> None:
    post.offers_tls = False

    assert send(replace(mail(post), starttls=False), TOLD) is None
    assert len(post.mails) == 1


def test_a_mail_server_that_refuses_says_so_by_its_code_alone(
    post: PostOffice, secret: PurePosixPath
) -> None:
    post.auth = f"535 not with {CANARY}"
    login = send(replace(mail(post), user="me", password=secret), TOLD)
    post.rcpt = "550 nobody here"
    nobody = send(mail(post), TOLD)

    assert login == "the mail server answers with code 535"
    assert nobody == "the mail server took nothing (SMTPRecipientsRefused)"


def test_a_program_reads_the_same_json_and_sees_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLIFT_KEY", CANARY)
    out = tmp_path / "out"
    words = f"import os, sys; open({str(out)!r}, 'w').write(sys.stdin.read() + str(os.environ))"

    assert send(program(words), TOLD) is None
    assert out.read_text().startswith(document(TOLD).decode())
    assert CANARY not in out.read_text()


def test_a_program_that_fails_or_is_not_there_says_so() -> None:
    gone = NotifyEntry(Way.COMMAND, argv=("/nowhere/at-all",))

    assert send(program("raise SystemExit(3)"), TOLD) == "code 3"
    assert send(program("import sys; sys.stdin.close()"), TOLD) is None
    assert send(gone, TOLD) == "it could not be started: no such file or directory"
