"""What a run over a fleet may do: the plan that was approved, with all that it was made from but the fleet.

The fleet itself is seen again when the run begins: it is large, and changes all the time. Its digest tells
whether it did.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from skylift.fleet.afterwards import Wanted, wanted_in
from skylift.fleet.document import document_of
from skylift.fleet.fleet import Fleet
from skylift.fleet.network import NetworkTurn
from skylift.fleet.plan import FORMAT, Kind, Turn
from skylift.fleet.storage import StorageTurn
from skylift.fleet.volume import VolumeTurn
from skylift.model.codec import Malformed, canonical, decode, encode
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import Digest, HostName, Seconds


class Purpose(Enum):
    """What each host is emptied for."""

    REBOOT = "reboot"
    HYPERVISOR = "hypervisor"
    """The record's command is run on it, and then it is rebooted."""
    DRAIN = "drain"
    """It stays empty and closed, for whatever its operator has in mind."""


def plan_command(
    purpose: Purpose, hosts: Iterable[HostName], *, partial: bool = False, afterwards: Kind | None = None
) -> str:
    """What an operator types for a plan of these hosts, or of all if none is named."""
    option = "--host" if purpose is not Purpose.DRAIN else "--drain"
    words = ["skylift", "plan", *([f"--{purpose.value}"] if purpose is not Purpose.DRAIN else [])]
    words += [word for host in hosts for word in (option, host)]
    words += ["--afterwards", afterwards.value] if afterwards else []
    return shlex.join([*words, *(["--partial"] if partial else []), "-o", f"{purpose.value}.plan"])


@dataclass(frozen=True, slots=True)
class Mandate:
    """What was approved."""

    format: int
    purpose: Purpose
    cloud: str
    record: Digest
    """Of the record that it was made from."""
    policy: FleetPolicy
    fleet: Digest
    """Of the fleet that it was planned for."""
    plan: Mapping[str, Any]
    """The plan's document."""
    zones: Mapping[str, tuple[HostName, ...]] = field(default_factory=dict)
    """The hosts that were asked for, by zone; none in a mandate that was written before there was this."""
    network: tuple[NetworkTurn, ...] = ()
    """What becomes of what agents of Neutron carry, in the order of the hosts, compute hosts or not."""
    storage: tuple[StorageTurn, ...] = ()
    """The hosts of the storage cluster among them, compute hosts or not."""
    volumes: tuple[VolumeTurn, ...] = ()
    """Those with services beside nova-compute that a scheduler gives work to, compute hosts or not."""

    @property
    def hosts(self) -> tuple[HostName, ...]:
        """The hosts that are emptied, in the plan's order; those that are no compute hosts come last."""
        return (*self._compute, *self.others)

    @property
    def others(self) -> tuple[HostName, ...]:
        """Those that are no compute hosts."""
        return (*self.network_hosts, *self.storage_hosts, *self.volume_hosts)

    @property
    def network_hosts(self) -> tuple[HostName, ...]:
        """Those that are no compute hosts, and carry routers or networks."""
        return tuple(turn.host for turn in self.network if turn.host not in self._compute)

    @property
    def storage_hosts(self) -> tuple[HostName, ...]:
        """Those that are of the storage cluster, and nothing else."""
        known = {*self._compute, *self.network_hosts}
        return tuple(turn.host for turn in self.storage if turn.host not in known)

    @property
    def volume_hosts(self) -> tuple[HostName, ...]:
        """Those that have services which a scheduler gives work to, and are nothing else."""
        known = {*self._compute, *self.network_hosts, *self.storage_hosts}
        return tuple(turn.host for turn in self.volumes if turn.host not in known)

    @property
    def lasts(self) -> Seconds:
        """How long it likely takes until every host is through.

        Hosts that are no compute hosts, those of the storage cluster, and those whose services stand in for
        each other go one after another, and each is worked on as long as any.
        """
        apart = max(sum(turn.host in self._compute for turn in of) for of in (self.storage, self.volumes))
        compute = max(self.plan["makespan_s"], self.policy.host_s * apart)
        return Seconds(compute + self.policy.host_s * len(self.others))

    def takes_s(self) -> Iterator[tuple[str, int]]:
        """Each host, and how long it takes from its closing until it is back."""
        yield from (
            (f"host {host}", Turn(host, wave, closed, empty, back).lasts_s)
            for host, wave, closed, empty, back in self.plan["turns"]
        )
        yield from ((f"host {host}", self.policy.host_s) for host in self.others)

    @property
    def _compute(self) -> tuple[HostName, ...]:
        return tuple(HostName(turn[0]) for turn in self.plan["turns"])

    @property
    def left_out(self) -> tuple[HostName, ...]:
        """Hosts that were asked for and that it does not touch, as something is to be settled first."""
        if self.zones:
            planned = set(self.hosts)
            return tuple(h for hosts in self.zones.values() for h in hosts if h not in planned)
        return tuple(map(HostName, (*self.plan["held"], *self.plan["stranded"])))

    @property
    def again(self) -> str:
        """The command that makes this plan anew, from what the cloud is then."""
        partial = bool(self.left_out or self.plan["refused"])
        wanted = self.wanted
        kind = wanted.kind if wanted else None
        return plan_command(self.purpose, self.policy.only, partial=partial, afterwards=kind)

    @property
    def wanted(self) -> Wanted | None:
        """What is to be done when every host is through; none if nothing is."""
        return wanted_in(self.plan)


