"""Kinds of things that an API makes and removes in its own time, and how far one has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from skylift.model.sample import DONE, LOST
from skylift.probe.access import CINDER, HEAT, NOVA
from skylift.probe.exchange import Answer, Request
from skylift.probe.session import Call, Session, State, Work, part

_ABSENT = 404
_GONE = ("DELETED", "DELETE_COMPLETE")
_STAYS = ("error_deleting", "DELETE_FAILED")


class Kind(NamedTuple):
    """Where an API has its things of one kind, and what the answer that shows one calls it."""

    api: str
    path: str
    single: str
    status: str = "status"
    reason: tuple[str, ...] = ()
    """Where the answer says why it failed."""
    place: str = ""
    """What an administrator's answer calls the host it is on, if it tells."""

    def request(self, session: Session, method: str, thing: str) -> Request:
        """A request to one of them."""
        return session.request(method, self.api, f"{self.path}/{thing}")

    def work(self, session: Session, stream: str, thing: str, state: Callable[[Kind, Answer], State]) -> Work:
        """What was accepted for ``thing``, which is looked at until its ``state`` has an outcome."""

        def fault(answer: Answer) -> str:
            known = answer.status == _ABSENT or part(answer, self.single, self.status)
            return "" if known else f"the answer has no {self.single}'s {self.status}"

        request = self.request(session, "GET", thing)
        look = Call(f"{self.single}-follow", self.api, request, (200, _ABSENT), fault)
        return Work(stream, self.api, f"{self.single} {thing}", look, lambda answer: state(self, answer))

    def so_far(self, answer: Answer) -> str:
        """How far one has come; one that no host has taken yet is told from one that is slow there."""
        status = str(part(answer, self.single, self.status))
        told = part(answer, self.single)
        if not self.place or not isinstance(told, dict) or self.place not in told:
            return status
        return f"{status} on {told[self.place]}" if told[self.place] else f"{status} without a host"

    def made(self, answer: Answer) -> str:
        """The fault of an answer that says a thing was made, but not which."""
        return "" if part(answer, self.single, "id") else f"the answer has no {self.single}'s id"


SERVER = Kind(NOVA, "/servers", "server", reason=("fault", "message"), place="OS-EXT-SRV-ATTR:host")
VOLUME = Kind(CINDER, "/volumes", "volume")
STACK = Kind(HEAT, "/stacks", "stack", "stack_status", ("stack_status_reason",))


def becomes(goal: str) -> Callable[[Kind, Answer], State]:
    """A thing has come about when its status is ``goal``; it is lost if it is gone or in error before."""

    def state(kind: Kind, answer: Answer) -> State:
        if answer.status == _ABSENT:
            return State(LOST, f"it was gone before it was {goal}")
        status = str(part(answer, kind.single, kind.status))
        if status.lower().startswith("error") or status.endswith("_FAILED"):
            return State(LOST, f"it ended in {status}: {part(answer, kind.single, *kind.reason)}")
        return State(DONE) if status == goal else State("", f"it was still {kind.so_far(answer)}")

    return state


def gone(kind: Kind, answer: Answer) -> State:
    """A thing that was deleted has gone when it is not found any more."""
    status = part(answer, kind.single, kind.status)
    if answer.status == _ABSENT or status in _GONE:
        return State(DONE)
    said = f"it was not gone, but {status}"
    return State(LOST if status in _STAYS else "", said)
