"""The section ``gates`` of ``cloud.yaml``."""

from __future__ import annotations

from pathlib import PurePosixPath

from skylift.app.yaml_section import Section, file_of
from skylift.model.gate import BOUND, GateEntry, GateKind
from skylift.model.ids import Seconds

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_URL = r"https?://[^\s@]+"
_BOUND_MEANS = "a bound such as '< 0.01'"
_HOUR_S = 3600


def read_gates(section: Section) -> dict[str, GateEntry]:
    """Every gate of the record; it may have none."""
    found = {name: _gate(section.section(name)) for name in section.names(form=_NAME)}
    section.close()
    return found


def _gate(section: Section) -> GateEntry:
    kinds = "|".join(kind.value for kind in GateKind)
    kind = GateKind(section.text("kind", form=kinds, means=f"one of {kinds}") or GateKind.HTTP.value)
    asks_url = kind is not GateKind.COMMAND
    url_means = "an http or https URL, without a user or password in it"
    token = section.text("token", default="") and file_of(section, "token")
    gate = GateEntry(
        kind=kind,
        url=section.text("url", default=None if asks_url else "", form=_URL, means=url_means),
        query=section.text("query", default=None if kind is GateKind.PROMETHEUS else "", means="a query"),
        good=section.text("good", default="", form=BOUND, means=_BOUND_MEANS),
        bad=section.text("bad", default="", form=BOUND, means=_BOUND_MEANS),
        argv=section.texts("argv", form=r".+", means="a word", optional=asks_url),
        token=PurePosixPath(token) if token else None,
        every=Seconds(section.number("every", 1, _HOUR_S, default=GateEntry(kind).every)),
        patience=Seconds(section.number("patience", 1, _HOUR_S, default=GateEntry(kind).patience)),
    )
    if kind is GateKind.PROMETHEUS and not gate.good and not gate.bad:
        section.wrong("good", "is missing, and so is bad", f"write {_BOUND_MEANS} for one of them")
    section.close()
    return gate
