"""How long a live migration takes and how long the guest stands still, by the model of pre-copy.

Memory M is sent at throughput B while the guest writes D to it. Each round sends what was written during
the one before, so rounds shrink by rho = D / B, and the guest is stopped when the rest fits into the
allowed stop. Sources: Clark and others, *Live Migration of Virtual Machines*, NSDI 2005; QEMU's
documentation, *Migration*, on ``downtime-limit``, auto-converge and post-copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

ROUNDS = 30
"""More rounds than this do not pay: what is left then will not get less."""
PATIENCE = 3
"""A migration is given this often its p90, and then ended."""
THROTTLE = 0.5
"""What auto-converge is counted on to leave of the rate at which a guest writes; less would hurt more."""
LONGEST_STOP_MS = 5000
"""The longest stop that is allowed to let a migration end; beyond it a guest's peers give it up."""


@dataclass(frozen=True, slots=True)
class Guest:
    """What a migration has to send."""

    memory_mib: float
    dirty_mib_s: float
    disk_mib: float = 0
    """Copied along, once, for a guest without shared storage."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a migration has to send it with."""

    mib_s: float
    setup_s: float = 1.0
    downtime_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of one migration; ``ends`` is false if pre-copy alone never would."""

    ends: bool
    seconds: float
    stop_s: float
    sent_mib: float
    rounds: int


def precopy(guest: Guest, link: Link) -> Forecast:
    """The forecast for one migration by pre-copy."""
    rho = guest.dirty_mib_s / link.mib_s
    allowed = link.downtime_s * link.mib_s
    memory = guest.memory_mib
    if memory <= allowed:
        rounds, left, sent = 0, memory, memory
    elif rho <= 0:
        rounds, left, sent = 1, 0.0, memory
    else:
        rounds = ROUNDS + 1 if rho >= 1 else math.ceil(math.log(allowed / memory) / math.log(rho))
        if rounds > ROUNDS:
            return Forecast(False, math.inf, math.inf, math.inf, rounds)
        left = memory * rho**rounds
        sent = memory * (1 - rho ** (rounds + 1)) / (1 - rho)
    seconds = (sent + guest.disk_mib) / link.mib_s + link.setup_s
    return Forecast(True, seconds, left / link.mib_s, sent + guest.disk_mib, rounds)


class Answer(Enum):
    """What is done about a migration that would not end, the gentlest first."""

    NONE = "it ends by itself"
    LONGER_STOP = "allow a longer stop"
    THROTTLE = "slow the guest down until it ends (auto-converge)"
    POST_COPY = "start it on the target and fetch the rest (post-copy)"
    DEFER = "leave its host for a calmer hour"
    ASK = "ask its owner for a cold move"


@dataclass(frozen=True, slots=True)
class Answered:
    """The first answer that lets a migration end, with what is then expected of it."""

    answer: Answer
    forecast: Forecast


def answered(guest: Guest, link: Link, *, post_copy: bool, may_wait: bool = False) -> Answered:
    """The gentlest way to an end: its forecast ends, but for ``DEFER`` and ``ASK``, where none is known.

    ``post_copy`` is the owner's consent; ``may_wait`` says that the guest writes less at another hour.
    """
    plainly = precopy(guest, link)
    if plainly.ends:
        return Answered(Answer.NONE, plainly)
    patient = precopy(guest, Link(link.mib_s, link.setup_s, LONGEST_STOP_MS / 1000))
    if patient.ends:
        return Answered(Answer.LONGER_STOP, patient)
    calm = Guest(guest.memory_mib, guest.dirty_mib_s * THROTTLE, guest.disk_mib)
    slowed = precopy(calm, Link(link.mib_s, link.setup_s, LONGEST_STOP_MS / 1000))
    if slowed.ends:
        return Answered(Answer.THROTTLE, slowed)
    if post_copy:
        sent = guest.memory_mib + guest.disk_mib
        seconds = sent / link.mib_s + link.setup_s
        return Answered(Answer.POST_COPY, Forecast(True, seconds, min(1.0, link.setup_s), sent, 1))
    return Answered(Answer.DEFER if may_wait else Answer.ASK, plainly)


def endless(left_mib: Sequence[float], link: Link) -> bool:
    """Whether a migration under way will not end by itself, from what was left to send after each round.

    Two rounds are enough: the first sends all, the second what was written meanwhile, and their ratio is
    rho. With fewer nothing can be said, and it is taken to end.
    """
    if len(left_mib) < 2 or left_mib[-2] <= 0:  # noqa: PLR2004 - a ratio takes two
        return False
    allowed = link.downtime_s * link.mib_s
    if left_mib[-1] <= allowed:
        return False
    rho = left_mib[-1] / left_mib[-2]
    return rho >= 1 or math.log(allowed / left_mib[-1]) / math.log(rho) > ROUNDS


def deadline_s(p90_s: float) -> float:
    """When a migration is ended that should long have been over."""
    return PATIENCE * p90_s