def digest_of_fleet(fleet: Fleet, policy: FleetPolicy) -> Digest:
    """Of a fleet and its policy as a document: the same for the same, whoever reads it when."""
    return _digest(document_of(fleet, policy))


def zones_of(
    fleet: Fleet, policy: FleetPolicy, others: Mapping[HostName, str] = MappingProxyType({})
) -> dict[str, tuple[HostName, ...]]:
    """The hosts that are to be worked on, by zone; ``others`` has those that are no compute hosts."""
    found: defaultdict[str, list[HostName]] = defaultdict(list)
    for name in policy.only or fleet.hosts:
        found[fleet.hosts[name].zone if name in fleet.hosts else others[name]].append(name)
    return {zone: tuple(hosts) for zone, hosts in sorted(found.items())}


def digest_of_mandate(mandate: Mandate) -> Digest:
    """What names a mandate: SHA-256 of its canonical JSON."""
    return _digest(_document(mandate))


def write_mandate(mandate: Mandate) -> bytes:
    """The file: ``{"digest": .., "mandate": ..}`` in canonical form."""
    document = _document(mandate)
    return canonical({"digest": _digest(document), "mandate": document})


def is_mandate(text: bytes) -> bool:
    """Whether a plan file is of a run over a fleet, and not of an upgrade."""
    try:
        document = json.loads(text)
    except ValueError:
        return False
    return isinstance(document, dict) and "mandate" in document


def read_mandate(text: bytes) -> Mandate:
    """The mandate that the bytes of a file say.

    Raises:
        Malformed: they are none, or one byte at least is not as it was written.
    """
    try:
        document = json.loads(text)
    except ValueError:
        raise Malformed("it is no whole JSON document") from None
    if not isinstance(document, dict) or set(document) != {"digest", "mandate"}:
        raise Malformed("it does not hold a digest and a mandate")
    said = document["mandate"]
    if canonical(document) != text or document["digest"] != _digest(said):
        raise Malformed("its content does not agree with its digest")
    if said.get("format") != FORMAT:
        raise Malformed(f"its format is {said.get('format')!r}, and this version reads {FORMAT}")
    return Mandate(
        format=said["format"],
        purpose=Purpose(said["purpose"]),
        cloud=said["cloud"],
        record=Digest(said["record"]),
        policy=decode(FleetPolicy, said["policy"]),
        fleet=Digest(said["fleet"]),
        plan=said["plan"],
        zones={zone: tuple(map(HostName, hosts)) for zone, hosts in said.get("zones", {}).items()},
        network=decode(tuple[NetworkTurn, ...], said.get("network", [])),
        storage=decode(tuple[StorageTurn, ...], said.get("storage", [])),
        volumes=decode(tuple[VolumeTurn, ...], said.get("volumes", []), defaults=True),
    )


def _document(mandate: Mandate) -> dict[str, Any]:
    return {
        "format": mandate.format,
        "purpose": mandate.purpose.value,
        "cloud": mandate.cloud,
        "record": mandate.record,
        "policy": encode(mandate.policy),
        "fleet": mandate.fleet,
        "plan": dict(mandate.plan),
        **({"zones": {z: list(hosts) for z, hosts in mandate.zones.items()}} if mandate.zones else {}),
        **({"network": encode(mandate.network)} if mandate.network else {}),
        **({"storage": encode(mandate.storage)} if mandate.storage else {}),
        **({"volumes": encode(mandate.volumes)} if mandate.volumes else {}),
    }


def _digest(document: object) -> Digest:
    return Digest("sha256:" + hashlib.sha256(canonical(document)).hexdigest())
