"""What a run over a fleet is about, as it is told to those who are not at the desk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skylift.app.fleet_report import fleet_report
from skylift.app.runs import RunFolder
from skylift.app.schedule import begins_at
from skylift.app.site import Site
from skylift.app.subject import Got, minutes
from skylift.app.windows import Windows
from skylift.engine.fold import Run
from skylift.fleet.mandate import Mandate, Purpose
from skylift.fleet.verdict import Way
from skylift.model.ids import Epoch, StepId
from skylift.planning.plan import Stage

STAGE = Stage.DATA_PLANE
"""The one stage that a run over compute hosts has."""


@dataclass(frozen=True)
class Maintaining:
    """A run over the hosts of a mandate."""

    mandate: Mandate

    @property
    def cloud(self) -> str:
        return self.mandate.cloud

    @property
    def what(self) -> str:
        of = self.mandate
        counts = {
            "compute": len(of.hosts) - len(of.others),
            "network": len(of.network_hosts),
            "storage": len(of.storage_hosts),
            "volume": len(of.volume_hosts),
        }
        told = [f"{number} {kind} hosts" for kind, number in counts.items() if number]
        return f"{' and '.join(told) or '0 compute hosts'} for {of.purpose.value}"

    @property
    def touches_users(self) -> bool:
        return True

    @property
    def recurs(self) -> bool:
        return self.mandate.purpose is not Purpose.DRAIN

    @property
    def lasts(self) -> str:
        plan = self.mandate.plan
        ends = plan.get("afterwards", {"ends": 0})["ends"]
        more = max(0, -(-ends // 1000) - plan["makespan_s"])
        return f"likely {minutes(self.mandate.lasts + more)}"

    @property
    def noticed(self) -> tuple[str, ...]:
        """By way; an API is asked as ever."""
        ways = Counter(move[3] for move in self.mandate.plan["moves"])
        ways += Counter({Way.STOP.value: self._stopped})
        told = {
            Way.LIVE: "instances are moved to other hosts while they run",
            Way.COLD: "instances are stopped, moved to other hosts and started again",
            Way.STOP: "instances are stopped while their host is worked on, and started again",
        }
        found = [f"{ways[way.value]} {what}" for way, what in told.items() if ways[way.value]]
        carried = Counter(what for turn in self.mandate.network for _, what, _ in turn.moves)
        if carried["router"]:
            found.append(f"{carried['router']} routers are given to other agents, each away for seconds")
        if any(turn.stays for turn in self.mandate.network):
            found.append("highly available routers fail over once for each of their hosts")
        if any(turn.lacking for turn in self.mandate.storage):
            found.append("storage has a copy less of some of its groups while each of its hosts is down")
        found += [turn.cut_off for turn in self.mandate.volumes if turn.cut_off]
        alone = {s.service for turn in self.mandate.volumes for s in turn.services if not s.closes}
        if alone:
            found.append(f"new work of {', '.join(sorted(alone))} waits in its queue while its host is down")
        later = self.mandate.plan.get("afterwards", {"moves": ()})["moves"]
        if later:
            found.append(
                f"{len(later)} instances are moved once more, while they run, when every host is through"
            )
        return tuple(found)

    @property
    def _stopped(self) -> int:
        return sum(verdict["way"] == Way.STOP.value for verdict in self.mandate.plan["verdicts"])

    def stage_of(self, _step: StepId) -> Stage:
        return STAGE

    def halted_by(self, _step: StepId) -> str:
        return ""

    def awaiting(self, run: Run) -> Mapping[Stage, tuple[StepId, ...]]:
        return dict.fromkeys(sorted(run.gated, key=list(Stage).index), ())

    def begins(self, windows: Windows, run: Run, now: Epoch) -> Epoch | None:
        # Approved later, it begins with the resume that follows: until then nobody waits for a time.
        if run.gated:
            return None
        quickest_s = min((takes_s for _, takes_s in self.mandate.takes_s()), default=0)
        return begins_at(run, now, lambda moment: windows.opens(quickest_s, moment))

    def got(self, site: Site, folder: RunFolder, remark: Callable[[str], None]) -> Got:
        seen = fleet_report(site, folder, remark)
        return Got(
            seen.summary, tuple(f"{h} is left: {why or 'not begun'}" for h, why in seen.account.left.items())
        )
