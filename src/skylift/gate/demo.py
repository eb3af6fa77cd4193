"""The demonstration: a cloud at 2023.1, upgraded live to 2024.1, by the commands an operator types.

With ``--naive`` the same cloud is upgraded as one does it by hand, under the same probes: the outage
that they see is what a zero is worth. ``--readme`` writes the measured table into the README.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skylift.cli.views import availability as table
from skylift.cli.views import problem as problem_view
from skylift.gate import naive
from skylift.gate.lab.host import LabProblem, default_folder
from skylift.model.codec import encode
from skylift.model.problem import Fix, Problem, Remedy
from skylift.model.release import Release

HOPS = {"api": (Release(2023, 1), Release(2024, 1)), "core": (Release(2024, 1), Release(2025, 1))}
"""From where to where a lab of each profile is upgraded."""
SOURCE, GOAL = HOPS["api"]
ENOUGH = 5000
"""Requests below which a zero says little."""
_LIMIT_S = 3600
_README = Path("README.md")


def skylift(*words: str) -> str:
    """Run one verb as an operator would, shown as it goes, and return its answer.

    Raises:
        LabProblem: it ended with another code than 0.
    """
    sys.stderr.write(f"\n$ skylift {' '.join(words)}\n")
    ended = subprocess.run(
        [sys.executable, "-m", "skylift.cli.main", *words],
        stdout=subprocess.PIPE,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    if ended.returncode != 0:
        sys.stderr.write(ended.stdout)
        looking = Remedy(Fix.REPAIR, "read what it said above; the lab stands as it left it: skylift status")
        raise LabProblem(f"skylift {' '.join(words)} ended with {ended.returncode}", looking)
    return ended.stdout


def fresh_lab(release: Release, profile: str = "api") -> Path:
    """A new lab at ``release``; whatever stood there is taken down. Returns the path of its record."""
    skylift("lab", "down")
    skylift("lab", "up", "--profile", profile, "--release", str(release))
    return default_folder() / "cloud.yaml"


def upgrade(record: Path, goal: Release, kept: Path) -> dict[str, Any]:
    """Inspect, stage, check, plan, apply, validate and report; returns the report as its JSON document."""
    at = ("--cloud", str(record))
    plan, page = kept / f"to-{goal}.plan", kept / f"to-{goal}.html"
    for words in (
        ("inspect",),
        ("stage", "--to", str(goal)),
        ("check", "--to", str(goal)),
        ("plan", "--to", str(goal), "-o", str(plan)),
        ("apply", str(plan), "--yes"),
        ("validate",),
    ):
        sys.stdout.write(skylift(*at, *words))
    told: dict[str, Any] = json.loads(skylift(*at, "report", "--json", "--html", str(page)))
    sys.stdout.write(f"the report with its timeline: {page}\n")
    return told


def complaints(report: dict[str, Any]) -> list[str]:
    """What keeps a report from being a success; empty if nothing does."""
    found = [f"{report['failed']} requests failed"] if report["failed"] else []
    if report["requests"] < ENOUGH:
        found.append(f"only {report['requests']} requests were made, and {ENOUGH} are needed")
    for name, api in report["apis"].items():
        if not api["seamless"]:
            found.append(f"{name} had a gap of more than 1 s beyond its slowest request before the run")
    if hurt := [w["name"] for w in report["witnesses"] if not w["intact"]]:
        found.append(f"hurt: {', '.join(hurt)}")
    if not report["witnesses"]:
        found.append("no witness was seen")
    if report["verdict"] != "completed":
        found.append(f"the verdict is: {report['verdict']}")
    return found


def markdown(apis: Iterable[dict[str, Any]], summary: str, command: str) -> str:
    """The measured table as the README shows it."""
    rows = [
        "| API | requests | failed | longest gap | p99 before | during | slowest before | during |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for api in apis:
        before, during = api["baseline"], api["during"]
        rows.append(
            f"| {api['api']} | {api['requests']} | {api['failed']} | {api['gap']['length_ms'] / 1000:.2f} s "
            f"| {before['p99_ms']} ms | {during['p99_ms']} ms "
            f"| {before['slowest_ms']} ms | {during['slowest_ms']} ms |"
        )
    day = datetime.fromtimestamp(time.time(), UTC).date()
    return "\n".join([*rows, "", f"`{summary}` ({command}, {day}, {os.cpu_count()} cores)"])


def write_into_readme(name: str, text: str) -> None:
    """Replace what stands between the README's markers of this name."""
    readme = _README.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    before, _, rest = readme.partition(begin)
    after = rest.partition(end)[2]
    _README.write_text(f"{before}{begin}{text}\n{end}{after}", encoding="utf-8")


def demo(*, readme: bool) -> int:
    """The live upgrade; its exit code says what its last line says."""
    record = fresh_lab(SOURCE)
    report = upgrade(record, GOAL, record.parent)
    summary, against = f"demo: {report['summary']}", complaints(report)
    for line in against:
        sys.stdout.write(f"not as it should be: {line}\n")
    if readme and not against:
        write_into_readme("demo", markdown(report["apis"].values(), summary, "make demo"))
    sys.stdout.write(f"{summary}\n")
    return 1 if against else 0


def demo_naive(profile: str, *, readme: bool) -> int:
    """The upgrade by hand; ends with 0 if the probes saw what it costs users."""
    source, goal = HOPS[profile]
    seen = naive.run(fresh_lab(source, profile), goal, _remark)
    summary = f"demo-naive: {naive.summary(seen)}"
    sys.stdout.write("\n".join([*table.lines(seen), summary]) + "\n")
    if readme and seen.failures and profile == "api":
        apis = [encode(api) for api in seen.apis]
        write_into_readme("naive", markdown(apis, summary, "make demo-naive"))
    return 0 if seen.failures else 1


def _remark(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(argv: list[str] | None = None) -> int:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--naive", action="store_true", help="upgrade by hand, which stops users")
    parser.add_argument("--profile", choices=HOPS, default="api", help="of the lab, for --naive")
    parser.add_argument("--readme", action="store_true", help="write the measured table into README.md")
    options = parser.parse_args(argv)
    try:
        if options.naive:
            return demo_naive(options.profile, readme=options.readme)
        return demo(readme=options.readme)
    except Problem as problem:
        sys.stderr.write("\n".join(problem_view.lines(problem)) + "\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
