"""Style with teeth: caps that only go down, and words that are barred, each with the better one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from skylift.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
SOURCES = sorted(p for top in ("src", "tests", "tools") for p in (ROOT / top).rglob("*.py"))

FILE_LINES = 400
FUNCTION_LINES = 60
CLASS_METHODS = 12
POSITIONAL = 4

BARRED = {
    r"\bsleep\(": "return Pending and let the engine come back, or wait with the driver's poll()",
    r"\bexcept Exception\b": "catch the Problem you can act on",
    r"\bexcept BaseException\b": "catch the Problem you can act on",
    r"\bexcept:": "catch the Problem you can act on",
    r"\bdatetime\.now\(": "take `now` as an argument",
    r"\bunittest\.mock\b": "use skylift.testing",
    r"\bmonkeypatch\.setattr\(": "put the seam at a port and use skylift.testing",
    r"\b(?:TODO|FIXME|XXX)\b": "finish it, or open an issue",
    r"\bNotImplementedError\b": "declare it abstract: then mypy asks for it",
    r"(?<![\w.~-])/(?:home|work|Users)/\w": "nobody else has that folder",
}
ALLOWED = {
    ("src/skylift/app/bugs.py", r"\bexcept Exception\b"): "the one edge at which a mistake of ours is told",
    ("src/skylift/gate/lab/commands.py", r"\bsleep\("): "the lab's one bounded poll()",
    ("tests/probe/test_streams.py", r"\bsleep\("): "a server that is slow on purpose",
    ("tests/probe/test_agent.py", r"\bsleep\("): "a server that is slow on purpose",
    (
        "tests/lab_unit/test_artifacts.py",
        r"\bmonkeypatch\.setattr\(",
    ): "constants make a name",
}

BARRED_WORDS = {
    *("manager", "helper", "helpers", "util", "utils", "common", "misc", "base"),
    *("data", "info", "process", "handle", "do"),
}
NAMES_OF_OTHERS = {
    "do_DELETE",
    "do_GET",
    "do_HEAD",
    "do_POST",
    "do_PUT",
    "handle",
    "handle_error",
    "handle_starttag",
}
"""Methods that the standard library's own base classes look up by name."""

HOSTSIDE = "skylift.gate.lab.hostside"
"""Programs for the lab's hosts: not imported, but read by name and run there."""

USED_FROM_OUTSIDE = {
    "skylift.cli.main": "the skylift command",
    "skylift.drainbench.make": "whoever wants a fleet to try plans on",
    "skylift.gate.lab.artifactside.kept_fake": "Nova, in the artifacts of the lab",
    "skylift.gate.lab.artifactside.local_settings": "Horizon, in the artifacts of the lab",
    "skylift.gate.lab.faults": "what the tests in the lab do to its hosts",
}
"""Modules that nothing in the product imports, and who uses them."""


def told(offenders: list[str]) -> str:
    return "\n".join(offenders)


def of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def text(path: Path) -> str:
    return path.read_text()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path), filename=str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def classes(path: Path) -> Iterator[ast.ClassDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef):
            yield node


