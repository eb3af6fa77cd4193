"""Tells others of a run: a webhook, a mail, a program. Every try has an end, and no reason holds a secret."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from email.message import EmailMessage
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

from skylift.drivers.outside import TIMEOUT_S, Unsaid, bare_environment, opener, secret_in
from skylift.model.codec import canonical, encode
from skylift.model.notification import Notification, NotifyEntry, Way

FORMAT = 1
"""Version of the JSON document; whoever reads it may rely on what its format has."""
_TAKEN = range(200, 300)
_SUBJECT = 200


def send(entry: NotifyEntry, notification: Notification) -> str | None:
    """None once it was taken; else why it was not."""
    try:
        match entry.kind:
            case Way.WEBHOOK:
                _post(entry, document(notification))
            case Way.EMAIL:
                _mail(entry, notification)
            case Way.COMMAND:
                _run(entry, document(notification))
    except Unsaid as why:
        return str(why)
    return None


def document(notification: Notification) -> bytes:
    """The notification as JSON: what a webhook is sent, and a program reads."""
    return canonical({"skylift": FORMAT, **encode(notification)})


def _post(entry: NotifyEntry, body: bytes) -> None:
    url = secret_in(Path(entry.url_file)) if entry.url_file else entry.url
    try:
        request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - http and https alone
        if request.type not in {"http", "https"}:
            raise Unsaid("the URL is neither http nor https")
        if entry.token is not None:
            request.add_header("Authorization", f"Bearer {secret_in(Path(entry.token))}")
        with opener().open(request, timeout=TIMEOUT_S) as response:
            status = response.status
    except HTTPError as error:
        status = error.code
        error.close()
    except (OSError, HTTPException, ValueError) as error:
        # Not the error's own words: they might quote the request.
        raise Unsaid(f"no answer ({type(error).__name__})") from None
    if status not in _TAKEN:
        raise Unsaid(f"status {status}")


def _mail(entry: NotifyEntry, notification: Notification) -> None:
    mail = EmailMessage()
    line = " ".join(notification.sentence.split())
    mail["Subject"] = f"[{notification.cloud}] {notification.occasion.value}: {line}"[:_SUBJECT]
    mail["From"] = entry.sender
    mail["To"] = ", ".join(entry.to)
    mail["Message-ID"] = f"<{notification.key}@skylift>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join((notification.sentence, "", *notification.details)))
    try:
        with smtplib.SMTP(entry.server, entry.port, timeout=TIMEOUT_S) as server:
            if entry.starttls:
                server.starttls(context=ssl.create_default_context())
            if entry.user and entry.password:
                server.login(entry.user, secret_in(Path(entry.password)))
            refused = server.send_message(mail)
    except smtplib.SMTPResponseException as error:
        # The code alone: a server may quote what it was sent.
        raise Unsaid(f"the mail server answers with code {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise Unsaid(f"the mail server took nothing ({type(error).__name__})") from None
    if refused:
        raise Unsaid(f"the mail server refused {', '.join(sorted(refused))}")


def _run(entry: NotifyEntry, body: bytes) -> None:
    try:
        ended = subprocess.run(
            entry.argv,
            timeout=TIMEOUT_S,
            input=body,
            capture_output=True,
            env=bare_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unsaid(f"it did not end in {TIMEOUT_S} s") from None
    except OSError as error:
        raise Unsaid(f"it could not be started: {(error.strerror or '').lower()}") from None
    if ended.returncode:
        raise Unsaid(f"code {ended.returncode}")
