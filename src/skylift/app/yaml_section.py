"""A YAML file read key by key, so that every mistake in it is told at its line, all at once.

A value that is missing or wrong is noted as a mistake and stood in for by an empty one, so that reading
goes on; whoever reads must look at ``Sheet.mistakes`` before using anything.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_STR, _INT, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("str", "int", "null"))
_DECIMAL = re.compile(r"-?\d{1,12}")


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake in a file: where, what, and what to write instead."""

    line: int
    """From 1; 0 if it is of the file as a whole."""
    at: str
    """Path of the key, such as ``components.glance.port``; empty for the whole file."""
    what: str
    remedy: str

    def told(self, file: str) -> str:
        """The mistake as compilers print theirs, so that editors can jump to it."""
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}: {self.at}{': ' if self.at else ''}{self.what}; {self.remedy}"


@dataclass(slots=True)
class Sheet:
    """One YAML file while it is read."""

    path: Path
    empty_remedy: str = "write the sections of a record, or begin with: skylift init"
    """What to do about a file with nothing in it."""
    mistakes: list[Mistake] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """Line of each key that was read, by its path."""

    def wrong(self, at: str, what: str, remedy: str) -> None:
        """Note a mistake at a key that was read before, or at the nearest one above it."""
        near = at
        while near and near not in self.lines:
            near = near.rpartition(".")[0]
        self.mistakes.append(Mistake(self.lines.get(near, 0), at, what, remedy))

    def top(self, text: str) -> Section:
        """The whole file; empty, with the mistake noted, if it is not a mapping."""
        try:
            node = YAML().compose(text)
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            problem = str(error.problem or error.context).replace("\n", " ")
            self.mistakes.append(Mistake(line, "", f"is not YAML: {problem}", "mend the syntax there first"))
            return Section(self, None, "")
        except YAMLError as error:
            first = str(error).strip().splitlines()[0]
            self.mistakes.append(Mistake(0, "", f"is not YAML: {first}", "mend the syntax first"))
            return Section(self, None, "")
        if node is None:
            self.mistakes.append(Mistake(0, "", "is empty", self.empty_remedy))
        return Section(self, node, "")


