"""The contract of a journal, wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from skylift.engine.journal import (
    EVENTS,
    FORMAT,
    AskedOf,
    Event,
    Journal,
    LossCounted,
    MovesAsked,
    Outcome,
    Overtaken,
    Reported,
    RunAborting,
    RunClosed,
    RunOpened,
    RunPaused,
    RunResumed,
    RunTakenUp,
    RunWarned,
    StageApproved,
    StepDone,
    StepFailed,
    StepPostponed,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepWaits,
    Why,
)
from skylift.model.ids import Digest, HostName, RunId, StepId
from skylift.model.problem import Fix, Remedy
from skylift.planning.plan import Stage

_STEP = StepId("drain:ctl1")
_SAID_NO = Reported(
    "job.failed", "could not stage ctl1: naïve, it said no", (Remedy(Fix.RETRY, "skylift retry"),)
)
ONE_OF_EACH: tuple[Event, ...] = (
    RunOpened(
        FORMAT, RunId("r1"), "lab", Digest("sha256:" + "a" * 64), (_STEP,), "rey@console", 1_764_000_000_000
    ),
    StepStarted(_STEP, 1, 1_764_000_000_001),
    StepFailed(_STEP, 1, _SAID_NO, ended=True, at_ms=1_764_000_000_002),
    StepRetried(_STEP, 2, "rey@console", 3),
    RunPaused(Why.LOSS_BUDGET, _SAID_NO, 4),
    RunPaused(Why.SIGNAL, None, 4),
    RunWarned(Why.GATE, _SAID_NO, 4),
    RunResumed("rey@console", 5),
    LossCounted(3, 1, {"glance": 7250}, 5),
    RunTakenUp("worker@ops2", 5),
    StepStarted(_STEP, 2, 6),
    StepDone(_STEP, 2, 7),
    StepSkipped(_STEP, "done by hand", "rey@console", 8),
    StepPostponed(_STEP, "ctl1 waits for a disk", "rey@console", 9),
    StepWaits(_STEP, "vm1 is on its way", 9),
    MovesAsked((AskedOf("vm1", HostName("cmp1"), HostName("cmp2"), "live"),), 9),
    StageApproved(Stage.VERIFY, (_STEP,), "ann", "ann@laptop", 9),
    RunAborting("the window closes", False, "rey@console", 10),
    RunClosed(Outcome.ABORTED, 11),
)
"""Events of every kind; they tell no story."""

OpenJournal = Callable[[], Journal]
"""Opens the same journal each time, as another process would."""


class JournalContract:
    """The only memory of a run: what was appended is there, in order, once."""

    def test_the_contract_has_every_kind_of_event(self) -> None:
        assert {event.kind for event in ONE_OF_EACH} == EVENTS.keys()

    def test_a_new_journal_is_empty(self, open_journal: OpenJournal) -> None:
        assert open_journal().events() == ()

    def test_what_was_appended_is_there_when_it_is_opened_again(self, open_journal: OpenJournal) -> None:
        journal = open_journal()
        for number, event in enumerate(ONE_OF_EACH):
            journal.append(event, after=number)
        own = journal.events()
        journal.close()

        again = open_journal()

        assert own == again.events() == ONE_OF_EACH
        again.close()
        again.close()

    def test_it_is_read_while_another_writes_it(self, open_journal: OpenJournal) -> None:
        writer, reader = open_journal(), open_journal()
        writer.append(ONE_OF_EACH[0], after=0)
        before = reader.events()
        writer.append(ONE_OF_EACH[1], after=1)

        assert (before, reader.events()) == (ONE_OF_EACH[:1], ONE_OF_EACH[:2])
        writer.close()
        reader.close()

    def test_a_word_judged_by_an_older_journal_is_not_added_and_what_overtook_it_is_seen(
        self, open_journal: OpenJournal
    ) -> None:
        runner, operator = open_journal(), open_journal()
        runner.append(ONE_OF_EACH[0], after=0)
        operator.append(ONE_OF_EACH[1], after=len(operator.events()))

        with pytest.raises(Overtaken):
            runner.append(ONE_OF_EACH[2], after=1)

        assert runner.events() == operator.events() == ONE_OF_EACH[:2]
        runner.append(ONE_OF_EACH[2], after=2)
        assert operator.events() == ONE_OF_EACH[:3]
        runner.close()
        operator.close()

    @pytest.mark.parametrize("after", [0, 2])
    def test_no_place_is_written_twice_and_none_is_left_out(
        self, open_journal: OpenJournal, after: int
    ) -> None:
        journal = open_journal()
        journal.append(ONE_OF_EACH[0], after=0)

        with pytest.raises(Overtaken):
            journal.append(ONE_OF_EACH[1], after=after)

        assert journal.events() == open_journal().events() == ONE_OF_EACH[:1]
        journal.close()
