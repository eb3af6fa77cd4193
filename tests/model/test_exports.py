"""When a host that serves disks may be rebooted, by what it exports and who has it."""

from __future__ import annotations

from skylift.model.exports import (
    Attached,
    Exports,
    Served,
    Software,
    Target,
    against_boot,
    came_since,
    local_volumes,
    not_served,
    told,
    unsaved,
)
from skylift.model.ids import HostName

HOST = HostName("vol1")
A, B = (Target(f"iqn.x:volume-{v}", 1, f"/dev/vg/volume-{v}") for v in "ab")
SCRATCH = Target("iqn.x:scratch", 1, "/dev/vg/scratch")


def exporting(*targets: Target, by: Software = Software.TGT) -> Exports:
    """All of it is saved."""
    return Exports((Served(by, targets, {"file": targets}, starts=True),)) if targets else Exports()


def volume(name: str, *users: str, backend: str = "vol1@lvm", named: str = "") -> Attached:
    return Attached(name, named or f"volume-{name}", backend, frozenset(users))


def test_a_migrated_volume_is_known_by_the_name_of_its_disk() -> None:
    found = local_volumes(exporting(A), [volume("z", "vm", named="volume-a")])

    assert found is not None
    assert (found.volumes, found.others, found.users, found.in_use) == ({"z": (A,)}, (), ("vm",), 1)


def test_a_back_end_without_a_target_here_is_elsewhere_and_asked_for_nothing() -> None:
    attached = [volume("a", "vm"), volume("c", "other", backend="vol1@ceph")]
    found = local_volumes(exporting(A), attached)

    assert found is not None
    assert (found.backends, found.users) == (("vol1@lvm",), ("vm",))
    assert not_served(found, exporting(A), attached) == ()


def test_what_is_attached_and_what_nobody_explains_must_be_there_again() -> None:
    attached = [volume("a", "vm"), volume("b")]
    found = local_volumes(exporting(A, B, SCRATCH), attached)
    assert found is not None

    gone = not_served(found, Exports(), attached)
    assert [name.split(" ")[0] for name in gone] == [SCRATCH.name, A.name, B.name]
    assert not_served(found, exporting(A, SCRATCH), [volume("a", "vm")]) == ()
    late = [*attached, volume("c")]
    assert not_served(found, exporting(A, B, SCRATCH), late) == ("volume c",)


def test_another_unit_or_disk_is_another_target() -> None:
    attached = [volume("a", "vm")]
    found = local_volumes(exporting(A), attached)
    assert found is not None

    for other in (Target(A.name, 2, A.backing), Target(A.name, 1, "/dev/vg2/volume-a")):
        assert not_served(found, exporting(other), attached) == (f"{A.name} ({A.backing} as unit 1)",)


def test_only_who_came_is_told_and_not_who_left() -> None:
    planned = local_volumes(exporting(A, B), [volume("a", "vm", "vm2"), volume("b")])

    assert came_since(planned, local_volumes(exporting(A), [volume("a", "vm")])) == ""
    assert came_since(planned, None) == ""
    now = local_volumes(exporting(A, B), [volume("a", "vm"), volume("b", "vm3")])
    assert came_since(planned, now) == "vm3 has a volume of it, and had none when it was planned"
    assert "exports iqn.x:scratch" in came_since(None, local_volumes(exporting(SCRATCH), []))


def test_the_file_that_saves_most_is_the_one_that_counts() -> None:
    two = {"old": (A,), "new": (A, B)}

    assert unsaved(Served(Software.LIO, (A, B), two, starts=True)) == ()
    assert unsaved(Served(Software.LIO, (A, B), {"old": (A,)}, starts=True)) == (B.name,)
    assert unsaved(Served(Software.LIO, (A, B), {}, starts=True)) == (A.name, B.name)


def test_whoever_cannot_tell_says_no() -> None:
    (against,) = against_boot(HOST, Exports(blind="tgtd runs, and there is no tgtadm here to ask it"), ())

    assert "nobody can tell what it exports" in against.why


def test_of_many_names_three_are_told() -> None:
    assert told(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
