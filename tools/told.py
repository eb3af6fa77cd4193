"""What the source of a class says of it, as Markdown."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterable
from typing import Any

REQUIRED = "*required*"
NAMES = ("HostName", "ComponentName", "ArtifactName", "UnitName", "PoolName", "StepId", "RunId")
IN_WORDS = {
    **dict.fromkeys(("str", *NAMES), "text"),
    "int": "whole number",
    "bool": "true or false",
    "Seconds": "seconds",
    "PurePosixPath": "path",
    "Release": "release",
    "Digest": "digest",
    "None": "none",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One field of a dataclass, as its source describes it."""

    name: str
    kind: str
    default: str
    says: str


def keys(of: type[Any]) -> tuple[Key, ...]:
    """The fields of a dataclass, each with the text that stands below it in the source."""
    says = texts_below(of)
    return tuple(
        Key(f.name, _kind(f.type), _default(f), says.get(f.name, "")) for f in dataclasses.fields(of)
    )


def texts_below(of: type[Any]) -> dict[str, str]:
    """The text that stands below each attribute in the source of a class, by the attribute's name."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(of))).body
    found: dict[str, str] = {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for node, below in itertools.pairwise(body):
        match node, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = plain(text)
            case _:
                pass
    return found


def _kind(annotation: Any) -> str:
    """A field's type in words: names of things are texts to whoever writes or reads a file."""
    words = re.sub(r"\w+", lambda word: IN_WORDS.get(word[0], word[0]), str(annotation))
    words = re.sub(r"(?:frozenset|tuple)\[(.*?)(?:, \.\.\.)?\]", r"list of \1", words)
    words = re.sub(r"Mapping\[(.*?), (.*?)\]", r"mapping of \1 to \2", words)
    return words.replace(" | ", " or ")


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return "none" if field.default is None else f"`{field.default}`"
    return "see below" if field.default_factory is not dataclasses.MISSING else REQUIRED


def plain(text: str) -> str:
    """A docstring as one line of Markdown, without the rows of requirements it cites."""
    return re.sub(r" \(rows? [\d, toand]+\)", "", " ".join(text.split())).replace("``", "`")


def paragraphs(text: str | None) -> list[str]:
    """A docstring as Markdown paragraphs, without its Raises section, which the problem pages have."""
    whole = inspect.cleandoc(text or "").partition("\nRaises:")[0]
    return [_listed(p) if p.startswith("* ") else plain(p) for p in re.split(r"\n\s*\n", whole) if p.strip()]


def _listed(text: str) -> str:
    """A list, each item of it one line."""
    items = re.split(r"^\* ", text, flags=re.MULTILINE)[1:]
    return "\n".join(f"- {plain(item)}" for item in items)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table; a bar in a cell stays a bar."""
    titles = list(head)
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    return lines + [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]


def shapes(of: type[Any]) -> list[str]:
    """Fields that a program writes: a table if any of them needs words, else one line."""
    shown = keys(of)
    if not any(k.says for k in shown):
        return ["Fields: " + ", ".join(f"`{k.name}` ({k.kind})" for k in shown) + "."]
    return table(("key", "type", "meaning"), ((f"`{k.name}`", k.kind, k.says) for k in shown))


def members(choice: type[enum.Enum]) -> list[enum.Enum]:
    """The members of a choice, in their order."""
    return list(choice)
