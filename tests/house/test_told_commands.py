"""Each command that an operator is told to paste is understood by the command line itself, as it is told.

Of the code, every text but docstrings; of the docs, what stands in a block by itself, or in a line with more
than its verb, or in the part of a problem's page that says what to do.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.cli.main import skylift as command

ROOT = Path(__file__).resolve().parents[2]
NO_COMMANDS = {"CHANGELOG.md", "cli.md"}
"""What was, and the forms of all commands."""
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if page.name not in NO_COMMANDS and page.parent.name != "adr"
)
SOURCES = sorted(path for path in (ROOT / "src").rglob("*.py") if "testing" not in path.parts)
FILLED = {
    "RELEASE": "2025.1",
    "STAGE": "control-plane",
    "TIME": "2026-12-05T01:00",
    "NAME": "drift",
    "…": "status",
}
FILES = re.compile(r"(?:X|FILE|PLAN|PATH|RECORD|.*\.(?:plan|yaml|json|toml|svg))")
LOOKED_AT = {"plan", "apply", "pause", "resume", "approve", "retry", "skip", "postpone", "abort"}
"""Verbs that ask for more than their options say; without a record they do nothing."""
VERB = r"(?:--(?:cloud|store) \S+ )?[a-z][a-z-]+"
TO_ITS_PIPE = r"(?:'[^']*'|\"[^\"]*\"|[^#|>&\n'\"])*"
"""A command in a block ends where the shell goes on by itself."""
TO_ITS_END = r"(?: (?:'[^']*'|\"[^\"]*\"|[^;,()`\n'\"])*)?"
"""A command in a sentence ends where that goes on."""


def of_code(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in docs | inner:
            text = written(node)
            yield from re.findall(rf"(?:^(?!skylift lab)|[:;(] )skylift ({VERB}{TO_ITS_END})", text)


def written(node: ast.Constant | ast.JoinedStr) -> str:
    """A text of the code; a value in it is a word if it stands alone, and else what may be left out."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif not text or not text[-1].isalnum():
            text += "X"
    return text


def of_page(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    yield from of_markdown(text)
    if path.parent.name == "problems":
        to_do = without_blocks(text).partition("## What to do")[2].partition("\n## ")[0]
        yield from re.findall(rf"`skylift ({VERB})`", to_do)


def without_blocks(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def of_markdown(text: str) -> Iterator[str]:
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    for line in (line for block in blocks for line in block.splitlines()):
        yield from re.findall(rf"^(?:\$ )?skylift ({VERB}{TO_ITS_PIPE})", line)
    yield from re.findall(rf"`skylift ({VERB} [^`]+)`", without_blocks(text))


def understood(told: str, folder: Path) -> str:
    """Why the command line refuses it; empty if it does not. Files that it names are there."""
    filled = (
        told.replace("--to X", "--to RELEASE")
        .replace("approve X", "approve STAGE")
        .replace("plan X", "plan --reboot")
    )
    filled = re.sub(r"^(apply \S+) X$", r"\1", filled)  # how it is approved, which may be in no word at all
    words = [FILLED.get(word, word) for word in shlex.split(filled)]
    for word in (word for word in words if FILES.fullmatch(word) and "--dir" not in words):
        (folder / word).parent.mkdir(parents=True, exist_ok=True)
        (folder / word).write_text("{}")
    try:
        within: click.Context = command.make_context("skylift", list(words))
        found: click.Command = command
        while isinstance(found, click.Group):
            rest = [*within._protected_args, *within.args]  # noqa: SLF001 - as click itself goes on
            name, below, rest = found.resolve_command(within, rest)
            assert below is not None
            found, within = below, below.make_context(name, rest, parent=within)
    except click.exceptions.Exit:
        return ""
    except click.UsageError as error:
        return error.format_message()
    verb = within.info_name or ""
    if (
        verb in LOOKED_AT
        and "--detach" not in words
        and call(["--cloud", str(folder / "none.yaml"), *words]) == Exit.USAGE
    ):
        return "more is needed than its options say"
    return ""


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_told_can_be_pasted(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = dict.fromkeys(of_code(path) if path.suffix == ".py" else of_page(path))

    wrong = [f"skylift {each}: {why}" for each in told if (why := understood(each, tmp_path))]

    assert wrong == []


def test_a_command_that_lacks_what_it_needs_is_found(tmp_path: Path) -> None:
    assert understood("abort", tmp_path) == "Missing option '--reason'."
    assert understood("skip STEP", tmp_path) == "Missing option '--reason'."
    assert understood("approve", tmp_path).startswith("Missing argument")
    assert understood("plan", tmp_path) == "more is needed than its options say"
    assert understood("plan --to RELEASE -o FILE", tmp_path) == ""
    assert understood("abort --leave --reason WHY", tmp_path) == ""
