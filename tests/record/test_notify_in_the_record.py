"""Who is told of a run, in a record."""

from __future__ import annotations

from pathlib import Path

import pytest

from skylift.app.record_file import RecordInvalid, load_record
from skylift.model.notification import FOR_OPERATORS, Occasion, Way

NOTIFY = """\
notify:
  chat: {kind: webhook, url: "https://chat.example.com/hook", token: token, events: [paused, halted]}
  hidden: {kind: webhook, url_file: hook}
  mail: {kind: email, server: mx.example.com, user: skylift, password: password, sender: s@example.com, to: [ops@example.com]}
  users: {kind: email, server: localhost, port: 25, starttls: false, sender: s@example.com, to: [all@example.com], events: [users-before, users-after], lead_min: 90}
  pager: {kind: command, argv: [/usr/local/bin/page, ops]}
"""  # noqa: E501 - an addressee reads best on a line


@pytest.fixture
def notifying(file: Path) -> Path:
    for secret in ("token", "hook", "password"):
        (file.parent / secret).touch(mode=0o600)
    return file


def test_a_record_may_tell_by_each_way_and_choose_what(notifying: Path) -> None:
    notifying.write_text(notifying.read_text() + NOTIFY)

    found = load_record(notifying).notify

    assert [entry.kind for entry in found.values()] == [
        Way.WEBHOOK,
        Way.WEBHOOK,
        Way.EMAIL,
        Way.EMAIL,
        Way.COMMAND,
    ]
    assert found["chat"].events == (Occasion.PAUSED, Occasion.HALTED)
    assert found["hidden"].url_file is not None
    assert (found["mail"].port, found["mail"].starttls, found["mail"].events) == (587, True, FOR_OPERATORS)
    assert (found["users"].port, found["users"].starttls, found["users"].lead_min) == (25, False, 90)
    assert found["pager"].argv == ("/usr/local/bin/page", "ops")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("kind: command", "kind: pigeon", "write one of webhook"),
        ("paused, halted", "paused, finished", "each one of opened"),
        ("https://chat.example.com/hook", "https://me:secret@chat/hook", "without a user in it"),
        ('url: "https://chat', 'url: "http://chat', "would go over plain http"),
        ("url_file: hook", "url_file: hook, url: 'https://chat/hook'", "stands beside url"),
        (", url_file: hook", "", "is missing, and so is url_file"),
        ("password: password, ", "", "write both user and password"),
        ("user: skylift, password", "starttls: false, user: skylift, password", "a password would be sent"),
        ("to: [ops@example.com]", "to: [ops]", "an address such as"),
        ("lead_min: 90", "lead_min: 0", "a whole number from 1"),
        ("argv: [/usr/local/bin/page, ops]", "url: 'https://p/'", "write a list such as"),
        ("port: 25", "argv: [mail]", "is not a key here"),
    ],
)
def test_what_could_tell_nobody_is_a_mistake(notifying: Path, old: str, new: str, told: str) -> None:
    assert old in NOTIFY
    notifying.write_text(notifying.read_text() + NOTIFY.replace(old, new))

    with pytest.raises(RecordInvalid, match=told):
        load_record(notifying)


@pytest.mark.parametrize("secret", ["token", "hook", "password"])
def test_a_secret_that_others_may_read_is_a_mistake(notifying: Path, secret: str) -> None:
    (notifying.parent / secret).chmod(0o644)
    notifying.write_text(notifying.read_text() + NOTIFY)

    with pytest.raises(RecordInvalid, match=f"{secret} has mode 0644, so others may read it"):
        load_record(notifying)
