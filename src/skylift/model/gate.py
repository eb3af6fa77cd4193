"""Gates: what others know of the cloud, asked while a run goes on. They have three answers."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from types import MappingProxyType

from skylift.model.ids import Seconds


class Verdict(Enum):
    """What a gate says."""

    GOOD = "good"
    BAD = "bad"
    INCONCLUSIVE = "inconclusive"
    """Nothing can be said: no answer, no figure, or one between good and bad. A human decides."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gate says, and what it saw, in words that hold no secret."""

    verdict: Verdict
    saw: str


class GateKind(Enum):
    """What is asked."""

    PROMETHEUS = "prometheus"
    HTTP = "http"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class GateEntry:
    """One gate, asked from the machine that Skylift runs on, before the first step and then all the while."""

    kind: GateKind
    """`prometheus` asks a query, `http` gets a page, `command` runs a program."""
    url: str = ""
    """Of Prometheus itself, or of the page: one with a status from 200 to 299 is good, any other is bad."""
    query: str = ""
    """Of Prometheus: its answer must be one figure."""
    good: str = ""
    """When the figure is good, such as `< 0.01`; without it, whenever it is not bad."""
    bad: str = ""
    """When the figure is bad, such as `> 0.05`."""
    argv: tuple[str, ...] = ()
    """The program and its words, run without a shell: it ends with 0 if good, 1 if bad; with any other code
    nothing can be said."""
    token: PurePosixPath | None = None
    """A file of mode 0600 with a bearer token for the URL; a reference, read when it is used."""
    every: Seconds = Seconds(30)
    """Between two questions."""
    patience: Seconds = Seconds(60)
    """For how long nothing may be said until the run is paused for a human."""


Gates = Mapping[str, GateEntry]
"""The gates of a record, by name."""

_SIGNS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
)
BOUND = r"(?:<=|>=|==|<|>) ?-?\d+(?:\.\d+)?"
"""The form of ``good`` and ``bad``."""


def judged(figure: float, *, good: str, bad: str) -> Verdict:
    """What a figure says, by two bounds; bad wins, and what is no number says nothing."""
    if figure != figure:  # noqa: PLR0124 - only not-a-number differs from itself
        return Verdict.INCONCLUSIVE
    if bad and _within(figure, bad):
        return Verdict.BAD
    return Verdict.GOOD if not good or _within(figure, good) else Verdict.INCONCLUSIVE


def _within(figure: float, bound: str) -> bool:
    sign, number = re.split(r"(?<=[<>=])\s*(?=[-\d])", bound, maxsplit=1)
    return _SIGNS[sign.strip()](figure, float(number))
