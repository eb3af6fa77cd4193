"""The whole matrix in the lab: every lab test, its figures, and what users got during each upgrade.

``python -m skylift.gate.matrix [STORY…]`` from the root of the source tree. A story is the tests that share a
lab; each may be run by itself, for all of them take hours. It ends with a line such as
``test-lab: 31 passed, 0 failed, 0 skipped``, and with 0 only if nothing failed, nothing was skipped, and the
probes of its upgrades made enough requests and, if all stories ran, enough boots. Results are kept in
``docs/reference`` as JSON, each story's with its day and commit, and the page there is made of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from skylift.gate.stamp import stamp

RESULTS = Path("docs/reference/lab-results.json")
PAGE = Path("docs/reference/lab-results.md")
STAGES = "SKYLIFT_TEST_STAGES"
"""The environment's word for which ways back are gone, by number: all of them take two hours."""
BASELINE = "SKYLIFT_TEST_BASELINE"
"""The environment's word for how many seconds users' requests are measured before each upgrade."""
LEFT_OUT = "left-out"
"""The property of a test that names a test of a client that is not ours, and why it was skipped: both, as
JSON."""
UPGRADE = "upgrade"
"""The property of a test that says what users got during an upgrade: a ``Measured``, as JSON."""


class Story(NamedTuple):
    """The tests that share a lab."""

    modules: tuple[str, ...]
    requests: int = 0
    """How many the probes of its upgrades must have made, below which a zero says little."""
    environment: Mapping[str, str] = MappingProxyType({})


_LONGER = MappingProxyType({BASELINE: "180"})

ENOUGH_REQUESTS, ENOUGH_BOOTS = 20_000, 100
"""Of our upgrades of a whole core together (issue 3, section 3)."""

STORIES: Mapping[str, Story] = {
    "api": Story(
        ("tutorial", "jobs", "ports", "contracts", "upgrade", "faults", "lifecycle"),
        requests=50_000,
        environment={BASELINE: "1350"},
    ),
    "core-brief": Story(("core_brief",), requests=3000),
    "core-rollback": Story(("core_rollback",), 5000, MappingProxyType({STAGES: "1,2,3,4"})),
    "core-rollback-late": Story(("core_rollback",), 10_000, MappingProxyType({STAGES: "5,6"})),
    "core-restore": Story(("core_restore",), requests=3000),
    "core-workers": Story(("core_workers",), requests=3000),
    "core": Story(("core", "core_contracts", "core_upgrade"), 10_000, _LONGER),
    "core-reboot": Story(("core_reboot",), requests=500),
    "core-network": Story(("core_network",), requests=300),
    "core-onward": Story(("core_onward",), 10_000, _LONGER),
    "core-single": Story(("core_single",), 10_000, _LONGER),
    "core-control": Story(("core_control",)),
}


class Case(NamedTuple):
    """One test of the matrix."""

    name: str
    where: str
    """Its module."""
    outcome: str
    """``passed``, ``failed`` or ``skipped``."""
    seconds: float
    requests: int
    """Made by the probes of the run that it found without a failed one; 0 if it looked at none."""
    figures: Sequence[str]
    """What it measured, in words."""
    upgrades: Sequence[Mapping[str, Any]] = ()
    """What users got during an upgrade: the fields of a ``Measured``."""
    left_out: Sequence[Sequence[str]] = ()
    """Tests of a client that is not ours that were skipped in it, each with the reason."""


class Measured(NamedTuple):
    """What users of a whole core got during one upgrade."""

    hop: str
    way: str
    """``skylift``, and what was done to it; or another way."""
    requests: int
    failed: int
    boots: int
    boots_lost: int
    """Those that were refused among them."""
    works: int
    works_lost: int
    pings: int
    pings_lost: int
    restarts: int
    """How often a guest's counter was lower than before."""
    longest_gap_ms: int

    @classmethod
    def of(cls, report: Mapping[str, Any], hop: str, way: str) -> Measured:
        """From a report as ``skylift report --json`` has it."""
        boots, guests = report["boots"], report["guests"]
        return cls(
            hop=hop,
            way=way,
            requests=report["requests"],
            failed=report["failed"],
            boots=boots["asked"],
            boots_lost=boots["failed"] + boots["lost"],
            works=report["works"],
            works_lost=report["lost"],
            pings=sum(guest["pings"] for guest in guests),
            pings_lost=sum(guest["lost"] for guest in guests),
            restarts=sum(guest["restarts"] for guest in guests),
            longest_gap_ms=report["longest_gap_ms"],
        )


