"""What does not last by itself is held while the process lives, and taken again by the one that resumes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from threading import Event as Signal

import pytest
from tests.engine.test_decide import done, failed, run_of, started

from skylift.engine.decide import Decision, Order, decide
from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Phase, Run, after
from skylift.engine.journal import Event, RunResumed, StepPostponed, StepRetried, StepStarted
from skylift.engine.operate import Asked, open_run
from skylift.model.ids import Epoch, Seconds
from skylift.planning.plan import Plan, Step
from skylift.ports import Ports
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import PLAN_DIGEST, RUN, plan_of, step_of
from skylift.testing.samples import sample_record
from skylift.testing.scripted import Script, Scripted

SCRIPT = Script()
HOLD = Seconds(10)


def step(
    name: str,
    script: Script = SCRIPT,
    *,
    back: str = "",
    hold_s: Seconds | None = None,
    looks_again: bool = False,
) -> Step:
    return step_of(Scripted(name, script, back, hold_s, looks_again), name=name)


TAKE = step("take", back="give", hold_s=HOLD)
WORK, MORE, GIVE = step("work"), step("more"), step("give")
CHAIN = (TAKE, WORK, MORE, GIVE)
PLAN = plan_of(CHAIN, pairwise(CHAIN))
RESUMED = RunResumed("rey", 5)


def decided(*events: Event, plan: Plan = PLAN) -> tuple[list[str], list[str]]:
    """The steps that are watched, and those that are started."""
    decision: Decision = decide(Order.of(plan), run_of(*events), at_once=6)
    return [s.id for s in decision.watch], [s.id for s in decision.start]


def held(run: Run, now: float = 3) -> list[str]:
    return [s.id for s in Order.of(PLAN).held(run, Epoch(now))]


def test_what_lapsed_is_taken_again_before_what_waits_for_it_starts() -> None:
    assert decided(*done(TAKE)) == ([], ["work"])
    assert decided(*done(TAKE), RESUMED) == ([], ["take"])
    assert decided(*done(TAKE), RESUMED, *started(TAKE)) == (["take"], [])
    assert decided(*done(TAKE), RESUMED, *done(TAKE)) == ([], ["work"])


def test_what_waits_for_it_and_had_begun_is_not_pushed_until_then() -> None:
    assert decided(*done(TAKE), *started(WORK), RESUMED) == ([], ["take"])
    assert decided(*done(TAKE), *started(WORK), RESUMED, *started(TAKE)) == (["take"], [])
    assert decided(*done(TAKE), *started(WORK), RESUMED, *done(TAKE)) == (["work"], [])


def test_what_comes_later_goes_on_beside_it_but_for_the_giving_back() -> None:
    assert decided(*done(TAKE, WORK), RESUMED) == ([], ["take", "more"])
    assert decided(*done(TAKE, WORK, MORE)[:-1], RESUMED) == (["more"], ["take"])
    assert decided(*done(TAKE, WORK), RESUMED, *started(TAKE), *done(MORE)) == (["take"], [])


def test_nothing_is_taken_again_when_only_giving_back_is_left() -> None:
    assert decided(*done(TAKE, WORK, MORE), RESUMED) == ([], ["give"])
    assert decided(*done(TAKE, WORK, MORE), *started(GIVE), RESUMED) == (["give"], [])


def test_what_was_seen_while_it_was_held_is_seen_again_when_it_was_taken_again() -> None:
    look = step("look", looks_again=True)
    chain = (TAKE, look, WORK, GIVE)
    plan = plan_of(chain, [*pairwise(chain), (TAKE, WORK)])

    assert decided(*done(TAKE, look), plan=plan) == ([], ["work"])
    assert decided(*done(TAKE, look), RESUMED, plan=plan) == ([], ["take"])
    assert decided(*done(TAKE, look), RESUMED, *started(TAKE), plan=plan) == (["take"], [])
    assert decided(*done(TAKE, look), RESUMED, *done(TAKE), plan=plan) == ([], ["look"])
    assert decided(*done(TAKE, look), RESUMED, *done(TAKE, look), plan=plan) == ([], ["work"])


def test_it_is_not_seen_again_when_what_waits_for_it_has_begun() -> None:
    """That may be what keeps it from being seen."""
    look = step("look", looks_again=True)
    chain = (TAKE, look, WORK, GIVE)
    plan = plan_of(chain, [*pairwise(chain), (TAKE, WORK)])

    assert decided(*done(TAKE, look), *started(WORK), RESUMED, *done(TAKE), plan=plan) == (["work"], [])
    tried = (*failed(WORK), StepRetried(WORK.id, 2, "rey", 4))
    assert decided(*done(TAKE, look), *tried, RESUMED, *done(TAKE), plan=plan) == ([], ["work"])


def test_it_is_seen_again_when_what_waits_for_it_was_only_put_aside() -> None:
    look = step("look", looks_again=True)
    chain = (TAKE, look, WORK, GIVE)
    plan = plan_of(chain, [*pairwise(chain), (TAKE, WORK)])
    back = (StepPostponed(WORK.id, "not now", "rey", 3), StepRetried(WORK.id, 1, "rey", 4))

    assert decided(*done(TAKE, look), *back, RESUMED, *done(TAKE), plan=plan) == ([], ["look"])
    assert decided(*done(TAKE, look), *back, RESUMED, *done(TAKE, look), plan=plan) == ([], ["work"])


def test_what_lasts_by_itself_is_not_taken_again() -> None:
    lasting = (step("take", back="give"), WORK, GIVE)

    assert decided(*done(TAKE), RESUMED, plan=plan_of(lasting, pairwise(lasting))) == ([], ["work"])


def test_after_a_failure_elsewhere_it_is_taken_again_for_what_is_on_its_way_back() -> None:
    bad = step("bad")
    plan = plan_of((*CHAIN, bad), pairwise(CHAIN))

    assert decided(*failed(bad), *done(TAKE), RESUMED, plan=plan) == ([], ["take"])


def test_it_is_taken_again_when_the_step_that_failed_is_retried() -> None:
    retried = StepRetried(WORK.id, 2, "rey", 4)

    assert decided(*done(TAKE), *failed(WORK), RESUMED) == ([], [])
    assert decided(*done(TAKE), *failed(WORK), retried, RESUMED) == ([], ["take"])


def test_a_step_that_cannot_be_taken_again_halts_the_run_with_what_waits_for_it_untouched() -> None:
    assert decided(*done(TAKE), *started(WORK), RESUMED, *failed(TAKE)) == ([], [])


def test_it_is_held_until_nothing_is_left_but_to_give_it_back() -> None:
    assert held(run_of(*started(TAKE))) == []
    assert held(run_of(*done(TAKE))) == ["take"]
    assert held(run_of(*done(TAKE), *started(WORK))) == ["take"]
    assert held(run_of(*done(TAKE, WORK, MORE))) == []


def test_it_is_held_no_longer_than_it_says_and_not_after_a_failure_or_by_another_process() -> None:
    run = run_of(*done(TAKE))

    assert held(run, now=HOLD) == ["take"]
    assert held(run, now=HOLD + 1) == []
    assert held(run_of(*done(TAKE), *failed(WORK))) == []
    assert held(run_of(*done(TAKE), RESUMED)) == []


def test_a_done_step_starts_again_only_after_a_resume() -> None:
    with pytest.raises(AssertionError, match="take was started while it was open"):
        after(run_of(*done(TAKE)), StepStarted(TAKE.id, 1, 9))


@dataclass(frozen=True)
class Slow(Scripted):
    """Its pushes, once it was taken, are on their way until a test lets them arrive."""

    arrive: Signal | None = None
    on_its_way: Signal | None = None

    def advance(self, ports: Ports) -> None:
        super().advance(ports)
        if self.arrive is not None and self.on_its_way is not None:
            self.on_its_way.set()
            assert self.arrive.wait(60)


def test_nothing_is_given_back_while_a_push_that_takes_it_is_still_on_its_way() -> None:
    """It would arrive afterwards, and take it again with nobody left to give it back."""
    script, arrive, on_its_way = Script(), Signal(), Signal()
    take = step_of(Slow("take", script, "give", HOLD, arrive=arrive, on_its_way=on_its_way), name="take")
    chain = (take, step("work", script), step("give", script))
    journal, cloud = MemoryJournal(), FakeCloud(sample_record(components=()))
    open_run(journal, RUN, cloud="sample", plan=PLAN_DIGEST, approved=(), asked=Asked("rey", Epoch(0)))
    limits = Limits(at_once=2, unreachable=Seconds(9))

    with ThreadPoolExecutor(3) as pool:
        plan = plan_of(chain, pairwise(chain))
        execution = Execution(plan, journal, ports_of(cloud), limits=limits, pool=pool)
        execution.tick(Epoch(1))
        execution.tick(Epoch(2))
        assert on_its_way.wait(60)
        waiting = [execution.tick(Epoch(3)), execution.tick(Epoch(4))]
        arrive.set()
        while "give" not in execution.run.steps and not Signal().wait(0.01):
            execution.tick(Epoch(5))

    assert all("give" not in run.steps for run in waiting)
    assert execution.run.steps[chain[-1].id].phase is Phase.DONE
    assert script.pushed == ["take"]
