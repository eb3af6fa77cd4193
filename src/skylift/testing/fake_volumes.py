"""The fake cloud behind the port of volumes that hosts serve."""

from __future__ import annotations

from dataclasses import dataclass

from skylift.model.exports import Attached, Exports
from skylift.model.ids import HostName
from skylift.testing.fake_cloud import FakeCloud


@dataclass(frozen=True, slots=True)
class FakeVolumes:
    """What hosts export, unless they are down or cut off."""

    cloud: FakeCloud

    def exports(self, host: HostName) -> Exports:
        self.cloud.reach(host)
        return self.cloud.disks.exports(host)

    def attached(self, host: HostName) -> tuple[Attached, ...]:
        return self.cloud.disks.attached(host)
