"""Whole runs on a simulated cloud with faults from seeds; invariants are looked at after every event."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from skylift.fleet.conductor import Conductor, Pace
from skylift.fleet.course import Course
from skylift.fleet.plan import Move, Turn
from skylift.fleet.settling import Settling
from skylift.fleet.sight import Action, Close, Migrate, Open, Sight
from skylift.fleet.standing import Standing
from skylift.model.ids import HostName, Seconds
from skylift.testing.twin.cloud import Faults
from skylift.testing.twin.run import PACE, Conducts, Ran, run

SIZES = (24, 40, 64)
USUAL = Faults()
HARD = Faults(dies=150, appears=300)
"""More hosts die, and more instances appear, than on the worst of days."""
NO_FAULTS = Faults(timeout=0, lost=0, failed=0, blind=0, slow=0, dies=0, appears=0)


def small(seed: int, *, conducts: Conducts = Conductor, pace: Pace = PACE, faults: Faults = USUAL) -> Ran:
    return run(seed, SIZES[seed % len(SIZES)], conducts=conducts, pace=pace, faults=faults)


@pytest.mark.parametrize("first", range(1, 197, 14))
def test_no_fault_of_any_seed_breaks_an_invariant(first: int) -> None:
    broken = [str(ran) for ran in map(small, range(first, first + 14)) if ran.broken]

    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("seed", range(197, 201))
def test_nor_does_it_at_a_thousand_hosts(seed: int) -> None:
    ran = run(seed, 1000, pace=replace(PACE, again_s=Seconds(1800)))

    assert not ran.broken, str(ran)


def test_without_faults_every_host_is_done_by_the_first_plan() -> None:
    ran = run(4, 40, faults=NO_FAULTS)

    assert (ran.broken, ran.left, ran.plans) == ((), {}, 1)


def test_a_seed_replays_to_the_same_bytes_in_another_process() -> None:
    """Another salt for hashes, and so another order of every set."""
    command = [sys.executable, "-m", "skylift.testing.twin.run", "--hosts", "40", "--seed", "13"]

    told = [
        subprocess.run(
            command,
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    ]

    assert told[0] == told[1]
    assert small(13).digest != small(16).digest


class _NeverOpens(Conductor):
    def _actions(self, sight: Sight, plan: Course, standing: Standing) -> Iterator[Action]:
        return (a for a in super()._actions(sight, plan, standing) if not isinstance(a, Open))


class _GivesUpWithoutOpening(Conductor):
    def _go_on(self, host: HostName, sight: Sight, plan: Course, standing: Standing) -> Iterator[Action]:
        if host not in self.given_up:
            yield from super()._go_on(host, sight, plan, standing)


class _ForgetsWhatAppears(Conductor):
    """Works on a host once the plan's moves are made, whoever else is on it."""

    def _is_empty(self, host: HostName, sight: Sight, plan: Course, standing: Standing) -> bool:
        del standing
        return not sight.on[host].keys() & plan.off.get(host, {}).keys()


class _WaitsForNobody(Conductor):
    def _may_begin(self, turn: Turn, sight: Sight, plan: Course, standing: Standing) -> bool:
        del sight, plan
        return standing.may_be_out(turn.host)


class _Standing(Standing):
    def has_room(self, move: Move) -> bool:
        del move
        return True


class _TrustsThePlanForRoom(Conductor):
    standing = _Standing


class _NoCaps(Standing):
    def may_be_out(self, host: HostName) -> bool:
        del host
        return True


class _IgnoresCaps(Conductor):
    standing = _NoCaps


class _ClosesUncounted(Standing):
    def count(self, action: Action) -> None:
        if not isinstance(action, Close):
            super().count(action)


class _TakesUnseenClosingsForNothing(Conductor):
    standing = _ClosesUncounted


MUTANTS: tuple[tuple[str, Conducts, Pace, set[str]], ...] = (
    ("an error means that nothing was begun", Conductor, replace(PACE, settle_s=Seconds(0)), {"two moves"}),
    ("never opens", _NeverOpens, PACE, {"closed"}),
    ("gives up without opening", _GivesUpWithoutOpening, PACE, {"closed", "ends"}),
    ("forgets what appears", _ForgetsWhatAppears, PACE, {"empty"}),
    ("waits for nobody", _WaitsForNobody, PACE, {"target", "closed", "once", "ends"}),
    ("trusts the plan for room", _TrustsThePlanForRoom, PACE, {"capacity"}),
    ("ignores caps", _IgnoresCaps, PACE, {"out"}),
    ("takes closings unseen for nothing", _TakesUnseenClosingsForNothing, PACE, {"out"}),
)


class _MovesAgain(Settling):
    """Forgets who had a move, and plans anew at each look."""

    def next(self, sight: Sight, standing: Standing, *, rests: bool) -> list[Migrate]:
        self._off.clear()
        self._homes = {name: host for host in sight.on for name in sight.on[host]} | self._homes
        self._homes.update(dict.fromkeys(list(self._homes)[:5], next(iter(sight.hosts))))
        self.plan = None
        return super().next(sight, standing, rests=rests)


class _TakesAnyHostForHome(Settling):
    def was_moved(self, move: Migrate) -> None:
        self._homes[move.instance] = move.source


class _BeginsEarly(Conductor):
    """Brings instances back while hosts are yet to be worked on."""

    def next(self, sight: Sight) -> tuple[Action, ...]:
        actions = super().next(sight)
        if self.settling is None or actions or not self._since:
            return actions
        self.settling.plan = None
        calls = [action for action, _ in self._asked.values()]
        standing = Standing(self._fleet, self.policy, self._caps, sight=sight, calls=calls)
        return tuple(self.settling.next(sight, standing, rests=False))


SETTLINGS: tuple[tuple[str, type[Settling], Conducts, set[str]], ...] = (
    ("moves again", _MovesAgain, Conductor, {"once", "afterwards"}),
    ("takes any host for home", _TakesAnyHostForHome, Conductor, {"afterwards"}),
    ("begins early", Settling, _BeginsEarly, {"afterwards"}),
)


@pytest.mark.parametrize(
    ("settles", "conducts", "rules"), [s[1:] for s in SETTLINGS], ids=[s[0] for s in SETTLINGS]
)
def test_what_is_done_afterwards_with_this_flaw_is_caught(
    settles: type[Settling], conducts: Conducts, rules: set[str]
) -> None:
    for seed in (1, 4, 7, 10, 13):
        ran = run(seed, 24, conducts=conducts, settles=settles)
        if rules & {violation.rule for _, violation in ran.broken}:
            return
    pytest.fail("five seeds, and nothing was seen")


def test_without_faults_everybody_is_brought_back_where_there_is_room() -> None:
    ran = run(1, 40, faults=NO_FAULTS)

    assert (ran.broken, ran.left) == ((), {})
    assert ran.afterwards.startswith("bring-back ")


@pytest.mark.parametrize(("conducts", "pace", "rules"), [m[1:] for m in MUTANTS], ids=[m[0] for m in MUTANTS])
def test_a_conductor_with_this_flaw_is_caught(conducts: Conducts, pace: Pace, rules: set[str]) -> None:
    for seed in range(1, 31):
        ran = small(seed, conducts=conducts, pace=pace, faults=HARD)
        if rules & {violation.rule for _, violation in ran.broken}:
            return
    pytest.fail("thirty seeds, and nothing was seen")