class Section:
    """A mapping in the file. Each key is asked for once; ``close`` tells those nobody asked for."""

    def __init__(self, sheet: Sheet, node: Node | None, at: str) -> None:
        self.sheet = sheet
        self.at = at
        self._asked: list[str] = []
        self._nodes: dict[str, Node] = {}
        self._broken = not isinstance(node, MappingNode)
        if isinstance(node, MappingNode):
            self._nodes = _by_name(sheet, at, node)
        elif node is not None and not sheet.mistakes:
            sheet.lines.setdefault(at, node.start_mark.line + 1)
            sheet.wrong(at, "is not a mapping", "write indented lines of 'key: value'")

    def path_of(self, key: str) -> str:
        """The path of one of its keys, as mistakes name it."""
        return _under(self.at, key)

    def wrong(self, key: str, what: str, remedy: str) -> None:
        """Note a mistake at one of its keys."""
        self.sheet.wrong(self.path_of(key), what, remedy)

    def text(self, key: str, *, default: str | None = None, form: str = "", means: str = "a text") -> str:
        """A text that has the regular expression ``form``, if one is given; ``means`` says it in words."""
        node = self._given(key, f"write {means}", optional=default is not None)
        if node is None:
            return default or ""
        if not isinstance(node, ScalarNode):
            self.wrong(key, "is not a single value", f"write {means}")
        elif node.tag != _STR and not form:
            self.wrong(key, f"is {node.value}, which YAML does not read as text", "put it in quotes")
        elif not node.value:
            self.wrong(key, "is empty", f"write {means}")
        elif form and re.fullmatch(form, str(node.value)) is None:
            self.wrong(key, f"is {node.value!r}", f"write {means}")
        else:
            return str(node.value)
        return ""

    def number(self, key: str, low: int, high: int, *, default: int | None = None) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        remedy = f"write a whole number from {low} to {high}"
        node = self._given(key, remedy, optional=default is not None)
        if node is None:
            return default if default is not None else low
        decimal = isinstance(node, ScalarNode) and node.tag == _INT and _DECIMAL.fullmatch(node.value)
        if not decimal or not low <= int(node.value) <= high:
            self.wrong(key, f"is {_shown(node)}", remedy)
            return low
        return int(node.value)

    def texts(self, key: str, *, form: str, means: str, optional: bool = False) -> tuple[str, ...]:
        """A list of one or more texts of a form, in order; empty if it may be left out and is."""
        remedy = f"write a list such as [one, two], each {means}"
        node = self._given(key, remedy, optional=optional)
        if node is None:
            return ()
        given = [str(n.value) for n in node.value] if isinstance(node, SequenceNode) else []
        empty = not given and not (optional and isinstance(node, SequenceNode))
        if empty or any(re.fullmatch(form, text) is None for text in given):
            self.wrong(key, f"is {_shown(node)}", remedy)
            return ()
        return tuple(given)

    def plain(self, key: str, *, remedy: str) -> Any:
        """Whatever stands under ``key``, as lists, mappings and texts; the first of a list is ``key.1``."""
        node = self._given(key, remedy)
        return None if node is None else _plain(self.sheet, node, self.path_of(key))

    def section(self, key: str, *, optional: bool = False) -> Section:
        """The mapping under ``key``; empty if it is missing."""
        node = self._given(key, f"add a section '{key}:'", optional=optional)
        return Section(self.sheet, node, self.path_of(key))

    def sections(self, *, form: str, means: str) -> Iterator[tuple[str, Section]]:
        """Each key with the mapping under it: for sections whose keys are names, not settings."""
        if not self._nodes and not self._broken:
            self.sheet.wrong(self.at, "is empty", "add at least one entry")
        for name in self._nodes:
            if re.fullmatch(form, name) is None:
                self.wrong(name, f"{name!r} cannot be a name", f"write {means}")
            yield name, self.section(name)

    def names(self, *, form: str) -> tuple[str, ...]:
        """Its keys, where they are names and not settings, as far as they have the regular expression."""
        return tuple(name for name in self._nodes if re.fullmatch(form, name))

    def close(self) -> None:
        """Tell every key that nobody asked for, with the one that was probably meant."""
        for name in self._nodes.keys() - set(self._asked):
            self.wrong(name, "is not a key here", meant(name, self._asked))

    def _given(self, key: str, remedy: str, *, optional: bool = False) -> Node | None:
        self._asked.append(key)
        node = self._nodes.get(key)
        empty = isinstance(node, ScalarNode) and node.tag == _NULL
        if node is not None and not empty:
            return node
        if not optional and not self._broken:
            self.wrong(key, "has no value" if empty else "is missing", remedy)
        return None


_FILE = "the path of a file, relative to this file's folder"


def file_of(section: Section, key: str) -> Path | None:
    """A file beside the record, or at an absolute path; none if it was not told or is not there."""
    told = section.text(key, means=_FILE)
    return _found(section, key, told) if told else None


def files_of(section: Section, key: str) -> tuple[Path, ...]:
    """The files of a list that may be left out, each beside the record or at an absolute path."""
    told = section.texts(key, form=r"\S+", means=_FILE, optional=True)
    return tuple(found for found in (_found(section, key, path) for path in sorted(set(told))) if found)


def _found(section: Section, key: str, told: str) -> Path | None:
    found = section.sheet.path.parent.absolute() / Path(told).expanduser()
    if found.is_file():
        return found
    section.wrong(key, f"names {found}, which is not a file", "create it, or correct the path")
    return None


def _by_name(sheet: Sheet, at: str, node: MappingNode) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        path = _under(at, name)
        if name in found:
            twice = f"stands here twice, first on line {sheet.lines[path]}"
            sheet.mistakes.append(Mistake(line, path, twice, "keep one of the two"))
        else:
            sheet.lines[path] = line
            found[name] = value
    return found


def _plain(sheet: Sheet, node: Node, at: str) -> Any:
    sheet.lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, SequenceNode):
        return [_plain(sheet, inner, _under(at, str(n))) for n, inner in enumerate(node.value, start=1)]
    if isinstance(node, MappingNode):
        return {
            key: _plain(sheet, inner, _under(at, key)) for key, inner in _by_name(sheet, at, node).items()
        }
    return str(node.value)


def _under(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def meant(name: str, known: Collection[str]) -> str:
    """A remedy for a name that is not known: the one that was probably meant, or all there are."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"write one of: {', '.join(sorted(known))}" if known else "remove it"


def _shown(node: Node) -> str:
    if isinstance(node, ScalarNode):
        return repr(node.value) if node.tag == _STR else str(node.value)
    return "a list" if isinstance(node, SequenceNode) else "a mapping"
