"""What of a plan needs whose approval, when it is applied."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from skylift.app.site import Site
from skylift.engine.operate import Gates
from skylift.engine.problems import SecondPersonNeeded
from skylift.model.ids import StepId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.seal import name_of
from skylift.planning.plan import Plan, Stage


class NotApproved(Refused):
    """A plan passes points of no return, or stages, that nobody approved."""

    code = "plan.not-approved"

    def __init__(self, what: tuple[str, ...]) -> None:
        super().__init__(
            f"this plan passes points of no return or stages that were not approved: {', '.join(what)}",
            Remedy(Fix.ACCEPT, "read them (skylift why STEP), then approve: skylift apply FILE --yes"),
            Remedy(Fix.RETRY, "or begin, and approve what is left meanwhile: skylift apply FILE --hold"),
        )


class Approval(Enum):
    """What whoever applies a plan says of what needs an approval."""

    ALL = "all"
    HOLD = "hold"
    """Nothing yet: the run waits before it."""
    NONE = "none"


def needs_approval(site: Site, plan: Plan) -> tuple[str, ...]:
    """The stages of the plan that the policy gates, and its points of no return, in its order.

    If there are none, the plan that was read and is named is approved by that.
    """
    return _needed(_gated(site, (step.stage for step in plan.steps)), plan.no_returns)


def _gated(site: Site, has: Iterable[Stage]) -> tuple[Stage, ...]:
    wanted = {Stage(name) for name in site.record.policy.approvals}
    return tuple(stage for stage in dict.fromkeys(has) if stage in wanted)


def _needed(stages: tuple[Stage, ...], no_returns: tuple[StepId, ...]) -> tuple[str, ...]:
    return (*(stage.value for stage in stages), *no_returns)


def gates_of(site: Site, plan: Plan, made_by: str, approval: Approval) -> Gates:
    """What of the plan waits for an approval once it has begun; ``made_by`` is its author, if it is sealed.

    Raises:
        NotApproved: something needs an approval, and nothing was said of it.
        SecondPersonNeeded: whoever applies it made it, and may not approve it.
    """
    return gates_for(
        site,
        (step.stage for step in plan.steps),
        plan.no_returns,
        made_by=made_by,
        approval=approval,
    )


def gates_for(
    site: Site, has: Iterable[Stage], no_returns: tuple[StepId, ...], *, made_by: str, approval: Approval
) -> Gates:
    """The same for whatever ``has`` these stages and points of no return.

    Raises:
        NotApproved, SecondPersonNeeded: as for ``gates_of``.
    """
    stages = _gated(site, has)
    barred = made_by if site.record.policy.second_person else ""
    signers = site.record.signers if barred else {}
    if approval is Approval.HOLD:
        return Gates(stages, barred, signers)
    needed = _needed(stages, no_returns)
    if needed and approval is Approval.NONE:
        raise NotApproved(needed)
    if needed and barred and barred == signer_name(site):
        raise SecondPersonNeeded(barred, barred)
    return Gates((), barred, signers)


def signer_name(site: Site) -> str:
    """Who works here, by the name that the record gives to the key; empty if it names none."""
    return (name_of(site.signer.key, site.record.signers) or "") if site.signer else ""
