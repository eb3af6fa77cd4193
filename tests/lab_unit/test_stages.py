"""Stages look, push only what is missing, and go on where they were stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from skylift.gate.lab.stages import Outcome, Stage, build


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, Outcome]] = []

    def started(self, stage: str) -> None:
        del stage

    def ended(self, stage: str, outcome: Outcome) -> None:
        self.ends.append((stage, outcome))


class Works:
    """A world in which stages put their names into a set, and may be told to fail."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.pushed: list[str] = []
        self.failing: set[str] = set()

    def stage(self, name: str, *after: str) -> Stage:
        return Stage(name, lambda: name in self.there, lambda: self._push(name), after=after)

    def _push(self, name: str) -> None:
        self.pushed.append(name)
        if name in self.failing:
            raise OSError(f"{name} failed")
        self.there.add(name)


def test_a_second_build_pushes_nothing() -> None:
    works = Works()
    stages = (works.stage("network"), works.stage("hosts", "network"))

    first, second = build(stages, Told()), build(stages, Told())

    assert (first, second) == (2, 0)


def test_a_stage_waits_for_those_it_comes_after() -> None:
    works = Works()
    stages = (works.stage("hosts", "network", "roots"), works.stage("roots"), works.stage("network"))

    build(stages, Told(), at_once=3)

    assert works.pushed[-1] == "hosts"


def test_a_failure_is_raised_and_what_waits_for_it_never_starts() -> None:
    works = Works()
    works.failing = {"roots"}
    told = Told()

    with pytest.raises(OSError, match="roots failed"):
        build((works.stage("roots"), works.stage("hosts", "roots")), told)

    assert works.pushed == ["roots"]
    assert told.ends == [("roots", Outcome.FAILED)]


def test_the_next_build_goes_on_where_the_failed_one_stopped() -> None:
    works = Works()
    stages = (works.stage("network"), works.stage("roots", "network"), works.stage("hosts", "roots"))
    works.failing = {"roots"}
    with pytest.raises(OSError, match="roots failed"):
        build(stages, Told())
    works.failing = set()
    works.pushed.clear()

    pushed = build(stages, Told())

    assert pushed == 2
    assert works.pushed == ["roots", "hosts"]


def test_a_stage_under_way_ends_when_another_fails() -> None:
    works = Works()
    works.failing = {"roots"}
    release = threading.Event()

    def slowly() -> None:
        release.wait(10)
        works.there.add("artifact")

    def fail() -> None:
        release.set()
        raise OSError("roots failed")

    slow = Stage("artifact", lambda: False, slowly)

    with pytest.raises(OSError, match="roots failed"):
        build((slow, Stage("roots", lambda: False, fail)), Told())

    assert "artifact" in works.there


def test_stages_that_need_nothing_of_each_other_run_side_by_side() -> None:
    meet = threading.Barrier(2, timeout=60)

    def push() -> None:
        meet.wait()

    sides = [Stage(name, lambda: False, push) for name in ("debian", "artifact")]

    assert build(sides, Told()) == 2


def test_an_unknown_predecessor_is_a_bug_that_is_told() -> None:
    with pytest.raises(ValueError, match=r"hosts comes after unknown \['network'\]"):
        build((Works().stage("hosts", "network"),), Told())


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as Python has it, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_lets_what_runs_end_and_begins_nothing_new() -> None:
    works = Works()
    never = threading.Event()

    def slowly() -> None:
        main = threading.main_thread().ident
        assert main is not None
        never.wait(0.3)  # by then the main thread waits for us
        signal.pthread_kill(main, signal.SIGINT)
        never.wait(0.3)  # it is woken meanwhile
        works.there.add("debian")

    with pytest.raises(KeyboardInterrupt):
        build((Stage("debian", lambda: False, slowly), works.stage("artifact")), Told(), at_once=1)

    assert works.there == {"debian"}
    assert works.pushed == []


def test_a_failure_begins_nothing_that_waits_for_a_thread() -> None:
    works = Works()
    works.failing = {"roots"}

    with pytest.raises(OSError, match="roots failed"):
        build((works.stage("roots"), works.stage("artifact"), works.stage("network")), Told(), at_once=1)

    assert works.pushed == ["roots"]
