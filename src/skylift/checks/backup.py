"""Is there a way back, should all else fail?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.checks.check import Check, Complaint, Question, blocks

_HOUR_S = 3600


def _ask(question: Question) -> Iterator[Complaint]:
    allowed = question.record.policy.backup_max_age_h
    folder = question.record.database.backups
    for database in question.record.databases:
        if question.unread("backup", database):
            continue
        finished = question.cloud.backups.get(database)
        if finished is None:
            yield blocks(f"there is no backup of database {database} in {folder}", _dump(question, database))
            continue
        age_h = (question.cloud.observed_at - finished) / _HOUR_S
        if age_h > allowed:
            yield blocks(
                f"the newest backup of database {database} is {age_h:.0f} hours old; the policy allows "
                f"{allowed}",
                _dump(question, database),
            )


def _dump(question: Question, database: str) -> str:
    folder = question.record.database.backups
    host = question.record.hosts_in(question.record.database.role)[0].name
    file = f"{database}-by-hand.sql.zst"
    return (
        f"make one: skylift ssh {host} 'set -e; umask 077; install -d -m 0700 {folder}; cd {folder}; "
        f"mariadb-dump --single-transaction {database} | zstd -qfo {file}; sha256sum {file} > {file}.sha256'"
    )


BACKUP = Check(
    "backup",
    "each database has a backup as young as the policy asks",
    _ask,
    needs=("backup",),
    rows=(88,),
)
