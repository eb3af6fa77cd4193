"""Words that were said to a run, as far as it keeps them: why it pauses, why it ends, why a step is aside."""

from __future__ import annotations

from dataclasses import dataclass

from skylift.engine.journal import Reported, Why


@dataclass(frozen=True, slots=True)
class Aside:
    """Why an operator skipped or postponed a step, and what that costs beside the step."""

    reason: str
    actor: str
    costs: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing new is started."""

    why: Why
    problem: Reported | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Abort:
    """Why a run was given up, and whether even what it took stays as it is."""

    reason: str
    leave: bool
    actor: str
