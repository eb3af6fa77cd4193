"""A fleet, its policy and its plan as JSON documents: read strictly, and written the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from skylift.fleet.fleet import Aggregate, Flavor, FlavorName, Fleet, Group, GroupName, Host, Instance, State
from skylift.fleet.plan import FORMAT, Afterwards, FleetPlan, Move
from skylift.model.codec import Malformed, decode, encode
from skylift.model.fleet_policy import RANGES, FleetPolicy
from skylift.model.ids import HostName
from skylift.model.network_agent import Carried, NetworkAgent

_PLAIN = {f.name: {"str": str, "int": int, "bool": bool}.get(str(f.type), str) for f in fields(Instance)}
_NEEDED = {f.name for f in fields(Instance) if f.default is MISSING and f.default_factory is MISSING}
_STATES = {state.value: state for state in State}


@dataclass(frozen=True, slots=True)
class FleetFile:
    """A fleet in a file: what is there, and what may be done with it."""

    format: int
    hosts: Mapping[HostName, Host]
    flavors: Mapping[FlavorName, Flavor]
    instances: tuple[Instance, ...]
    """Each has at least ``id``, ``host`` and ``flavor``."""
    groups: Mapping[GroupName, Group] = field(default_factory=dict)
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)
    policy: FleetPolicy = field(default_factory=FleetPolicy)


def fleet_of(document: Any) -> tuple[Fleet, FleetPolicy]:
    """The fleet and the policy that a document holds.

    Raises:
        Malformed: it has another form, or names what it does not describe; all such names are told at once.
    """
    if not isinstance(document, dict) or not isinstance(document.get("instances"), list):
        raise Malformed("$: expected an object with a list 'instances'")
    # There may be hundreds of thousands of instances: they are read without the codec, ten times faster.
    rest = decode(FleetFile, {**document, "instances": []}, defaults=True)
    if rest.format != FORMAT:
        raise Malformed(f"$.format: expected {FORMAT}, found {rest.format}")
    shared: dict[str, str] = {}
    instances = tuple(_instance(entry, n, shared) for n, entry in enumerate(document["instances"]))
    fleet = Fleet(rest.hosts, rest.flavors, instances, rest.groups, rest.aggregates)
    wrong = tuple(_unknown(fleet, rest.policy))
    if wrong:
        raise Malformed(
            "; ".join(wrong[:_TOLD]) + (f"; and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else "")
        )
    return fleet, rest.policy


_TOLD = 20


def _instance(entry: Any, number: int, shared: dict[str, str]) -> Instance:
    at = f"$.instances[{number}]"
    if not isinstance(entry, dict):
        raise Malformed(f"{at}: expected an object")
    if not entry.keys() >= _NEEDED or not entry.keys() <= _PLAIN.keys():
        wrong = ", ".join(sorted((_NEEDED - entry.keys()) | (entry.keys() - _PLAIN.keys())))
        needed, may = (", ".join(sorted(keys)) for keys in (_NEEDED, _PLAIN.keys() - _NEEDED))
        raise Malformed(f"{at}: expected the keys {needed}, and perhaps {may}; look at {wrong}")
    given: dict[str, Any] = {}
    for key, value in entry.items():
        if type(value) is not _PLAIN[key]:
            raise Malformed(f"{at}.{key}: expected {_PLAIN[key].__name__}, found {value!r:.80}")
        # Names of hosts and flavors come again and again; one object each keeps a large fleet small.
        given[key] = shared.setdefault(value, value) if key != "id" and type(value) is str else value
    if "state" in given:
        if given["state"] not in _STATES:
            raise Malformed(f"{at}.state: expected one of {', '.join(_STATES)}, found {given['state']}")
        given["state"] = _STATES[given["state"]]
    return Instance(**given)


def _unknown(fleet: Fleet, policy: FleetPolicy) -> Iterator[str]:
    """What is named and not described, and figures that cannot be."""
    seen: set[str] = set()
    for instance in fleet.instances:
        if instance.id in seen:
            yield f"instance {instance.id} is there twice"
        seen.add(instance.id)
        if instance.host not in fleet.hosts:
            yield f"instance {instance.id} is on host {instance.host}, which is not described"
        if instance.flavor not in fleet.flavors:
            yield f"instance {instance.id} has flavor {instance.flavor}, which is not described"
        if instance.group and instance.group not in fleet.groups:
            yield f"instance {instance.id} is in group {instance.group}, which is not described"
    for flavor, of in fleet.flavors.items():
        if min(of.vcpus, of.ram_mib) <= 0 or min(of.disk_gib, of.cells) < 0:
            yield f"flavor {flavor} takes no processor, no memory, or less than nothing"
    yield from _unknown_to_policy(fleet, policy)


def _unknown_to_policy(fleet: Fleet, policy: FleetPolicy) -> Iterator[str]:
    for name in (*policy.first, *policy.only):
        if name not in fleet.hosts:
            yield f"the policy names host {name}, which is not described"
    for key, least, most in RANGES:
        value = getattr(policy, key)
        if not least <= value <= most:
            yield f"policy.{key} is {value}, and must be from {least} to {most}"
    if policy.network.mib_s <= 0:
        yield "policy.network.mib_s must be more than 0"


def document_of(fleet: Fleet, policy: FleetPolicy) -> dict[str, Any]:
    """The document that a fleet and a policy are read from; instances without what they have by default."""
    defaults = {f.name: f.default for f in fields(Instance)}
    return {
        "format": FORMAT,
        "hosts": encode(fleet.hosts),
        "flavors": encode(fleet.flavors),
        "groups": encode(fleet.groups),
        "aggregates": encode(fleet.aggregates),
        "policy": encode(policy),
        "instances": [
            {
                name: value.value if isinstance(value, State) else value
                for name in defaults
                if (value := getattr(instance, name)) != defaults[name]
            }
            for instance in fleet.instances
        ],
    }


def network_document(agents: Iterable[NetworkAgent], things: Iterable[Carried]) -> dict[str, Any]:
    """What Neutron told of its agents and of what they carry; each thing once, however many carry it."""
    return {"agents": encode(tuple(agents)), "things": encode(tuple({of.id: of for of in things}.values()))}


TURN = ("host", "wave", "closed", "empty", "back")
MOVE = ("instance", "source", "target", "way", "start", "end")
"""Columns of the rows that a plan's document has for turns and moves; times are in milliseconds."""


def plan_document(plan: FleetPlan) -> dict[str, Any]:
    """The document of a plan: turns and moves as rows, for there are many."""
    return {
        "format": FORMAT,
        "turns": [[t.host, t.wave, t.closed, t.empty, t.back] for t in plan.turns],
        "moves": _rows(plan.moves),
        "verdicts": encode(plan.verdicts),
        "held": [held.host for held in plan.held],
        "refused": encode(plan.refused),
        "stranded": list(plan.stranded),
        "bounds": encode(plan.bounds),
        "pools": plan.pools,
        "instances": plan.instances,
        "waves": plan.waves,
        "makespan_s": plan.makespan,
        **({"afterwards": _afterwards(plan.afterwards)} if plan.afterwards else {}),
    }


def _rows(moves: Iterable[Move]) -> list[list[Any]]:
    return [[m.instance, m.source, m.target, m.way.value, m.start, m.end] for m in moves]


def _afterwards(of: Afterwards) -> dict[str, Any]:
    return {**encode(replace(of, moves=())), "moves": _rows(of.moves), "ends": of.ends}
