"""Commands that are told of a run that is not the newest: each names that run, or it would be another's."""

from __future__ import annotations

import re
from collections.abc import Iterable

from skylift.model.ids import RunId

_COMMAND = re.compile(
    r"skylift (?:(?P<plain>status|pause|resume|report|rollback|validate|notify|verify)(?! (?:RUN\b|\d))"
    r"|(?P<option>approve|retry|skip|postpone|abort)(?! --run\b))(?![\w-])"
)
"""A verb that is about a run, where none is named: a run's name begins with its date."""


def named(lines: Iterable[str], run: RunId) -> list[str]:
    """These lines with ``run`` in every command that would mean the newest without it."""

    def name(found: re.Match[str]) -> str:
        return f"{found[0]}{' ' if found['plain'] else ' --run '}{run}"

    return [_COMMAND.sub(name, line) for line in lines]
