"""The seal on a plan file: who made it, and until when it may be applied.

It lies beside the file, for a plan is told by its content alone: planning twice gives the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from skylift.engine.journal import milliseconds
from skylift.model.codec import Malformed, canonical, decode, encode
from skylift.model.goal import ANY_PLAN
from skylift.model.ids import Digest, Epoch
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.seal import Holds, PublicKey, Seal, Signer, Signers, name_of

FORMAT = 1
"""Version of the seal's file; a reader refuses any other."""
_HOUR_S = 3600
_NOBODY = Seal(PublicKey(""), "")
_OTHER_FORM = "its seal is not in the form that seals are written in"


class PlanUnsealed(Refused):
    """The record wants plans to be sealed by somebody it names, and this one is not."""

    code = "plan.unsealed"

    def __init__(self, why: str, *, again: str = ANY_PLAN) -> None:
        super().__init__(
            f"this plan cannot be trusted: {why}",
            Remedy(Fix.REPAIR, "bring the file that ends in .seal from where the plan was made"),
            Remedy(Fix.RETRY, f"or make the plan again with your key: {again}"),
        )


class PlanExpired(Refused):
    """A plan was made too long ago."""

    code = "plan.expired"

    def __init__(self, hours: int, allowed_h: int, *, again: str = ANY_PLAN) -> None:
        super().__init__(
            f"this plan may no longer be applied: it was sealed {hours} h ago, for {allowed_h} h",
            Remedy(Fix.RETRY, f"plan from what the cloud is now: {again}"),
        )


class SignerUnknown(Refused):
    """The key here is none that the record trusts, or there is none."""

    code = "signing.unknown"

    def __init__(self, key: PublicKey | None) -> None:
        what = f"your key {key[:16]}… is not among its signers" if key else "you have no key here"
        super().__init__(
            f"this record trusts only what its signers seal: {what}",
            Remedy(Fix.REPAIR, "name your key: export SKYLIFT_KEY=PATH"),
            Remedy(
                Fix.REPAIR,
                "or make one, ssh-keygen -t ed25519 -N '' -f ~/.config/skylift/key, "
                "and have its public half added to the record, under signers",
            ),
        )


@dataclass(frozen=True, slots=True)
class PlanSeal:
    """Who answers for a plan. Times are milliseconds since 1970-01-01 UTC."""

    format: int
    plan: Digest
    made_ms: int
    until_ms: int
    seal: Seal

    @property
    def said(self) -> bytes:
        """What the seal is on: all of it but the seal."""
        return b"skylift plan seal\n" + canonical(encode(replace(self, seal=_NOBODY)))


def seal_plan(plan: Digest, signer: Signer, *, now: Epoch, valid_h: int) -> bytes:
    """The file that seals the plan with this digest, to be applied within so many hours."""
    made_ms = milliseconds(now)
    bare = PlanSeal(FORMAT, plan, made_ms, made_ms + valid_h * _HOUR_S * 1000, _NOBODY)
    return canonical(encode(replace(bare, seal=signer.seal(bare.said))))


def read_plan_seal(text: bytes, holds: Holds, *, again: str = ANY_PLAN) -> PlanSeal:
    """The seal in the bytes of its file, once it is seen to be whole; ``again`` makes the plan anew.

    Raises:
        PlanUnsealed: it is no seal, or one byte at least is not as it was written.
    """
    try:
        found = decode(PlanSeal, json.loads(text))
    except (Malformed, ValueError):
        raise PlanUnsealed(_OTHER_FORM, again=again) from None
    if canonical(encode(found)) != text or found.format != FORMAT:
        raise PlanUnsealed(_OTHER_FORM, again=again)
    if not holds(found.seal, found.said):
        raise PlanUnsealed("its seal was changed after it was made", again=again)
    return found


def author(plan: Digest, text: bytes | None, signers: Signers, holds: Holds, *, again: str = ANY_PLAN) -> str:
    """The name of the signer who sealed a plan, given the file beside it; empty if no signer is named.

    ``again`` is the command that makes it anew.

    Raises:
        PlanUnsealed: a seal is wanted, and there is none, or it is broken, a stranger's, or another plan's.
    """
    if not signers:
        return ""
    if text is None:
        raise PlanUnsealed("no seal lies beside it, and this record wants one", again=again)
    found = read_plan_seal(text, holds, again=again)
    if found.plan != plan:
        raise PlanUnsealed("the seal beside it is another plan's", again=again)
    name = name_of(found.seal.key, signers)
    if name is None:
        stranger = f"it was sealed by a key {found.seal.key[:16]}… that this record does not trust"
        raise PlanUnsealed(stranger, again=again)
    return name


def trusted(signer: Signer | None, signers: Signers) -> None:
    """See that whoever works here may seal for this record, if it names signers.

    Raises:
        SignerUnknown: there is no key here, or the record does not name it.
    """
    if signers and (signer is None or name_of(signer.key, signers) is None):
        raise SignerUnknown(signer.key if signer else None)


def in_time(text: bytes | None, holds: Holds, now: Epoch, *, again: str = ANY_PLAN) -> None:
    """See that a sealed plan may still be applied.

    Raises:
        PlanExpired: its time is over.
    """
    if text is None:
        return
    found, now_ms = read_plan_seal(text, holds, again=again), milliseconds(now)
    hour_ms = _HOUR_S * 1000
    if now_ms > found.until_ms:
        allowed_h = (found.until_ms - found.made_ms) // hour_ms
        raise PlanExpired((now_ms - found.made_ms) // hour_ms, allowed_h, again=again)
