"""What becomes of each instance when its host must be empty, told before anything moves (rows 36, 138, 139).

Sources: Nova's admin guide, *Migrate instances* and *Live-migrate instances*, for what can be moved in
which state; the guides on PCI passthrough, emulated TPM, server groups and locks for what is in the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from skylift.fleet.fleet import Flavor, Instance, InstanceId, Rule, State
from skylift.model.fleet_policy import Consent, FleetPolicy


class Way(Enum):
    """How an instance gets over its host's maintenance."""

    LIVE = "live"
    """It is moved while it runs."""
    COLD = "cold"
    """It is stopped, moved, and started if it ran."""
    STOP = "stop"
    """It stays, stopped while its host is worked on, and is started after."""
    IN_PLACE = "in place"
    """It stays as it is, and the host is worked on under it."""
    ASK = "ask"
    """Its owner decides; until then its host is left alone."""
    BLOCKED = "blocked"
    """Nothing can be done with it as it is; until then its host is left alone."""


MOVES = frozenset({Way.LIVE, Way.COLD})
STAYS = frozenset({Way.STOP, Way.IN_PLACE})
HOLDS = frozenset({Way.ASK, Way.BLOCKED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done with one instance, why, and what would change that."""

    instance: InstanceId
    way: Way
    reason: str
    remedy: str = ""
    notice_h: int = 0
    """Hours that its owner is told beforehand."""


SIMPLY_LIVE: frozenset[State] = frozenset({State.ACTIVE, State.PAUSED})
_WISHES = {"live", "cold", "stop", "ask", "never"}

_BUSY = (
    "wait until its task has ended, then plan again; if it never ends: openstack server set --state active {}"
)
_STATES = {
    State.BUSY: ("a task is under way", _BUSY),
    State.ERROR: (
        "it is in error, so nobody knows what it is",
        "repair it, or accept its loss: openstack server delete {}",
    ),
    State.RESIZED: (
        "its resize waits to be confirmed, and holds room on two hosts",
        "confirm it: openstack server resize confirm {}",
    ),
    State.RESCUED: ("it is being rescued by its owner", "let her end that: openstack server unrescue {}"),
}


def is_plain(instance: Instance) -> bool:
    """Whether nothing about the instance itself keeps it from being moved live."""
    return (
        instance.state in SIMPLY_LIVE and not instance.wish and not instance.vtpm and not instance.disk_copied
    )


def judge(
    instance: Instance, flavor: Flavor, policy: FleetPolicy, *, live_targets: bool, group: Rule | None
) -> Verdict:
    """The verdict on one instance; ``live_targets`` says whether any other host could take it live."""
    if policy.in_place:
        return Verdict(instance.id, Way.IN_PLACE, "the host is patched under it")
    consent = policy.projects.get(instance.project, policy.consent)
    notice = max(instance.notice_h, consent.notice_h)
    if instance.state in _STATES:
        reason, remedy = _STATES[instance.state]
        return Verdict(instance.id, Way.BLOCKED, reason, remedy.format(instance.id))
    if instance.state is State.SUSPENDED:
        return Verdict(
            instance.id, Way.IN_PLACE, "it is suspended: its memory is on disk, and outlives a reboot"
        )
    if instance.wish and instance.wish not in _WISHES:
        return Verdict(
            instance.id,
            Way.ASK,
            f"its owner wrote maintenance={instance.wish}, which says nothing",
            "write one of: live, cold, stop, ask, never",
        )
    if instance.wish in {"ask", "never"}:
        said = "wants to be asked" if instance.wish == "ask" else "agreed to nothing"
        return Verdict(instance.id, Way.ASK, f"its owner {said}", _ask(instance), notice)
    return _by_means(instance, flavor, consent, notice, live_targets=live_targets, group=group)


def _by_means(
    instance: Instance,
    flavor: Flavor,
    consent: Consent,
    notice: int,
    *,
    live_targets: bool,
    group: Rule | None,
) -> Verdict:
    if instance.wish == "stop":
        return Verdict(instance.id, Way.STOP, "its owner wants it stopped, not moved", "", notice)
    if instance.state is State.STOPPED:
        return Verdict(instance.id, Way.COLD, "it is stopped, so nobody notices")
    if instance.wish == "cold":
        return Verdict(instance.id, Way.COLD, "its owner wants it stopped and moved", "", notice)
    obstacle = _obstacle(instance, flavor, live_targets=live_targets)
    if not obstacle:
        together = group is Rule.TOGETHER
        return Verdict(
            instance.id,
            Way.LIVE,
            "its group moves together, to one host" if together else "nothing is in the way",
        )
    if instance.vtpm:
        # Its secret is the owner's: an administrator can neither rebuild nor start it elsewhere.
        return Verdict(instance.id, Way.ASK, obstacle, _ask(instance), notice)
    if consent.cold:
        return Verdict(instance.id, Way.COLD, obstacle, "", notice)
    if consent.stop:
        return Verdict(instance.id, Way.STOP, obstacle, "", notice)
    return Verdict(instance.id, Way.ASK, obstacle, _ask(instance), notice)


def _obstacle(instance: Instance, flavor: Flavor, *, live_targets: bool) -> str:
    """Why an instance cannot be moved live; empty if it can."""
    if flavor.devices:
        return f"it has devices of its host ({', '.join(sorted(flavor.devices))})"
    if instance.vtpm:
        return "it has a virtual TPM, whose secret only its owner may read"
    if not live_targets:
        return (
            f"no other host of its pool runs its CPU model {instance.cpu}"
            if instance.cpu
            else "no other host may take it"
        )
    return ""


def _ask(instance: Instance) -> str:
    return (
        "ask its owner; her answer is a tag: "
        f"openstack server set --tag maintenance=cold {instance.id} (or live, stop)"
    )
