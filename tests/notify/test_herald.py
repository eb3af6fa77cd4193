"""How tries are spaced and bounded, whatever those who are told do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from skylift.app.herald import TRIES, Herald, Post, Try, beside
from skylift.app.outbox import OutboxFile
from skylift.model.ids import Epoch
from skylift.model.notification import Notification, NotifyEntry, Occasion, Way

TOLD = Notification("run-1/1/paused", Occasion.PAUSED, "sample", "run-1", 0, "the run was paused")
OTHER = Notification("run-1/2/halted", Occasion.HALTED, "sample", "run-1", 0, "the run is halted")


@dataclass
class Street:
    """Time that passes by hand, and addressees who answer when a test lets them."""

    outbox: OutboxFile
    now: float = 1000.0
    tries: list[tuple[float, str, Future[str | None]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    answers: Callable[[], str | None] | None = None

    def begin(self, attempt: Try) -> Future[str | None]:
        future: Future[str | None] = Future()
        self.tries.append((self.now, attempt() or "", future))
        if self.answers:
            future.set_result(self.answers())
        return future

    def post(self, **entries: NotifyEntry) -> Post:
        return Post(
            entries=entries,
            send=lambda _entry, what: what.key,
            outbox=self.outbox,
            clock=lambda: Epoch(self.now),
            remark=self.remarks.append,
            begin=self.begin,
        )

    def pause(self) -> None:
        self.now += 1


@pytest.fixture
def street(tmp_path: Path) -> Street:
    return Street(OutboxFile(tmp_path / "told"))


OPS = NotifyEntry(Way.COMMAND)


def test_a_try_that_failed_is_made_again_after_5_and_15_s_and_then_no_more(street: Street) -> None:
    street.answers = lambda: "status 503"
    herald = Herald(street.post(ops=OPS))

    herald.tell([TOLD])
    herald.finish(street.pause)

    assert [moment - 1000 for moment, *_ in street.tries] == [0, 5, 20]
    assert len(street.tries) == TRIES
    assert [(s.to, s.failed) for s in street.outbox.settled()] == [("ops", "status 503")]
    assert street.remarks == ["ops was not told of paused: status 503; it is tried again by: skylift notify"]


def test_who_does_not_answer_is_told_nothing_else_meanwhile_and_holds_up_nobody(street: Street) -> None:
    herald = Herald(street.post(slow=OPS, quick=OPS))
    herald.tell([TOLD, OTHER])

    herald.go_round()
    street.tries[1][2].set_result(None)
    herald.go_round()
    herald.go_round()

    assert [key for _, key, _ in street.tries] == [TOLD.key, TOLD.key, OTHER.key]
    assert [(s.key, s.to) for s in street.outbox.settled()] == [(TOLD.key, "quick")]


def test_only_what_an_addressee_wishes_is_told_and_only_once(street: Street) -> None:
    street.answers = lambda: None
    herald = Herald(street.post(ops=NotifyEntry(Way.COMMAND, events=(Occasion.HALTED,))))

    for _ in range(2):
        herald.tell([TOLD, OTHER])
        herald.finish(street.pause)
    later = Herald(street.post(ops=OPS))
    later.tell([OTHER])
    later.finish(street.pause)

    assert [key for _, key, _ in street.tries] == [OTHER.key]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_our_own_is_a_try_that_failed() -> None:
    def wrong() -> str | None:
        raise ZeroDivisionError

    failed = beside(wrong).result(timeout=60)
    for thread in [t for t in threading.enumerate() if t.name == "notify"]:
        thread.join()

    assert failed == "it failed by a mistake of Skylift's own"
    assert beside(lambda: None).result(timeout=60) is None
