"""Which hosts of a storage cluster may stop: by their copies, by the quorum, and by its own word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skylift.fleet.storage import StorageTurn, is_of_storage, lost, plan_storage, storage_on
from skylift.model.ids import HostName
from skylift.model.storage import (
    Monitor,
    Osd,
    Stopping,
    StorageHost,
    StorageSeen,
    against_quorum,
    against_stop,
    missing,
)

A, B, C = (HostName(name) for name in ("a", "b.cloud", "c"))


def seen(monitors: int = 3, *, out: int = 0, **groups: int) -> StorageSeen:
    """An OSD and a monitor on each host; the last ``out`` monitors do not run."""
    names = ["a", "b", "c", "d", "e"][:monitors]
    return StorageSeen(
        osds=tuple(Osd(n, name, name) for n, name in enumerate(names)),
        monitors=tuple(Monitor(n, n, in_quorum=i < monitors - out) for i, n in enumerate(names)),
        groups=groups or {"active+clean": 8},
    )


@pytest.mark.parametrize(
    ("state", "has_all"),
    [
        ("active+clean", True),
        ("active+clean+scrubbing+deep", True),
        ("active+remapped+backfilling", True),
        ("active+undersized+degraded", False),
        ("active+recovering+degraded", False),
        ("active+clean+inconsistent", False),
        ("undersized+degraded+peered", False),
        ("stale+active+clean", False),
        ("peering", False),
        ("unknown", False),
        ("down", False),
    ],
)
def test_a_group_that_is_only_misplaced_has_all_of_its_copies(state: str, *, has_all: bool) -> None:
    now = StorageSeen(groups={state: 2, "active+clean": 30})

    assert (not now.lacking) is has_all
    assert bool(against_stop(StorageHost(A), now)) is not has_all


@pytest.mark.parametrize(
    ("monitors", "out", "bears"),
    [(1, 0, False), (2, 0, False), (3, 0, True), (3, 1, False), (4, 0, True), (5, 1, True), (5, 2, False)],
)
def test_a_majority_of_the_monitors_stays_and_two_at_least(monitors: int, out: int, *, bears: bool) -> None:
    now = seen(monitors, out=out)
    host = StorageHost(A, monitors=("a",))

    assert (against_quorum(host, now) == "") is bears
    assert (against_quorum(host, now, at_best=True) == "") is (monitors > 2)
    assert against_quorum(StorageHost(A, osds=(0,)), now) == ""


def test_what_runs_is_waited_for_and_nothing_else() -> None:
    now = seen()
    dead = replace(now, osds=(*now.osds, Osd(7, "a", "a", up=False), Osd(8, "a", "a", within=False)))

    turn = plan_storage([A], dead, {A: Stopping()}).turns[0]

    assert turn.of == StorageHost(A, (0,), ("a",), ("a",))
    assert turn.idle == ("osd.7", "osd.8")
    assert missing(turn.of, dead) == ""
    assert missing(turn.of, replace(dead, osds=(Osd(0, "a", "a", up=False),))) == "osd.0 is down"
    assert missing(turn.of, replace(dead, osds=(Osd(0, "a", "a", within=False),))) == "osd.0 is out"
    assert missing(turn.of, replace(dead, osds=())) == "", "what was removed meanwhile"
    away = replace(dead, monitors=(Monitor("a", "a", in_quorum=False),))
    assert missing(turn.of, away) == "monitor a is not in the quorum"


def test_a_host_is_found_by_its_name_with_or_without_a_domain() -> None:
    now = seen()

    assert storage_on(B, now).osds == (1,)
    assert is_of_storage(B, now)
    assert not is_of_storage(HostName("z"), now)
    assert plan_storage([HostName("z")], now, {}).turns == ()


def test_what_the_cluster_says_while_it_lacks_nothing_holds_for_good_and_all_else_may_pass() -> None:
    no, copies = Stopping("pool p keeps one copy"), {"active+undersized+degraded": 3}
    host = StorageHost(A, (0,), ("a",), ("a",))

    assert plan_storage([A], seen(), {A: no}).held == {A: "pool p keeps one copy"}
    assert plan_storage([A], seen(**copies), {A: no}).turns[0].waits.startswith("3 placement groups have not")
    assert "1 would run without it" in plan_storage([A], seen(3, out=1), {A: Stopping()}).turns[0].waits
    assert "1 would run without it" in plan_storage([A], seen(2), {A: Stopping()}).held[A]
    assert plan_storage([A], seen(), {A: Stopping(lacking=5)}).turns == (StorageTurn(host, 8, 5),)


def test_what_ran_when_it_was_planned_and_does_not_now_is_named() -> None:
    turn = plan_storage([A], seen(), {A: Stopping()}).turns[0]

    assert lost(turn, seen()) == ""
    assert lost(turn, StorageSeen()) == "osd.0, monitor a ran when it was planned, and does not now"
