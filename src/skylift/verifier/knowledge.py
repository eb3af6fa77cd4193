"""What the verifier is told of OpenStack: parsed TOML documents, one per component, read with its own eyes.

The planner reads the same documents with other code. A rule that stands in them is judged here; a rule
that a document forgot to write is not, which is why the rules that hold for every component are code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from skylift.verifier.unreadable import Unreadable

OF_SERVICES = ("stop", "start", "upgrade", "close", "open")
OF_COMPONENTS = ("pin", "unpin")
RUN = "run"
_UPGRADE = "upgrade"
VERBS = (*OF_SERVICES, *OF_COMPONENTS, RUN)
SCOPES = ("cloud", "cell", "host")


@dataclass(frozen=True, slots=True)
class PhaseKnown:
    """One command that moves a schema or its rows."""

    name: str
    stage: str
    """``expand``: old code serves; ``cold``: every service is stopped; ``converge``: no old code is left."""
    schema: str
    branch: str
    """Which migrations it runs; empty if it moves rows only."""
    destructive: bool
    """Whether old code cannot run on what it leaves behind."""
    because: str
    source: str


@dataclass(frozen=True, slots=True)
class TogetherKnown:
    """A service whose processes of two releases must not live at once on one hop, where all else may."""

    service: str
    hop: tuple[str, str]
    park: tuple[str, ...]
    """Whose requests wait while none of it lives."""
    because: str
    source: str


@dataclass(frozen=True, slots=True)
class ComponentKnown:
    """One component: its services and its phases, in their order."""

    name: str
    services: tuple[str, ...]
    phases: Mapping[str, PhaseKnown]
    pin: str
    """Who says how it is pinned and unpinned; empty if it has no pin."""
    lasts: Mapping[str, tuple[str, str]]
    """The first and the last release that have a service, as text; empty where nobody says."""
    closed: Mapping[str, str]
    """Services whose hosts are closed to new work before they are stopped, each with what a stop does to work
    in hand: ``finishes``, ``hands-over`` or ``loses``."""
    openable: Mapping[str, str] = field(default_factory=dict)
    """By service, the last release, as text, whose API opens it again; absent if every one does."""
    beside: frozenset[str] = frozenset()
    """Those of its services that run beside users' instances."""
    together: tuple[TogetherKnown, ...] = ()
    way_back_ends: tuple[str, ...] = ()
    """The events of an upgrade with which its way back ends."""
    floored: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Services that do not start while all rows of their name tell of newer ones, each with the lowest number
    that it writes by release, as text."""
    before_start: Mapping[str, str] = field(default_factory=dict)
    """Services whose hosts are made ready before they start, each with the first release, as text, whose
    start needs it where an older one was."""
    heard_late: Mapping[str, int] = field(default_factory=dict)
    """Services of which the first that goes back is not told all at first, each with for how many seconds."""
    at_start: frozenset[str] = frozenset()
    """Those of them that write a row at their start only, so that no fact tells of it."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Events of one verb, of one service, phase or whole component."""

    verb: str
    subject: str

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """What matches ``before`` has ended before anything that matches ``after`` begins."""

    before: Pattern
    after: Pattern
    because: str
    source: str
    within: str
    """``cloud``, or ``cell`` or ``host`` if it holds for each of them by itself."""
    turned: bool = False
    """Whether it is turned round for a way back."""

    def __str__(self) -> str:
        told = f"{self.before} before {self.after}"
        return told if self.within == "cloud" else f"{told}, within each {self.within}"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All components and all constraints."""

    components: Mapping[str, ComponentKnown]
    constraints: tuple[Constraint, ...]
    owners: Mapping[str, str]
    """The component of each service."""
    hop: tuple[str, str] = ("", "")
    """The releases that are gone between, the older one first; empty if that is not asked for."""

    def turned_round(self) -> Knowledge:
        """The same for a way back: what is to be upgraded first goes back last."""
        turned = tuple(
            replace(rule, before=rule.after, after=rule.before, turned=True)
            if rule.before.verb == rule.after.verb == _UPGRADE
            else rule
            for rule in self.constraints
        )
        return replace(self, constraints=turned)

    def together(self, service: str) -> TogetherKnown | None:
        """Why two releases of a service must not live at once on this hop; none if they may."""
        component = self.components.get(self.owner(service))
        rules = component.together if component else ()
        return next((rule for rule in rules if (rule.service, rule.hop) == (service, self.hop)), None)

    def made_ready(self, service: str) -> bool:
        """Whether a service's hosts are made ready before it starts on this hop."""
        component = self.components.get(self.owner(service))
        since = component.before_start.get(service, "") if component else ""
        return self.hop[0] < since <= self.hop[1]

    def heard_late(self, service: str) -> int:
        """For how many seconds the first that goes back may not be told all; 0 if it is from the start."""
        component = self.components.get(self.owner(service))
        return component.heard_late.get(service, 0) if component else 0

    def owner(self, name: str) -> str:
        """The component that a name in a step belongs to: a service's, or the name itself."""
        return self.owners.get(name, name)

    def lasts(self, service: str) -> tuple[str, str]:
        """The first and the last release that have a service; empty where nobody says."""
        component = self.components.get(self.owner(service))
        return component.lasts.get(service, ("", "")) if component else ("", "")

    def closed(self, service: str) -> str:
        """What a stop does to the work of a service whose host is closed before; empty for any other."""
        component = self.components.get(self.owner(service))
        return component.closed.get(service, "") if component else ""

    def opens(self, service: str, api: str) -> bool:
        """Whether an API of the release ``api`` opens a service again that was closed."""
        component = self.components.get(self.owner(service))
        last = component.openable.get(service, "") if component else ""
        return not last or api <= last

    def services(self, subject: str) -> tuple[str, ...]:
        """The services that a subject stands for; none if it is neither a component nor a service."""
        if subject in self.components:
            return self.components[subject].services
        return (subject,) if subject in self.owners else ()

    def phase(self, subject: str) -> PhaseKnown | None:
        """The phase that ``COMPONENT:PHASE`` names."""
        component, _, phase = subject.partition(":")
        return self.components[component].phases.get(phase) if component in self.components else None

    def knows(self, pattern: Pattern) -> bool:
        """Whether a pattern speaks of something that a document describes."""
        if pattern.verb == RUN:
            return pattern.subject in self.components or self.phase(pattern.subject) is not None
        if pattern.verb in OF_COMPONENTS:
            return pattern.subject in self.components
        return pattern.verb in OF_SERVICES and bool(self.services(pattern.subject))


