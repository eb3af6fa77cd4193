"""Rules that need no replay: who may go where and how, how many at once, and that nothing is forgotten."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from skylift.verifier.fleet.seen import STAYS, FleetSeen, MoveSeen, PlanSeen, Violation

RUNS = frozenset({"active", "paused"})
NOT_AS_IT_IS = frozenset({"busy", "error", "resized", "rescued", "suspended"})
"""States in which Nova moves no instance."""
TWICE = 2


def goes_where_it_may(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """Zones, aggregates, traits and models of CPU; and hosts that are up and open."""
    known: dict[tuple[Any, ...], str] = {}
    for move in plan.every:
        entry = fleet.instances[move.instance]
        host = fleet.hosts[move.target]
        if not host.get("up", True) or host.get("closed", False):
            yield Violation("target", f"{move.instance} is moved to {move.target}, which is down or closed")
        cpu = entry.get("cpu", "") if move.way == "live" else ""
        key = (entry["flavor"], entry.get("zone", ""), cpu, move.target)
        if key not in known:
            known[key] = _against(fleet, fleet.flavors[entry["flavor"]], host, (entry.get("zone", ""), cpu))
        if known[key]:
            yield Violation("admission", f"{move.instance} may not be on {move.target}: {known[key]}")


def _against(
    fleet: FleetSeen, flavor: Mapping[str, Any], host: Mapping[str, Any], asks: tuple[str, str]
) -> str:
    zone, cpu = asks
    aggregates, traits = set(host.get("aggregates", ())), set(host.get("traits", ()))
    wants = flavor.get("aggregate", "")
    closed_shops = aggregates & fleet.isolated
    if zone and zone != host.get("zone", "nova"):
        return f"its owner asked for zone {zone}"
    if (wants and wants not in aggregates) or (closed_shops and wants not in closed_shops):
        return "aggregates keep them apart"
    if not set(flavor.get("traits", ())) <= traits or set(flavor.get("without", ())) & traits:
        return "traits keep them apart"
    if cpu and host.get("cpus") and cpu not in host["cpus"]:
        return f"it cannot run CPU model {cpu}"
    return ""


def is_moved_as_agreed(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """Nothing is moved live that cannot be, or stopped or moved where its owner did not agree to it."""
    for move in plan.every:
        entry = fleet.instances[move.instance]
        state, wish = entry.get("state", "active"), entry.get("wish", "")
        if state in NOT_AS_IT_IS or not fleet.hosts[entry["host"]].get("up", True):
            yield Violation("way", f"{move.instance} is {state}, or its host is down, and cannot be moved")
        if wish in {"ask", "never", "stop"} or fleet.policy.get("in_place", False):
            yield Violation("consent", f"{move.instance} is moved, which nobody agreed to")
        if move.way == "live":
            hard = fleet.flavors[entry["flavor"]].get("devices") or entry.get("vtpm", False)
            if hard or state not in RUNS or wish == "cold":
                yield Violation(
                    "way", f"{move.instance} cannot be moved live, or its owner does not want that"
                )
        elif state != "stopped" and wish != "cold" and not _consents(fleet, entry, "cold"):
            yield Violation("consent", f"{move.instance} is stopped and moved, which nobody agreed to")
    for name, way in plan.verdicts.items():
        entry = fleet.instances[name]
        if way == "stop" and entry.get("wish") != "stop" and not _consents(fleet, entry, "stop"):
            yield Violation("consent", f"{name} is stopped, which nobody agreed to")
        suspended = entry.get("state") == "suspended"
        if way == "in place" and not (suspended or fleet.policy.get("in_place", False)):
            yield Violation("way", f"{name} runs, and stays on a host that is worked on")


def may_stay(fleet: FleetSeen, entry: Mapping[str, Any]) -> bool:
    """Whether an instance may be on its host while that is worked on: stopped, as agreed, or suspended."""
    return bool(
        entry.get("state") == "suspended"
        or entry.get("wish") == "stop"
        or fleet.policy.get("in_place", False)
        or _consents(fleet, entry, "stop")
    )


def _consents(fleet: FleetSeen, entry: Mapping[str, Any], what: str) -> bool:
    policy = fleet.policy
    project = policy.get("projects", {}).get(entry.get("project", ""), policy.get("consent", {}))
    return bool(project.get(what, False)) and not entry.get("vtpm", False)


def moves_once(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """No instance moves more than twice; the second time off a host that was not done when it came there."""
    back = {turn.host: turn.back for turn in plan.turns}
    last: dict[str, MoveSeen] = {}
    count: Counter[str] = Counter()
    for move in sorted(plan.moves, key=lambda m: m.start):
        name = move.instance
        count[name] += 1
        before = last.get(name)
        if count[name] > TWICE:
            yield Violation("once", f"{name} is moved {count[name]} times")
        elif before and (
            before.target in fleet.takes or back.get(before.target, before.start) < before.start
        ):
            yield Violation("once", f"{name} is moved off {before.target}, which was done when it came there")
        last[name] = move
    for name, move in last.items():
        if move.target in fleet.due and move.target not in back and move.target not in plan.stranded:
            yield Violation("forgotten", f"{name} ends on {move.target}, which is never worked on")


def turns_are_whole(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """Every host has one turn, long enough, or is left out for a reason that the plan gives."""
    count = Counter(turn.host for turn in plan.turns)
    refused = _refused_hosts(fleet, plan)
    for host, turns in count.items():
        if turns > 1 or host not in fleet.due:
            yield Violation("turn", f"{host} has {turns} turns, and should have {int(host in fleet.due)}")
    for host in fleet.due - plan.held - plan.stranded:
        if host not in count and host not in refused:
            yield Violation("forgotten", f"{host} is neither worked on nor named as left out")
    for turn in plan.turns:
        needs = fleet.hosts[turn.host].get("out_s", 0) or fleet.number("host_s")
        if turn.closed > turn.empty or turn.back - turn.empty < needs * 1000:
            yield Violation("turn", f"{turn.host} is back before it can be")
    for move in plan.every:
        if move.end <= move.start or move.start < 0:
            yield Violation("turn", f"{move.instance} arrives before it leaves")


def _refused_hosts(fleet: FleetSeen, plan: PlanSeen) -> set[str]:
    """Hosts of refused pools: those that share instances, directly or through others, with the one named."""
    if not plan.refused:
        return set()
    parent = {name: name for name in fleet.hosts}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    asks = {(e["host"], e["flavor"], e.get("zone", ""), e.get("cpu", "")) for e in fleet.instances.values()}
    for host, flavor, zone, cpu in asks:
        for other, of in fleet.hosts.items():
            if root(other) != root(host) and not _against(fleet, fleet.flavors[flavor], of, (zone, cpu)):
                parent[root(other)] = root(host)
    named = {root(proof["named"]) for proof in plan.refused}
    return {name for name in fleet.hosts if root(name) in named}


def proofs_hold(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """A pool is refused for want of room only if its named host's load fits nowhere."""
    for proof in plan.refused:
        number = {"MiB of memory": 0, "vCPUs": 1, "GiB of disk": 2}.get(str(proof["resource"]))
        if number is None or "not even on an empty one" in proof["sentence"]:
            continue
        load = 0
        used: Counter[str] = Counter()
        asks = set()
        for name, entry in fleet.instances.items():
            used[entry["host"]] += fleet.size(name)[number]
            if entry["host"] == proof["named"] and plan.verdicts.get(name) not in STAYS:
                load += fleet.size(name)[number]
                asks.add((entry["flavor"], entry.get("zone", "")))
        free = sum(
            max(0, fleet.room(host)[number] - used[host])
            for host, of in fleet.hosts.items()
            if host != proof["named"] and host in (fleet.due - plan.held) | fleet.takes
            if any(not _against(fleet, fleet.flavors[flavor], of, (zone, "")) for flavor, zone in asks)
        )
        if load <= free:
            yield Violation(
                "proof", f"{proof['named']} could be emptied as far as room goes: {load} fit into {free}"
            )


