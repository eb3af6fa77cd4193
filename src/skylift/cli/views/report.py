"""The report as text, as one JSON document, and as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from skylift.app.report import Attempt, Report
from skylift.cli.views import availability
from skylift.cli.views.columns import columns, indented
from skylift.cli.views.page import moment, pages, span
from skylift.cli.views.report_chart import chart
from skylift.engine.fold import Phase
from skylift.model.codec import encode
from skylift.model.problem import Remedy


def lines(report: Report) -> list[str]:
    """For a terminal: the worst first, then figures, then every step."""
    return [
        *_heading(report),
        *_section("problems", _troubles(report)),
        *_section("issues", _issues(report)),
        *_section("not measured", _unmeasured(report)),
        *_section("users' requests", availability.lines(report.availability)),
        *_section("planned and measured", _impacts(report)),
        *_section(
            "witnesses",
            (f"{w.name}: {'intact' if w.intact else 'HURT'}: {w.detail}" for w in report.witnesses),
        ),
        *_section("steps", columns(*map(_step, report.attempts)) if report.attempts else ()),
        "",
        report.summary,
    ]


def document(report: Report) -> dict[str, Any]:
    """The same, for ``--json``; times are milliseconds since 1970-01-01 UTC."""
    return {
        "run": report.run.id,
        "cloud": report.plan.cloud,
        "source": str(report.plan.source),
        "goal": str(report.plan.goal.to),
        "opened_ms": report.run.opened_ms,
        "last_ms": report.run.last_ms,
        "standing": report.run.standing.value,
        "verdict": report.verdict,
        "seamless": report.availability.seamless and not report.untold,
        "summary": report.summary,
        "requests": report.availability.requests,
        "failed": report.availability.failed,
        "slow": report.availability.slow,
        "works": report.availability.works,
        "lost": len(report.availability.lost),
        "boots": encode(report.availability.boots),
        "guests": encode(report.availability.guests),
        "longest_gap_ms": report.availability.longest_gap_ms,
        "unmeasured": encode(report.unmeasured),
        "apis": {
            api.api: encode(api) | {"seamless": api.seamless and api.api not in report.untold}
            for api in report.availability.apis
        },
        "failures": [sample._asdict() for sample in report.availability.failures],
        "impacts": encode(report.impacts),
        "problems": encode(report.troubles),
        "issues": encode(report.issues),
        "witnesses": encode(report.witnesses),
        "steps": encode(report.attempts),
        "validation": encode(report.validation),
    }


def html(report: Report) -> str:
    """One file without any reference to another; everything in it that is not ours is escaped."""
    template = pages().get_template("report.html.j2")
    return template.render(report=report, chart=chart(report), done=_done(report))


def _heading(report: Report) -> Iterator[str]:
    run, plan = report.run, report.plan
    yield f"run {run.id} of {plan.headline}: {report.verdict}"
    yield (
        f"  {_done(report)} of {len(plan.steps)} steps done in {span(run.last_ms - run.opened_ms)}, "
        f"from {moment(run.opened_ms)}, by {run.actor}"
    )


def _done(report: Report) -> int:
    return len(report.run.within(Phase.DONE))


def _section(name: str, body: Iterable[str]) -> list[str]:
    told = list(body)
    return ["", name, *indented(told, 2)] if told else []


def _troubles(report: Report) -> Iterator[str]:
    for trouble in report.troubles:
        state = "overcome" if trouble.over else "OPEN"
        yield f"{moment(trouble.at_ms)} {trouble.step or 'the run'} ({state})"
        yield f"  {trouble.problem.code}: {trouble.problem.sentence}"
        yield from () if trouble.over else _remedies(trouble.problem.remedies)


def _issues(report: Report) -> Iterator[str]:
    for issue in report.issues:
        yield issue.sentence
        yield from _remedies(issue.remedies)


def _remedies(remedies: Iterable[Remedy]) -> Iterator[str]:
    for remedy in remedies:
        yield f"    {remedy}"


def _unmeasured(report: Report) -> Iterator[str]:
    for each in report.unmeasured:
        taken = f"taken meanwhile: {', '.join(each.taken)}" if each.taken else "nothing was taken meanwhile"
        yield f"{moment(each.began_ms)} to {moment(each.ended_ms)}, {span(each.length_ms)}"
        yield f"  {taken}"
        yield from (f"  {api}: {short.how} for {span(short.length_ms)}" for api, short in each.apis.items())


def _impacts(report: Report) -> Iterator[str]:
    for impact in report.impacts:
        kept = "kept" if impact.kept else f"NOT KNOWN: {impact.unmeasured}"
        yield f"{impact.api}: {f'NOT KEPT: {impact.broken}' if impact.broken else kept}"
        yield f"  planned:  {impact.planned}"
        yield f"  measured: {impact.measured}"


def _step(attempt: Attempt) -> tuple[str, ...]:
    state = "failed" if attempt.failed else "done" if attempt.ended_ms else "open"
    took = "" if attempt.ended_ms is None else span(attempt.ended_ms - attempt.began_ms)
    again = f" (attempt {attempt.number})" if attempt.number > 1 else ""
    began = f"{datetime.fromtimestamp(attempt.began_ms / 1000, UTC):%H:%M:%S}"
    return began, state, took, f"planned {attempt.likely_s} s", f"{attempt.step}: {attempt.title}{again}"
