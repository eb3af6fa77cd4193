"""Why a host's turn is in a plan, and why there: what ``skylift why STEP`` tells of a run over a fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skylift.fleet.mandate import Mandate, Purpose
from skylift.model.ids import HostName, StepId

TITLES = {
    "empty": "close {host} to new instances, and move away what is on it",
    "hypervisor": "give {host} its new hypervisor",
    "reboot": "reboot {host}",
    "open": "open {host} to new instances",
    "try": "open {host}, and boot a server of our own there",
    "clean": "remove the server of our own from {host}",
    "agents": "wait until the network agents of {host} report anew",
    "storage": "wait until the storage cluster has what is on {host} again, and all copies",
    "exports": "wait until {host} exports its volumes again",
    "carry": "open the network agents of {host}, and see what they carry come up",
}
"""By the part of a step's name before its host; any other is a service that must report anew."""

_OF_NETWORK = "give what the agents of {host} carry to others, and close them"
_WAY_BACK = (
    "what was given to other agents stays there; what was closed is opened, and noout is taken off, "
    "on every way out"
)
_OF_VOLUMES = "close what gets new work on {host}, and wait until it has nothing in hand"
_OF_STORAGE = "wait until the storage cluster lets {host} stop, and keep its OSDs in"


@dataclass(frozen=True, slots=True)
class Turning:
    """A host's turn, as an operator asks for it. Times are seconds from the start of the run, as planned."""

    step: StepId
    title: str
    host: HostName
    wave: int
    closed_s: int
    empty_s: int
    back_s: int
    onto: Mapping[HostName, int]
    """Where its instances go: how many to each host."""
    waits_for: tuple[HostName, ...]
    """Hosts that must be back before it is closed, for it is emptied onto them."""
    then: tuple[HostName, ...]
    """Hosts that are emptied onto it once it is back."""
    way_back: str


def turning(mandate: Mandate, step: StepId) -> Turning:
    """The reasons for a step of the mandate's hosts.

    Raises:
        KeyError: no host of it has such a step.
    """
    kind, _, name = step.partition("@")
    turns = {row[0]: row for row in mandate.plan["turns"]}
    if name in mandate.others and (mandate.purpose is not Purpose.DRAIN or kind == "empty"):
        return _of_other(mandate, step, HostName(name))
    if not kind or name not in turns or (mandate.purpose is Purpose.DRAIN and kind != "empty"):
        raise KeyError(step)
    _, wave, closed, empty, back = turns[name]
    title = _title(kind, HostName(name))
    onto = Counter(HostName(move[2]) for move in mandate.plan["moves"] if move[1] == name)
    pairs = tuple(_onto_done(mandate.plan))
    return Turning(
        step=step,
        title=title,
        host=HostName(name),
        wave=wave,
        closed_s=closed // 1000,
        empty_s=empty // 1000,
        back_s=back // 1000,
        onto=dict(onto),
        waits_for=tuple(target for source, target in pairs if source == name),
        then=tuple(source for source, target in pairs if target == name),
        way_back="what was moved stays where it is; the host is opened on every way out"
        if mandate.purpose is not Purpose.DRAIN
        else f"open it: openstack compute service set --enable {name} nova-compute",
    )


def _of_other(mandate: Mandate, step: StepId, host: HostName) -> Turning:
    """Hosts that are no compute hosts go one after another, when those are through."""
    kind, order = step.partition("@")[0], mandate.others
    place, each = order.index(host), mandate.policy.host_s
    onto = {turn.host: dict(Counter(target for _, _, target in turn.moves)) for turn in mandate.network}
    if host in mandate.network_hosts:
        emptied = _OF_NETWORK
    else:
        emptied = _OF_STORAGE if host in mandate.storage_hosts else _OF_VOLUMES
    title = emptied.format(host=host) if kind == "empty" else _title(kind, host)
    begins = mandate.lasts - each * (len(order) - place)
    return Turning(
        step=step,
        title=title,
        host=host,
        wave=place + 1,
        closed_s=begins,
        empty_s=begins,
        back_s=begins + each,
        onto=onto.get(host, {}),
        waits_for=tuple(other for other in order[:place] if other in onto.get(host, {})),
        then=tuple(other for other in order[place + 1 :] if host in onto.get(other, {})),
        way_back=_WAY_BACK
        if mandate.purpose is not Purpose.DRAIN
        else "open them: openstack network agent set --enable AGENT",
    )


def _title(kind: str, host: HostName) -> str:
    opened = kind.removeprefix("open-")
    other = f"wait until {kind} on {{host}} reports anew" if opened == kind else f"open {opened} on {{host}}"
    return TITLES.get(kind, other).format(host=host)


def _onto_done(plan: Mapping[str, Any]) -> dict[tuple[HostName, HostName], None]:
    """The pairs of hosts of which the first is emptied onto the second once that is back."""
    back = {row[0]: row[4] for row in plan["turns"]}
    done = ((m[1], m[2]) for m in plan["moves"] if m[2] in back and back[m[2]] <= m[4])
    return {(HostName(source), HostName(target)): None for source, target in done}
