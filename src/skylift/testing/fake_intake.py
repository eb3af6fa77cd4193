"""The fake cloud behind the port that closes services to new work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from skylift.model.closing import closed_for, reason_of
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.roster import Roster, RosterKind, ServiceReport
from skylift.testing.fake_builds import NOVA_COMPUTE
from skylift.testing.fake_cloud import FakeCloud


class NoSuchService(Refused):
    """An API was asked for a service that it does not list, or that it cannot close."""

    code = "fake.no-such-service"

    def __init__(self, row: ServiceReport) -> None:
        super().__init__(f"{row.service} on {row.host} could not be found", Remedy(Fix.REPAIR, "start it"))


@dataclass(frozen=True, slots=True)
class FakeIntake:
    """Nova and Cinder, each with its own list of services."""

    cloud: FakeCloud

    def close(self, roster: Roster, row: ServiceReport, *, label: str) -> None:
        if self._listed(roster, row).enabled:
            self.cloud.roster.closed[row.id] = reason_of(label, self.cloud.now)
        self.cloud.answer("intake.close", row.host)

    def open(self, roster: Roster, row: ServiceReport, *, labels: Collection[str]) -> None:
        if closed_for(self._listed(roster, row), labels):
            del self.cloud.roster.closed[row.id]
        self.cloud.answer("intake.open", row.host)

    def _listed(self, roster: Roster, row: ServiceReport) -> ServiceReport:
        self.cloud.reach(self.cloud.record.vantage.host)
        known = roster.kind is RosterKind.CINDER or row.service == NOVA_COMPUTE
        found = [
            r for r in self.cloud.roster.rows(roster) if known and (r.id, r.service) == (row.id, row.service)
        ]
        if not found:
            raise NoSuchService(row)
        return found[0]
