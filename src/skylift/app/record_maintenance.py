"""The section ``maintenance`` of ``cloud.yaml``."""

from __future__ import annotations

from dataclasses import replace

from skylift.app.yaml_section import Section
from skylift.model.automation import AutomationEntry
from skylift.model.fleet_policy import RANGES, Consent, FleetPolicy, Network
from skylift.model.ids import HostName, Seconds
from skylift.model.maintenance import Maintenance

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_DAY_S = 86_400
_FAILURES_MAX = 100_000
_MIB_S_MAX = 1_000_000
_YEAR_H = 8_760
_BAND_MAX = 50


def read_maintenance(section: Section) -> Maintenance:
    """How compute hosts are maintained; everything has a default."""
    usual = Maintenance()
    found = Maintenance(
        hypervisor=section.texts("hypervisor", form=r".+", means="a word of a command", optional=True),
        shared_storage=_told(section, "shared_storage", usual=usual.shared_storage),
        canary=_told(section, "canary", usual=usual.canary),
        cut_off=_told(section, "cut_off", usual=usual.cut_off),
        failures=section.number("failures", 0, _FAILURES_MAX, default=usual.failures),
        back=_seconds(section, "back", usual.back),
        trial=_seconds(section, "trial", usual.trial),
        move=_seconds(section, "move", usual.move),
        patience=_seconds(section, "patience", usual.patience),
        settle=_seconds(section, "settle", usual.settle),
        look=_seconds(section, "look", usual.look),
        band=section.number("band", 1, _BAND_MAX, default=usual.band),
        limits=_limits(section.section("limits", optional=True)),
        automation=_automation(section.section("automation", optional=True)),
    )
    section.close()
    return found


def _automation(section: Section) -> dict[str, AutomationEntry]:
    found = {name: _paused(section.section(name)) for name in section.names(form=_NAME)}
    section.close()
    return found


def _paused(section: Section) -> AutomationEntry:
    host = section.text("host", form=_NAME, means="the name of a host of this record")
    words = {
        key: section.texts(key, form=r".+", means="a word of a command")
        for key in ("paused", "pause", "give_back")
    }
    section.close()
    return AutomationEntry(HostName(host), **words)


def _limits(section: Section) -> FleetPolicy:
    usual = FleetPolicy()
    numbers = {
        key: section.number(key, least, most, default=getattr(usual, key)) for key, least, most in RANGES
    }
    first = section.texts(
        "first", form=_NAME, means="the name of a compute host, as nova has it", optional=True
    )
    found = FleetPolicy(
        **numbers,  # type: ignore[arg-type] # every range is one of a whole number
        first=tuple(map(HostName, first)),
        zones_in_turn=_told(section, "zones_in_turn", usual=usual.zones_in_turn),
        consent=_consent(section.section("consent", optional=True)),
        network=Network(mib_s=section.number("mib_s", 1, _MIB_S_MAX, default=usual.network.mib_s)),
    )
    section.close()
    return replace(found, host_s=Seconds(found.host_s))


def _consent(section: Section) -> Consent:
    usual = Consent()
    found = Consent(
        cold=_told(section, "cold", usual=usual.cold),
        stop=_told(section, "stop", usual=usual.stop),
        notice_h=section.number("notice_h", 0, _YEAR_H, default=usual.notice_h),
    )
    section.close()
    return found


def _told(section: Section, key: str, *, usual: bool) -> bool:
    told = section.text(key, default=str(usual).lower(), form="true|false", means="true or false")
    return told == "true"


def _seconds(section: Section, key: str, usual: Seconds) -> Seconds:
    return Seconds(section.number(key, 1, _DAY_S, default=usual))
