"""Docs that must exist, be true to the code they describe, and lead somewhere."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from tools import reference
from tools.told import paragraphs

from skylift.actions.registry import KINDS
from skylift.cli.exits import Exit
from skylift.cli.main import VERBS
from skylift.cli.main import skylift as command
from skylift.engine.journal import EVENTS
from skylift.model.problem import Problem
from skylift.model.record import LossBudget, Policy, Timeouts
from skylift.probe.streams import STREAMS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted((*ROOT.glob("*.md"), *DOCS.rglob("*.md")))
README_LINES = 110
PROBLEM_SECTIONS = ["## What happened", "## Why", "## What to do", "## What is certain"]
ADR_SECTIONS = ["## Context", "## Decision", "## The road not taken", "## Consequences"]


def sections(page: Path) -> list[str]:
    return [line for line in page.read_text().splitlines() if line.startswith("## ")]


def words_of(page: str) -> str:
    return (DOCS / page).read_text()


def verbs() -> Iterator[tuple[str, click.Command]]:
    """Every verb and sub-verb, as an operator types it after ``skylift``."""
    top = click.Context(command, info_name="skylift")
    for name in VERBS:
        found = command.get_command(top, name)
        assert found is not None, name
        yield name, found
        if isinstance(found, click.Group):
            yield from ((f"{name} {inner}", below) for inner, below in found.commands.items())


@pytest.mark.parametrize("problem", reference.problems(), ids=lambda p: p.__name__)
def test_every_problem_has_a_page_of_the_same_shape(problem: type[Problem]) -> None:
    page = DOCS / "problems" / f"{problem.code}.md"

    assert page.exists(), f"write docs/problems/{problem.code}.md"
    assert page.read_text().startswith(f"# {problem.code}\n")
    assert sections(page) == PROBLEM_SECTIONS


def test_no_page_is_left_of_a_problem_that_is_gone() -> None:
    codes = {problem.code for problem in reference.problems()}

    assert {page.stem for page in (DOCS / "problems").glob("*.md")} - {"README"} <= codes


def test_no_two_problems_share_a_code() -> None:
    codes = [problem.code for problem in reference.problems()]

    assert len(codes) == len(set(codes)), sorted(code for code in codes if codes.count(code) > 1)


def test_generated_pages_are_what_the_code_says() -> None:
    assert reference.stale() == (), "run make docs"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_action_is_in_the_reference(kind: str) -> None:
    assert f"## {kind}\n" in words_of("reference/actions.md")


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_every_kind_of_event_is_in_the_reference(kind: str) -> None:
    assert f"## {kind}\n" in words_of("reference/journal.md")


@pytest.mark.parametrize("code", list(Exit))
def test_every_exit_code_says_what_it_means(code: Exit) -> None:
    assert re.search(rf"\| `{code.value}` \| {code.name.lower()} \| \w", words_of("reference/exit-codes.md"))


def test_every_verb_and_option_is_in_the_reference() -> None:
    page = words_of("reference/cli.md")

    for name, verb in verbs():
        assert f"## skylift {name}\n" in page
        for option in (o for p in verb.params if isinstance(p, click.Option) for o in p.opts):
            assert option in page, f"skylift {name} {option}"


def test_every_verb_says_what_it_is_for() -> None:
    silent = [name for name, verb in verbs() if not verb.help]

    assert silent == []


@pytest.mark.parametrize("section", [Policy, LossBudget, Timeouts])
def test_every_policy_key_is_in_the_reference_with_its_default(section: type[Any]) -> None:
    page = words_of("reference/record.md")

    for field in dataclasses.fields(section):
        default = "see below" if field.default is dataclasses.MISSING else f"`{field.default}`"
        assert re.search(rf"\| `{field.name}` \| [^|]+ \| {re.escape(default)} \|", page), field.name


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each ``skylift VERB`` in a text, with the options that follow it on the same line."""
    known = "|".join(sorted((name for name, _ in verbs()), key=len, reverse=True))
    for match in re.finditer(rf"\bskylift (?:--cloud \S+ )?({known})\b([^\n`'\";,)]*)", text):
        yield match[1], re.findall(r"(?<=\s)--?[a-z][\w-]*", match[2])


