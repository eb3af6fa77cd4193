"""The driver of Ceph, on a real cluster of three hosts, one of which loses its power."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from tests.app.maintained import QUICK, ran, site_of
from tests.drivers import ceph as real
from tests.drivers.loopback import ADDRESS, HOST, Sshd

from skylift.drivers.ceph import CephStorage, StorageSilent
from skylift.drivers.ssh import Ssh
from skylift.engine.fold import Standing
from skylift.fleet.mandate import Purpose
from skylift.gate.lab.commands import poll
from skylift.model.ids import HostName, Seconds
from skylift.model.record import StorageEntry
from skylift.model.storage import Stopping, StorageSeen
from skylift.ports import Storage
from skylift.testing.contracts import StorageContract
from skylift.testing.contracts.on_storage import Until

T = TypeVar("T")
LIMIT_S = 180
OUT_S = 3
"""After so long Ceph takes an OSD out that is down."""
GONE = HostName("gone")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Ceph]:
    with real.ceph(tmp_path_factory.mktemp("ceph"), out_s=OUT_S) as cluster:
        yield cluster


@pytest.fixture
def driver(cluster: real.Ceph, ssh: Ssh) -> CephStorage:
    return CephStorage(ssh, [HOST], cluster.tool)


@pytest.fixture
def storage(driver: CephStorage) -> Storage:
    return Asked(driver)


@pytest.fixture
def until() -> Until:
    return lambda holds: poll(holds, limit_s=LIMIT_S)


class TestCeph(StorageContract):
    pass


def answered(question: Callable[[], T]) -> T:
    """What is answered in the end: while monitors vote, and where the machine is busy, nobody answers."""
    found: list[T] = []

    def ask() -> bool:
        with suppress(StorageSilent):
            found.append(question())
        return bool(found)

    assert poll(ask, limit_s=LIMIT_S)
    return found[0]


@dataclass(frozen=True, slots=True)
class Asked:
    """A cluster as the engine asks it: again, for as long as nobody answers."""

    driver: CephStorage

    def look(self) -> StorageSeen:
        return answered(self.driver.look)

    def stopping(self, osds: Collection[int], monitors: Collection[str]) -> Stopping:
        return answered(lambda: self.driver.stopping(osds, monitors))

    def keep_in(self, bucket: str) -> None:
        answered(lambda: self.driver.keep_in(bucket))

    def let_out(self, bucket: str) -> None:
        answered(lambda: self.driver.let_out(bucket))


def came(storage: Storage, holds: Callable[[StorageSeen], bool], *, limit_s: float = LIMIT_S) -> bool:
    """Whether it came to be so within the limit."""
    return poll(lambda: holds(storage.look()), limit_s=limit_s, every_s=0.5)


def is_whole(seen: StorageSeen) -> bool:
    return (
        all(osd.up and osd.within for osd in seen.osds)
        and all(m.in_quorum for m in seen.monitors)
        and not seen.lacking
    )


def test_a_host_that_loses_its_power_is_kept_in_and_told_until_it_is_whole_again(
    cluster: real.Ceph, storage: Storage
) -> None:
    before = storage.look()
    storage.keep_in("sto1")
    cluster.cut(["mon.sto1", "osd.0"])

    assert came(storage, lambda now: [osd.up for osd in now.osds] == [False, True, True])
    assert came(storage, lambda now: bool(now.lacking))
    assert came(storage, lambda now: [m.in_quorum for m in now.monitors] == [False, True, True])
    assert storage.stopping([1], ["sto2"]).against
    assert not came(storage, lambda now: not now.osds[0].within, limit_s=3 * OUT_S)
    assert [m.host for m in storage.look().monitors] == list(real.HOSTS)

    cluster.start_host(0)

    assert came(storage, is_whole)
    assert not storage.stopping([1], ["sto2"]).against
    after = storage.look()
    assert after.osds[0].since > before.epoch
    assert after.elections > before.elections
    assert after.osds[1].since == before.osds[1].since
    storage.let_out("sto1")


def test_without_the_flag_it_is_taken_out(cluster: real.Ceph, storage: Storage) -> None:
    cluster.cut(["osd.2"])

    assert came(storage, lambda now: not now.osds[2].within)
    cluster.start("sto3", "osd", "2")
    assert came(storage, is_whole)


def test_the_next_host_is_asked_if_one_does_not_answer(cluster: real.Ceph, sshd: Sshd) -> None:
    with Ssh(sshd.access, {GONE: "127.0.0.2", HOST: ADDRESS}, connect_limit_s=25) as ssh:
        assert answered(CephStorage(ssh, [GONE, HOST], cluster.tool).look).monitors

        with pytest.raises(StorageSilent, match="gone could not be reached"):
            CephStorage(ssh, [GONE], cluster.tool).look()


def test_where_there_is_no_cluster_nothing_is_seen_and_nobody_asked(ssh: Ssh) -> None:
    assert CephStorage(ssh, (), ()).look() == StorageSeen()


def test_a_run_reboots_hosts_of_a_real_cluster_one_after_another(
    cluster: real.Ceph, driver: CephStorage, storage: Storage, tmp_path: Path
) -> None:
    at = site_of(tmp_path, computes=1, storage=3, maintenance=replace(QUICK, look=Seconds(3)))
    slow = replace(at.site.record, storage=StorageEntry("storage", whole=Seconds(600)))
    at.site = replace(at.site, record=slow, ports=replace(at.site.ports, storage=driver))
    down: set[str] = set()
    most: list[int] = []

    def follow() -> None:
        """What a reboot does to the daemons of a host."""
        for number, host in enumerate(real.HOSTS):
            up = at.cloud.is_up(HostName(host))
            if not up and host not in down:
                cluster.cut([f"mon.{host}", f"osd.{number}"])
                down.add(host)
            elif up and host in down:
                cluster.start_host(number)
                down.remove(host)
        most.append(len(down))

    at.meanwhile = follow

    run = ran(at, Purpose.REBOOT, *map(HostName, real.HOSTS[:2]))

    assert run.standing is Standing.COMPLETED
    assert [at.cloud.hosts[HostName(host)].boots for host in real.HOSTS] == [2, 2, 1]
    assert max(most) == 1
    seen = storage.look()
    assert not seen.lacking
    assert not seen.kept_in
    assert all(osd.within for osd in seen.osds)
