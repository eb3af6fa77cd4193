"""What the conductor is told: to begin nothing, to leave a host, and what a dead process had asked for."""

from __future__ import annotations

from skylift.drainbench.clouds import Cloud, generate
from skylift.fleet.conductor import Conductor, Pace
from skylift.fleet.sight import Action, Close, Migrate, Open
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import HostName, Seconds
from skylift.testing.twin.cloud import Faults, Twin

TICK_MS = 15_000
PACE = Pace(orders=1, settle_s=Seconds(60))
NO_FAULTS = Faults(timeout=0, lost=0, failed=0, blind=0, slow=0, dies=0, appears=0)
FLEET, POLICY = generate(Cloud(16, 50, 3)), FleetPolicy()


def acted(conductor: Conductor, twin: Twin, ticks: int) -> list[tuple[int, Action]]:
    """What the conductor asks for in so many looks, with the moment."""
    found: list[tuple[int, Action]] = []
    for _ in range(ticks):
        for action in conductor.next(twin.truth()):
            found.append((twin.clock.moment, action))
            twin.ask(action)
        twin.clock.advance(twin.clock.moment + TICK_MS)
    return found


def fresh() -> Twin:
    return Twin(FLEET, POLICY, 1, faults=NO_FAULTS)


def first_move() -> Migrate:
    asked = acted(Conductor(FLEET, POLICY, PACE), fresh(), 200)
    return next(action for _, action in asked if isinstance(action, Migrate))


def test_what_a_dead_process_asked_for_is_not_asked_for_again_before_it_may_have_begun() -> None:
    move, twin = first_move(), fresh()
    anew = Conductor(FLEET, POLICY, PACE, asked=[(move, 0)])
    twin.ask(Close(move.source))

    asked = acted(anew, twin, 12)

    moments = [moment for moment, a in asked if isinstance(a, Migrate) and a.instance == move.instance]
    assert all(moment >= PACE.settle_s * 1000 for moment in moments)


def test_nothing_is_begun_while_that_is_not_wanted_and_what_was_is_ended() -> None:
    twin, conductor = fresh(), Conductor(FLEET, POLICY, PACE)
    begun = {a.host for _, a in acted(conductor, twin, 4) if isinstance(a, Close)}
    conductor.begins = False

    later = acted(conductor, twin, 400)

    assert begun
    assert not [a for _, a in later if isinstance(a, Close)]
    assert {a.host for _, a in later if isinstance(a, Open)} == begun
    assert conductor.over


def test_a_host_that_is_given_up_by_others_is_opened_and_taken_back_when_they_say_so() -> None:
    twin, conductor = fresh(), Conductor(FLEET, POLICY, PACE)
    host: HostName = next(a.host for _, a in acted(conductor, twin, 4) if isinstance(a, Close))
    conductor.give_up(host, "month's end")

    left = acted(conductor, twin, 8)
    named = conductor.left(twin.truth())
    conductor.take_back(host)
    again = acted(conductor, twin, 600)

    assert Open(host) in [a for _, a in left]
    assert named[host] == "month's end"
    assert Close(host) in [a for _, a in again]
    assert host not in conductor.left(twin.truth())
