"""A run and its gates: nothing begins that is not good, bad stops it, and who cannot tell asks a human."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.app.desk import Desk, desk_at

from skylift.app.conduct import go_on
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.journal import Why
from skylift.model.gate import Answer, GateEntry, GateKind, Verdict
from skylift.model.ids import Seconds

GOOD, BAD = Answer(Verdict.GOOD, "0.001"), Answer(Verdict.BAD, "0.7")
UNSURE = Answer(Verdict.INCONCLUSIVE, "no answer (URLError)")


@dataclass
class Watching:
    """A desk whose cloud somebody else watches, and says what a test lets him say."""

    desk: Desk
    says: Callable[[], Answer] = lambda: GOOD
    asked: list[float] = field(default_factory=list)

    def ask(self, _gate: GateEntry) -> Answer:
        self.asked.append(self.desk.cloud.now)
        return self.says()

    def apply(self) -> Run:
        return self.desk.apply(self.desk.plan())

    def resume(self) -> Run:
        return go_on(self.desk.site, self.desk.site.runs.find(None), self.desk.bench)


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    desk = desk_at(tmp_path)
    gates = {"errors": GateEntry(GateKind.HTTP, "http://unused", every=Seconds(10), patience=Seconds(30))}
    found = Watching(desk)
    desk.site = replace(desk.site, record=replace(desk.site.record, gates=gates), ask=found.ask)
    return found


def reported(run: Run) -> tuple[Why, str, str]:
    assert run.pause is not None
    assert run.pause.problem is not None
    return run.pause.why, run.pause.problem.code, run.pause.problem.sentence


def test_a_gate_that_is_good_is_asked_all_the_while_and_holds_nothing_up(watching: Watching) -> None:
    ended = watching.apply()

    assert ended.standing is Standing.COMPLETED
    assert watching.desk.cloud.failed == []
    lasted_s = (ended.last_ms - ended.opened_ms) / 1000
    assert lasted_s / 10 - 3 < len(watching.asked) <= lasted_s / 10 + 1


@pytest.mark.parametrize(("answer", "code"), [(BAD, "gate.bad"), (UNSURE, "gate.inconclusive")])
def test_nothing_begins_before_every_gate_said_good(watching: Watching, answer: Answer, code: str) -> None:
    watching.says = lambda: answer
    held = watching.apply()
    watching.says = lambda: GOOD

    resumed = watching.resume()

    assert held.steps == {}
    assert reported(held)[:2] == (Why.GATE, code)
    assert resumed.standing is Standing.COMPLETED


def test_bad_pauses_the_run_what_runs_ends_and_nothing_fails_for_users(watching: Watching) -> None:
    watching.says = lambda: BAD if len(watching.asked) > 4 else GOOD
    paused = watching.apply()
    watching.says = lambda: GOOD

    resumed = watching.resume()

    assert reported(paused) == (Why.GATE, "gate.bad", "gate errors says bad (0.7)")
    assert paused.steps
    assert not paused.within(Phase.RUNNING, Phase.FAILED)
    assert resumed.standing is Standing.COMPLETED
    assert watching.desk.cloud.failed == []


def test_who_cannot_tell_is_waited_for_and_then_a_human_is_asked(watching: Watching) -> None:
    watching.says = lambda: UNSURE if len(watching.asked) > 4 else GOOD

    paused = watching.apply()

    why, code, sentence = reported(paused)
    assert (why, code) == (Why.GATE, "gate.inconclusive")
    assert "says neither good nor bad for 3" in sentence
    assert "no answer (URLError)" in sentence


def test_who_cannot_tell_for_a_moment_stops_nothing(watching: Watching) -> None:
    watching.says = lambda: UNSURE if len(watching.asked) in {4, 5} else GOOD

    assert watching.apply().standing is Standing.COMPLETED
