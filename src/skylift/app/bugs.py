"""A mistake of Skylift's own, told like any problem; all there is to know of it is kept in a file."""

from __future__ import annotations

import platform
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from skylift.model.masking import masked
from skylift.model.problem import Fix, Problem, Remedy, Uncertain

_SHOWN = 300
"""Characters of what an exception says, on the screen."""


class Unexpected(Uncertain):
    """Skylift met with something that it was not made for: a mistake of its own."""

    code = "bug.unexpected"

    def __init__(self, error: Exception, kept: str) -> None:
        said = " ".join(str(error).split())[:_SHOWN]
        super().__init__(
            f"Skylift itself has made a mistake, and has stopped: {type(error).__name__}"
            f"{': ' if said else ''}{said}; {kept}",
            Remedy(Fix.REPAIR, "see how the run stands, if one was under way: skylift status"),
            Remedy(Fix.RETRY, "what was written is whole, so let it go on from there: skylift resume"),
            Remedy(
                Fix.REPAIR,
                "report it to whoever you have Skylift from, with that file, and what you had typed: known "
                "secrets in it are masked, but read it first",
            ),
        )


@contextmanager
def told_as_problem(home: Path, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise a mistake of ours as a problem, its traceback kept in the folder ``home``.

    Only for the edge of the program: within, a mistake must stop whatever it meets. ``but`` are exceptions
    that are no mistakes.

    Raises:
        Unexpected: something was raised that is neither a problem nor one of these.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, (Problem, *but)):
            raise
        raise Unexpected(error, _kept(error, home)) from error


def _kept(error: Exception, home: Path) -> str:
    """Keep all of it for its owner alone, and say where; on the screen, if no file can be had."""
    whole = masked("".join(traceback.format_exception(error)))
    about = f"Skylift {version('skylift')}, Python {platform.python_version()}\n"
    try:
        home.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=home, prefix="bug-", suffix=".txt", encoding="utf-8", delete=False
        ) as file:  # only its owner may read it
            file.write(about + whole)
    except OSError as why:
        return f"it could not be kept in {home} ({why}):\n{about}{whole}"
    return f"all there is to know is in {file.name}"
