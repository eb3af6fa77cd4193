"""Alembic migrations, read from their files on a host by ``ast``: none of their code is run.

``keystone-manage db_sync --check`` of an older release says all is well while an expand is pending, so
what a release's schema is comes from the files that it ships.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from skylift.model.cloud import Revision
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Refused, Remedy

READER = r'''
import ast, glob, json, pathlib, sys

WANTED = ("revision", "down_revision", "branch_labels", "depends_on")

def said(node):
    """Strings as they are; the name of a constant such as migration.EXPAND_BRANCH in angle brackets."""
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str)):
        return [] if node.value is None else [node.value]
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return [each for item in node.elts for each in said(item)]
    if isinstance(node, (ast.Attribute, ast.Name)):
        return ["<%s>" % (node.attr if isinstance(node, ast.Attribute) else node.id)]
    raise ValueError("line %d is not a string, a tuple of strings or a name" % node.lineno)

def read(file):
    found = {}
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id in WANTED:
                found[target.id] = said(node.value)
    return found

folders = [each for each in sorted(glob.glob(sys.argv[1])) if pathlib.Path(each).is_dir()]
if len(folders) != 1:
    print(json.dumps({"problem": "several folders match" if folders else "there is no such folder"}))
    sys.exit()
folder = pathlib.Path(folders[0])
revisions = []
for file in sorted(folder.rglob("*.py")):
    try:
        found = read(file)
    except (SyntaxError, ValueError) as error:
        print(json.dumps({"problem": "%s cannot be read as a migration: %s" % (file.name, error)}))
        sys.exit()
    if found.get("revision"):
        revisions.append(dict(found, folders=file.relative_to(folder).parts[:-1]))
print(json.dumps({"revisions": revisions}))
'''

_PHASES = ("expand", "contract")


class MigrationsUnreadable(Refused):
    """The migration files of an artifact do not say what its schema is."""

    code = "migrations.unreadable"

    def __init__(self, host: HostName, folder: PurePosixPath, why: str) -> None:
        super().__init__(
            f"the migrations in {folder} on {host} could not be read: {why}",
            Remedy(
                Fix.REPAIR, f"see what is there: skylift ssh {host} ls -R {folder}; stage the artifact again"
            ),
        )


def parse_migrations(host: HostName, folder: PurePosixPath, text: str) -> tuple[Revision, ...]:
    """The revisions that ``READER`` found, by id.

    Raises:
        MigrationsUnreadable: it found none, or what it cannot read.
    """
    answer = json.loads(text)
    if "problem" in answer:
        raise MigrationsUnreadable(host, folder, answer["problem"])
    found = [_revision(each) for each in answer["revisions"]]
    if not found:
        raise MigrationsUnreadable(host, folder, "there are none")
    return tuple(sorted(found, key=lambda revision: revision.id))


def _revision(said: dict[str, Any]) -> Revision:
    (identity,) = said["revision"]
    return Revision(
        id=identity,
        down=tuple(said.get("down_revision", ())),
        depends_on=tuple(said.get("depends_on", ())),
        branch=_branch(said["folders"], said.get("branch_labels", ())),
    )


def _branch(folders: Sequence[str], labels: Sequence[str]) -> str:
    """The phase that a folder or a label names (``<EXPAND_BRANCH>`` does), else the first label."""
    words = [*folders, *(label.strip("<>").lower().removesuffix("_branch") for label in labels)]
    named = [word for word in words if word in _PHASES]
    return next(iter([*named, *labels]), "")
