"""What of a plan needs whose approval, when it is applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from skylift.app.site import Site
from skylift.engine.operate import Asked, Gates
from skylift.engine.problems import NoReturnUnnamed, SecondPersonNeeded, naming
from skylift.model.ids import StepId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.seal import name_of
from skylift.planning.plan import Plan, Stage


class NotApproved(Refused):
    """A plan passes points of no return, or stages, that nobody approved."""

    code = "plan.not-approved"

    def __init__(self, what: tuple[str, ...], words: str) -> None:
        super().__init__(
            f"this plan passes points of no return or stages that were not approved: {', '.join(what)}",
            Remedy(Fix.ACCEPT, f"read them (skylift why STEP), then approve: skylift apply FILE {words}"),
            Remedy(Fix.RETRY, "or begin, and approve what is left meanwhile: skylift apply FILE --hold"),
        )


class Approval(Enum):
    """What whoever applies a plan says of what needs an approval, beside the steps that she names."""

    ALL = "all"
    """All of it; but where the policy wants a second person, of points of no return only what is named."""
    HOLD = "hold"
    """Nothing yet: the run waits before it."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Approved:
    """What a run is opened with: what is approved, and what waits for that."""

    gates: Gates
    no_returns: tuple[StepId, ...] = ()
    """The points of no return that may be passed."""
    unnamed: tuple[StepId, ...] = ()
    """Those of them that nobody named: they were approved with all the rest."""


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


def words_for(site: Site, no_returns: tuple[StepId, ...]) -> str:
    """How ``apply`` is told to approve all of a plan that has these points of no return."""
    return f"--yes{naming(no_returns) if site.record.policy.second_person else ''}"


def approved_of(
    site: Site, plan: Plan, made_by: str, approval: Approval, *, named: tuple[StepId, ...] = ()
) -> Approved:
    """What is approved of a plan that is applied; ``made_by`` is its author, if it is sealed.

    Raises:
        NotApproved: something needs an approval, and nothing was said of it, or not by its name.
        NoReturnUnnamed: a step was named that is no point of no return.
        SecondPersonNeeded: whoever applies it made it, and may not approve it.
    """
    stages = (step.stage for step in plan.steps)
    return approved_for(site, stages, plan.no_returns, made_by=made_by, approval=approval, named=named)


def approved_for(
    site: Site,
    has: Iterable[Stage],
    no_returns: tuple[StepId, ...],
    *,
    made_by: str,
    approval: Approval,
    named: tuple[StepId, ...],
) -> Approved:
    """The same for whatever ``has`` these stages and points of no return.

    Raises:
        NotApproved, NoReturnUnnamed, SecondPersonNeeded: as for ``approved_of``.
    """
    policy = site.record.policy
    if strange := [step for step in named if step not in no_returns]:
        command = "skylift apply FILE"
        raise NoReturnUnnamed(f"{', '.join(strange)} is none", no_returns, command=command)
    stages, unnamed = _gated(site, has), tuple(step for step in no_returns if step not in named)
    barred = made_by if policy.second_person else ""
    all_of_it = approval is Approval.ALL
    said = named if approval is Approval.HOLD else _needed(stages, no_returns)
    if said and (named or all_of_it) and barred and barred == signer_name(site):
        raise SecondPersonNeeded(barred, barred)
    gates = Gates(stages, barred, site.record.signers if barred else {})
    if approval is Approval.HOLD:
        return Approved(gates, named)
    lacking = unnamed if all_of_it and policy.second_person else () if all_of_it else _needed(stages, unnamed)
    if lacking:
        raise NotApproved(lacking, words_for(site, no_returns))
    return Approved(replace(gates, stages=()), no_returns, unnamed)


def asked_by(site: Site) -> Asked:
    """Who works here, and that it is now."""
    key = site.signer.key if site.signer else None
    return Asked(site.actor, site.clock(), signer_name(site), key)


def signer_name(site: Site) -> str:
    """Who works here, by the name that the record gives to the key; empty if it names none."""
    return (name_of(site.signer.key, site.record.signers) or "") if site.signer else ""
