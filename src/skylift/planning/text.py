"""Plan files: a plan's one byte form, with the digest of what it says."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from skylift.actions.registry import KINDS
from skylift.model.codec import Malformed, canonical, decode, encode
from skylift.model.goal import ANY_PLAN
from skylift.model.ids import Digest
from skylift.model.problem import Fix, Refused, Remedy
from skylift.planning.plan import FORMAT, Plan


class PlanChanged(Refused):
    """A plan file is not byte for byte what the planner wrote."""

    code = "plan.changed"

    def __init__(self, what: str, *, again: str = ANY_PLAN) -> None:
        super().__init__(
            f"this is not the plan that was made: {what}",
            Remedy(Fix.REPAIR, "get the file again from where it was approved"),
            Remedy(Fix.RETRY, f"make a new one and approve that: {again}"),
        )


class PlanFormat(Refused):
    """A plan file was written by another version of Skylift."""

    code = "plan.format"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"this plan cannot be read by this version of Skylift: {what}",
            Remedy(Fix.REPAIR, "run it with the version of Skylift that made it"),
            Remedy(Fix.RETRY, f"make a new one and approve that: {ANY_PLAN}"),
        )


def digest_of(plan: Plan) -> Digest:
    """The digest that names a plan: SHA-256 of its canonical JSON."""
    return _digest(encode(plan))


def write_plan(plan: Plan) -> bytes:
    """The plan file: ``{"digest": .., "plan": ..}`` in canonical form."""
    document = encode(plan)
    return canonical({"digest": _digest(document), "plan": document})


def read_plan(text: bytes) -> Plan:
    """The plan that the bytes of a plan file say.

    Raises:
        PlanChanged: one byte at least is not as it was written.
        PlanFormat: another version of Skylift wrote it.
    """
    document = plan_document(text)
    try:
        return decode(Plan, document, kinds=KINDS)
    except Malformed as error:
        raise PlanFormat(str(error)) from None


def plan_document(text: bytes) -> dict[str, Any]:
    """The plan as JSON, once the bytes agree with their digest: what the verifier reads.

    Raises:
        PlanChanged: one byte at least is not as it was written.
        PlanFormat: another version of Skylift wrote it.
    """
    try:
        document = json.loads(text)
    except ValueError:
        raise PlanChanged("it is no whole JSON document") from None
    if not isinstance(document, dict) or set(document) != {"digest", "plan"}:
        raise PlanChanged("it does not hold a digest and a plan")
    plan = document["plan"]
    if isinstance(plan, dict) and plan.get("format") != FORMAT:
        raise PlanFormat(f"its format is {plan.get('format')!r}, and this version reads {FORMAT}")
    if not isinstance(plan, dict) or not _is_canonical(document, text):
        raise PlanChanged("its bytes are not in the form that plans are written in")
    if document["digest"] != _digest(plan):
        raise PlanChanged("its content does not agree with its digest")
    return plan


def _is_canonical(document: object, text: bytes) -> bool:
    try:
        return canonical(document) == text
    except ValueError:
        return False


def _digest(document: object) -> Digest:
    return Digest("sha256:" + hashlib.sha256(canonical(document)).hexdigest())
