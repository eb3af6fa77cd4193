"""The schemas of the fake cloud: which migrations each release has, and what manage commands do with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from skylift.catalog.component import KnownSchema, Phase
from skylift.model.cloud import Revision
from skylift.model.ids import ComponentName
from skylift.model.release import Release
from skylift.model.schema import branch_of, heads, rows_after
from skylift.testing.samples import MIGRATIONS

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

Of = tuple[Release, ComponentName, str]
"""A release, a component, and one of its schemas by the catalog's name."""


class FakeSchemas:
    """What each release declares; a schema of which nothing is known has no migrations."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self._of: dict[ComponentName, Mapping[str, KnownSchema]] = {}
        self._declared: dict[Of, tuple[Revision, ...]] = {
            (r, name, ""): with_branches(found) for r, by in MIGRATIONS.items() for name, found in by.items()
        }

    def give(self, of: Of, revisions: Iterable[Revision], *, until: Release) -> None:
        """Let a release declare ``revisions``; databases are at the heads of what ``until`` declares."""
        release, component, schema = of
        self._declared[of] = tuple(revisions)
        for database, there in self.of(component).items():
            if there.name == schema and release == until:
                self._cloud.rows[database] = heads(self._declared[of])

    def declare(self, declared: Mapping[Of, tuple[Revision, ...]]) -> None:
        """Let releases declare these and nothing else; databases stay where they are."""
        self._declared = dict(declared)

    def declared(self, of: Of) -> tuple[Revision, ...]:
        """The migrations of one release."""
        return self._declared.get(of, ())

    def known(self, component: ComponentName, schema: str) -> tuple[Revision, ...]:
        """The migrations of all releases."""
        own = (found for (_, *of), found in self._declared.items() if of == [component, schema])
        return tuple(revision for found in own for revision in found)

    def of(self, component: ComponentName) -> Mapping[str, KnownSchema]:
        """The databases of a component, each with its schema."""
        if component not in self._of:
            named = self._cloud.record.components[component].databases
            known = self._cloud.known[component]
            self._of[component] = {name: known.schema_in(named, name) for name in named.values()}
        return self._of[component]

    def in_folder(self, release: Release, folder: PurePosixPath) -> tuple[Revision, ...] | None:
        """The migrations whose files lie in ``folder`` of an artifact; none if it has no such folder."""
        for name in self._cloud.record.components:
            for schema in self._cloud.known[name].schemas:
                if str(folder).endswith(str(schema.migrations)):
                    return self.declared((release, name, schema.name))
        return None

    def run(self, release: Release, component: ComponentName, said: str) -> None:
        """Take the effect of the phase that a manage command is; of any other command, none."""
        phase = next((p for p in self._phases(component) if _words(p) in said), None)
        if phase is None or not phase.branch:
            return
        branch = "" if phase.branch == "all" else phase.branch
        for database, schema in self.of(component).items():
            if schema.name == phase.schema:
                own, rows = self.declared((release, component, schema.name)), self._cloud.rows[database]
                self._cloud.rows[database] = rows_after(own, rows, branch)

    def _phases(self, component: ComponentName) -> Iterator[Phase]:
        """The longest first: what one says may be the beginning of another."""
        known = self._cloud.known[component]
        yield from sorted(known.phases, key=lambda phase: -len(_words(phase)))


def with_branches(revisions: tuple[Revision, ...]) -> tuple[Revision, ...]:
    """The revisions, each labelled with its branch; glance tells it by the name alone."""
    return tuple(replace(r, branch=_named(r.id) or branch_of(revisions, r.id)) for r in revisions)


def _named(revision: str) -> str:
    return next((branch for branch in ("expand", "contract") if f"_{branch}" in revision), "")


def _words(phase: Phase) -> str:
    """What a phase says after its program, up to what the record fills in."""
    return " ".join(phase.argv[1:]).partition(" {")[0]
