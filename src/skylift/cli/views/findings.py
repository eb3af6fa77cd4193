"""What the checks found, and whether the cloud is ready."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from skylift.checks.finding import Finding, Level, blocked
from skylift.cli.views.columns import columns, indented
from skylift.model.codec import encode
from skylift.model.release import Release

_INDENT = 8


def lines(findings: Sequence[Finding], goal: Release, *, passed: bool = True) -> list[str]:
    """What ``passed``, if asked for, then what warns, then what blocks: the gravest stands last."""
    order = (*([Level.PASSED] if passed else []), Level.WARNS, Level.BLOCKS, Level.BROKEN)
    told = [line for level in order for f in findings if f.level is level for line in _finding(f)]
    return [*told, "", _verdict(findings, goal)]


def document(findings: Sequence[Finding], goal: Release) -> dict[str, Any]:
    """The same, for ``--json``; ``verdict`` is ``capable``, ``capable with warnings`` or ``not capable``."""
    warned = any(f.level is Level.WARNS for f in findings)
    verdict = "not capable" if blocked(findings) else "capable with warnings" if warned else "capable"
    return {"goal": str(goal), "verdict": verdict, "findings": encode(tuple(findings))}


def _finding(finding: Finding) -> Iterator[str]:
    yield from columns((finding.level.value.ljust(_INDENT - 2), f"{finding.check}: {finding.sentence}"))
    yield from indented((str(remedy) for remedy in finding.remedies), _INDENT)


def _verdict(findings: Sequence[Finding], goal: Release) -> str:
    warnings = sum(f.level is Level.WARNS for f in findings)
    against = sum(f.blocks for f in findings)
    checks = len({f.check for f in findings})
    if against:
        reasons = "1 finding blocks" if against == 1 else f"{against} findings block"
        return f"not ready for {goal}: {reasons}, of {checks} checks"
    also = {0: "", 1: ", with 1 warning"}.get(warnings, f", with {warnings} warnings")
    return f"ready for {goal}{also}: {checks} checks, nothing blocks"