def knowledge_of(documents: Sequence[Mapping[str, Any]], hop: tuple[str, str] = ("", "")) -> Knowledge:
    """What the documents say; a later one takes the place of an earlier one of the same component.

    Raises:
        Unreadable: a document lacks what its form asks for, or a constraint speaks of what none describes.
    """
    last = {str(document.get("name")): document for document in documents}
    components = {name: _component(document) for name, document in last.items()}
    owners: dict[str, str] = {}
    for component in components.values():
        for service in component.services:
            if service in owners:
                raise Unreadable(f"both {owners[service]} and {component.name} have a service {service}")
            owners[service] = component.name
    constraints = tuple(c for document in last.values() for c in _constraints(document))
    known = Knowledge(components, constraints, owners, hop)
    if wrong := tuple(_unknown(known)):
        raise Unreadable("; ".join(wrong))
    return known


def _component(document: Mapping[str, Any]) -> ComponentKnown:
    name = str(document.get("name", "without a name"))
    try:
        return ComponentKnown(
            name=str(document["name"]),
            services=tuple(str(service["name"]) for service in document["services"]),
            phases={str(phase["name"]): _phase(phase) for phase in document.get("phases", ())},
            pin=str(document["pin"]["source"]) if "pin" in document else "",
            lasts={
                str(s["name"]): (str(s.get("since", "")), str(s.get("until", "")))
                for s in document["services"]
            },
            closed={str(s["name"]): str(s["ends"]) for s in document["services"] if s.get("close")},
            openable={str(s["name"]): str(s["openable"]) for s in document["services"] if "openable" in s},
            before_start={
                str(s["name"]): str(s["before_start"]["since"])
                for s in document["services"]
                if "before_start" in s
            },
            heard_late={
                str(s["name"]): int(s["heard_late"]["for_s"])
                for s in document["services"]
                if "heard_late" in s
            },
            beside=frozenset(str(s["name"]) for s in document["services"] if s.get("plane") == "data"),
            way_back_ends=tuple(str(event) for event in document.get("way_back", {}).get("ends", ())),
            floored=_floored(document.get("roster", {})),
            at_start=frozenset(str(r["service"]) for r in document.get("roster", {}).get("at_start", ())),
            together=tuple(_together(rule) for rule in document.get("rolling", {}).get("together", ())),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise Unreadable(f"the file of component {name} lacks {error} or has it in another form") from None


def _floored(roster: Mapping[str, Any]) -> Mapping[str, Mapping[str, int]]:
    if not roster.get("floor"):
        return {}
    return {
        str(service): {str(release): int(number) for release, number in versions["numbers"].items()}
        for versions in roster.get("versions", ())
        for service in versions["services"]
    }


def _together(rule: Mapping[str, Any]) -> TogetherKnown:
    return TogetherKnown(
        service=str(rule["service"]),
        hop=(str(rule["start"]), str(rule["goal"])),
        park=tuple(str(service) for service in rule["park"]),
        because=str(rule["because"]),
        source=str(rule["source"]),
    )


def _phase(phase: Mapping[str, Any]) -> PhaseKnown:
    return PhaseKnown(
        name=str(phase["name"]),
        stage=str(phase["stage"]),
        schema=str(phase.get("schema", "")),
        branch=str(phase.get("branch", "")),
        destructive=bool(phase.get("destructive", False)),
        because=str(phase["because"]),
        source=str(phase["source"]),
    )


def _constraints(document: Mapping[str, Any]) -> Iterator[Constraint]:
    for number, rule in enumerate(document.get("order", ()), start=1):
        try:
            before, after = _pattern(str(rule["before"])), _pattern(str(rule["after"]))
            yield Constraint(
                before=before,
                after=after,
                because=str(rule["because"]),
                source=str(rule["source"]),
                within=str(rule.get("within", "cloud")),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            place = f"order rule {number} of component {document['name']}"
            raise Unreadable(f"{place} lacks {error} or has it in another form") from None


def _pattern(text: str) -> Pattern:
    verb, subject = text.split(" ")
    return Pattern(verb, subject)


def _unknown(known: Knowledge) -> Iterator[str]:
    for constraint in known.constraints:
        for pattern in (constraint.before, constraint.after):
            if not known.knows(pattern):
                yield f"the rule '{constraint}' speaks of '{pattern}', which no file of the catalog describes"
        if constraint.within not in SCOPES:
            yield f"the rule '{constraint}' holds within a {constraint.within}: it can be cloud, cell or host"
        if not constraint.because or not constraint.source:
            yield f"the rule '{constraint}' does not say why, or who says so"
