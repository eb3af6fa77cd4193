"""From a goal to a plan that may be approved: look, check, plan, and have it verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from skylift.app.inspect import observe_cloud
from skylift.app.site import Site
from skylift.catalog.catalog import documents
from skylift.checks.finding import Finding, blocked
from skylift.checks.registry import check_all
from skylift.model.goal import ANY_PLAN, Upgrade
from skylift.model.problem import Fix, Refused, Remedy
from skylift.planning.plan import Plan
from skylift.planning.text import PlanFormat, plan_document, read_plan, write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.verifier.verify import verify


class PlanUnsafe(Refused):
    """The independent verifier does not accept a plan."""

    code = "plan.unsafe"

    def __init__(self, violations: tuple[str, ...], *, again: str) -> None:
        super().__init__(
            "this plan must not run: " + "; ".join(violations),
            Remedy(Fix.RETRY, f"make a new one: {again}"),
            Remedy(Fix.REPAIR, "if that is refused too, the planner is at fault: report it with the file"),
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan with all that speaks against it."""

    findings: tuple[Finding, ...]
    plan: Plan
    text: bytes
    """The plan file."""
    gives_back: tuple[str, ...] = ()
    """Of one that takes a run back: what that run has taken, each with how it is given back."""

    @property
    def blocked(self) -> bool:
        """Whether a check forbids to run it."""
        return blocked(self.findings)


def propose(site: Site, goal: Upgrade) -> Proposal:
    """A plan for ``goal``, verified; a blocked one is proposed too, so that she sees what is kept from her.

    Raises:
        Refused: no plan would keep the APIs serving (``planning.refusals``).
        PlanUnsafe: the verifier does not accept what the planner made: a bug, and nothing was written.
    """
    cloud = observe_cloud(site.record, site.catalog, site.ports, now=site.clock(), goal=goal)
    findings = check_all(cloud, site.record, goal, site.catalog)
    plan = plan_upgrade(cloud, site.record, goal, site.catalog, record_digest=site.digest)
    text = write_plan(plan)
    verified(text, site.record.catalog)
    return Proposal(findings, plan, text)


def verified(text: bytes, more: tuple[PurePosixPath, ...]) -> Plan:
    """The plan in the bytes of a plan file, once the verifier has accepted it.

    ``more`` are the files that describe the record's own components.

    Raises:
        PlanChanged, PlanFormat: the bytes are not what a planner of this version wrote.
        PlanUnsafe: the verifier does not accept it.
    """
    if violations := verify(plan_document(text), documents(more)):
        raise PlanUnsafe(violations, again=_again(text))
    return read_plan(text)


def _again(text: bytes) -> str:
    """The command that makes a plan for the same again, as far as this one tells what for."""
    try:
        return read_plan(text).again
    except PlanFormat:
        return ANY_PLAN
