"""Upgrades of a core cloud that are taken back, and what the cloud was before each and after it.

Issue 5, proof 1. What is there is told by the hosts and the databases (``turned``), what users got by the
probes, and what guests had by pings and counts from the client host.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.lab.core_cloud import CoreCloud, running_guests
from tests.lab.operating import (
    Ended,
    Operator,
    Verb,
    await_event,
    baseline_s,
    own_record,
    standing,
)
from tests.lab.ordeal import Death, Ordeal
from tests.lab.pinged import Away, Pinger
from tests.lab.turned import differences, schemas, turned

from skylift.app.runs import RunFolder
from skylift.cli.exits import Exit
from skylift.engine.fold import Phase, Standing
from skylift.engine.journal import StepStarted
from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import Lab
from skylift.model.ids import StepId
from skylift.planning.plan import Plan, Stage
from skylift.planning.text import read_plan

GOAL = "2025.1"
WITHOUT = ("cinder", "heat", "horizon")
"""As in the brief form: they serve on as they are."""
GUESTS = {"back-1": ("cmp1", "10.78.21.1"), "back-2": ("cmp2", "10.78.22.1")}
"""Guests that run all the while: where each is booted, and its address."""
RUN_S, SETTLED_S, PAUSE_S = 3600, 120, 600
_GATED = (Stage.EXPAND, Stage.CONTROL_PLANE, Stage.CONVERGE)


@dataclass(frozen=True, slots=True)
class Stop:
    """Where an upgrade comes to rest before it is taken back."""

    name: str
    before: Stage | None = None
    """The stage that nobody approves."""
    step: str = ""
    """Or the step that is starting when it is paused."""
    deaths: tuple[Death, ...] = ()
    """Of the process that takes it back."""
    changed: bool = True
    """Whether a service was turned over by then; else there is nothing to take back."""


STOPS = (
    Stop("prepare", before=Stage.EXPAND, changed=False),
    Stop("expand", before=Stage.CONTROL_PLANE, changed=False),
    # All Keystones are new, and a backend of Glance is out and down.
    Stop("glance", step="glance-api:stop@ctl1"),
    # Neutron is new as a whole, what begins with the release among it.
    Stop("neutron", step="neutron-metadata-agent:report@net1"),
    # What of Nova is on controllers is new, and the first compute host.
    Stop("nova", step="nova-compute:open@cmp1"),
    # All is new, and nothing has begun that ends the way back.
    Stop(
        "control-plane",
        before=Stage.CONVERGE,
        deaths=(Death(StepId("nova-conductor:stop@ctl1"), "done"),),
    ),
)
"""In the order of the plan; those of the control plane, of which most of a plan consists, are parts of it."""


@dataclass(slots=True)
class Trip:
    """An upgrade up to a stop, and its way back."""

    lab: Lab
    plan: Plan
    before: dict[str, str]
    before_schemas: dict[str, str]
    stopped_schemas: dict[str, str]
    up: dict[str, Any]
    """The report of the upgrade, as it stood at the stop."""
    offered: Ended
    """What ``skylift rollback`` answered."""
    after: dict[str, str] = field(default_factory=dict)
    after_schemas: dict[str, str] = field(default_factory=dict)
    back: dict[str, Any] = field(default_factory=dict)
    """The report of the way back; empty if there was nothing to take back."""
    ordeal: Ordeal | None = None
    away: dict[str, Away] = field(default_factory=dict)
    """By guest's address."""

    @property
    def reports(self) -> list[dict[str, Any]]:
        """Those there are."""
        return [self.up, self.back] if self.back else [self.up]

    @property
    def figures(self) -> str:
        """What users got, and for how long guests were silent."""
        told = [
            f"{way}: {report['summary']}" for way, report in zip(("up", "back"), self.reports, strict=False)
        ]
        silent = max((away.longest_s for away in self.away.values()), default=0.0)
        return "; ".join([*told, f"guests silent for at most {silent:.1f} s"])