def waves_are_counted(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """A host's wave is one more than the last wave of those it goes to."""
    del fleet
    wave = {turn.host: turn.wave for turn in plan.turns}
    back = {turn.host: turn.back for turn in plan.turns}
    least: defaultdict[str, int] = defaultdict(lambda: 1)
    for move in plan.moves:
        if move.target in wave and back[move.target] <= move.start:
            least[move.source] = max(least[move.source], wave[move.target] + 1)
    for turn in plan.turns:
        if turn.wave < least[turn.host]:
            yield Violation(
                "wave", f"{turn.host} is of wave {turn.wave}, and waits for one of {least[turn.host] - 1}"
            )


def groups_stay_together(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """An affinity group that shared one host shares one at the end."""
    end = {move.instance: move.target for move in sorted(plan.every, key=lambda m: m.start)}
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    for name, entry in fleet.instances.items():
        group = entry.get("group", "")
        if group and fleet.rules[group] == "affinity":
            before.setdefault(group, set()).add(entry["host"])
            after.setdefault(group, set()).add(end.get(name, entry["host"]))
    for group, hosts in after.items():
        if len(before[group]) == 1 and len(hosts) > 1:
            yield Violation("together", f"group {group} ends on {', '.join(sorted(hosts))}")


def limits_hold(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """Never more hosts out, or migrations under way, than the policy allows."""
    places: dict[str, int] = {}
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    everything = [(f"zone {h.get('zone', 'nova')}", h.get("aggregates", ())) for h in fleet.hosts.values()]
    size = Counter({"the fleet": len(everything)})
    for zone, aggregates in everything:
        size.update([zone, *(f"aggregate {name}" for name in aggregates)])
    for place, count in size.items():
        key = {"z": "zone_percent", "a": "aggregate_percent"}.get(place[0], "out_percent")
        places[place] = max(1, count * fleet.number(key) // 100)
    for turn in plan.turns:
        host = fleet.hosts[turn.host]
        zone = f"zone {host.get('zone', 'nova')}"
        for place in ("the fleet", zone, *(f"aggregate {name}" for name in host.get("aggregates", ()))):
            spans[place].append((turn.closed, turn.back))
    yield from (
        Violation("out", f"{most} hosts of {place} are out at once, and {places[place]} may be")
        for place, of in spans.items()
        if (most := _most(of)) > places[place]
    )
    yield from _lanes_hold(fleet, plan)


def _lanes_hold(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    leaving: dict[str, list[tuple[int, int]]] = defaultdict(list)
    arriving: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for move in plan.every:
        leaving[move.source].append((move.start, move.end))
        arriving[move.target].append((move.start, move.end))
    for word, lanes, allowed in (
        ("leave", leaving, fleet.number("leaving")),
        ("arrive at", arriving, fleet.number("arriving")),
    ):
        for host, spans in lanes.items():
            if (most := _most(spans)) > allowed:
                yield Violation("lanes", f"{most} migrations {word} {host} at once, and {allowed} may")
    allowed = fleet.number("migrations")
    if allowed and (most := _most((m.start, m.end) for m in plan.every)) > allowed:
        yield Violation("lanes", f"{most} migrations are under way at once, and {allowed} may be")


def _most(spans: Iterable[tuple[int, int]]) -> int:
    """The most of some spans that overlap; one that ends as another begins does not."""
    steps = sorted(step for start, end in spans for step in ((start, 1), (end, -1)))
    most = now = 0
    for _, change in steps:
        now += change
        most = max(most, now)
    return most


def times_are_kept(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """Windows, canaries before all others and one after another, and zones in turn."""
    windows = [(w["opens"] * 1000, w["closes"] * 1000) for w in fleet.policy.get("windows", ())]
    for turn in plan.turns:
        if windows and not any(opens <= turn.closed and turn.back <= closes for opens, closes in windows):
            yield Violation("window", f"{turn.host} is out beyond every window")
    for move in plan.after.moves if plan.after else ():
        if windows and not any(opens <= move.start and move.end <= closes for opens, closes in windows):
            yield Violation("window", f"{move.instance} is moved afterwards beyond every window")
    first = list(fleet.policy.get("first", ()))
    by_host = {turn.host: turn for turn in plan.turns}
    canaries = [by_host[name] for name in first if name in by_host]
    for before, after in pairwise(canaries):
        if after.closed < before.back:
            yield Violation("order", f"{after.host} begins before {before.host} is back")
    if canaries:
        begin = max(turn.back for turn in canaries)
        early = [t.host for t in plan.turns if t.host not in first and t.closed < begin]
        yield from (Violation("order", f"{host} begins before the canaries are back") for host in early)
    if fleet.policy.get("zones_in_turn", False):
        yield from _zones_follow(fleet, plan)


def _zones_follow(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    spans: dict[str, list[int]] = {}
    for turn in plan.turns:
        if turn.host not in fleet.policy.get("first", ()):
            spans.setdefault(fleet.hosts[turn.host].get("zone", "nova"), []).extend((turn.closed, turn.back))
    zones = sorted(spans)
    for before, after in pairwise(zones):
        if min(spans[after]) < max(spans[before]):
            yield Violation("order", f"zone {after} begins before zone {before} has ended")
