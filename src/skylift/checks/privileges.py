"""May each service's own database user change its schema?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns
from skylift.model.ids import ComponentName
from skylift.model.record import ComponentEntry

_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<schema>\S+)\.\* TO ", re.IGNORECASE)
_ACCOUNT = re.compile(r" TO (`[^`]+`@`[^`]+`)")
_ON = {"1", "ON"}


def _ask(question: Question) -> Iterator[Complaint]:
    for name, entry in question.record.components.items():
        if not entry.databases:
            continue
        facts = question.cloud.grants.get(name)
        if facts is None and question.unread("grants", name):
            continue
        if facts is None:
            yield blocks(f"the grants of {entry.user} were not read", "look again: skylift inspect")
            continue
        for database in entry.databases.values():
            yield from _lacking(question, entry, database, facts)
        yield from _triggers(question, name, facts)


def _lacking(
    question: Question, entry: ComponentEntry, database: str, facts: tuple[str, ...]
) -> Iterator[Complaint]:
    schema = question.catalog.components[entry.name].schema_in(entry.databases, database)
    held = _held(facts, database)
    missing = set() if "ALL PRIVILEGES" in held else set(schema.privileges) - held
    if missing:
        told = f"GRANT {listed(missing)} ON {database}.* TO {_account(facts, entry.user)}"
        yield blocks(
            f"the database user {entry.user} lacks {listed(missing)} on {database}, "
            f"which the migrations of {entry.name} need",
            f'grant it: skylift ssh {_database_host(question)} mariadb -e "{told}"',
        )


def _triggers(question: Question, name: ComponentName, facts: Iterable[str]) -> Iterator[Complaint]:
    source = next((s.triggers for s in question.catalog.components[name].schemas if s.triggers), "")
    variables = dict(fact.split("=", 1) for fact in facts if not fact.startswith("GRANT ") and "=" in fact)
    logs = variables.get("log_bin", "ON").upper() in _ON
    trusts = variables.get("log_bin_trust_function_creators", "OFF").upper() in _ON
    may = {"ALL PRIVILEGES", "SUPER"} & _held(facts, "")
    if source and logs and not trusts and not may:
        yield warns(
            f"{name}'s own guide asks for log_bin_trust_function_creators=1 where the binary log is on: a "
            f"migration that makes a trigger would fail ({source})",
            f"set it on every database server: skylift ssh {_database_host(question)} mariadb -e "
            '"SET GLOBAL log_bin_trust_function_creators=1"',
        )


def _held(facts: Iterable[str], database: str) -> set[str]:
    """The privileges held on ``database``; if that is empty, those held on every one."""
    held: set[str] = set()
    for match in filter(None, map(_GRANT.match, facts)):
        # In a grant, % and _ are wildcards unless a backslash stands before them.
        pattern = match["schema"].strip("`").replace("\\_", "_").replace("%", "*")
        if pattern == "*" or (database and fnmatchcase(database, pattern)):
            held |= {word.strip().upper() for word in match["what"].split(",")}
    return held


def _account(facts: Iterable[str], user: str) -> str:
    """The user with the hosts it may come from, as its grants name it."""
    accounts = (match[1] for match in map(_ACCOUNT.search, facts) if match)
    return next(accounts, f"{user}@%").replace("`", "'")


def _database_host(question: Question) -> str:
    return question.record.hosts_in(question.record.database.role)[0].name


PRIVILEGES = Check(
    "privileges",
    "each service's database user may change its schema",
    _ask,
    needs=("grants",),
    rows=(93,),
)
