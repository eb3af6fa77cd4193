"""The section ``notify`` of ``cloud.yaml``."""

from __future__ import annotations

from pathlib import PurePosixPath

from skylift.app.yaml_section import Section, file_of
from skylift.model.notification import FOR_OPERATORS, NotifyEntry, Occasion, Way

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_URL = r"https?://[^\s@]+"
_HOST = r"[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}"
_MAIL = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+"
_MAIL_MEANS = "an address such as ops@example.com"
_WEEK_MIN = 7 * 24 * 60
_PORT_MAX = 65_535


def read_notify(section: Section) -> dict[str, NotifyEntry]:
    """Everybody who is told of a run; it may be nobody."""
    found = {name: _entry(section.section(name)) for name in section.names(form=_NAME)}
    section.close()
    return found


def _entry(section: Section) -> NotifyEntry:
    kinds = "|".join(way.value for way in Way)
    kind = Way(section.text("kind", form=kinds, means=f"one of {kinds}") or Way.COMMAND.value)
    occasions = "|".join(occasion.value for occasion in Occasion)
    events = section.texts("events", form=occasions, means=f"one of {occasions}", optional=True)
    common = NotifyEntry(
        kind,
        events=tuple(Occasion(name) for name in dict.fromkeys(events)) or FOR_OPERATORS,
        lead_min=section.number("lead_min", 1, _WEEK_MIN, default=NotifyEntry(kind).lead_min),
    )
    read = {Way.WEBHOOK: _webhook, Way.EMAIL: _email, Way.COMMAND: _command}[kind]
    entry = read(section, common)
    section.close()
    return entry


def _webhook(section: Section, common: NotifyEntry) -> NotifyEntry:
    url = section.text("url", default="", form=_URL, means="an http or https URL, without a user in it")
    url_file, token = _file(section, "url_file"), _file(section, "token")
    if f"{section.at}.url" in section.sheet.lines and f"{section.at}.url_file" in section.sheet.lines:
        section.wrong("url_file", "stands beside url", "keep one of the two")
    elif not {f"{section.at}.{key}" for key in ("url", "url_file")} & section.sheet.lines.keys():
        section.wrong("url", "is missing, and so is url_file", "write one of them")
    if token and url.startswith("http:"):
        section.wrong("token", "would go over plain http", "write an https URL, or take the token out")
    return NotifyEntry(common.kind, common.events, common.lead_min, url=url, url_file=url_file, token=token)


def _email(section: Section, common: NotifyEntry) -> NotifyEntry:
    starttls = section.text("starttls", default="true", form="true|false", means="true or false") != "false"
    user, password = section.text("user", default=""), _file(section, "password")
    if bool(user) != bool(password):
        section.wrong(
            "password" if user else "user", "is missing", "write both user and password, or neither"
        )
    elif user and not starttls:
        section.wrong("starttls", "is false, and a password would be sent", "take one of the two out")
    return NotifyEntry(
        common.kind,
        common.events,
        common.lead_min,
        server=section.text("server", form=_HOST, means="the name or address of a mail server"),
        port=section.number("port", 1, _PORT_MAX, default=common.port),
        starttls=starttls,
        user=user,
        password=password,
        sender=section.text("sender", form=_MAIL, means=_MAIL_MEANS),
        to=section.texts("to", form=_MAIL, means=_MAIL_MEANS),
    )


def _command(section: Section, common: NotifyEntry) -> NotifyEntry:
    argv = section.texts("argv", form=r".+", means="a word")
    return NotifyEntry(common.kind, common.events, common.lead_min, argv=argv)


def _file(section: Section, key: str) -> PurePosixPath | None:
    found = section.text(key, default="") and file_of(section, key)
    return PurePosixPath(found) if found else None