class Told(NamedTuple):
    """What came of a story, when, and of which commit."""

    story: str
    day: str
    commit: str
    cores: int
    cases: tuple[Case, ...]


def read_cases(report: str) -> tuple[Case, ...]:
    """The tests of a JUnit report, as pytest writes it, in their order."""
    return tuple(map(_case, ET.fromstring(report).iter("testcase")))  # noqa: S314 - pytest's own


def count(cases: Iterable[Case], outcome: str) -> int:
    """How many ended so."""
    return sum(case.outcome == outcome for case in cases)


def summary(cases: Sequence[Case]) -> str:
    """The last line."""
    told = ", ".join(f"{count(cases, outcome)} {outcome}" for outcome in ("passed", "failed", "skipped"))
    return f"test-lab: {told}"


def verdict(told: Told) -> list[str]:
    """What keeps a story from being a success; empty if nothing does."""
    requests, needed = _requests(told.cases), STORIES[told.story].requests
    against = [f"{case.where}: {case.name} {case.outcome}" for case in told.cases if case.outcome != "passed"]
    if not told.cases:
        against.append(f"{told.story} never ran")
    if requests < needed:
        against.append(f"only {requests} requests were made, and {needed} are needed")
    return against


def too_few(results: Iterable[Told]) -> list[str]:
    """What our upgrades of a whole core fall short of, all together; empty if of nothing."""
    ours = _ours(results)
    requests, boots = sum(m.requests for m in ours), sum(m.boots for m in ours)
    wanted = (("requests", requests, ENOUGH_REQUESTS), ("boots", boots, ENOUGH_BOOTS))
    return [
        f"all upgrades of a core made {there} {what}, and {needed} are needed"
        for what, there, needed in wanted
        if there < needed
    ]


def page(results: Sequence[Told]) -> str:
    """The page of results, in Markdown."""
    return "\n".join(
        [
            "<!-- Generated by make test-lab. -->",
            "# Results of the lab's tests",
            "",
            *_upgrades(results),
            *_left_out(results),
            *(line for told in results for line in _section(told)),
        ]
    )


