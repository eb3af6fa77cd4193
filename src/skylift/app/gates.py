"""The engine's second guard: asks the record's gates beside the run; one that is not good needs a human."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, wait

from skylift.engine.fold import Run
from skylift.model.gate import Answer, GateEntry, Gates, Verdict
from skylift.model.ids import Epoch
from skylift.model.problem import Fix, Problem, Refused, Remedy

Ask = Callable[[GateEntry], Answer]
_FIRST_S = 30
"""How long the first answers are waited for; every question has an end before that."""


class GateBad(Refused):
    """A gate says that the run must not go on."""

    code = "gate.bad"

    def __init__(self, name: str, saw: str) -> None:
        super().__init__(
            f"gate {name} says bad ({saw})",
            Remedy(Fix.REPAIR, "see what it watches, and mend that; what ran last: skylift status"),
            Remedy(Fix.RETRY, "when it says good again: skylift resume"),
            Remedy(Fix.ROLL_BACK, "or give the run up: skylift abort --reason WHY"),
        )


class GateInconclusive(Refused):
    """A gate could not say anything for too long, so a human must."""

    code = "gate.inconclusive"

    def __init__(self, name: str, saw: str, seconds: int) -> None:
        lasting = f" for {seconds} s" if seconds else ""
        super().__init__(
            f"gate {name} says neither good nor bad{lasting}: {saw}",
            Remedy(Fix.REPAIR, "see why it cannot tell"),
            Remedy(Fix.ACCEPT, "judge yourself; if it must be, take the gate out of the record"),
            Remedy(Fix.RETRY, "then let the run go on: skylift resume"),
        )


class GateGuard:
    """Asked before each tick; questions are asked by ``pool``, so that a slow gate holds nothing up.

    The first answers are waited for and must be good: where nothing has begun, there is no patience. But for
    a way back, which does not wait: no answer holds it.
    """

    def __init__(self, gates: Gates, ask: Ask, pool: Executor, *, waits: bool = True) -> None:
        self._gates = gates
        self._ask = ask
        self._pool = pool
        self._waits = waits
        self._asked: dict[str, tuple[Epoch, Future[Answer]]] = {}
        self._unsure_since: dict[str, Epoch] = {}

    def __call__(self, _run: Run, now: Epoch) -> Problem | None:
        if not self._asked:
            self._asked = {name: (now, self._question(name)) for name in self._gates}
            if self._waits:
                wait([question for _, question in self._asked.values()], timeout=_FIRST_S)
            return self._judged(now, patient=not self._waits)
        problem = self._judged(now, patient=True)
        for name, (asked_at, question) in self._asked.items():
            if question.done() and now - asked_at >= self._gates[name].every:
                self._asked[name] = (now, self._question(name))
        return problem

    def _question(self, name: str) -> Future[Answer]:
        return self._pool.submit(self._ask, self._gates[name])

    def _judged(self, now: Epoch, *, patient: bool) -> Problem | None:
        """The first problem that an answer is; all are heard, for each counts since when it is unsure."""
        problems = [self._heard(name, now, patient=patient) for name in self._gates]
        return next((problem for problem in problems if problem is not None), None)

    def _heard(self, name: str, now: Epoch, *, patient: bool) -> Problem | None:
        _, question = self._asked[name]
        answer = question.result() if question.done() else Answer(Verdict.INCONCLUSIVE, "no answer yet")
        if answer.verdict is Verdict.INCONCLUSIVE:
            since = self._unsure_since.setdefault(name, now)
            unsure_s = now - since
            spent = not patient or unsure_s >= self._gates[name].patience
            return GateInconclusive(name, answer.saw, round(unsure_s)) if spent else None
        self._unsure_since.pop(name, None)
        return GateBad(name, answer.saw) if answer.verdict is Verdict.BAD else None
