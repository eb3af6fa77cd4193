"""What a database host runs to dump a database, to rehearse its restore, and to restore it.

Each is one job of ``sh``: it takes its arguments by place, needs no password (root, over the socket), leaves
files of mode 0600 in a folder of mode 0700, and may be begun again after it was cut short anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from skylift.drivers.mariadb import MariadbDatabase
from skylift.drivers.mariadb_rosters import quoted, text
from skylift.drivers.ssh import Ssh
from skylift.model.backup import Backup, Written
from skylift.model.ids import Epoch, HostName
from skylift.ports.jobs import Command

_IDLE = ("nice", "ionice", "-c", "idle")
"""A backup must not take from users what they are served with."""

# Rows in the order of their keys, and told in one way, whatever the host's own options are: so that the same
# rows make the same lines.
_BEGIN = r"""
set -eu
export LC_ALL=C
database=$1 folder=$2 name=$1-$3.sql.zst doing=begin scratch=$2/.scratch-$1 server= alone=
ended() {
    code=$?
    [ -z "$server" ] || { kill -KILL "$server" && wait "$server"; } 2>/dev/null || :
    [ -z "$alone" ] || rm -rf -- "$folder/.$name.new" "$scratch"
    [ $code = 0 ] ||
        echo "could not $doing ($(df -h --output=avail "$folder" | tail -n 1 | tr -d ' ') are free there)"
    exit $code
}
trap ended EXIT
trap 'exit 143' TERM INT HUP
umask 077
be_alone() {
    doing="work on backups of $database beside another job that does: wait until that has ended"
    exec 9>"$folder/.lock-$database"
    flock -n 9
    alone=yes
}
dump() {
    mariadb-dump "$@" --single-transaction --quick --extended-insert --skip-complete-insert \
        --skip-hex-blob --net-buffer-length=1M --order-by-primary -- "$database"
}
tables_of() {
    "$@" --batch --skip-column-names -e "
        SELECT COUNT(*) FROM information_schema.TABLES
        WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA = '$database'"
}
count() {
    for say in "'SELECT \'rows\', ', QUOTE(TABLE_NAME), ', COUNT(*) FROM '" "'CHECKSUM TABLE '"; do
        "$@" --batch --skip-column-names --raw -e "
            SELECT CONCAT($say, '\`', REPLACE(TABLE_NAME, '\`', '\`\`'), '\`;')
            FROM information_schema.TABLES
            WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA = '$database'" |
            "$@" --batch --skip-column-names --raw -- "$database"
    done | sed 's/^[^\t]*\.\([^\t]*\)\t/sum\t\1\t/' | sort >"$scratch/counted"
    # What fails in a pipe is not seen: so every table must be there, by both questions.
    [ "$(grep -c '^rows' "$scratch/counted")" = "$(tables_of "$@")" ]
    [ "$(grep -c '^sum' "$scratch/counted")" = "$(tables_of "$@")" ]
    cat "$scratch/counted"
}
whole() {
    doing="find the backup of $database as it was made: $folder/$name"
    cd -- "$folder"
    be_alone
    doing="find the backup of $database as it was made: $folder/$name"
    sha256sum --quiet -c -- "$name.sha256"
}
synced() {
    doing="$1: this database server is not synced with its cluster"
    state=$(mariadb --batch --skip-column-names -e "SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'")
    case $state in ''|*Synced) ;; *) exit 1 ;; esac
    doing=$1
}
"""

# One of that name is replaced: the same plan may have been begun before, and what was written since must not
# be lost with a restore. The dump is read back: only its own last line tells that nothing was cut off. What a
# table has is counted before and after: one that stood still all the while must be so in the dump. The rest,
# such as what services report every few seconds, is only held against the dump itself. Equal counts alone do
# not tell that a table stood still: a row that was made and deleted meanwhile may be in the dump. So what
# InnoDB says of the last commit to it must be older than the dump, too.
DUMP = (
    _BEGIN  # noqa: S608 - a script; the database's name is one of the record's, which holds no quote
    + r"""
