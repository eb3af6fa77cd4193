"""Rosters as OpenStack's services write them: one query a kind, and what a row of its answer says.

Each row comes as one line of JSON, for a reason that an operator wrote may hold anything. Times are in UTC
without a zone in these tables, so they are counted from 1970 by the server, which asks no zone either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from skylift.model.ids import Epoch
from skylift.model.roster import Roster, RosterKind, ServiceReport

_SEEN = "TIMESTAMPDIFF(SECOND, '1970-01-01 00:00:00', {})"
_KILO = 1000


def _rows(table: str, where: str, **values: str) -> str:
    pairs = ", ".join(f"'{name}', {sql}" for name, sql in values.items())
    return f"SELECT JSON_OBJECT({pairs}) FROM {{database}}.`{table}` WHERE {where} ORDER BY `host`, `id`;\n"  # noqa: S608 - our own words; the database's name is quoted


_SQL = {
    RosterKind.NOVA: _rows(
        "services",
        "`deleted` = 0",
        row="`binary`",
        host="`host`",
        id="COALESCE(`uuid`, `id`)",
        enabled="NOT COALESCE(`disabled`, 0)",
        reason="COALESCE(`disabled_reason`, '')",
        # As nova's own servicegroup does: read: nova/servicegroup/drivers/db.py, is_up.
        seen=_SEEN.format("COALESCE(`last_seen_up`, `created_at`)"),
        version="COALESCE(`version`, 0)",
        holds="COALESCE(`binary` = 'nova-compute' AND `forced_down` = 0, 0)",
    ),
    RosterKind.CINDER: _rows(
        "services",
        "`deleted` = 0",
        row="`binary`",
        host="`host`",
        id="`id`",
        enabled="NOT COALESCE(`disabled`, 0)",
        reason="COALESCE(`disabled_reason`, '')",
        seen=_SEEN.format("COALESCE(`updated_at`, `created_at`)"),
        version="`rpc_current_version`",
        holds="1",
    ),
    RosterKind.NEUTRON: _rows(
        "agents",
        "TRUE",
        row="`binary`",
        host="`host`",
        id="`id`",
        enabled="`admin_state_up`",
        reason="''",
        seen=_SEEN.format("`heartbeat_timestamp`"),
        version="NULL",
        holds="0",
    ),
    RosterKind.HEAT: _rows(
        "service",
        "`deleted_at` IS NULL",
        row="`binary`",
        host="`host`",
        id="`id`",
        enabled="1",
        reason="''",
        seen=_SEEN.format("COALESCE(`updated_at`, `created_at`)"),
        version="NULL",
        holds="0",
    ),
}


def roster_sql(roster: Roster) -> str:
    """The question for the rows of ``roster``."""
    return _SQL[roster.kind].format(database=quoted(roster.database))


def lower_version_sql(roster: Roster, row: ServiceReport, version: int) -> str:
    """The change of one row's version, which is no change if it is as low already.

    Raises:
        ValueError: rows of this kind have no one version.
    """
    if roster.kind is not RosterKind.NOVA:
        msg = f"rows of {roster.component} have no one version"
        raise ValueError(msg)
    where = f"`deleted` = 0 AND COALESCE(`uuid`, `id`) = {text(row.id)} AND `version` > {version:d}"
    return f"UPDATE {quoted(roster.database)}.`services` SET `version` = {version:d} WHERE {where};\n"  # noqa: S608 - quoted, and a number


def parse_reports(roster: Roster, lines: list[str]) -> Iterator[ServiceReport]:
    """The reports in an answer, without those of services that are not the roster's."""
    for line in lines:
        row: dict[str, Any] = json.loads(line)
        service = roster.service(row["row"])
        if service is None:
            continue
        yield ServiceReport(
            component=roster.component,
            database=roster.database,
            service=service,
            host=row["host"],
            id=str(row["id"]),
            enabled=bool(row["enabled"]),
            reason=row["reason"],
            seen_at=None if row["seen"] is None else Epoch(float(row["seen"])),
            version=_number(row["version"]),
            holds=bool(row["holds"]),
        )


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """A text in SQL, whatever is in it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _number(told: int | str | None) -> int | None:
    """A version as one number: ``3.19`` is 3019, as oslo.utils' ``convert_version_to_int`` counts."""
    if told is None or isinstance(told, int):
        return told
    number = 0
    for part in told.split("."):
        number = number * _KILO + int(part)
    return number
