"""The contract of volumes that a host serves from its own disks.

A module that runs it has three fixtures: ``volumes``; ``serving``, a host that exports two volumes, all of it
saved, one of which an instance has that runs, the other one that is shut off; and ``boot``, which brings back
on that host what a boot would.
"""

from __future__ import annotations

from collections.abc import Callable

from skylift.model.exports import against_boot, local_volumes, not_served
from skylift.model.ids import HostName
from skylift.ports import Volumes


class VolumesContract:
    """What is told of a host that serves, and of who has its volumes."""

    def test_each_attached_volume_is_told_with_those_who_run(
        self, volumes: Volumes, serving: HostName
    ) -> None:
        attached = volumes.attached(serving)

        assert len({of.id for of in attached}) == len(attached) == 2
        assert sorted(len(of.users) for of in attached) == [0, 1]
        assert len({of.backend for of in attached}) == 1

    def test_what_is_exported_is_what_is_attached_and_a_boot_would_bring_it_back(
        self, volumes: Volumes, serving: HostName
    ) -> None:
        exports, attached = volumes.exports(serving), volumes.attached(serving)

        found = local_volumes(exports, attached)
        assert found is not None
        assert found.volumes.keys() == {of.id for of in attached}
        assert not found.others
        assert not against_boot(serving, exports, attached)
        assert not exports.blind

    def test_after_a_boot_the_same_is_exported(
        self, volumes: Volumes, serving: HostName, boot: Callable[[], None]
    ) -> None:
        before = volumes.exports(serving)

        boot()

        assert sorted(volumes.exports(serving).targets) == sorted(before.targets)
        attached = volumes.attached(serving)
        found = local_volumes(before, attached)
        assert found is not None
        assert not_served(found, volumes.exports(serving), attached) == ()