def methods(class_: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in class_.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    places = (*function.args.posonlyargs, *function.args.args)
    return sum(a.arg not in {"self", "cls"} for a in places)


def words(name: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in lower case."""
    return {w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)}


def code_only(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a source file; this file, which has to name what it bars, has none."""
    if path != Path(__file__).resolve():
        yield from enumerate(text(path).splitlines(), start=1)


def test_a_file_can_be_read_in_one_sitting() -> None:
    long = [
        f"{of(path)} has {lines} lines: split it by subject"
        for path in SOURCES
        if (lines := len(text(path).splitlines())) > FILE_LINES
    ]

    assert not long, told(long)


def test_a_function_fits_on_a_screen() -> None:
    long = [
        f"{of(path)}:{f.lineno} {f.name} has {length} lines"
        for path in SOURCES
        for f in functions(path)
        if (length := (f.end_lineno or f.lineno) - f.lineno + 1) > FUNCTION_LINES
    ]

    assert not long, told(long)


def test_a_class_has_few_methods() -> None:
    wide = [
        f"{of(path)}:{c.lineno} {c.name} has {len(methods(c))} methods"
        for path in SOURCES
        for c in classes(path)
        if len(methods(c)) > CLASS_METHODS
    ]

    assert not wide, told(wide)


def test_few_arguments_are_told_apart_by_their_place() -> None:
    """A test's are fixtures, which pytest tells apart by name."""
    many = [
        f"{of(path)}:{f.lineno} {f.name} takes {count} positional parameters: name some with *"
        for path in SOURCES
        for f in functions(path)
        if not f.name.startswith("test_") and (count := positional(f)) > POSITIONAL
    ]

    assert not many, told(many)


def test_nothing_barred_is_written_where_something_better_exists() -> None:
    found = [
        f"{of(path)}:{number} {match[0]!r}: {better}"
        for path in SOURCES
        for number, line in code_only(path)
        for pattern, better in BARRED.items()
        if (match := re.search(pattern, line)) and (of(path), pattern) not in ALLOWED
    ]

    assert not found, told(found)


def test_each_exception_from_a_bar_is_still_needed() -> None:
    idle = [
        f"{file} no longer needs {pattern}"
        for file, pattern in ALLOWED
        if not re.search(pattern, (ROOT / file).read_text() if (ROOT / file).exists() else "")
    ]

    assert not idle, told(idle)


def test_names_say_what_a_thing_is_and_not_that_it_is_one() -> None:
    empty = [
        f"{of(path)}: {what} {name} says {', '.join(sorted(vague))}"
        for path in SOURCES
        for what, name in named(path)
        if name not in NAMES_OF_OTHERS and (vague := words(name) & BARRED_WORDS)
    ]

    assert not empty, told(empty)


def named(path: Path) -> Iterator[tuple[str, str]]:
    """What a file gives a name to; a test's name is a sentence, and may use any word."""
    yield "module", path.stem
    yield from (("class", c.name) for c in classes(path))
    yield from (("function", f.name) for f in functions(path) if not f.name.startswith("test_"))


def test_a_moment_in_time_has_a_type_of_its_own() -> None:
    """What is called ``at`` or ``now`` is an Epoch, but where files run alone on a host or time is a fake."""
    bare = [
        f"{of(path)}:{line} {name} is a bare {kind}"
        for path in (SRC / "skylift").rglob("*.py")
        if not {"probe", "hostside", "testing"} & set(path.parts)
        for line, name, kind in annotated(path)
        if re.fullmatch(r"(?:.+_)?at|now", name) and kind in {"float", "int", "float | None", "int | None"}
    ]

    assert not bare, told(bare)


def annotated(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, name and annotation of every annotated variable, field and parameter."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind):
                yield node.lineno, name, ast.unparse(kind)
            case ast.arg(arg=name, annotation=ast.expr() as kind):
                yield node.lineno, name, ast.unparse(kind)
            case _:
                pass


def module(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Names of modules that a file imports, or names in a string as ``python -m`` would."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                yield from (n.name for n in names)
            case ast.ImportFrom(module=str(origin), level=0, names=names):
                yield origin
                yield from (f"{origin}.{n.name}" for n in names)
            case ast.Constant(value=str(said)) if said.startswith("skylift."):
                yield said
            case ast.Constant(value=str(said)) if said.isidentifier():
                yield f"{HOSTSIDE}.{said}"
            case _:
                pass


def test_every_module_is_imported_or_started_by_something() -> None:
    """Dead files go; what tests alone use lives in ``skylift.testing``."""
    product = sorted((SRC / "skylift").rglob("*.py"))
    known = {name for path in product for name in imported(path) if name != module(path)}
    known |= {f"skylift.{name}" for name in VERBS.values()}
    known |= set(re.findall(r"-m (skylift[\w.]*)", (ROOT / "Makefile").read_text()))

    dead = [
        module(path)
        for path in product
        if path.name not in {"__init__.py", "__main__.py"}
        and module(path) not in known | USED_FROM_OUTSIDE.keys()
        and not module(path).startswith("skylift.testing")
    ]

    assert not dead, told(dead)


def test_nothing_used_from_outside_has_gone() -> None:
    gone = [
        name for name in USED_FROM_OUTSIDE if not (SRC / name.replace(".", "/")).with_suffix(".py").exists()
    ]

    assert not gone, told(gone)


def test_everything_the_makefile_starts_exists() -> None:
    started = re.findall(r"-m ((?:skylift|tools)[\w.]*)", (ROOT / "Makefile").read_text())

    gone = [
        name
        for name in started
        if not any((top / name.replace(".", "/")).with_suffix(".py").exists() for top in (SRC, ROOT))
    ]

    assert started
    assert not gone, told(gone)
