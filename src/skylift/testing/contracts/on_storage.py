"""The contract of a storage cluster: whole, on three hosts or more with an OSD and a monitor each.

A module that runs it has two fixtures: ``storage``, and ``until``, which waits until something holds.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from skylift.model.problem import Refused
from skylift.model.storage import StorageSeen
from skylift.ports import Storage

Until = Callable[[Callable[[], bool]], bool]
_HOSTS = 3


def osds_of(seen: StorageSeen, hosts: int) -> list[int]:
    """The OSDs of so many hosts."""
    names = sorted({osd.host for osd in seen.osds})[:hosts]
    return [osd.id for osd in seen.osds if osd.host in names]


class StorageContract:
    """What is told of a cluster, and the flag that is set on one host's OSDs and taken off again."""

    def test_all_of_a_whole_cluster_is_seen(self, storage: Storage) -> None:
        seen = storage.look()

        assert len({osd.id for osd in seen.osds}) == len(seen.osds) >= _HOSTS
        assert all(osd.up and osd.within and osd.host and osd.bucket for osd in seen.osds)
        assert len({m.name for m in seen.monitors}) == len(seen.monitors) >= _HOSTS
        assert all(m.in_quorum and m.host for m in seen.monitors)
        assert {osd.host for osd in seen.osds} <= {m.host for m in seen.monitors}
        assert sum(seen.groups.values()) > 0
        assert not seen.lacking
        assert not seen.kept_in

    def test_one_host_may_stop_and_two_may_not(self, storage: Storage) -> None:
        seen = storage.look()
        monitor = seen.monitors[0].name

        one = storage.stopping(osds_of(seen, 1), (monitor,))
        two = storage.stopping(osds_of(seen, 2), ())

        assert not one.against
        assert 0 < one.lacking <= sum(seen.groups.values())
        assert two.against
        assert not storage.stopping((), (monitor,)).against

    def test_what_is_kept_in_is_told_and_let_go_once(self, storage: Storage, until: Until) -> None:
        bucket, other = sorted({osd.bucket for osd in storage.look().osds})[:2]

        for _ in range(2):
            storage.keep_in(bucket)
            assert until(lambda: storage.look().kept_in == {bucket})
        storage.keep_in(other)
        for _ in range(2):
            storage.let_out(bucket)
            assert until(lambda: storage.look().kept_in == {other})
        storage.let_out(other)
        assert until(lambda: not storage.look().kept_in)

    def test_a_node_that_is_not_in_the_tree_is_refused(self, storage: Storage) -> None:
        with pytest.raises(Refused):
            storage.keep_in("no-such-node")
        with pytest.raises(Refused):
            storage.let_out("no-such-node")