doing="make the folder of backups"
install -d -m 0700 -- "$folder"
cd -- "$folder"
be_alone
synced "dump $database"
rm -rf -- "$scratch"
mkdir -- "$scratch"
count mariadb >"$scratch/before"
began=$(date +%s)
dump --routines --triggers --events | zstd --quiet --force -T1 -o ".$name.new"
zstd -dc ".$name.new" | tail -n 1 | grep -q '^-- Dump completed'
count mariadb >"$scratch/after"
doing="put the dump of $database in its place"
mariadb --batch --skip-column-names -e "
    SELECT 'of', DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA
    WHERE SCHEMA_NAME = '$database'" >"$scratch/tables"
sed -n 's/^rows\t\([^\t]*\)\t.*/table\t\1/p' "$scratch/after" >>"$scratch/tables"
mariadb --batch --skip-column-names --raw -e "
    SELECT TABLE_NAME FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = '$database' AND UNIX_TIMESTAMP(UPDATE_TIME) >= $began" >"$scratch/written"
comm -12 "$scratch/before" "$scratch/after" |
    awk -F '\t' '!known { written[$0]; next } !($2 in written)' "$scratch/written" known=1 - \
        >>"$scratch/tables"
mv -fT -- "$scratch/tables" "$name.tables"
# What was written while it was dumped is not in it: it is of the time at which it began.
touch -d "@$began" ".$name.new"
sum=$(sha256sum ".$name.new")
echo "${sum%% *}  $name" >"$name.sha256"
sync -- ".$name.new" "$name.tables" "$name.sha256"
mv -fT -- ".$name.new" "$name"
sync -- .
echo "$folder/$name has $(stat -c %s -- "$name") bytes"
"""
)
"""What ``sh -c`` dumps a database with; its arguments are the database, the folder and a label."""

# The scratch server has a folder and a socket of its own below that of the backups, no network, no cluster,
# and ends with this job. It never begins without room: it must not take that from the database beside it.
# What it read is dumped once more: the same rows are the same lines.
REHEARSE = (
    _BEGIN  # noqa: S608 - as above
    + r"""
whole
if [ -f "$name.rehearsed" ] && [ "$(head -n 1 -- "$name.rehearsed")" = "$(cat -- "$name.sha256")" ]; then
    echo "$folder/$name was restored and found whole before"
    exit 0
fi
size=$(mariadb --batch --skip-column-names -e "
    SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) DIV 1048576 FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = '$database'")
doing="rehearse a restore of $database: in $folder it takes $((size * 2 + 512)) MiB"
[ "$(df --output=avail -BM "$folder" | tail -n 1 | tr -dc 0-9)" -ge $((size * 2 + 512)) ]
doing="start a scratch server to rehearse on"
rm -rf -- "$scratch"
mkdir -- "$scratch"
me=$(id -un)
mariadb-install-db --no-defaults --datadir="$scratch/data" --user="$me" --skip-test-db \
    --auth-root-authentication-method=socket --auth-root-socket-user="$me" >"$scratch/log" 2>&1 ||
    { tail -n 3 "$scratch/log"; exit 1; }
mariadbd --no-defaults --datadir="$scratch/data" --socket="$scratch/s" --pid-file="$scratch/pid" \
    --user="$me" --skip-networking --skip-log-bin --max-connections=8 --max-allowed-packet=1G \
    --performance-schema=OFF --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=0 \
    >>"$scratch/log" 2>&1 9>&- &
server=$!
there() { mariadb --no-defaults --socket="$scratch/s" --max-allowed-packet=1G "$@"; }
tries=0
until there -e 'SELECT 1' >/dev/null 2>&1; do
    tries=$((tries + 1))
    kill -0 "$server" 2>/dev/null && [ $tries -lt 240 ] || { tail -n 3 "$scratch/log"; exit 1; }
    sleep 0.5
done
doing="restore the backup of $database on a scratch server"
read -r _ charset collation <"$name.tables"
there -e "CREATE DATABASE \`$database\` CHARACTER SET $charset COLLATE $collation"
zstd -dc -- "$name" | there -- "$database"
doing="find in the restored $database what was backed up"
count there >"$scratch/restored"
sed -n 's/^rows\t\([^\t]*\)\t.*/table\t\1/p' "$scratch/restored" >"$scratch/found"
cat "$scratch/restored" >>"$scratch/found"
tail -n +2 -- "$name.tables" | sort >"$scratch/wanted"
sort "$scratch/found" | comm -23 "$scratch/wanted" - >"$scratch/lost"
if [ -s "$scratch/lost" ]; then
    doing="find in the restored $database what was backed up; it differs in $(
        cut -f 2 "$scratch/lost" | sort -u | head -n 8 | tr '\n' ' ')"
    exit 1
