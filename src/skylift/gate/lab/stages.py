"""Building in small named stages, each of which may be repeated: look, and push only what is missing."""

from __future__ import annotations

from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Stage:
    """One idempotent piece of a build.

    ``done`` only looks and is quick; ``push`` brings it about, may be killed anywhere, and may be
    called again then. Stages named in ``after`` are done before either is called.
    """

    name: str
    done: Callable[[], bool]
    push: Callable[[], None]
    after: tuple[str, ...] = ()


class Outcome(Enum):
    """What became of a stage."""

    ALREADY = "already"
    DONE = "done"
    FAILED = "failed"


class Progress(Protocol):
    """Who is told how the build goes; called from several threads."""

    def started(self, stage: str) -> None:
        """The stage's ``push`` is called now."""
        ...

    def ended(self, stage: str, outcome: Outcome) -> None:
        """The stage is over."""
        ...


def build(stages: Sequence[Stage], progress: Progress, *, at_once: int = 2) -> int:
    """Bring all stages about, ``at_once`` side by side, and return how many had to be pushed.

    The first failure lets running stages end and starts nothing new; it is raised then. Calling again
    goes on where this stopped.

    Raises:
        ValueError: a stage comes ``after`` one that is not there.
        graphlib.CycleError: stages wait for each other.
    """
    by_name = {stage.name: stage for stage in stages}
    for stage in stages:
        if missing := set(stage.after) - by_name.keys():
            raise ValueError(f"stage {stage.name} comes after unknown {sorted(missing)}")
    order = TopologicalSorter({stage.name: stage.after for stage in stages})
    order.prepare()
    pushed = 0
    failure: BaseException | None = None
    running: dict[Future[bool], str] = {}
    ready: deque[str] = deque()
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        while order.is_active() and failure is None:
            ready.extend(order.get_ready())
            # None waits in the pool: it would begin even after a failure, or after Ctrl-C.
            while ready and len(running) < at_once:
                name = ready.popleft()
                running[pool.submit(_bring_about, by_name[name], progress)] = name
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                name = running.pop(future)
                if (problem := future.exception()) is not None:
                    failure = failure or problem
                    continue
                pushed += future.result()
                order.done(name)
    if failure is not None:
        raise failure
    return pushed


def _bring_about(stage: Stage, progress: Progress) -> bool:
    """Whether the stage had to be pushed."""
    if stage.done():
        progress.ended(stage.name, Outcome.ALREADY)
        return False
    progress.started(stage.name)
    outcome = Outcome.FAILED
    try:
        stage.push()
        outcome = Outcome.DONE
    finally:
        progress.ended(stage.name, outcome)
    return True
