"""The report of a run over a fleet, as text and as one document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skylift.app.fleet_report import FleetReport
from skylift.cli.views import fleet_run
from skylift.cli.views.columns import columns, indented
from skylift.fleet.plan import Kind
from skylift.model.codec import encode

_SHOWN = 30


def lines(of: FleetReport) -> list[str]:
    """The summary, where the run is, then moves, then what users got."""
    return [
        of.summary,
        "",
        *fleet_run.lines(of.account),
        *_moves(of),
        *_afterwards(of),
        *_users(of),
        *_unmeasured(of),
    ]


def document(of: FleetReport) -> dict[str, Any]:
    """The same, for ``--json``."""
    return {
        **fleet_run.document(of.account),
        "summary": of.summary,
        "whole": of.whole,
        "moved": [{**encode(moved), "arrivals": moved.arrivals} for moved in of.moved],
        "afterwards": _afterwards_document(of),
        "requests": of.availability.requests,
        "failed": of.availability.failed,
        "failures": [sample._asdict() for sample in of.availability.failures],
        "guests": encode(of.availability.guests),
        "apis": encode(of.availability.apis),
        "fewest": of.fewest,
        "unmeasured": list(of.unmeasured),
    }


def _moves(of: FleetReport) -> Iterator[str]:
    if not of.moved:
        return
    yield ""
    told = ", ".join(f"{count} moved {times} times" for times, count in sorted(of.arrivals.items()))
    yield f"instances: {told}; {of.fewest} moves were needed at least"
    usual = {1, 2} if of.account.wanted else {1}
    odd = [m for m in of.moved if m.arrivals not in usual or set(m.statuses) - {"completed", "confirmed"}]
    rows: list[tuple[object, ...]] = [("instance", "asked", "migrations", "now on")]
    rows += [(m.instance, m.asked, ", ".join(m.statuses) or "none", m.on or "-") for m in odd[:_SHOWN]]
    if odd:
        yield from indented(columns(*rows), 2)


def _afterwards(of: FleetReport) -> Iterator[str]:
    wanted = of.account.wanted
    if wanted is None or wanted.kind is not Kind.BRING_BACK:
        return
    if not of.moved:
        yield "who is back is not known: nova was not asked, or did not answer"
        return
    back = len(wanted.homes) - len(of.away)
    yield f"{back} of {len(wanted.homes)} instances are back on the host that they were moved off first"
    yield from (f"  {m.instance} is on {m.on}" for m in of.away[:_SHOWN])


def _afterwards_document(of: FleetReport) -> dict[str, Any] | None:
    wanted = of.account.wanted
    if wanted is None:
        return None
    return {
        "kind": wanted.kind.value,
        "asked": of.account.afterwards.total(),
        "away": [{"instance": m.instance, "on": m.on} for m in of.away],
    }


def _unmeasured(of: FleetReport) -> Iterator[str]:
    if of.unmeasured:
        yield from ("", "not known:", *indented(of.unmeasured, 2))


def _users(of: FleetReport) -> Iterator[str]:
    if not of.availability.apis:
        return
    yield ""
    rows: list[tuple[object, ...]] = [("asked", "requests", "failed", "longest gap", "during")]
    rows += [
        (a.api, a.requests, a.failed, f"{a.gap.length_ms / 1000:.1f} s", ", ".join(a.gap.steps) or "-")
        for a in of.availability.apis
    ]
    yield from columns(*rows)
    yield from (f"blackout of {guest}" for guest in of.availability.guests)
