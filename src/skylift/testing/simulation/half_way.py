"""Where a simulated way back begins: an upgrade that was stopped half-way, with new code that hurts users."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from skylift.app.taken_back import undone_by
from skylift.engine.fold import Phase, Run
from skylift.engine.operate import Asked, pause
from skylift.model.cloud import UnitState
from skylift.model.gate import Answer, GateEntry, GateKind, Verdict
from skylift.model.goal import Rollback
from skylift.model.ids import RunId, StepId
from skylift.planning.text import digest_of
from skylift.testing.fake_state import FailedRequest, FakeUnit
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skylift.model.ids import HostName
    from skylift.planning.plan import Plan
    from skylift.planning.rollback import Undone
    from skylift.testing.fake_cloud import FakeCloud
    from skylift.testing.simulation.world import World

UPGRADE = RunId("upgrade-1")
"""The run that is taken back."""
GATES = {"errors": GateEntry(GateKind.HTTP, "http://unused")}
"""What watches users' requests beside the probes: bad as long as new code loses some."""


def stop(cloud: FakeCloud, plan: Plan, after: StepId) -> Undone:
    """Upgrade ``cloud`` by ``plan`` until this step is done and what ran beside it has ended."""
    journal = MemoryJournal()

    def view(run: Run, _left: object) -> None:
        if after in run.within(Phase.DONE) and run.pause is None:
            pause(journal, Asked("rey@bastion", cloud.now))

    run = Runner(cloud=cloud, journal=journal, view=view, id=UPGRADE).run(plan)
    return replace(undone_by(plan, run), digest=digest_of(plan))


def loses_requests(world: World) -> bool:
    """Whether what is to be taken back is what hurts: in every other seed of a way back."""
    goes_back = isinstance(world.scene.goal, Rollback) and not world.scene.is_given
    return goes_back and bool(world.seed % 2) and any(_new(world))


def lose(world: World) -> None:
    """Let each unit of new code that has a pool lose one request."""
    for host, unit in _new(world):
        why = f"the new code on {host} lost it"
        world.cloud.traffic.failed.append(FailedRequest(world.cloud.now, unit.pool, why))


def asked_of(world: World) -> Callable[[GateEntry], Answer]:
    """What the gate of a world says."""

    def ask(_gate: GateEntry) -> Answer:
        return Answer(Verdict.BAD, "0.7") if loses_requests(world) else Answer(Verdict.GOOD, "0")

    return ask


def _new(world: World) -> Iterator[tuple[HostName, FakeUnit]]:
    goal = world.scene.goal
    new = world.cloud.record.artifact_for(goal.reached) if isinstance(goal, Rollback) else None
    for host in world.cloud.hosts.values():
        for unit in host.units.values():
            if new and unit.pool and unit.state is UnitState.ACTIVE and unit.running == new.path:
                yield host.name, unit


class AtOnce(Executor):
    """Does what it is given before it returns: what a scheduler of threads does cannot be replayed."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Its future has the answer."""
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done
