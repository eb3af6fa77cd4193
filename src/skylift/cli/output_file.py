"""The files that an operator names for an answer: a plan, a page, a picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from skylift.model.problem import Fix, Refused, Remedy


class OutputUnwritable(Refused):
    """A file that was named for an answer cannot be written."""

    code = "output.unwritable"

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(
            f"cannot write {file}: {why}",
            Remedy(
                Fix.RETRY, "name another file, in a folder that you may write to: -o, --html or --svg FILE"
            ),
            Remedy(Fix.REPAIR, f"or see what bars this one: ls -ld {file.parent}; df -h {file.parent}"),
        )


class OutputFile(click.Path[Path]):
    """Such a file on the command line, refused before any work is done for it.

    Raises:
        OutputUnwritable: as ``may_be_written``.
    """

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return may_be_written(super().convert(value, param, ctx))


def may_be_written(file: Path) -> Path:
    """The same file, if by now nothing is seen that bars it; its disk may still fill up.

    Raises:
        OutputUnwritable: something does.
    """
    folder = file.parent
    try:
        if not folder.is_dir():
            raise OutputUnwritable(file, f"the folder {folder} is not there")
        at = file if file.exists() else folder
        if os.access(at, os.W_OK):
            return file
        read_only = os.statvfs(at).f_flag & os.ST_RDONLY
    except OSError as error:
        raise _refused(file, error) from error
    raise OutputUnwritable(
        file, "its disk is mounted read-only" if read_only else f"{at} is not yours to write"
    )


def write_output(file: Path, content: bytes, *, private: bool = False, anew: bool = False) -> None:
    """Write it whole, for its owner alone if it is ``private``; one that finds no room is not left by half.

    Raises:
        OutputUnwritable: it cannot be written.
        FileExistsError: it is to be made ``anew`` and is there, be it since a moment ago; it is as it was.
    """
    try:
        if private:
            file.touch(mode=0o600)
            file.chmod(0o600)
        with file.open("xb" if anew else "wb") as opened, _not_by_half(file):
            opened.write(content)
            opened.flush()
    except FileExistsError:
        raise
    except OSError as error:
        raise _refused(file, error) from error


@contextmanager
def _not_by_half(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        if file.is_file():  # and no terminal or pipe
            file.unlink()
        raise


def _refused(file: Path, error: OSError) -> OutputUnwritable:
    return OutputUnwritable(file, (error.strerror or "no reason given").lower())
