"""An upgrade of a core cloud past its contract, and the restore that takes it back."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.back import RUN_S, Traveller, Watched, told_at
from tests.lab.core_cloud import GLANCE, NEUTRON, NOVA, CoreCloud
from tests.lab.operating import Ended
from tests.lab.pinged import Away
from tests.lab.turned import schemas, things, turned

from skylift.actions.backend_traffic import DrainBackend, UndrainBackend
from skylift.cli.exits import Exit
from skylift.gate.lab.openstack import IDENTITY_URL
from skylift.planning.plan import Notice, Plan
from skylift.planning.text import read_plan

UNPINNED = "nova-super-conductor:unpin-report@ctl1"
"""Nova has begun to speak as new services do: before the contract, and past the end of its way back."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was before, what was refused, what was announced, and what is there now."""

    before: dict[str, str]
    before_schemas: dict[str, str]
    before_things: dict[str, frozenset[str]]
    unpinned: Ended
    """What ``skylift rollback`` answered when Nova had begun to be unpinned."""
    made: dict[str, str]
    """By kind, what users made when all was done."""
    contracted: Ended
    """What ``skylift rollback`` answered then."""
    unapproved: Ended
    """What ``skylift apply`` of the restore answered without a consent."""
    up: dict[str, Any]
    plan: Plan
    """The restore's."""
    ended: Ended
    back: dict[str, Any]
    witnesses: list[dict[str, Any]]
    """Those of the upgrade, made before its backups, as they are after the restore."""
    away: dict[str, Away]
    after: dict[str, str]
    up_schemas: dict[str, str]
    """As the upgrade left them."""
    after_schemas: dict[str, str]
    after_things: dict[str, frozenset[str]]

    @property
    def outage(self) -> tuple[float, float]:
        """From when until when something did not answer, as the plan had announced: till it is given back."""
        down = [step for step in self.plan.steps if step.impact.notice is Notice.DOWN]
        pools = {step.action.pool for step in down if isinstance(step.action, DrainBackend)}
        back = [
            step
            for step in self.plan.steps
            if isinstance(step.action, UndrainBackend) and step.action.pool in pools
        ]
        named = {step.id for step in (*down, *back)}
        return told_at(self.back, lambda step: step in named)

    @property
    def out_of_it(self) -> list[dict[str, Any]]:
        """What failed while nothing was announced to be down; of guests, all that failed."""
        began, ended = self.outage
        return [
            failure
            for failure in self.back["failures"]
            if failure["api"].startswith("guest ")
            or failure["scheduled"] > ended
            or failure["scheduled"] + failure["latency_ms"] / 1000 < began
        ]


def restored(traveller: Traveller) -> Restored:
    """All of an upgrade, asked on its way whether it can go back; then users' doings, then the restore."""
    lab, operator = traveller.lab, traveller.operator
    before, before_schemas, before_things = turned(lab), schemas(lab), things(lab)
    file, back = traveller.plan("whole"), traveller.file("restore")
    with Watched(lab) as watched:
        verb, run = traveller.begun("apply", str(file), "--yes")
        traveller.pauses(run, verb, UNPINNED)
        unpinned = operator.ends("rollback", "-o", str(traveller.file("refused")))
        operator.does("resume", limit_s=RUN_S)
        up = operator.report()
        made, up_schemas = _made(CoreCloud(lab)), schemas(lab)
        contracted = operator.ends("rollback", "-o", str(traveller.file("refused")))
        operator.does("rollback", "--restore", "-o", str(back))
        unapproved = operator.ends("apply", str(back))
        ordeal = traveller.goes_through("apply", str(back), "--yes")
        report = operator.report()
        witnesses: list[dict[str, Any]] = _report_of(traveller, str(run.id))["witnesses"]
    return Restored(
        before=before,
        before_schemas=before_schemas,
        before_things=before_things,
        unpinned=unpinned,
        made=made,
        contracted=contracted,
        unapproved=unapproved,
        up=up,
        plan=_plan(back),
        ended=ordeal.ended[-1],
        back=report,
        witnesses=witnesses,
        away=watched.away,
        after=traveller.settled(before),
        up_schemas=up_schemas,
        after_schemas=schemas(lab),
        after_things=things(lab),
    )


def failed_as(ended: Ended, code: str) -> str:
    """What a verb said that was refused with this code of a problem."""
    assert ended.code == Exit.BLOCKED, f"{ended.code}: {ended.remarks}{ended.answer}"
    said = " ".join(ended.remarks.split())
    assert f"{code}: " in said, said
    return said


def _made(cloud: CoreCloud) -> dict[str, str]:
    """By kind, the ids of what users make now; the flavor alone is in a database that is restored."""
    name = f"since-{time.time():.0f}"
    project = cloud.ask("POST", f"{IDENTITY_URL}/projects", {"project": {"name": name}})["project"]["id"]
    user = cloud.ask("POST", f"{IDENTITY_URL}/users", {"user": {"name": name}})["user"]["id"]
    plain = {"name": name, "disk_format": "raw", "container_format": "bare"}
    image = cloud.ask("POST", f"{GLANCE}/images", plain)["id"]
    size = {"name": name, "id": name, "ram": 64, "vcpus": 1, "disk": 0}
    flavor = cloud.ask("POST", f"{NOVA}/flavors", {"flavor": size})["flavor"]["id"]
    network = cloud.ask("POST", f"{NEUTRON}/networks", {"network": {"name": name}})["network"]["id"]
    return {"project": project, "user": user, "image": image, "flavor": flavor, "network": network}


def _plan(file: Path) -> Plan:
    return read_plan(file.read_bytes())


def _report_of(traveller: Traveller, run: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(traveller.operator.ends("report", run, "--json").answer)
    return told
