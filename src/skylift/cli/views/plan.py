"""A plan as an operator reads it before she approves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

from skylift.app.propose import Proposal
from skylift.cli.views.columns import indented
from skylift.model.codec import encode
from skylift.model.goal import Rollback
from skylift.model.ids import Seconds, StepId
from skylift.planning.estimate import critical_path
from skylift.planning.graph import directly_before
from skylift.planning.plan import Estimate, Notice, Plan, Step
from skylift.planning.text import digest_of

_NOTE_WIDTH = 100
_MINUTES_FROM_S = 90


def lines(plan: Plan) -> list[str]:
    """Heading, what to know before approving it, and the steps by stage.

    A step says what it waits for only where that is not just the line above; ``why STEP`` has all of
    it with the reasons.
    """
    way, whole = critical_path(plan)
    return [
        f"{plan.cloud}: {plan.source} to {plan.goal.to}, {len(plan.steps)} steps, {span(whole)}",
        *_taken_back(plan),
        digest_of(plan),
        *_notes(plan),
        *(_steps(plan) if plan.steps else ()),
        *([f"the longest way: {len(way)} of {len(plan.steps)} steps"] if plan.steps else ()),
    ]


def _taken_back(plan: Plan) -> Iterator[str]:
    if isinstance(plan.goal, Rollback):
        reached = plan.goal.reached
        yield f"takes back run {plan.goal.run}, which led to {reached}, and closes it when this begins"


def given_back(proposal: Proposal) -> list[str]:
    """What the run that a plan takes back has taken, and how that is given back."""
    of = proposal.plan.goal
    if not proposal.gives_back or not isinstance(of, Rollback):
        return []
    return [f"what run {of.run} has taken, and this gives back:", *indented(proposal.gives_back, 2)]


def measured_first(plan: Plan, baseline: Seconds) -> list[str]:
    """What comes on top of the estimate before the first step, by the policy of whoever runs it."""
    if plan.stages_only or not plan.steps or not baseline:
        return []
    return [f"on top, before the first step: users' requests are measured for {baseline} s (policy.baseline)"]


def shown_by(tell: Callable[[str], None]) -> Callable[[Proposal], None]:
    """What shows a plan that nobody asked for, by telling it line by line."""

    def show(proposal: Proposal) -> None:
        for line in (*lines(proposal.plan), *given_back(proposal)):
            tell(line)

    return show


def document(plan: Plan) -> dict[str, Any]:
    """The same, for ``--json``: the plan itself, its digest and its longest way."""
    way, whole = critical_path(plan)
    return {
        "digest": digest_of(plan),
        "plan": encode(plan),
        "estimate": encode(whole),
        "longest_way": list(way),
    }


def span(estimate: Estimate) -> str:
    """``likely 4 min (3 to 9)``: minutes from 90 s on, else seconds; never less than what was meant."""
    divisor, unit = (60, "min") if estimate.likely >= _MINUTES_FROM_S else (1, "s")
    low, likely, high = (-(-figure // divisor) for figure in (estimate.low, estimate.likely, estimate.high))
    return f"likely {likely} {unit} ({low} to {high})"


def _notes(plan: Plan) -> Iterator[str]:
    for note in plan.notes:
        for number, line in enumerate(wrap(note, _NOTE_WIDTH)):
            yield f"{'- ' if number == 0 else '  '}{line}"


def _steps(plan: Plan) -> Iterator[str]:
    """The steps by stage; what happens to one service on one host without a word in between is one line."""
    before = directly_before(plan)
    above: StepId | None = None
    for stage, steps in groupby(plan.steps, key=lambda step: step.stage):
        yield stage.value
        groups = [tuple(group) for _, group in groupby(steps, key=_place)]
        width = max(len(_name(group)) for group in groups)
        for group in groups:
            first = group[0].id
            after = "" if before[first] in {(), (above,)} else f"after {', '.join(before[first])}"
            figures = (f"{span(_together(group)):<24}", f"{_impacts(group):<26}", after)
            yield "  ".join((f"  {_name(group):<{width}}", *figures)).rstrip()
            if len(group) > 1:
                yield from _wrapped(", ".join(_verb(step) for step in group), indent="      ")
            above = group[-1].id


def _place(step: Step) -> str:
    """What happens where; steps with the same follow one another in the plan."""
    subject, _, verb = step.id.partition(":")
    _, _, host = verb.partition("@")
    return f"{subject}@{host}" if host and subject != "stage" else step.id


def _name(group: Sequence[Step]) -> str:
    return _place(group[0]) if len(group) > 1 else group[0].id


def _verb(step: Step) -> str:
    return step.id.partition(":")[2].partition("@")[0]


def _together(group: Sequence[Step]) -> Estimate:
    """Steps of one place follow one another."""
    low, likely, high = (
        Seconds(sum(figures))
        for figures in zip(
            *((s.estimate.low, s.estimate.likely, s.estimate.high) for s in group), strict=True
        )
    )
    return Estimate(low, likely, high, "the sum")


def _impacts(group: Sequence[Step]) -> str:
    return ", ".join(dict.fromkeys(text for step in group if (text := _impact(step))))


def _wrapped(text: str, *, indent: str) -> Iterator[str]:
    yield from wrap(text, _NOTE_WIDTH, initial_indent=indent, subsequent_indent=indent)


def _impact(step: Step) -> str:
    mark = "NO WAY BACK" if step.no_return else ""
    notice = "" if step.impact.notice is Notice.NONE else f"{step.impact.api}: {step.impact.notice.value}"
    return ", ".join(text for text in (mark, notice) if text)
