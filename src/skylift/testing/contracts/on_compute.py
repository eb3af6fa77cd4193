"""The contracts of Nova and Placement, and of canaries: of a cloud that has compute hosts.

What is moved is ``Scene.guest``, from the host where it is to another one and back.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from skylift.fleet.fleet import Fleet, State
from skylift.fleet.nova import fleet_from
from skylift.model.ids import Epoch, HostName
from skylift.model.marks import canary_name
from skylift.model.problem import Refused
from skylift.ports import MigrationSeen, Tell
from skylift.ports.compute import Document
from skylift.testing.contracts.scene import Scene

_NOBODY = "00000000-0000-4000-8000-000000000000"


def fleet(scene: Scene) -> Fleet:
    """The cloud's hosts and instances as they are now."""
    return fleet_from(scene.ports.compute.survey(), shared_storage=False)


def place(scene: Scene) -> HostName:
    """Where the guest is."""
    return next(i.host for i in fleet(scene).instances if i.id == scene.guest)


def elsewhere(scene: Scene) -> HostName:
    """Another host that may take it: of its zone, open, and up."""
    found, here = fleet(scene).hosts, place(scene)
    zone = found[here].zone
    others = [n for n, h in found.items() if n != here and h.zone == zone and h.up and not h.closed]
    assert others, f"no other host of zone {zone} is open"
    return others[0]


def newest(scene: Scene) -> MigrationSeen:
    """The guest's last migration."""
    return scene.ports.compute.migrations(scene.guest)[0]


class ComputeContract:
    """What is seen of hosts and instances, and how they are moved."""

    def test_every_compute_host_has_room_and_the_guest_is_on_one(self, scene: Scene) -> None:
        found = fleet(scene)

        assert found.hosts
        assert all(h.vcpus > 0 and h.ram_mib > 0 and h.up and not h.closed for h in found.hosts.values())
        guest = next(i for i in found.instances if i.id == scene.guest)
        assert (guest.state, guest.host in found.hosts) == (State.ACTIVE, True)
        assert found.flavors[guest.flavor].ram_mib > 0

    def test_of_what_has_not_changed_since_only_the_services_are_told(self, scene: Scene) -> None:
        seen = scene.ports.compute.changes(Epoch(4_000_000_000.0))

        assert {HostName(s["host"]) for s in seen.services} == set(fleet(scene).hosts)
        assert (seen.servers, seen.migrations) == ((), ())

    def test_groups_are_told_apart_as_they_are_with_all_else(self, scene: Scene) -> None:
        compute = scene.ports.compute

        def told(groups: Sequence[Document]) -> list[tuple[str, str, list[str]]]:
            return sorted((g["id"], g["policy"], sorted(g["members"])) for g in groups)

        assert told(compute.groups()) == told(compute.survey().groups)

    def test_a_live_migration_is_seen_from_its_beginning_to_its_end(self, scene: Scene) -> None:
        compute, source, target = scene.ports.compute, place(scene), elsewhere(scene)
        before = len(compute.migrations(scene.guest))

        compute.migrate(scene.guest, target, live=True)
        begun = scene.until(lambda: len(compute.migrations(scene.guest)) == before + 1)
        one = newest(scene)
        on_its_way = [m for m in compute.changes(Epoch(0.0)).migrations if m.instance == scene.guest]
        arrived = scene.until(lambda: not newest(scene).under_way)
        seen = {s["id"]: s for s in compute.changes(one.began_at).servers}

        assert begun
        assert (one.source, one.live, one.resize) == (source, True, False)
        assert one.target in {None, target}, "none until Nova's scheduler has chosen it"
        assert [m.id for m in on_its_way] in ([one.id], []), "it may be through by then"
        assert arrived
        assert (newest(scene).status, newest(scene).target) == ("completed", target)
        assert seen[scene.guest]["OS-EXT-SRV-ATTR:host"] == target
        assert place(scene) == target

    def test_what_is_on_its_way_is_not_begun_again_and_can_be_ended(self, scene: Scene) -> None:
        compute, source, target = scene.ports.compute, place(scene), elsewhere(scene)
        known = {m.id for m in compute.migrations(scene.guest)}

        compute.migrate(scene.guest, target, live=True)
        with pytest.raises(Refused):
            compute.migrate(scene.guest, target, live=True)
        scene.until(lambda: newest(scene).id not in known and newest(scene).status == "running")
        one = newest(scene)
        refused = False
        try:
            compute.abort(scene.guest, one.id)
        except Refused:
            refused = True
        over = scene.until(lambda: not newest(scene).under_way)

        assert over
        # A small guest may have arrived before the word did.
        assert (newest(scene).status, place(scene)) in {("cancelled", source), ("completed", target)}
        assert refused <= (newest(scene).status == "completed")
        assert len([m for m in compute.migrations(scene.guest) if m.id not in known]) == 1

    def test_a_cold_migration_waits_to_be_confirmed(self, scene: Scene) -> None:
        compute, target = scene.ports.compute, elsewhere(scene)
        before = len(compute.migrations(scene.guest))

        compute.migrate(scene.guest, target, live=False)
        assert scene.until(lambda: len(compute.migrations(scene.guest)) == before + 1)
        arrived = scene.until(lambda: newest(scene).awaits_confirmation or not newest(scene).under_way)
        one = newest(scene)
        compute.tell(scene.guest, Tell.CONFIRM)
        confirmed = scene.until(lambda: newest(scene).status == "confirmed")

        assert arrived
        assert (one.target, one.live, one.resize, one.under_way) == (target, False, False, True)
        assert confirmed
        assert place(scene) == target

    def test_an_instance_is_stopped_and_started(self, scene: Scene) -> None:
        def state() -> State:
            return next(i.state for i in fleet(scene).instances if i.id == scene.guest)

        scene.ports.compute.tell(scene.guest, Tell.STOP)
        stopped = scene.until(lambda: state() is State.STOPPED)
        scene.ports.compute.tell(scene.guest, Tell.START)
        started = scene.until(lambda: state() is State.ACTIVE)

        assert (stopped, started) == (True, True)

    def test_what_nova_does_not_know_or_allow_is_refused(self, scene: Scene) -> None:
        compute, here = scene.ports.compute, place(scene)

        with pytest.raises(Refused):
            compute.migrate(_NOBODY, here, live=True)
        with pytest.raises(Refused):
            compute.migrate(scene.guest, HostName("no-such-host"), live=False)
        with pytest.raises(Refused):
            compute.tell(scene.guest, Tell.CONFIRM)
        with pytest.raises(Refused):
            compute.abort(scene.guest, "999999")

        assert place(scene) == here


