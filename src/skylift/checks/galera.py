"""Is the database cluster whole?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.checks.check import Check, Complaint, Question, blocks


def _ask(question: Question) -> Iterator[Complaint]:
    size = question.record.database.size
    for host in question.record.hosts_in(question.record.database.role):
        node = question.cloud.galera.get(host.name)
        show = f"see its view: skylift ssh {host.name} mariadb -e \"SHOW STATUS LIKE 'wsrep_%'\""
        if node is None:
            yield blocks(
                f"the database on {host.name} did not answer",
                f"see why: skylift ssh {host.name} systemctl status mariadb --no-pager",
                f"start it, and let it catch up: skylift ssh {host.name} systemctl start mariadb",
            )
            continue
        if node.status != "Primary":
            yield blocks(f"the database on {host.name} is {node.status}, not Primary: it has no quorum", show)
        if node.state != "Synced":
            yield blocks(f"the database on {host.name} is {node.state}, not Synced", f"wait, then {show}")
        if node.size != size:
            yield blocks(
                f"the database on {host.name} sees a cluster of {node.size}; the record says {size}",
                show,
                "bring the missing server back, or correct 'database.size' in the record",
            )


GALERA = Check(
    "galera",
    "the database cluster is primary, synced and of full size",
    _ask,
    needs=("galera",),
    rows=(17, 87),
)