fi
doing="find the same rows in the restored $database as in its dump"
lines() { { grep -a '^INSERT INTO' || :; } | sha256sum; }
[ "$(zstd -dc -- "$name" | lines)" = "$(
    dump --no-defaults --socket="$scratch/s" --no-create-info --skip-triggers | lines)" ]
doing="say that the backup of $database was rehearsed"
{ cat -- "$name.sha256"; head -n 1 -- "$name.tables"; cat "$scratch/restored"; } >"$scratch/rehearsed"
sync -- "$scratch/rehearsed"
mv -fT -- "$scratch/rehearsed" "$name.rehearsed"
sync -- .
still=$(grep -c '^sum' "$name.tables" || :)
echo "$(grep -c '^rows' "$name.rehearsed" || :) tables restored whole, $still of them as they were meanwhile"
"""
)
"""What ``sh -c`` restores a dump with on a server that is made for it; the same arguments."""

# Begun again, it begins from nothing again. Rows come through the cluster, so that every node has them. What
# was numbered since the backup lives on elsewhere: a guest whose row is gone still runs, and its name at
# libvirt is made of its row's number (nova/conf/compute.py, instance_name_template). So no number is given
# twice, and what is given is kept in a file until then, for whoever begins again finds other tables.
RESTORE = (
    _BEGIN  # noqa: S608 - as above
    + r"""
whole
doing="restore $database: its backup is not the one of that time: $folder/$name"
[ "$(stat -c %Y -- "$name")" = "$4" ]
doing="restore $database: its backup was never rehearsed: $folder/$name"
[ "$(head -n 1 -- "$name.rehearsed")" = "$(cat -- "$name.sha256")" ]
synced "restore $database"
rm -rf -- "$scratch"
mkdir -- "$scratch"
read -r _ charset collation <<END
$(sed -n 2p -- "$name.rehearsed")
END
numbers=.numbers-$name
numbered() {
    mariadb --batch --skip-column-names --raw -e "
        SELECT TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES
        WHERE TABLE_SCHEMA = '$database' AND AUTO_INCREMENT IS NOT NULL"
}
{ cat -- "$numbers" 2>/dev/null || :; numbered; } >"$scratch/numbers"
mv -fT -- "$scratch/numbers" "$numbers"
sync -- "$numbers" .
{
    echo "DROP DATABASE IF EXISTS \`$database\`;"
    echo "CREATE DATABASE \`$database\` CHARACTER SET $charset COLLATE $collation;"
    echo "USE \`$database\`;"
    zstd -dc -- "$name"
} | mariadb --max-allowed-packet=1G
doing="find in the restored $database what was rehearsed"
count mariadb >"$scratch/restored"
tail -n +3 -- "$name.rehearsed" | cmp -s - "$scratch/restored"
doing="let $database give no number again that it had given"
numbered | cut -f 1 | sort >"$scratch/tables"
tab=$(printf '\t')
sort -t "$tab" -k 1,1 -- "$numbers" | join -t "$tab" "$scratch/tables" - | sort -t "$tab" -k 2,2n |
    sed 's/`/``/g; s/^\(.*\)\t\([0-9]*\)$/ALTER TABLE `\1` AUTO_INCREMENT = \2;/' >"$scratch/alter"
mariadb -- "$database" <"$scratch/alter"
rm -f -- "$numbers"
echo "$database is as it was in $folder/$name"
"""
)
"""What ``sh -c`` restores a dump into the cluster with; the last argument is of when it is."""


# A dump counts once its checksum lies beside it: it is written first, and the dump then renamed.
_NEWEST = r"""
newest=
for file in "$1/$2"-*.sql.zst; do
    [ -f "$file" ] && [ -f "$file.sha256" ] || continue
    at=$(stat -c %Y -- "$file")
    if [ -z "$newest" ] || [ "$at" -gt "$newest" ]; then newest=$at; fi
