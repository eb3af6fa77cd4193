"""An operator's words outlive whoever was to obey them: die before each touch, and her will is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.crash.worlds import Snapshots, deeds, thawed

from skylift.engine.decide import Order, decide
from skylift.engine.fold import Phase, Run, Standing, fold
from skylift.engine.journal import Event, Journal, StepStarted
from skylift.engine.operate import Asked, Gates, abort, approve, open_run, pause, postpone, retry, skip
from skylift.model.cloud import BackendState
from skylift.model.ids import ComponentName, StepId
from skylift.planning.plan import Stage
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import Fuse, FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import PLAN_DIGEST, RUN, Runner, planned
from skylift.testing.samples import sample_record

RECORD = sample_record(controllers=2, components=(ComponentName("keystone"),))
PLAN = planned(RECORD)
ORDER = Order.of(PLAN)
LOOK, VERIFY, WITNESSES = (StepId(s) for s in ("witnesses:look", "keystone:verify", "witnesses:verify"))
OUT = StepId("keystone:drain@ctl2")
"""When this is done, a backend is out of its pool."""

World = tuple[FakeCloud, MemoryJournal]


class Operator:
    """She pauses early, skips and postpones meanwhile, approves stages, and gives up half-way or does not."""

    def __init__(self, world: World, snapshots: Snapshots | None, *, gives_up: bool) -> None:
        self.cloud, self.kept = world
        self.journal: Journal = FusedJournal(self.kept, snapshots) if snapshots else self.kept
        ports = ports_of(self.cloud)
        self.ports = fused(ports, snapshots) if snapshots else ports
        self.gives_up = gives_up

    @property
    def asked(self) -> Asked:
        return Asked("rey@console", self.cloud.now)

    def look(self, run: Run) -> None:
        """What she says while it runs, from another terminal."""
        if run.standing is Standing.RUNNING and not run.steps.keys() & {LOOK} and len(run.steps) >= 6:
            pause(self.journal, self.asked)
        if self.gives_up and OUT in run.within(Phase.DONE) and run.standing is Standing.RUNNING:
            abort(self.journal, self.asked, reason="the window closes", leave=False)

    def run(self) -> Run:
        """Until it is closed; each time from what the journal says, as after a death."""
        runner = Runner(
            cloud=self.cloud,
            journal=self.journal,
            ports=self.ports,
            view=lambda run, _: self.look(run),
        )
        if not self.kept.events():
            gates = Gates((Stage.CONTROL_PLANE, Stage.CONVERGE))
            digest = PLAN_DIGEST
            open_run(
                self.journal, RUN, cloud="sample", plan=digest, approved=(), asked=self.asked, gates=gates
            )
        run = runner.run(PLAN)
        while run.closed is None:
            for waiting in decide(ORDER, run, at_once=1).awaits[:1]:
                named = ORDER.unapproved(run)[waiting.stage]
                approve(self.journal, ORDER, self.asked, waiting.stage, no_returns=named)
            for step, put in ((LOOK, skip), (VERIFY, postpone)):
                if run.standing is Standing.PAUSED and step not in run.steps:
                    put(self.journal, ORDER, self.asked, step, reason="as the team agreed")
            if run.standing is Standing.RUNNING and decide(ORDER, fold(self.kept.events()), at_once=1).over:
                retry(self.journal, self.asked, VERIFY)
            run = runner.run(PLAN)
        return run


class Interrupted(FusedJournal):
    """Somebody says a word just before the fourth step is written down to start."""

    def __init__(self, journal: Journal, say: Callable[[], object]) -> None:
        super().__init__(journal, Fuse(10**9))
        self._say = say
        self._starts = 0

    def append(self, event: Event, *, after: int) -> None:
        self._starts += isinstance(event, StepStarted)
        if isinstance(event, StepStarted) and self._starts == 4:
            self._say()
        super().append(event, after=after)


@pytest.mark.parametrize("gives_up", [True, False])
def test_what_was_said_holds_whoever_dies(*, gives_up: bool) -> None:
    """Each word is one fact: it was said or it was not, and nothing is half obeyed."""
    here: World = FakeCloud(RECORD), MemoryJournal()
    snapshots = Snapshots(here)

    ended = Operator(here, snapshots, gives_up=gives_up).run()

    wanted = Standing.ABORTED if gives_up else Standing.COMPLETED
    assert ended.standing is wanted
    said = {event.kind for event in here[1].events()}
    assert {"run-paused", "step-skipped", "step-postponed", "stage-approved"} <= said
    assert len(snapshots.worlds) > 80
    for frozen, where in snapshots.worlds.items():
        world: World = thawed(frozen)
        world[0].pass_time(7)
        run = Operator(world, None, gives_up=gives_up).run()

        assert run.standing is wanted, where
        assert run.steps[LOOK].phase is Phase.SKIPPED, where
        assert ORDER.kept(run) == (), where
        assert max(deeds(world[0]).values()) == 1, where
        assert world[0].failed == [], where
        assert {view.state for view in world[0].traffic.views()} == {BackendState.UP}, where


def test_a_pause_that_was_said_holds_before_anything_else_starts() -> None:
    """Even if it is said just before a step is written down to start: that is not written then."""
    world: World = FakeCloud(RECORD), MemoryJournal()
    journal = Interrupted(world[1], lambda: pause(world[1], Asked("rey@console", world[0].now)))

    run = Runner(cloud=world[0], journal=journal).run(PLAN)

    kinds = [event.kind for event in world[1].events()]
    assert run.standing is Standing.PAUSED
    assert "step-started" not in kinds[kinds.index("run-paused") :]
    assert kinds.count("step-started") == kinds.count("step-done") == 3
