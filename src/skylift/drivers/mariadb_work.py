"""Work in hand as OpenStack's tables show it: one query a kind of resource, and what its answer says.

The states are those that a service enters and leaves by itself. What waits for a user (a resize to be
confirmed, a transfer, a volume that is reserved or in maintenance) is no work of a service.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from skylift.drivers.mariadb_rosters import quoted, text
from skylift.model.ids import Epoch
from skylift.model.roster import Roster, RosterKind, ServiceReport
from skylift.model.work import EXAMPLES, InHand, Piece


@dataclass(frozen=True, slots=True)
class _Table:
    """Where one kind of resource is, and which of its rows are on their way."""

    what: str
    table: str
    id: str
    state: str
    where: str
    of: Mapping[str, str] = field(default_factory=dict)
    """Per service that works on such rows, which of them are those of one host's."""


def _states(*states: str) -> str:
    return f"`status` IN ({', '.join(repr(state) for state in states)})"


_TABLES = {
    # Source: read: nova/compute/task_states.py and vm_states.py, 2024.1 to 2026.1: a task ends with none, and
    # an instance is building until it has a host that started it.
    RosterKind.NOVA: (
        _Table(
            "server",
            "instances",
            "`uuid`",
            "COALESCE(`task_state`, `vm_state`)",
            "`deleted` = 0 AND (`task_state` IS NOT NULL OR `vm_state` = 'building')",
            {
                # It has no host until its build has begun there (read: nova/conductor/manager.py,
                # schedule_and_build_instances, and nova/compute/manager.py, build_and_run_instance, 2025.1).
                # What moves has its old host until it has moved; what counts as under way: read:
                # nova/db/main/api.py, migration_get_in_progress_by_host_and_node.
                "nova-compute": "`host` = {host} OR (`host` IS NULL AND {created} < {before}) OR `uuid` IN ("
                "SELECT `instance_uuid` FROM {database}.`migrations` WHERE `deleted` = 0 "
                "AND {host} IN (`source_compute`, `dest_compute`) AND `status` NOT IN ("
                "'confirmed', 'reverted', 'error', 'failed', 'completed', 'cancelled', 'done', 'finished'))",
            },
        ),
    ),
    # Source: read: cinder/objects/fields.py, VolumeStatus, VolumeMigrationStatus, SnapshotStatus and
    # BackupStatus, 2023.1 to 2026.1.
    RosterKind.CINDER: (
        _Table(
            "volume",
            "volumes",
            "`id`",
            "IF(`migration_status` IN ('starting', 'migrating', 'completing'), 'migrating', `status`)",
            "`deleted` = 0 AND (`migration_status` IN ('starting', 'migrating', 'completing') OR "
            + _states(
                *("creating", "deleting", "attaching", "detaching", "uploading", "downloading"),
                *("retyping", "extending", "managing", "backing-up", "restoring-backup"),
            )
            + ")",
            {"cinder-volume": "SUBSTRING_INDEX(`host`, '#', 1) = {host}"},
        ),
        _Table(
            "volume snapshot",
            "snapshots",
            "`id`",
            "`status`",
            "`deleted` = 0 AND "
            + _states("creating", "deleting", "updating", "unmanaging", "backing-up", "restoring"),
            {
                "cinder-volume": "`volume_id` IN (SELECT `id` FROM {database}.`volumes` "
                "WHERE SUBSTRING_INDEX(`host`, '#', 1) = {host})"
            },
        ),
        _Table(
            "volume backup",
            "backups",
            "`id`",
            "`status`",
            "`deleted` = 0 AND " + _states("creating", "deleting", "restoring"),
            {"cinder-backup": "`host` = {host}"},
        ),
    ),
    RosterKind.NEUTRON: (),
    # Source: read: heat/engine/stack.py and heat/db/models.py, 2025.1; nested stacks are their parent's work.
    RosterKind.HEAT: (
        _Table(
            "stack",
            "stack",
            "`id`",
            "CONCAT(`action`, '_', `status`)",
            "`deleted_at` IS NULL AND `owner_id` IS NULL AND COALESCE(`backup`, 0) = 0 "
            "AND `status` = 'IN_PROGRESS'",
        ),
    ),
}

# The window counts all rows of a state, and only the oldest few of them leave the server.
_SQL = """
SELECT JSON_OBJECT('what', '{what}', 'state', s, 'count', n, 'id', i, 'since', t) FROM (
    SELECT s, i, t, COUNT(*) OVER (PARTITION BY s) AS n,
        ROW_NUMBER() OVER (PARTITION BY s ORDER BY t, i) AS place
    FROM (
        SELECT {state} AS s, {id} AS i,
            TIMESTAMPDIFF(SECOND, '1970-01-01 00:00:00', COALESCE(`updated_at`, `created_at`)) AS t
        FROM {database}.`{table}` WHERE {where}
    ) AS found
) AS placed WHERE place <= {examples} ORDER BY s, place;
"""


_CREATED = "TIMESTAMPDIFF(SECOND, '1970-01-01 00:00:00', `created_at`)"
_EVER = 1 << 62
"""Later than any row."""


def work_sql(roster: Roster) -> str:
    """The questions for what the services of ``roster`` have in hand; empty if they leave no trace."""
    return "".join(_asked(roster, table, table.where) for table in _TABLES[roster.kind])


def work_of_sql(roster: Roster, row: ServiceReport, promised_before: Epoch | None) -> str:
    """The same for the one service that wrote ``row``; empty if what it does leaves no trace."""
    values = {
        "host": text(row.host),
        "created": _CREATED,
        "before": str(_EVER if promised_before is None else int(promised_before)),
        "database": quoted(roster.database),
    }
    return "".join(
        _asked(roster, table, f"{table.where} AND ({own.format(**values)})")
        for table in _TABLES[roster.kind]
        if (own := table.of.get(row.service))
    )


def _asked(roster: Roster, table: _Table, where: str) -> str:
    return _SQL.format(
        what=table.what,
        state=table.state,
        id=table.id,
        database=quoted(roster.database),
        table=table.table,
        where=where,
        examples=EXAMPLES,
    )


def parse_work(roster: Roster, lines: list[str]) -> Iterator[InHand]:
    """What is in hand by the lines of an answer, state by state."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in lines:
        row = json.loads(line)
        found.setdefault((row["what"], row["state"]), []).append(row)
    for (what, state), rows in found.items():
        oldest = tuple(
            Piece(str(r["id"]), None if r["since"] is None else Epoch(float(r["since"]))) for r in rows
        )
        yield InHand(roster.component, roster.database, what, state, rows[0]["count"], oldest)
