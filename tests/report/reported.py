"""A report of the planner's own plan, run on the fake cloud, with traffic as a test wants it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from skylift.app.report import Report, report
from skylift.app.validate import Validation
from skylift.engine.journal import Event, StepStarted
from skylift.model.sample import OK, Sample
from skylift.planning.plan import Plan, Stage
from skylift.ports import WitnessSeen
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, planned
from skylift.testing.samples import sample_record

INTACT = tuple(
    WitnessSeen(name, intact=True, detail="as it was made")
    for name in ("user", "project", "image", "resource provider")
)


def finished() -> tuple[Plan, tuple[Event, ...]]:
    """A plan and the journal of its run, which met no trouble."""
    record = sample_record()
    plan = planned(record)
    journal = MemoryJournal()
    Runner(cloud=FakeCloud(record), journal=journal).run(plan)
    return plan, journal.events()


def touched_at(plan: Plan, events: Iterable[Event]) -> float:
    """When the first step of the control plane began."""
    steps = {step.id for step in plan.steps if step.stage is Stage.CONTROL_PLANE}
    return min(e.at_ms for e in events if isinstance(e, StepStarted) and e.step in steps) / 1000


def traffic(events: Sequence[Event], *, seed: int = 1) -> list[Sample]:
    """Three APIs, four requests a second each, all good."""
    chance = random.Random(seed)
    began, ended = events[0].at_ms / 1000, events[-1].at_ms / 1000
    return [
        Sample(began + n / 4, chance.lognormvariate(4, 0.6), "list", api, OK, 200)
        for api in ("glance", "keystone", "placement")
        for n in range(int((ended - began) * 4))
    ]


def broken(samples: Iterable[Sample], api: str, began: float, ended: float, *, outcome: str) -> list[Sample]:
    """The same requests, those of ``api`` between the two times failed."""
    return [
        s._replace(outcome=outcome, status=503, detail="<b>503</b> no server is available")
        if s.api == api and began <= s.scheduled < ended
        else s
        for s in samples
    ]


def told(
    plan: Plan,
    events: Sequence[Event],
    samples: Iterable[Sample],
    *,
    witnesses: tuple[WitnessSeen, ...] = INTACT,
    validation: Validation | None = None,
    until: float | None = None,
) -> Report:
    """The report of these."""
    return report(plan, events, samples, witnesses=witnesses, validation=validation, until=until)
