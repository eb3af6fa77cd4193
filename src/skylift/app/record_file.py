"""The record as a file: ``cloud.yaml`` in, a ``Record`` out, or every mistake in it at once."""

from __future__ import annotations

import re
from pathlib import Path

from skylift.app.record_references import check_references
from skylift.app.record_sections import read_record
from skylift.app.yaml_section import Mistake, Sheet
from skylift.catalog.catalog import Catalog, load
from skylift.model.problem import Fix, Problem, Refused, Remedy
from skylift.model.record import Record


class RecordInvalid(Refused):
    """The record cannot be used. Nothing was touched."""

    code = "record.invalid"

    def __init__(self, file: Path, mistakes: tuple[Mistake, ...]) -> None:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        told = "".join(f"\n  {mistake.told(file.name)}" for mistake in mistakes)
        super().__init__(
            f"{file} cannot be used: {count} in it{told}",
            Remedy(Fix.REPAIR, f"correct it, then look again: skylift --cloud {file} inspect"),
            Remedy(Fix.REPAIR, "or begin from a commented record: skylift init"),
        )
        self.file = file
        self.mistakes = mistakes


def names_a_store(path: Path) -> bool:
    """Whether a record that cannot be read has a line that begins as the one that names a store."""
    try:
        return (
            re.search(r"^store\s*:", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
            is not None
        )
    except OSError:
        return False


def load_record(path: Path) -> Record:
    """The record in the file at ``path``; its relative paths are resolved against its folder.

    Raises:
        RecordInvalid: the file has mistakes: all of them, by line.
        CatalogInvalid: a component's file that it names is not what its format says.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        told = str(error.strerror).lower()
        remedy = "name another with --cloud, or write one: skylift init"
        raise RecordInvalid(path, (Mistake(0, "", told, remedy),)) from None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RecordInvalid(path, (Mistake(line, "", "is not UTF-8", "save it as UTF-8"),)) from None
    sheet = Sheet(path)
    record = read_record(sheet.top(text))
    check_references(sheet, record, load(record.catalog).components)
    if sheet.mistakes:
        raise RecordInvalid(path, tuple(sorted(sheet.mistakes)))
    return record


def catalog_of(path: Path) -> Catalog:
    """What is known of components, those of the record's own among them if it can be read."""
    try:
        own = load_record(path).catalog
    except Problem:
        own = ()
    return load(own)
