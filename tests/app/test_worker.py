"""What a worker makes of one look, and of a run that could not be driven."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, desk_at

from skylift.app.runs import RunStore
from skylift.app.site import Site
from skylift.app.worker import AGAIN_S, SOON_S, Served, Worker
from skylift.engine.problems import Holder, RunHeld
from skylift.model.ids import RunId
from skylift.model.problem import Problem, Refused, Transient

REY = Holder(1, "console", "rey", 0, RUN)


class Hints:
    """A queue that keeps what it was told."""

    def __init__(self) -> None:
        self.waked: list[tuple[str, RunId]] = []

    def wake(self, cloud: str, run: RunId) -> None:
        self.waked.append((cloud, run))

    def serve(self, clouds: tuple[str, ...], look: object, drive: object) -> None:
        """Nobody serves here."""


class Waiting:
    """A store with a run that is due, and perhaps a holder; keeps for how long runs were put off."""

    def __init__(self, holder: Holder | None) -> None:
        self.shelf = self.lease = self
        self.put: list[tuple[RunId, int]] = []
        self._holder = holder

    def due(self) -> tuple[RunId, ...]:
        return () if self.put else (RUN,)

    def put_off(self, run: RunId, for_s: int) -> None:
        self.put.append((run, for_s))

    def holder(self) -> Holder | None:
        return self._holder


def worker(
    tmp_path: Path,
    waiting: Waiting,
    came: BaseException | int | None = None,
    told: list[Problem] | None = None,
) -> Worker:
    @contextmanager
    def store() -> Iterator[RunStore]:
        yield waiting  # type: ignore[misc]  # as much of one as a worker asks

    @contextmanager
    def site() -> Iterator[Site]:
        yield desk_at(tmp_path).site

    def take_up(_site: Site, _run: RunId) -> int:
        if isinstance(came, BaseException):
            raise came
        return came or 0

    kept: list[Problem] = [] if told is None else told
    return Worker(
        {"east": Served(store, site)}, Hints(), take_up, lambda _what, problem: kept.append(problem)
    )


@pytest.mark.parametrize(("holder", "hints"), [(None, [("east", RUN)]), (REY, [])])
def test_a_run_is_waked_only_while_nobody_holds_its_cloud(
    tmp_path: Path, holder: Holder | None, hints: list[object]
) -> None:
    looking = worker(tmp_path, Waiting(holder))

    looking.look("east")

    assert isinstance(looking.queue, Hints)
    assert looking.queue.waked == hints


@pytest.mark.parametrize(
    ("came", "again"),
    [
        (None, []),
        (42, [(RUN, 42)]),
        (RunHeld(REY), []),
        (Transient("could not reach ctl1: it is down"), [(RUN, SOON_S)]),
        (Refused("the record has mistakes"), [(RUN, AGAIN_S)]),
    ],
)
def test_a_run_that_could_not_be_driven_is_put_off_until_that_may_help(
    tmp_path: Path, came: Problem | int | None, again: list[object]
) -> None:
    waiting = Waiting(None)

    worker(tmp_path, waiting, came).drive("east", RUN)

    assert waiting.put == again


def test_a_hint_that_is_older_than_the_last_try_asks_for_nothing(tmp_path: Path) -> None:
    """A look finds the run due while it is being tried, and its hint is heard when that has ended."""
    waiting, told = Waiting(None), list[Problem]()
    slow = worker(tmp_path, waiting, Refused("the record has mistakes"), told)

    slow.drive("east", RUN)
    slow.drive("east", RUN)

    assert (len(told), waiting.put) == (1, [(RUN, AGAIN_S)])


def test_a_hint_that_is_heard_while_its_run_is_being_tried_asks_for_nothing(tmp_path: Path) -> None:
    """A worker has hands for a drive and a look, and another hint may find the second one free."""
    waiting, tries, told = Waiting(None), list[RunId](), list[Problem]()
    plain = worker(tmp_path, waiting, None, told)

    def take_up(_site: Site, run: RunId) -> int:
        tries.append(run)
        if len(tries) == 1:
            other = threading.Thread(target=busy.drive, args=("east", RUN))
            other.start()
            other.join()
        raise Refused("the record has mistakes")

    busy = replace(plain, take_up=take_up)
    busy.drive("east", RUN)

    assert (tries, len(told), waiting.put) == ([RUN], 1, [(RUN, AGAIN_S)])


def test_a_bug_is_not_caught_and_does_not_come_again_at_every_look(tmp_path: Path) -> None:
    waiting = Waiting(None)

    with pytest.raises(ZeroDivisionError):
        worker(tmp_path, waiting, ZeroDivisionError()).drive("east", RUN)

    assert waiting.put == [(RUN, AGAIN_S)]
