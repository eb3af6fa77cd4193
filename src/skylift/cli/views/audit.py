"""What an order breaks, and what it leaves open."""

from __future__ import annotations

from typing import Any

from skylift.verifier.audit import Audit


def lines(judged: Audit) -> list[str]:
    """What is left open, then what is broken, so that the gravest stands above the prompt."""
    told = [f"open    {sentence}" for sentence in judged.unsaid]
    told += [f"broken  {sentence}" for sentence in judged.violations]
    return [*told, *([""] if told else []), _verdict(judged)]


def document(judged: Audit) -> dict[str, Any]:
    """The same, for ``--json``; ``verdict`` is ``keeps the rules`` or ``breaks rules``."""
    return {
        "verdict": "breaks rules" if judged.violations else "keeps the rules",
        "violations": list(judged.violations),
        "open": list(judged.unsaid),
    }


def _verdict(judged: Audit) -> str:
    count = len(judged.violations)
    broken = {0: "breaks no rule", 1: "breaks a rule in 1 place"}.get(
        count, f"breaks rules in {count} places"
    )
    return f"the order {broken}"
