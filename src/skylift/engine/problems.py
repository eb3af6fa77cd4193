"""Problems that the engine itself finds: a step out of time, a silence too long, a run in no state for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from skylift.engine.journal import Reported
from skylift.model.goal import ANY_PLAN
from skylift.model.ids import RunId, Seconds, StepId
from skylift.model.problem import Fix, Problem, Refused, Remedy


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on a cloud's runs right now."""

    pid: int
    host: str
    user: str
    since_ms: int
    run: RunId

    @property
    def who(self) -> str:
        """The same without the run, where that is told already."""
        return f"{self.user} with process {self.pid} on {self.host}"

    def __str__(self) -> str:
        return f"{self.who} (run {self.run})"


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a lease stands that somebody holds."""

    epoch: int
    """One more with each holder."""
    left_s: float
    """Until it ends; each sign of life of its holder makes it longer."""


class RunHeld(Refused):
    """Another process works on this cloud; two would take more out of its pools than was planned."""

    code = "run.held"

    def __init__(self, holder: Holder | None, *, ends: Collection[StepId] = ()) -> None:
        self.holder = holder
        of = f" {holder.run}" if holder else ""
        rest = f"let nothing new start there, and say it again once it is at rest: skylift pause{of}"
        if ends:
            rest = f"nothing new starts there; wait until {', '.join(ends)} has ended, and say it again"
        super().__init__(
            f"this cloud is being worked on already: by {holder or 'a process that did not say who it is'}",
            Remedy(Fix.REPAIR, f"watch it instead: skylift status{of}"),
            Remedy(Fix.RETRY, rest),
        )


class StepOverdue(Refused):
    """A step was not done within its deadline."""

    code = "step.deadline"

    def __init__(self, title: str, deadline: Seconds, left: str, *more: Remedy) -> None:
        super().__init__(
            f"could not {title} within {deadline} s: {left}",
            Remedy(Fix.REPAIR, "see what it waits for and mend that: skylift status"),
            *more,
            Remedy(Fix.RETRY, "go on watching it for its whole time again: skylift retry"),
        )


class RunRefuses(Refused):
    """A run does not take a verb as it stands."""

    code = "run.refuses"

    def __init__(self, run: RunId, verb: str, standing: str, *instead: Remedy) -> None:
        super().__init__(
            f"cannot {verb} run {run}: it is {standing}",
            Remedy(Fix.REPAIR, "see how it stands and what is left: skylift status"),
            *instead,
            Remedy(Fix.RETRY, f"for something new, make a new plan: {ANY_PLAN}"),
        )


class StepRefuses(Refused):
    """A step does not take a verb as it stands, or for what it is."""

    code = "step.refuses"

    def __init__(self, verb: str, step: StepId | None, why: str, *more: Remedy, rests: bool) -> None:
        goes_on = (
            "let the run go on where it stopped" if rests else "it goes on by itself; if its process is gone"
        )
        super().__init__(
            f"cannot {verb} {step or 'any step'}: {why}",
            Remedy(Fix.REPAIR, "see how the steps stand: skylift status"),
            *more,
            Remedy(Fix.RETRY, f"{goes_on}: skylift resume"),
        )


class NothingToApprove(Refused):
    """A stage needs no approval, or has it."""

    code = "stage.refuses"

    def __init__(self, run: RunId, stage: str, waiting: tuple[str, ...]) -> None:
        others = f"those that do: {', '.join(waiting)}" if waiting else "no stage does"
        super().__init__(
            f"nothing to approve in stage {stage} of run {run}: it does not wait for an approval; {others}",
            Remedy(Fix.REPAIR, "see what the run waits for: skylift status"),
            Remedy(Fix.RETRY, "let the run go on where it stopped: skylift resume"),
        )


class NoReturnUnnamed(Refused):
    """An approval names none of the points of no return that it is about, or another step."""

    code = "approval.unnamed"

    def __init__(self, what: str, no_returns: Collection[StepId], *, command: str) -> None:
        named = ", ".join(no_returns)
        points = f"no step alone leads back from {named}" if named else "there is no point of no return"
        name = f"then name those that may go ahead: {command}{naming(no_returns)}"
        super().__init__(
            f"{what}: {points}",
            Remedy(Fix.REPAIR, "read what each of them does: skylift why STEP"),
            Remedy(Fix.ACCEPT, name if named else f"then name none: {command}"),
        )


def naming(no_returns: Collection[StepId]) -> str:
    """The words that name these points of no return to ``skylift approve`` and ``apply``."""
    return "".join(f" --no-return {step}" for step in no_returns)


class SecondPersonNeeded(Refused):
    """The author of a plan, or a stranger to it, was to approve it: the policy wants a second person."""

    code = "approval.second-person"

    def __init__(self, author: str, who: str) -> None:
        what = f"{author} made this plan and cannot approve it"
        if who != author:
            what = (
                f"{who or 'whoever has no key'} cannot approve what {author} planned, for that key was no "
                "other signer's when the plan was made"
            )
        super().__init__(
            f"{what}: the policy wants a second person",
            Remedy(Fix.RETRY, "begin it without an approval: skylift apply FILE --hold"),
            Remedy(Fix.RETRY, "and let another signer of that record say: skylift approve STAGE"),
        )


class SignerNeeded(Refused):
    """A document whose entries are sealed was to get one that is not."""

    code = "signing.needed"

    def __init__(self, where: str) -> None:
        super().__init__(
            f"nothing can be added to {where}: it is sealed, and there is no key here to seal it with",
            Remedy(Fix.REPAIR, "name your key and say it again: export SKYLIFT_KEY=PATH"),
        )


def lasting(problem: Problem, title: str, seconds: int) -> Reported:
    """What to report of a ``problem`` that did not pass within the policy's time: it keeps its code."""
    remedies = tuple(problem.remedies)
    if not any(remedy.fix is Fix.RETRY for remedy in remedies):
        remedies += (Remedy(Fix.RETRY, "when it answers again: skylift retry"),)
    return Reported(problem.code, f"could not {title}: for {seconds} s, {problem}", remedies)


def on_the_way_back(problem: Problem) -> Reported:
    """What to report of a ``problem`` that does not hold a run which goes back: what is so stays so."""
    return Reported(
        problem.code,
        str(problem),
        (
            Remedy(Fix.ACCEPT, "let it go on, for half-way keeps what hurts; how far it is: skylift status"),
            Remedy(Fix.REPAIR, "see what users lose, and of which API: skylift report"),
            Remedy(Fix.REPAIR, "if going back is what hurts, let nothing new start: skylift pause"),
        ),
    )