done
echo "$newest"
"""
_REHEARSED = r"""
[ -f "$1" ] && [ -f "$1.sha256" ] && [ -f "$1.rehearsed" ] || exit 0
[ "$(head -n 1 -- "$1.rehearsed")" != "$(cat -- "$1.sha256")" ] || stat -c %Y -- "$1"
"""


class MariadbBackups:
    """``Backups`` as files of root's on database hosts."""

    def __init__(self, ssh: Ssh, database: MariadbDatabase) -> None:
        self._ssh = ssh
        self._database = database

    def newest(self, host: HostName, folder: PurePosixPath, database: str) -> Epoch | None:
        newest = self._ssh.ask(host, _NEWEST, str(folder), database).strip()
        return Epoch(float(newest)) if newest else None

    def rehearsed(self, backup: Backup) -> Epoch | None:
        finished = self._ssh.ask(backup.host, _REHEARSED, str(backup.file)).strip()
        return Epoch(float(finished)) if finished else None

    def written_since(self, backup: Backup, finished: Epoch) -> tuple[Written, ...]:
        rehearsed = self._ssh.ask(backup.host, 'cat -- "$1.rehearsed"', str(backup.file))
        columns = self._database.answers(columns_sql(backup.database))
        # Table by table: one answer must come within the time that any question has.
        asked = (written_sql(backup.database, (column,), finished) for column in columns)
        return tuple(
            parse_written((line for sql in asked for line in self._database.answers(sql)), rehearsed)
        )

    def dump_command(self, backup: Backup) -> Command:
        return _command(DUMP, backup)

    def rehearse_command(self, backup: Backup) -> Command:
        return _command(REHEARSE, backup)

    def restore_command(self, backup: Backup, finished: Epoch) -> Command:
        """Users wait for it, so it is not idle."""
        words = (backup.database, str(backup.folder), backup.label, str(int(finished)))
        return Command(("sh", "-c", RESTORE, "skylift", *words))


def _command(script: str, backup: Backup) -> Command:
    words = (backup.database, str(backup.folder), backup.label)
    return Command((*_IDLE, "sh", "-c", script, "skylift", *words))


def columns_sql(database: str) -> str:
    """The question for tables, each with whether its rows tell when they were made, and when changed."""
    return f"""
SELECT JSON_OBJECT('table', TABLE_NAME, 'created', MAX(COLUMN_NAME = 'created_at'),
    'changed', MAX(COLUMN_NAME = 'updated_at'))
FROM information_schema.COLUMNS JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME)
WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA = {text(database)} GROUP BY TABLE_NAME;
"""  # noqa: S608 - a quoted text


def written_sql(database: str, columns: Iterable[str], since: Epoch) -> str:
    """The question for what each table has by now, from the answer to ``columns_sql``."""
    utc = f"TIMESTAMP('1970-01-01') + INTERVAL {int(since)} SECOND"
    return "".join(_written_sql(database, json.loads(line), utc) for line in columns)


def _written_sql(database: str, of: dict[str, Any], utc: str) -> str:
    created = f"SUM(`created_at` > ({utc}))" if of["created"] else "NULL"
    old = f"NOT COALESCE(`created_at` > ({utc}), FALSE)" if of["created"] else "TRUE"
    changed = f"SUM(`updated_at` > ({utc}) AND {old})" if of["changed"] else "NULL"
    return (
        f"SELECT JSON_OBJECT('table', {text(of['table'])}, 'rows', COUNT(*), 'created', {created}, "  # noqa: S608 - quoted
        f"'changed', {changed}) FROM {quoted(database)}.{quoted(of['table'])};\n"
    )


def parse_written(lines: Iterable[str], rehearsed: str) -> Iterator[Written]:
    """What was written since, where anything was; ``rehearsed`` says how many rows there were."""
    then = dict(line.split("\t")[1:] for line in rehearsed.splitlines() if line.startswith("rows\t"))
    for line in lines:
        row: dict[str, Any] = json.loads(line)
        grown = row["rows"] - int(then.get(row["table"], 0))
        created = max(grown, 0) if row["created"] is None else int(row["created"])
        found = Written(row["table"], created, int(row["changed"] or 0), max(created - grown, 0))
        if found.created or found.changed or found.removed:
            yield found
