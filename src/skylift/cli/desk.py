"""What every verb of the command line is given: where the record is, and where words go."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from skylift.app.record_file import load_record
from skylift.app.runs import RunFolder, Runs, RunUnknown
from skylift.cli.naming import named
from skylift.cli.speech import say
from skylift.model.codec import encode
from skylift.model.goal import Upgrade
from skylift.model.ids import RunId
from skylift.model.problem import Problem
from skylift.model.record import Record
from skylift.model.release import Release


@dataclass
class Desk:
    """The operator's side of one call."""

    record: Path
    store: str | None = None
    """Where the runs are, if the operator says so."""
    older: RunId | None = None
    """The run that she named, if it is not the newest: a command without a name would mean another."""

    @cached_property
    def runs(self) -> Runs:
        """The runs of the record's cloud; the same ones all along, for a lease in a store is theirs.

        Raises:
            StoreReference, StoreExtra: the store cannot be used.
        """
        from skylift.app.wiring import runs_of  # noqa: PLC0415 - a plan is looked at without SSH

        return runs_of(self.record, self.store)

    @property
    def as_recorded(self) -> Record | None:
        """The record, if it can be read: where a run stands is told without it, too."""
        try:
            return load_record(self.record)
        except Problem:
            return None

    @property
    def bugs(self) -> Path:
        """Where what is known of a mistake of ours is kept."""
        return Runs.beside(self.record).home

    def find(self, wanted: str | None) -> RunFolder:
        """The run with this id, or the newest.

        Raises:
            RunUnknown: there is none.
            RecordInvalid: there is none, and no record beside which it could be.
        """
        try:
            found = self.runs.find(wanted)
        except RunUnknown:
            if not (self.record.exists() or self.runs.store or self.runs.known()):
                load_record(self.record)
            raise
        self.older = found.id if wanted and found.id != self.runs.known()[-1].id else None
        return found

    def told(self, lines: Iterable[str]) -> list[str]:
        """These lines, their commands for the run that they are about."""
        return named(lines, self.older) if self.older else list(lines)

    def told_of(self, problem: Problem) -> Problem:
        """The same of a problem's remedies."""
        hows = self.told(remedy.how for remedy in problem.remedies)
        problem.remedies = tuple(
            replace(remedy, how=how) for remedy, how in zip(problem.remedies, hows, strict=True)
        )
        return problem

    def close(self) -> None:
        """Let go of the store, if there was one."""
        runs: Runs | None = self.__dict__.get("runs")
        if runs is not None and runs.store is not None:
            runs.store.close()


NO_BUGS = (click.ClickException, click.Abort, click.exceptions.Exit)
"""What a command may end with, beside a problem, that is no mistake of ours."""

json_option = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
run_option = click.option("--run", "run", help="The run; without it, the newest.")
host_option = click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="In a run over hosts, instead of STEP: this host; may be given again.",
)
zone_option = click.option(
    "--zone", "zones", multiple=True, metavar="ZONE", help="Likewise: every host of this zone."
)
no_return_option = click.option(
    "--no-return",
    "no_returns",
    multiple=True,
    metavar="STEP",
    help="This point of no return may be passed; may be given again.",
)
reason_option = click.option("--reason", required=True, help="Why; it is kept in the journal.")
pass_desk = click.make_pass_decorator(Desk)


def answer(lines: Iterable[str], document: Any, *, as_json: bool) -> None:
    """Print what was asked for: lines of text, or with ``--json`` the one document, on standard output."""
    if as_json:
        say(json.dumps(encode(document), indent=2, sort_keys=True))
        return
    for line in lines:
        say(line)


def remark(line: str) -> None:
    """Say what goes on, on standard error, so that the answer stays clean."""
    say(line, err=True)


class _ReleaseWord(click.ParamType[Upgrade]):
    name = "release"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Upgrade:
        try:
            return Upgrade(Release.parse(str(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)


_GOAL: dict[str, Any] = {"type": _ReleaseWord(), "metavar": "RELEASE", "help": "The goal, such as 2024.1."}

goal_option = click.option("--to", "goal", required=True, **_GOAL)
optional_goal_option = click.option("--to", "goal", **_GOAL)
