"""The fake cloud behind the port of the storage cluster."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from skylift.model.problem import Fix, Refused, Remedy, Transient
from skylift.model.storage import Stopping, StorageSeen
from skylift.testing.fake_cloud import FakeCloud


class CephSilent(Transient):
    """No monitor answers."""

    code = "fake.ceph-silent"

    def __init__(self) -> None:
        super().__init__("no monitor answers", Remedy(Fix.RETRY, "ask again"))


class CephRefuses(Refused):
    """Something was asked of a node of the tree that is not there."""

    code = "fake.ceph-refuses"

    def __init__(self, bucket: str) -> None:
        super().__init__(f"there is no {bucket}", Remedy(Fix.REPAIR, "look at the tree"))


@dataclass(frozen=True, slots=True)
class FakeStorage:
    """Ceph, as its rules let it be changed."""

    cloud: FakeCloud

    def look(self) -> StorageSeen:
        self._reach()
        return self.cloud.ceph.seen()

    def stopping(self, osds: Collection[int], monitors: Collection[str]) -> Stopping:
        self._reach()
        ceph = self.cloud.ceph
        said = [ceph.against] * bool(ceph.against)
        now, then = ceph.states(told=True), ceph.states(frozenset(osds), told=True)
        offline = [name for name, state in then.items() if "active" not in state]
        said += [f"{len(offline)} PGs are or would become offline"] * bool(offline and osds)
        left = [m for m in ceph.seen().monitors if m.in_quorum and m.name not in monitors]
        if monitors and len(left) * 2 <= len(ceph.monitors):
            said.append("not enough monitors would be available")
        fewer = sum(then[name] != now[name] for name in now)
        return Stopping("; ".join(said), fewer)

    def keep_in(self, bucket: str) -> None:
        self._bucket(bucket)
        self.cloud.ceph.kept_in.add(bucket)
        self.cloud.answer("storage.keep_in", bucket)

    def let_out(self, bucket: str) -> None:
        self._bucket(bucket)
        self.cloud.ceph.kept_in.discard(bucket)
        self.cloud.answer("storage.let_out", bucket)

    def _bucket(self, bucket: str) -> None:
        self._reach()
        if not any(osd.host == bucket for osd in self.cloud.ceph.osds.values()):
            raise CephRefuses(bucket)

    def _reach(self) -> None:
        ceph = self.cloud.ceph
        if ceph.silent or (ceph.monitors and not any(m.in_quorum for m in ceph.seen().monitors)):
            raise CephSilent