@dataclass(slots=True)
class Traveller:
    """An operator who upgrades a cloud and takes it back, time after time."""

    lab: Lab
    folder: Path
    operator: Operator
    guests: dict[str, str]
    """By name, the ids of the servers that are there all the while."""

    @classmethod
    def of(cls, lab: Lab, folder: Path) -> Traveller:
        """One whose artifacts are staged, in a cloud where guests run and count."""

        def change(record: dict[str, Any]) -> None:
            record["policy"] |= {
                "baseline": baseline_s(20),
                "batch": 2,
                "approvals": [stage.value for stage in _GATED],
            }
            for component in WITHOUT:
                del record["components"][component]

        operator = own_record(lab, folder, change)
        found = cls(lab, folder, operator, running_guests(CoreCloud(lab), GUESTS))
        operator.does("stage", "--to", GOAL, limit_s=900)
        return found

    def file(self, name: str) -> Path:
        """A new file for a plan."""
        return self.folder / f"{name}-{time.time():.0f}.plan"

    def plan(self, name: str) -> Path:
        """The plan of an upgrade from what the cloud is now."""
        checked = self.operator.ends("check", "--to", GOAL)
        assert "nothing blocks" in checked.answer, checked.answer
        file = self.file(name)
        self.operator.does("plan", "--to", GOAL, "-o", str(file))
        return file

    def begun(self, *words: str) -> tuple[Verb, RunFolder]:
        """What these words begin, under way, and its run."""
        known = len(self.operator.runs.known())
        verb = self.operator.start(*words)
        return verb, self.operator.new_run(verb, known, limit_s=300)

    def comes_to(self, stop: Stop, file: Path) -> RunFolder:
        """The run of an upgrade that rests at a stop."""
        plan = read_plan(file.read_bytes())
        if stop.before is None:
            verb, run = self.begun("apply", str(file), "--yes")
            self.pauses(run, verb, stop.step)
        else:
            verb, run = self.begun("apply", str(file), "--hold")
            has = {step.stage for step in plan.steps}
            for stage in _GATED[: _GATED.index(stop.before)]:
                if stage in has:
                    named = (s.id for s in plan.steps if s.stage is stage and s.no_return)
                    self.operator.does("approve", stage.value, *(f"--no-return={step}" for step in named))
            ended = verb.end(RUN_S)
            assert ended.code == Exit.PAUSED, f"{ended.code}: {ended.remarks[-3000:]}\n{ended.answer}"
            self.operator.does("pause")
        rests = standing(run)
        assert rests.standing is Standing.PAUSED, rests.standing
        assert not rests.within(Phase.RUNNING)
        return run

    def pauses(self, run: RunFolder, verb: Verb, step: str) -> None:
        """Let it come to this step, pause it, and wait until it rests."""
        await_event(run, verb, lambda event: isinstance(event, StepStarted) and event.step == step)
        self.operator.does("pause")
        ended = verb.end(PAUSE_S)
        assert ended.code == Exit.PAUSED, f"{ended.code}: {ended.remarks[-3000:]}\n{ended.answer}"

    def goes(self, stop: Stop) -> Trip | None:
        """An upgrade until a stop, and back again; none if this cloud has nothing to expand any more."""
        before, before_schemas = turned(self.lab), schemas(self.lab)
        file = self.plan(stop.name)
        plan = read_plan(file.read_bytes())
        if stop.name == Stage.EXPAND.value and all(step.stage is not Stage.EXPAND for step in plan.steps):
            return None
        with Watched(self.lab) as watched:
            self.comes_to(stop, file)
            back = self.file(f"{stop.name}-back")
            trip = Trip(
                self.lab,
                plan,
                before,
                before_schemas,
                schemas(self.lab),
                self.operator.report(),
                self.operator.ends("rollback", "-o", str(back)),
            )
            if not stop.changed:
                self.operator.does("abort", "--reason", "there is nothing to take back")
            elif trip.offered.code == Exit.OK:
                # Where nobody dies, it is planned anew and run by one command (row 5).
                one = ("rollback", "--apply", "--yes", "-o", str(self.file(f"{stop.name}-one")))
                words = ("apply", str(back), "--yes") if stop.deaths else one
                trip.ordeal = self.goes_through(*words, deaths=stop.deaths)
                trip.back = self.operator.report()
        trip.away = watched.away
        trip.after, trip.after_schemas = self.settled(before), schemas(self.lab)
        if trip.back:
            self.operator.ends("validate", "--clean-up")
        return trip

    def goes_through(self, *words: str, deaths: tuple[Death, ...] = ()) -> Ordeal:
        """A run that these words begin, to its end; killed on its way."""
        began = time.time()
        verb, run = self.begun(*words)
        ordeal = Ordeal(self.lab, self.operator, run, began)
        ordeal.go_through(verb, deaths, limit_s=RUN_S)
        return ordeal

    def settled(self, wanted: dict[str, str]) -> dict[str, str]:
        """What there is, once it is as ``wanted``, or when it has had time to be so."""
        seen: dict[str, str] = {}

        def same() -> bool:
            seen.clear()
            seen.update(turned(self.lab))
            return not differences(wanted, seen)

        poll(same, limit_s=SETTLED_S, every_s=5)
        return seen


class Watched:
    """Guests that are pinged and counted as long as the block runs."""

    def __init__(self, lab: Lab) -> None:
        self._pinger = Pinger(lab, tuple(address for _, address in GUESTS.values()))
        self.away: dict[str, Away] = {}

    def __enter__(self) -> Self:
        self._pinger.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.away = self._pinger.end()


def told_at(report: dict[str, Any], wanted: Callable[[str], bool]) -> tuple[float, float]:
    """From when until when the steps that are ``wanted`` were under way, by a report."""
    spans = [(s["began_ms"], s["ended_ms"]) for s in report["steps"] if wanted(s["step"])]
    assert spans, json.dumps(report["steps"])[:2000]
    assert all(ended is not None for _, ended in spans)
    return min(began for began, _ in spans) / 1000, max(ended for _, ended in spans) / 1000
