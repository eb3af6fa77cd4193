"""Schemas as graphs of alembic revisions: what was applied, what is pending, where a phase ends.

A database remembers only the tips of what was applied: a revision that another applied one follows or
depends on has no row of its own. So nothing here compares a row with a head alone; it walks the graph.
Source: alembic, "Working with Branches"; keystone's and glance's expand and contract branches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skylift.model.cloud import Revision


@dataclass(frozen=True, slots=True)
class SchemaHead:
    """Where the schema of one database is, or is to be."""

    database: str
    table: str
    """Its table of versions."""
    rows: frozenset[str]

    def __str__(self) -> str:
        return f"{self.database} at {', '.join(sorted(self.rows)) or 'nothing'}"


_NAMED = re.compile(r"_(expand|contract)\d*$")
"""Glance tells the branch by the revision's name: its labels are expressions, or name the release."""


def heads(revisions: Iterable[Revision]) -> frozenset[str]:
    """The rows of ``alembic_version`` once every one of ``revisions`` is applied."""
    return _tips({r.id: r for r in revisions})


def applied(revisions: Iterable[Revision], rows: Iterable[str]) -> frozenset[str]:
    """Every revision that a database with ``rows`` has; a row that no file declares counts for itself."""
    known = {r.id: r for r in revisions}
    found: set[str] = set()
    todo = list(rows)
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo += _behind(known, here)
    return frozenset(found)


def pending(revisions: Iterable[Revision], rows: Iterable[str], branch: str = "") -> frozenset[str]:
    """The revisions that a database with ``rows`` lacks, of one branch or, if empty, of all."""
    given = tuple(revisions)
    wanted = _of_branch(given, branch) if branch else frozenset(r.id for r in given)
    return wanted - applied(given, rows)


def unknown(revisions: Iterable[Revision], rows: Iterable[str]) -> frozenset[str]:
    """The rows that none of ``revisions`` declares: the database is newer than these files, or foreign."""
    return frozenset(rows) - {r.id for r in revisions}


def beyond(revisions: Iterable[Revision], others: Iterable[Revision], rows: Iterable[str]) -> frozenset[str]:
    """The branches of what a database with ``rows`` has and ``revisions`` do not declare; ``all`` for none.

    ``others`` are what releases declare that may have brought it there.
    """
    own, known = tuple(revisions), {r.id: r for r in others}
    every = tuple({**known, **{r.id: r for r in own}}.values())
    foreign = applied(every, rows) - {r.id for r in own}
    return frozenset(branch_of(every, revision) or "all" for revision in foreign)


def rows_after(revisions: Iterable[Revision], rows: Iterable[str], branch: str = "") -> frozenset[str]:
    """The rows once ``branch`` (if empty: every branch) is brought to its head.

    What the branch depends on is applied with it. ``rows`` stay as they are if it is there already.
    """
    given = tuple(revisions)
    known = {r.id: r for r in given}
    had = applied(given, rows)
    reached = had | applied(given, _of_branch(given, branch) if branch else known)
    if reached == had:
        return frozenset(rows)
    return _tips({i: known.get(i, Revision(i, (), (), "")) for i in reached})


def branch_of(revisions: Iterable[Revision], wanted: str) -> str:
    """The branch of a revision: by its name, its label, or that of the nearest it follows; else empty."""
    return _branch({r.id: r for r in revisions}, wanted)


def _of_branch(revisions: tuple[Revision, ...], branch: str) -> frozenset[str]:
    known = {r.id: r for r in revisions}
    return frozenset(i for i in known if _branch(known, i) == branch)


def _branch(known: Mapping[str, Revision], wanted: str) -> str:
    seen: set[str] = set()
    todo = [wanted]
    while todo:
        here = todo.pop(0)
        if here in seen or here not in known:
            continue
        seen.add(here)
        if named := _NAMED.search(here):
            return named[1]
        if known[here].branch:
            return known[here].branch
        todo += known[here].down
    return ""


def _behind(known: Mapping[str, Revision], wanted: str) -> tuple[str, ...]:
    return known[wanted].down + known[wanted].depends_on if wanted in known else ()


def _tips(known: Mapping[str, Revision]) -> frozenset[str]:
    return frozenset(known) - {behind for i in known for behind in _behind(known, i)}
