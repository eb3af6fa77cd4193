"""Problems: failures an operator can act on, classed by what must happen next.

::

    Problem
    ├── Transient   nothing was changed and waiting may help: the engine tries again
    ├── Refused     nothing was changed and waiting will not help: an operator chooses a remedy
    └── Uncertain   the change may or may not have happened: observe before anything else

A bug is none of these: it stops the process, loudly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from skylift.model.masking import masked


class Fix(Enum):
    """The four ways out that mission 1 names (row 10)."""

    REPAIR = "repair"
    RETRY = "fix and retry"
    ROLL_BACK = "roll back"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way out of a problem: ``how`` is an imperative, with the command to paste if there is one."""

    fix: Fix
    how: str

    def __str__(self) -> str:
        return f"{self.fix.value}: {self.how}"


class Problem(Exception):  # noqa: N818 - a problem, not an error: an operator can act on it
    """A failure with a stable ``code``, one sentence in the operator's words, and its remedies.

    The sentence reads *what could not be done: why*, in lower case, without a full stop; a secret that
    it quotes from elsewhere is masked. Each code has a page in ``docs/problems``.
    """

    code: ClassVar[str] = "problem"
    job_ended: ClassVar[bool] = False
    """Whether it tells of a job that has ended, so that a retry needs a new one. Any other problem
    leaves a step's job as it is, perhaps running: a retry goes on watching it."""

    def __init__(self, sentence: str, *remedies: Remedy) -> None:
        super().__init__(masked(sentence))
        self.remedies = tuple(Remedy(remedy.fix, masked(remedy.how)) for remedy in remedies)


class Transient(Problem):
    """Nothing was changed and waiting may help: the engine tries again by itself."""

    code = "transient"


class Refused(Problem):
    """Nothing was changed and waiting will not help: an operator must choose a remedy."""

    code = "refused"


class Uncertain(Problem):
    """The change may or may not have happened: observe before doing anything else."""

    code = "uncertain"
