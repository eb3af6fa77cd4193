"""MariaDB with Galera, asked as root over the unix socket of a database host.

SQL goes in over standard input and no password is needed, so that nothing secret is in an argument
vector; hashes of passwords are taken out of grants before they leave the host.
"""

from __future__ import annotations

from collections.abc import Iterable

from skylift.drivers.mariadb_rosters import lower_version_sql, parse_reports, quoted, roster_sql, text
from skylift.drivers.mariadb_work import parse_work, work_of_sql, work_sql
from skylift.drivers.ssh import Said, Ssh, shell
from skylift.model.cloud import GaleraNode
from skylift.model.ids import Epoch, HostName
from skylift.model.problem import Fix, Problem, Refused, Remedy, Transient
from skylift.model.roster import Roster, ServiceReport
from skylift.model.work import InHand

_CLIENT = ("mariadb", "--batch", "--skip-column-names", "--raw", "--connect-timeout=10")
_STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN "
    "('wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_cluster_size');\n"
)
# The client ends with the first statement that fails, so what comes after this is not even sent to a server
# that lags behind: neither a question, which it would answer from the past, nor a change.
_ONLY_SYNCED = """DELIMITER //
BEGIN NOT ATOMIC
    IF NOT EXISTS (
        SELECT 1 FROM information_schema.GLOBAL_STATUS
        WHERE VARIABLE_NAME = 'wsrep_local_state_comment' AND VARIABLE_VALUE = 'Synced'
    ) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not synced'; END IF;
END//
DELIMITER ;
"""
_NO_SUCH_TABLE, _NO_SUCH_DATABASE = "ERROR 1146 ", "ERROR 1049 "
_MARK = "---"

_GRANTS = r"""
sql='mariadb --batch --skip-column-names --raw --connect-timeout=10'
$sql -e "$1" | $sql |
    sed -E '/ IDENTIFIED /{s/ IDENTIFIED .* (WITH [A-Z_0-9 ]+)$/ \1/;t;s/ IDENTIFIED .*$//}'
$sql -e "$2"
"""
_SHOW_GRANTS = "SELECT CONCAT('SHOW GRANTS FOR ', QUOTE(user), '@', QUOTE(host), ';') FROM mysql.user"
_VARIABLES = (
    "SELECT CONCAT('log_bin=', @@GLOBAL.log_bin), "
    "CONCAT('\\nlog_bin_trust_function_creators=', @@GLOBAL.log_bin_trust_function_creators)"
)


class NoSyncedNode(Transient):
    """No database server has everything, so none may be asked."""

    code = "database.no-synced-node"

    def __init__(self, why: dict[HostName, str]) -> None:
        named = "; ".join(f"{host}: {each}" for host, each in sorted(why.items()))
        super().__init__(
            f"the database could not be asked: no server is synced ({named})",
            Remedy(Fix.REPAIR, "see each of them: mariadb -e \"SHOW STATUS LIKE 'wsrep%'\""),
            Remedy(Fix.RETRY, "when one is synced, the run goes on by itself"),
        )


class QueryRefused(Refused):
    """A synced database server does not answer a question."""

    code = "database.refused"

    def __init__(self, host: HostName, why: str) -> None:
        super().__init__(
            f"the database server on {host} could not answer: {why}",
            Remedy(Fix.REPAIR, "correct the component's database and user in cloud.yaml, or create them"),
        )


class MariadbDatabase:
    """``Database`` on the first of ``hosts`` that is synced; the one that was is asked first again."""

    def __init__(self, ssh: Ssh, hosts: Iterable[HostName]) -> None:
        self._ssh = ssh
        self._hosts = tuple(hosts)
        self._last_good = self._hosts[0]

    def rows(self, database: str, table: str = "alembic_version") -> frozenset[str]:
        where = ".".join(quoted(name) for name in (database, table))
        sql = f"SELECT version_num FROM {where};\n"  # noqa: S608 - quoted identifiers
        host, said = self._query(sql)
        if said.code == 0:
            return frozenset(_after_mark(said.text))
        if any(line.startswith((_NO_SUCH_TABLE, _NO_SUCH_DATABASE)) for line in _lines(said.err)):
            return frozenset()
        raise QueryRefused(host, said.complaint)

    def reports(self, roster: Roster) -> tuple[ServiceReport, ...]:
        return tuple(parse_reports(roster, self.answers(roster_sql(roster))))

    def lower_version(self, roster: Roster, row: ServiceReport, version: int) -> None:
        host, said = self._query(lower_version_sql(roster, row, version), changes=True)
        if said.code != 0:
            raise QueryRefused(host, said.complaint)

    def work(self, roster: Roster) -> tuple[InHand, ...]:
        return self._in_hand(roster, work_sql(roster))

    def work_of(
        self, roster: Roster, row: ServiceReport, *, promised_before: Epoch | None
    ) -> tuple[InHand, ...]:
        return self._in_hand(roster, work_of_sql(roster, row, promised_before))

    def nodes(self) -> tuple[GaleraNode, ...]:
        answers = self._ssh.on_each(self._hosts, _CLIENT, input=_STATUS.encode())
        seen = (parse_node(host, said) for host, said in answers.items())
        return tuple(node for node in seen if node is not None)

    def grants(self, user: str) -> tuple[str, ...]:
        host, _ = self._query("")
        accounts = f"{_SHOW_GRANTS} WHERE user = {text(user)}"
        said = self._ssh.run(host, shell(_GRANTS, accounts, _VARIABLES))
        if said.code != 0:
            raise QueryRefused(host, said.complaint)
        return tuple(line.strip() for line in said.text.splitlines() if line.strip())

    def _in_hand(self, roster: Roster, sql: str) -> tuple[InHand, ...]:
        return tuple(parse_work(roster, self.answers(sql))) if sql else ()

    def answers(self, sql: str) -> list[str]:
        """What a synced server answers to a question that is not one of the port's, line by line.

        Raises:
            QueryRefused: it does not.
        """
        host, said = self._query(sql)
        if said.code != 0:
            raise QueryRefused(host, said.complaint)
        return _after_mark(said.text)

    def _query(self, sql: str, *, changes: bool = False) -> tuple[HostName, Said]:
        """What a synced server answers to ``sql``, after a mark, in one round trip.

        A server that is not synced is told nothing of it, so that ``sql`` may change something.
        """
        asked = (_ONLY_SYNCED + f"SELECT '{_MARK}';\n" + sql).encode()
        why: dict[HostName, str] = {}
        for host in sorted(self._hosts, key=lambda each: each != self._last_good):
            try:
                said = self._ssh.run(host, _CLIENT, input=asked, changes=changes)
            except Transient as problem:
                why[host] = str(problem)
                continue
            if _MARK in said.text.splitlines():
                self._last_good = host
                return host, said
            why[host] = said.complaint
        raise NoSyncedNode(why)


def parse_node(host: HostName, said: Said | Problem) -> GaleraNode | None:
    """A server's view of its cluster; none if it did not answer."""
    if isinstance(said, Problem) or said.code != 0:
        return None
    values = dict(line.split("\t", 1) for line in said.text.splitlines())
    return GaleraNode(
        host=host,
        status=values.get("wsrep_cluster_status", "Disconnected"),
        state=values.get("wsrep_local_state_comment", "no cluster"),
        size=int(values.get("wsrep_cluster_size", 0)),
    )


def _after_mark(text: str) -> list[str]:
    lines = text.splitlines()
    return lines[lines.index(_MARK) + 1 :]


def _lines(said: bytes) -> list[str]:
    return said.decode(errors="replace").splitlines()
