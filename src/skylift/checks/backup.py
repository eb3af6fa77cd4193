"""Is there a way back, should all else fail?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.checks.check import Check, Complaint, Question, blocks
from skylift.model.ids import ComponentName

_HOUR_S = 3600


def _ask(question: Question) -> Iterator[Complaint]:
    allowed = question.record.policy.backup_max_age_h
    folder = question.record.database.backups
    for name, entry in question.record.components.items():
        if question.unread("backup", name):
            continue
        finished = question.cloud.backups.get(name)
        if finished is None:
            yield blocks(
                f"there is no backup of database {entry.database} in {folder}", _dump(question, name)
            )
            continue
        age_h = (question.cloud.observed_at - finished) / _HOUR_S
        if age_h > allowed:
            yield blocks(
                f"the newest backup of database {entry.database} is {age_h:.0f} hours old; the policy allows "
                f"{allowed}",
                _dump(question, name),
            )


def _dump(question: Question, name: ComponentName) -> str:
    database, folder = question.record.components[name].database, question.record.database.backups
    host = question.record.hosts_in(question.record.database.role)[0].name
    file = f"{database}-by-hand.sql.zst"
    return (
        f"make one: ssh {host} 'set -e; umask 077; install -d -m 0700 {folder}; cd {folder}; "
        f"mariadb-dump --single-transaction {database} | zstd -qfo {file}; sha256sum {file} > {file}.sha256'"
    )


BACKUP = Check(
    "backup",
    "each database has a backup as young as the policy asks",
    _ask,
    needs=("backup",),
    rows=(88,),
)
