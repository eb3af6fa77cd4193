"""Rules over what is done when every host is through: who is moved then, and where to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from skylift.verifier.fleet.seen import AfterSeen, FleetSeen, PlanSeen, Violation

BRING_BACK, BALANCE = "bring-back", "balance"


def afterwards_is_as_it_says(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """Each instance moves once at most, live, and for what the phase is for."""
    after = plan.after
    if after is None:
        return
    if after.kind not in {BRING_BACK, BALANCE}:
        yield Violation("afterwards", f"nobody knows what {after.kind} is")
    for name, times in Counter(move.instance for move in after.moves).items():
        if times > 1:
            yield Violation("afterwards", f"{name} is moved {times} times afterwards")
    for move in after.moves:
        if move.way != "live":
            yield Violation("afterwards", f"{move.instance} is moved {move.way} afterwards, and not live")
    if after.kind == BRING_BACK:
        yield from _are_back(fleet, plan, after)
    else:
        yield from _are_even(fleet, plan, after)


def _ends(plan: PlanSeen) -> dict[str, str]:
    return {move.instance: move.target for move in sorted(plan.every, key=lambda m: m.start)}


def _are_back(fleet: FleetSeen, plan: PlanSeen, after: AfterSeen) -> Iterator[Violation]:
    for move in after.moves:
        home = fleet.instances[move.instance]["host"]
        if move.target != home:
            yield Violation(
                "afterwards", f"{move.instance} is brought back to {move.target}, and was on {home}"
            )
    for name, host in _ends(plan).items():
        if host != fleet.instances[name]["host"] and name not in after.stays:
            yield Violation("afterwards", f"{name} is not brought back, and nothing says why")


def _are_even(fleet: FleetSeen, plan: PlanSeen, after: AfterSeen) -> Iterator[Violation]:
    """No host both gives and takes, and whoever takes is no fuller in the end than the fullest giver was."""
    gives, takes = {m.source for m in after.moves}, {m.target for m in after.moves}
    yield from (
        Violation("afterwards", f"{h} gives instances, and takes others") for h in sorted(gives & takes)
    )
    touched = {turn.host for turn in plan.turns} | {move.target for move in plan.moves}
    for host in sorted((gives | takes) - touched):
        yield Violation("afterwards", f"{host} is evened, and the plan has not touched it otherwise")
    before, end = _used(fleet, {m.instance: m.target for m in plan.moves}), _used(fleet, _ends(plan))
    givers: dict[str, set[str]] = {}
    for move in after.moves:
        givers.setdefault(move.target, set()).add(move.source)
    for host, sources in sorted(givers.items()):
        if all(end[host][r] > max(before[s][r] for s in sources) for r in (0, 1)):
            yield Violation("afterwards", f"{host} is fuller at the end than any that it took from was")


def _used(fleet: FleetSeen, at: dict[str, str]) -> dict[str, list[float]]:
    """Per host, how much of its memory and of its processors is taken, as shares."""
    used = {host: [0.0, 0.0] for host in fleet.hosts}
    for name, entry in fleet.instances.items():
        host = at.get(name, entry["host"])
        ram, vcpus, _ = fleet.size(name)
        used[host][0] += ram / (fleet.hosts[host]["ram_mib"] or 1)
        used[host][1] += vcpus / (fleet.hosts[host]["vcpus"] or 1)
    return used
