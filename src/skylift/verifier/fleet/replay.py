"""The plan in time: who is where, what is booked, who is out, at every moment at which anything changes."""

from __future__ import annotations

from collections.abc import Iterator

from skylift.verifier.fleet.company import Company
from skylift.verifier.fleet.seen import STAYS, FleetSeen, MoveSeen, PlanSeen, TurnSeen, Violation

ENDS, BACK, CLOSES, STARTS, EMPTY = range(5)
"""What happens first if all happens at once: what frees room or a lane before what takes it."""

Entry = tuple[int, int, int, MoveSeen | TurnSeen]


def replay(fleet: FleetSeen, plan: PlanSeen) -> Iterator[Violation]:
    """Everything that goes wrong at some moment of the plan."""
    stage = _Stage(fleet, plan)
    entries: list[Entry] = []
    for number, turn in enumerate(plan.turns):
        entries += [
            (turn.closed, CLOSES, number, turn),
            (turn.empty, EMPTY, number, turn),
            (turn.back, BACK, number, turn),
        ]
    for number, move in enumerate(plan.moves):
        entries += [(move.start, STARTS, number, move), (move.end, ENDS, number, move)]
    for _, sort, _, of in sorted(entries):
        if isinstance(of, MoveSeen):
            yield from stage.begin(of) if sort == STARTS else stage.end(of)
        elif sort == CLOSES:
            stage.out.add(of.host)
        elif sort == EMPTY:
            yield from stage.empty(of)
        else:
            stage.out.discard(of.host)
            stage.done.add(of.host)
    yield from _afterwards(stage, plan)


def _afterwards(stage: _Stage, plan: PlanSeen) -> Iterator[Violation]:
    """What is moved when every host is through, onto what the turns have left of room."""
    if plan.after is None:
        return
    through = max((turn.back for turn in plan.turns), default=0)
    entries = [entry for n, m in enumerate(plan.after.moves) for entry in ((m.start, 1, n), (m.end, 0, n))]
    for moment, starts, number in sorted(entries):
        move = plan.after.moves[number]
        if starts and moment < through:
            yield Violation("afterwards", f"{move.instance} is moved afterwards before every host is back")
        yield from stage.begin(move, open_hosts=True) if starts else stage.end(move)


class _Stage:
    def __init__(self, fleet: FleetSeen, plan: PlanSeen) -> None:
        self._fleet, self._verdicts = fleet, plan.verdicts
        self.out: set[str] = set()
        self.done = set(fleet.takes)
        self._at = {name: entry["host"] for name, entry in fleet.instances.items()}
        self._under_way: set[str] = set()
        self._room = {name: fleet.room(name) for name in fleet.hosts}
        self._size = {name: _of(flavor) for name, flavor in fleet.flavors.items()}
        self._used = {name: [0, 0, 0] for name in fleet.hosts}
        self._on: dict[str, set[str]] = {name: set() for name in fleet.hosts}
        for name, host in self._at.items():
            self._book(host, name, 1)
            self._on[host].add(name)
        self._company = Company(fleet, self._at)

    def begin(self, move: MoveSeen, *, open_hosts: bool = False) -> Iterator[Violation]:
        """A migration begins: its instance is booked on its target from now on.

        With ``open_hosts`` it leaves one that nobody has closed, as is done afterwards.
        """
        name = move.instance
        if self._at[name] != move.source:
            yield Violation("place", f"{name} is moved off {move.source}, but is on {self._at[name]}")
        if name in self._under_way:
            yield Violation("place", f"{name} is moved while it is being moved")
        if move.target == move.source or move.target in self.out:
            yield Violation("target", f"{name} is moved to {move.target}, which is out or where it is")
        if move.source not in self.out and not open_hosts:
            yield Violation("turn", f"{name} is moved off {move.source}, whose turn it is not")
        self._under_way.add(name)
        used, room = self._used[move.target], self._room[move.target]
        self._book(move.target, name, 1)
        if used[0] > room[0] or used[1] > room[1] or used[2] > room[2]:
            yield Violation("capacity", f"{move.target} has no room for {name} when it arrives")
        yield from self._company.arrives(name, move.target)

    def end(self, move: MoveSeen) -> Iterator[Violation]:
        """A migration ends: its instance is on its target, and no longer booked on its source."""
        name = move.instance
        if move.target in self.out:
            yield Violation("target", f"{move.target} is closed while {name} is on its way to it")
        self._book(move.source, name, -1)
        self._on[move.source].discard(name)
        self._on[move.target].add(name)
        self._at[name] = move.target
        self._under_way.discard(name)
        self._company.left(name, move.source)

    def empty(self, turn: TurnSeen) -> Iterator[Violation]:
        """A host is said to be empty: nothing may be on it but what stays over its maintenance."""
        for name in self._on[turn.host]:
            if self._verdicts.get(name) not in STAYS:
                yield Violation("empty", f"{name} is still on {turn.host} when that is worked on")

    def _book(self, host: str, instance: str, sign: int) -> None:
        used, size = self._used[host], self._size[self._fleet.instances[instance]["flavor"]]
        used[0] += sign * size[0]
        used[1] += sign * size[1]
        used[2] += sign * size[2]


def _of(flavor: object) -> tuple[int, int, int]:
    match flavor:
        case {"ram_mib": int(ram), "vcpus": int(vcpus), **rest}:
            disk = rest.get("disk_gib", 0)
            return ram, vcpus, disk if isinstance(disk, int) else 0
        case _:
            msg = "a flavor without vcpus or ram_mib"
            raise ValueError(msg)
