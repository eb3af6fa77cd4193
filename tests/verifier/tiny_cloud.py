"""A tiny cloud on which plans are played, to see what goes wrong: it knows no verifier and no reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

Document = dict[str, Any]
Place = tuple[str, str]
Effect = Callable[["TinyCloud", Document, Document], None]


class Harm(Exception):  # noqa: N818 - what was seen
    """Something that a user or an operator would lose."""


@dataclass
class TinyCloud:
    """What a good plan was made for; a spoilt copy of it is played against the same expectations."""

    facts: Mapping[str, str]
    owners: Mapping[str, str]
    """Component by service."""
    units: Mapping[str, str]
    """Service by unit."""
    pools: Mapping[str, str]
    """Service by pool."""
    target: str
    phases: Mapping[str, tuple[str, ...]]
    """Per component, what the good plan runs on its database."""
    heads: Mapping[str, Any]
    """Per component, where its databases are in the end."""
    databases: Mapping[str, frozenset[str]]
    places: tuple[Place, ...]
    old: frozenset[Place]
    """Services that do not run and link to new code at first."""
    changing: frozenset[str]
    """The components that have such."""
    back: bool = False
    """Whether the plan takes back what a run changed."""
    at: str = ""
    done: set[str] = field(default_factory=set)
    runs: dict[Place, str] = field(default_factory=dict)
    links: dict[Place, str] = field(default_factory=dict)
    out: dict[Place, str] = field(default_factory=dict)
    warm: set[Place] = field(default_factory=set)
    turned: set[tuple[str, Place]] = field(default_factory=set)
    schemas: dict[str, list[str]] = field(default_factory=dict)
    dumps: list[Document] = field(default_factory=list)
    saved: set[str] = field(default_factory=set)
    staged: set[Place] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    looked: int = 0
    unseen: set[str] = field(default_factory=set)
    """Components of which something became new since anybody looked at the witnesses."""

    def again(self) -> TinyCloud:
        """A cloud of its own, as this one is now."""
        other = copy(self)
        for name in _CHANGE:
            setattr(other, name, getattr(self, name).copy())
        other.schemas = {component: [*phases] for component, phases in self.schemas.items()}
        return other

    def need(self, holds: object, harm: str) -> None:
        """Say what is lost if something does not hold.

        Raises:
            Harm: it does not.
        """
        if not holds:
            raise Harm(f"{self.at}: {harm}")

    def play(self, step: Document, effect: Effect) -> None:
        """One step, begun and ended.

        Raises:
            Harm: it does some.
        """
        self.at, action = step["id"], step["action"]
        self.need("made" in self.done or action["kind"] == "create-witnesses", "nobody watches yet")
        effect(self, step, action)
        self.done.add(step["id"])

    def of(self, component: str) -> list[Place]:
        """Where a component's services are."""
        return [place for place in self.places if self.owners[place[0]] == component]

    def whole_at_start(self, place: Place) -> bool:
        """Whether a service is new already."""
        return place not in self.old

    def serves(self, place: Place) -> bool:
        """Whether a service runs new code and gets requests."""
        return self.runs[place] == self.target and place not in self.out

    def end(self) -> None:
        """What must be so when all is done.

        Raises:
            Harm: it is not.
        """
        self.at = "the end"
        self.need(all(self.serves(place) for place in self.places), "a service was forgotten")
        self.need(not self.out, "a backend stays out")
        for component in self.phases:
            self.need(
                tuple(self.schemas.get(component, ())) == self.phases[component], "a schema was forgotten"
            )
            changed = component in self.changing or self.phases[component]
            self.need(not changed or f"verified {component}" in self.done, "never verified")
        self.need(self.looked, "the witnesses were forgotten")


_CHANGE = tuple(of.name for of in fields(TinyCloud) if of.default_factory is not MISSING)
"""What plays change; all else is the same before and after."""


def tiny_cloud(plan: Document) -> TinyCloud:
    """What a good plan says of the cloud it is for, and that cloud before the plan."""
    facts, owners = plan["facts"], plan["services"]
    named = [(step["id"].partition(":")[0], step["action"]) for step in plan["steps"]]
    phases: dict[str, tuple[str, ...]] = dict.fromkeys(owners.values(), ())
    databases: dict[str, frozenset[str]] = {}
    for _, action in named:
        if action["kind"] == "migrate-schema":
            component, heads = action["component"], {head["database"] for head in action["heads"]}
            phases[component] += (action["phase"],)
            databases[component] = databases.get(component, frozenset()) | heads
    verifies = [(name, action) for name, action in named if action["kind"] == "verify-component"]
    pools = {facts[f"pool {service}"]: service for service in owners}
    places = tuple((s, host) for s in owners for host in facts[f"hosts {s}"].split())
    target = verifies[0][1]["path"]
    runs = {place: facts[f"artifact {place[0]} {place[1]}"] for place in places}
    links = {place: facts[f"link {place[0]} {place[1]}"] for place in places}
    old = frozenset(place for place in places if not runs[place] == links[place] == target)
    left_out = (name.split(" ")[1].split("/") for name, state in facts.items() if _is_out(name, state))
    return TinyCloud(
        facts=facts,
        owners=owners,
        units={
            placed["unit"]: service
            for name, action in verifies
            for placed, service in zip(
                action["services"], sorted(s for s in owners if owners[s] == name), strict=True
            )
        },
        pools=pools,
        target=target,
        phases=phases,
        heads={name: action["heads"] for name, action in verifies},
        databases=databases,
        places=places,
        old=old,
        changing=frozenset(owners[service] for service, _ in old),
        back=plan["goal"].get("kind") == "rollback",
        runs=runs,
        links=links,
        out={(pools[pool], host): "left out" for pool, host in left_out},
    )


def _is_out(name: str, state: str) -> bool:
    return name.startswith("backend ") and state != "up"