def read_results(path: Path) -> dict[str, Told]:
    """What is kept of earlier runs, by story."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    found = [Told(**{**each, "cases": tuple(Case(**case) for case in each["cases"])}) for each in kept]
    return {told.story: told for told in found}


def write_results(path: Path, results: Iterable[Told]) -> None:
    """Keep them."""
    kept = [{**told._asdict(), "cases": [case._asdict() for case in told.cases]} for told in results]
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(words: Iterable[str] | None = None) -> int:
    """Run the named stories, or all, keep what came of them, write the page, and say how it went."""
    chosen = list(sys.argv[1:] if words is None else words) or list(STORIES)
    if unknown := set(chosen) - set(STORIES):
        sys.stderr.write(f"no story {', '.join(sorted(unknown))}: there are {', '.join(STORIES)}\n")
        return 2
    results = read_results(RESULTS)
    for name in chosen:
        results[name] = _run(name)
        ordered = [results[story] for story in STORIES if story in results]
        write_results(RESULTS, ordered)
        PAGE.write_text(page(ordered), encoding="utf-8")
    for name in chosen:
        for line in verdict(results[name]):
            sys.stdout.write(f"not as it should be: {name}: {line}\n")
    short = too_few(results.values()) if set(chosen) == set(STORIES) else []
    for line in short:
        sys.stdout.write(f"not as it should be: {line}\n")
    sys.stdout.write(f"{summary([case for name in chosen for case in results[name].cases])}\n")
    return 1 if short or any(verdict(results[name]) for name in chosen) else 0


def outcome_of(element: ET.Element) -> str:
    """How a test case of a JUnit report ended."""
    if element.find("failure") is not None or element.find("error") is not None:
        return "failed"
    return "skipped" if element.find("skipped") is not None else "passed"


def _run(name: str) -> Told:
    story, began = STORIES[name], stamp()
    modules = [f"tests/lab/test_{module}.py" for module in story.modules]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-v", "-p", "no:randomly", "-m", "lab", *modules),
                *(f"--junitxml={report}", "-o", "junit_family=xunit1"),
            ],
            env={**story.environment, **os.environ},
            check=False,
        )
        cases = read_cases(report.read_text(encoding="utf-8")) if report.exists() else ()
    return Told(name, began.day, began.commit, os.cpu_count() or 0, cases)


def _measured(results: Iterable[Told]) -> list[Measured]:
    return [Measured(**each) for told in results for case in told.cases for each in case.upgrades]


def _ours(results: Iterable[Told]) -> list[Measured]:
    return [m for m in _measured(results) if m.way.startswith("skylift")]


def _upgrades(results: Sequence[Told]) -> list[str]:
    """What users of a whole core got, of every upgrade of one, in one table."""
    measured, ours = _measured(results), _ours(results)
    if not measured:
        return []
    together = (
        f"{sum(m.failed for m in ours)} of {sum(m.requests for m in ours)} requests failed",
        f"{sum(m.boots_lost for m in ours)} of {sum(m.boots for m in ours)} boots lost",
        f"{sum(m.pings_lost for m in ours)} of {sum(m.pings for m in ours)} pings lost",
    )
    rows = [
        f"| {m.hop} | {m.way} | {m.failed} of {m.requests} | {m.boots_lost} of {m.boots} "
        f"| {m.works_lost} of {m.works} | {m.pings_lost} of {m.pings} | {m.restarts} "
        f"| {m.longest_gap_ms / 1000:.1f} s |"
        for m in measured
    ]
    return [
        "## Upgrades of a whole core",
        "",
        "| hop | how | requests failed | boots lost | works lost | pings lost | restarts | longest gap |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
        *rows,
        "",
        f"Ours together: {', '.join(together)}.",
        "",
    ]


def _left_out(results: Sequence[Told]) -> list[str]:
    skipped = {tuple(each) for told in results for case in told.cases for each in case.left_out}
    if not skipped:
        return []
    return [
        "## What tempest's smoke tests leave out",
        "",
        "| test | why it is skipped |",
        "| --- | --- |",
        *(f"| `{name}` | {why.replace('|', '/')} |" for name, why in sorted(skipped)),
        "",
    ]


def _section(told: Told) -> list[str]:
    rows = [
        f"| {case.where} | {case.name} | {case.outcome} | {case.seconds:.0f} s | {'; '.join(case.figures)} |"
        for case in told.cases
    ]
    return [
        f"## {told.story}",
        "",
        f"`{summary(told.cases)}`, with {_requests(told.cases)} requests made by the probes of its upgrades",
        f"({told.day}, commit {told.commit}, {told.cores} cores).",
        "The first test of an upgrade has the time of all of it.",
        "",
        *(f"Not as it should be: {line}.\n" for line in verdict(told)),
        "| tests | claim | outcome | time | measured |",
        "| --- | --- | --- | --: | --- |",
        *rows,
        "",
    ]


def _requests(cases: Iterable[Case]) -> int:
    return sum(case.requests for case in cases)


def _case(element: ET.Element) -> Case:
    properties = [(p.get("name"), p.get("value", "")) for p in element.iter("property")]
    upgrades = tuple(json.loads(value) for name, value in properties if name == UPGRADE)
    asked = sum(int(value) for name, value in properties if name == "requests")
    return Case(
        name=element.get("name", "").removeprefix("test_").replace("_", " "),
        where=element.get("classname", "").removeprefix("tests.lab.test_"),
        outcome=outcome_of(element),
        seconds=float(element.get("time", "0")),
        requests=asked + sum(upgrade["requests"] for upgrade in upgrades),
        figures=tuple(value.replace("|", "/") for name, value in properties if name == "figures"),
        upgrades=upgrades,
        left_out=tuple(json.loads(value) for name, value in properties if name == LEFT_OUT),
    )


if __name__ == "__main__":
    sys.exit(main())
