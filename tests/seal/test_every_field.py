"""Issue 5, proof 4: every edit of a single field of a plan, a journal or the audit trail is found.

The whole bytes and the cells of the files are tried in ``test_verify``; here it is each field of each
document, changed to another value of its kind, left out, and doubled under another name.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.seal.test_verify import RUN, looked_at, written

from skylift.drivers.ed25519 import KeyFile
from skylift.model.codec import canonical
from skylift.model.problem import Refused
from skylift.model.seal import Signers
from skylift.planning.text import digest_of, read_plan, write_plan
from skylift.testing.keys import key_file
from skylift.testing.plans import planned
from skylift.testing.samples import KEYSTONE, sample_record

Edit = Callable[[Any], Any]


def other(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 1.0
        case str():
            return value[:-1] + ("x" if value[-1:] != "x" else "y")
        case None:
            return "something"
        case list():
            return [*value, *value[:1]] if value else ["something"]
        case _:
            return {**value, "more": "something"}


def edits(document: Any) -> Iterator[tuple[str, Any]]:
    """The document with one field changed, for every field at any depth; and with one left out."""
    yield "all of it", other(document)
    if isinstance(document, dict):
        for key, value in document.items():
            rest = {k: v for k, v in document.items() if k != key}
            yield f"{key} is left out", rest
            yield f"{key} has another name", {**rest, f"{key}s": value}
            yield from ((f"{key}.{where}", {**document, key: new}) for where, new in edits(value))
    elif isinstance(document, list):
        for n, value in enumerate(document):
            yield f"{n} is left out", [*document[:n], *document[n + 1 :]]
            yield from (
                (f"{n}.{where}", [*document[:n], new, *document[n + 1 :]]) for where, new in edits(value)
            )


def test_every_edit_of_a_field_of_a_plan_is_found() -> None:
    """By its own digest, before any seal is looked at."""
    plan = planned(sample_record(controllers=2, components=(KEYSTONE,)))
    text = write_plan(plan)
    document, digest = json.loads(text), digest_of(plan)
    tried, missed = 0, list[str]()

    for where, edited in edits(document):
        bent = canonical(edited) + b"\n" * text.endswith(b"\n")
        if bent == text:
            continue
        tried += 1
        try:
            found = digest_of(read_plan(bent))
        except Refused:
            continue
        if found == digest:
            missed.append(where)

    assert missed == []
    assert tried > 200


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Signers]:
    home = tmp_path_factory.mktemp("sealed") / ".skylift"
    rey = key_file(tmp_path_factory.mktemp("keys") / "rey", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYLIFT_KEY", str(rey))
        written(home, KeyFile(rey))
    return home, {"rey": KeyFile(rey).key}


def bodies(file: Path) -> list[tuple[int, Any]]:
    db = sqlite3.connect(file)
    found = db.execute("SELECT row, body FROM entry ORDER BY row").fetchall()
    db.close()
    return [(row, json.loads(body)) for row, body in found]


@pytest.mark.parametrize(("name", "document"), [("journal", "journal"), ("audit", "audit trail")])
def test_every_edit_of_a_field_of_a_row_is_found(
    sealed: tuple[Path, Signers], tmp_path: Path, name: str, document: str
) -> None:
    whole, signers = sealed
    home = Path(shutil.copytree(whole, tmp_path / ".skylift"))
    file = home / "runs" / RUN / "journal" if name == "journal" else home / name
    tried, missed = 0, list[str]()

    for row, body in bodies(file):
        for where, edited in edits(body):
            db = sqlite3.connect(file)
            db.execute("UPDATE entry SET body = ? WHERE row = ?", (canonical(edited), row))
            db.commit()
            tried += 1
            if looked_at(home, signers)[document].holds:
                missed.append(f"row {row}: {where}")
            db.execute("UPDATE entry SET body = ? WHERE row = ?", (canonical(body), row))
            db.commit()
            db.close()

    assert missed == []
    assert looked_at(home, signers)[document].holds
    assert tried > 50