class CanariesContract:
    """Servers of ours, each on the host that is to be tried."""

    def test_a_canary_is_placed_once_on_its_host_answers_and_is_removed(self, scene: Scene) -> None:
        canaries, host = scene.ports.canaries, place(scene)
        before = canaries.look(scene.label, host)

        whole = scene.until(lambda: not canaries.place(scene.label, host).left)
        seen = canaries.look(scene.label, host)
        there = _names(scene, host)
        counted = [i.id for i in fleet(scene).instances if i.host == host]
        again = canaries.place(scene.label, host)
        same = _names(scene, host)
        gone = scene.until(lambda: _removed(scene, host))

        assert before is None
        assert whole
        assert seen is not None
        assert (seen.left, seen.answered, again) == ("", True, seen)
        assert same == there
        assert canary_name(scene.label, host) in there
        assert len(counted) == len(there) - 1, "it is nobody to be moved"
        assert gone
        assert canary_name(scene.label, host) not in _names(scene, host)

    def test_removing_what_is_not_there_is_harmless(self, scene: Scene) -> None:
        host = place(scene)

        scene.ports.canaries.remove(scene.label, host)

        assert scene.ports.canaries.look(scene.label, host) is None


def _names(scene: Scene, host: HostName) -> list[str]:
    """What is on a host: of servers of ours the names, of others the ids."""
    on = [s for s in scene.ports.compute.survey().servers if s["OS-EXT-SRV-ATTR:host"] == host]
    return [str(s["name"] if s.get("ours") else s["id"]) for s in on]


def _removed(scene: Scene, host: HostName) -> bool:
    scene.ports.canaries.remove(scene.label, host)
    return scene.ports.canaries.look(scene.label, host) is None
