"""Is anything in hand that a run would break, or that never ends by itself?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns
from skylift.model.ids import Epoch
from skylift.model.work import EXAMPLES, InHand, Piece

_STUCK_AFTER_S = 3600
_RESET = {
    "server": "openstack server set --state error {id}",
    "volume": "openstack volume set --state error {id}",
    "volume snapshot": "openstack volume snapshot set --state error {id}",
    "volume backup": "openstack volume backup set --state error {id}",
    "stack": "openstack stack cancel {id}",
}
"""Commands that end what does not end by itself. Source: python-openstackclient and python-heatclient."""
_DELETE_AGAIN = "openstack stack delete {id}"
"""Heat cancels no delete: it is asked for again."""


def _ask(question: Question) -> Iterator[Complaint]:
    now = question.cloud.observed_at
    for work in question.cloud.work:
        stuck = tuple(piece for piece in work.oldest if _is_stuck(piece, now))
        if stuck:
            yield _stuck(work, stuck)
        if work.count > len(stuck):
            names = listed(piece.id for piece in work.oldest if piece not in stuck)
            yield warns(
                f"{work.count - len(stuck)} of kind {work.what} in {work.database} are {work.state}"
                f"{f', such as {names}' if names else ''}: a stop of what works on them may break them",
                "wait until they have ended, and keep new work away meanwhile, then: skylift check --to "
                f"{question.goal.to}",
            )


def _stuck(work: InHand, stuck: tuple[Piece, ...]) -> Complaint:
    least = "at least " if len(stuck) == EXAMPLES < work.count else ""
    return blocks(
        f"{least}{len(stuck)} of kind {work.what} in {work.database} have been {work.state} for more than an "
        f"hour: {listed(piece.id for piece in stuck)}; such work does not end by itself",
        *(f"if nothing works on it any more, end it: {_reset(work).format(id=piece.id)}" for piece in stuck),
    )


def _reset(work: InHand) -> str:
    return _DELETE_AGAIN if work.state.startswith("DELETE_") else _RESET[work.what]


def _is_stuck(piece: Piece, now: Epoch) -> bool:
    return piece.since is not None and now - piece.since > _STUCK_AFTER_S


WORK_IN_HAND = Check(
    "work-in-hand",
    "nothing is in hand that a run would break",
    _ask,
    needs=("work",),
    rows=(96, 97),
)