def test_every_command_that_is_told_to_an_operator_exists() -> None:
    """In the docs, and in the remedies that problems and findings carry."""
    options = {
        name: {o for p in verb.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        for name, verb in verbs()
    }
    sources = (*PAGES, *(ROOT / "src").rglob("*.py"))

    others = {name for name, verb in verbs() if verb.context_settings.get("ignore_unknown_options")}
    """These hand their options on to a program that is not ours."""

    wrong = [
        f"{page.relative_to(ROOT)}: skylift {verb} has no {option}"
        for page in sources
        for verb, given in commands(page.read_text())
        for option in given
        if option not in options[verb] and verb not in others
    ]

    assert wrong == []


def test_every_verb_that_is_told_to_an_operator_exists() -> None:
    told = re.compile(r"(?:`|^|: |'|\")skylift (?:--cloud \S+ )?([a-z][a-z-]+)\b", re.MULTILINE)

    wrong = [
        f"{page.relative_to(ROOT)}: skylift {verb}"
        for page in PAGES
        for verb in told.findall(page.read_text())
        if verb not in VERBS
    ]

    assert wrong == []


def targets(page: Path) -> Iterator[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)


def anchor(heading: str) -> str:
    """As GitHub makes it: lower case, without punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_every_link_leads_somewhere() -> None:
    dead: list[str] = []
    for page in PAGES:
        for target in targets(page):
            if re.match(r"[a-z]+:", target):
                continue
            place, _, part = target.partition("#")
            file = (page.parent / place).resolve() if place else page
            if not file.exists():
                dead.append(f"{page.relative_to(ROOT)}: {target}")
            elif part and part not in {anchor(h.lstrip("# ")) for h in headings(file)}:
                dead.append(f"{page.relative_to(ROOT)}: {target} has no such heading")

    assert dead == []


def headings(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return [line for line in text.splitlines() if line.startswith("#")]


def test_every_page_can_be_found_from_the_index() -> None:
    found = {(page.parent / t.partition("#")[0]).resolve() for page in PAGES for t in targets(page)}

    lost = [str(page.relative_to(ROOT)) for page in DOCS.rglob("*.md") if page.resolve() not in found]

    assert set(lost) <= {"docs/README.md"}


def test_the_index_lists_every_decision_by_its_title_and_no_other() -> None:
    """In their order; a decision that another page alone links to is found by nobody who looks for it."""
    listed = re.findall(r"^- \[(.+)\]\((adr/.+\.md)\)$", (DOCS / "README.md").read_text(), re.MULTILINE)

    pages = sorted((DOCS / "adr").glob("[0-9]*.md"))

    assert [page for _, page in listed] == [f"adr/{page.name}" for page in pages]
    assert [f"# {title}" for title, _ in listed] == [page.read_text().splitlines()[0] for page in pages]


def test_the_readme_is_one_screen_and_has_room_for_what_was_measured() -> None:
    readme = (ROOT / "README.md").read_text()

    assert len(readme.splitlines()) <= README_LINES
    for table in ("demo", "naive"):
        assert readme.index(f"<!-- {table}:begin -->") < readme.index(f"<!-- {table}:end -->")


def test_decisions_are_numbered_without_a_gap() -> None:
    pages = sorted((DOCS / "adr").glob("*.md"))

    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))


@pytest.mark.parametrize("page", sorted((DOCS / "adr").glob("*.md")), ids=lambda p: p.stem)
def test_every_decision_says_what_was_refused_and_what_it_costs(page: Path) -> None:
    title, _, status, *_ = page.read_text().splitlines()

    assert title.startswith(f"# {page.name[:4]}. ")
    assert re.fullmatch(
        r"Date: \d{4}-\d\d-\d\d\. Status: (?:accepted|superseded by \[\d{4}\]\(.+\))\.", status
    )
    assert sections(page) == ADR_SECTIONS


def test_the_page_on_measuring_names_every_stream_and_its_rate() -> None:
    page = words_of("explanation/zero-failed-requests.md")

    for name, stream in STREAMS.items():
        assert f"| `{name}` | {stream.rate:g} |" in page, name


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (package for extra in project["optional-dependencies"].values() for package in extra)
    page = words_of("explanation/dependencies.md").lower()

    for package in (*project["dependencies"], *extras):
        assert re.split(r"[>=<~]", package)[0].lower() in page, package


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (package for extra in project["optional-dependencies"].values() for package in extra)
    locked = {
        line.partition("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()
    }

    for package in (*project["dependencies"], *extras):
        assert re.split(r"[>=<~]", package)[0].lower() in locked, package


def test_every_heading_of_a_page_is_its_only_one() -> None:
    many = [
        str(page.relative_to(ROOT)) for page in PAGES if sum(h.startswith("# ") for h in headings(page)) != 1
    ]

    assert many == []


def test_a_list_in_a_docstring_is_a_list_on_its_page() -> None:
    told = paragraphs("""What it is:

    * one, which goes
      on here;
    * two.

    And no more.
    """)

    assert told == ["What it is:", "- one, which goes on here;\n- two.", "And no more."]
