"""The ``skylift`` command."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from skylift.app.bugs import told_as_problem
from skylift.cli.desk import NO_BUGS, Desk
from skylift.cli.exits import Exit, exit_for
from skylift.cli.speech import say
from skylift.cli.views import problem as problem_view
from skylift.model.problem import Problem

VERBS = {
    "init": "cli.init",
    "inspect": "cli.look",
    "stage": "cli.stage",
    "check": "cli.look",
    "plan": "cli.plan",
    "why": "cli.plan",
    "recovery": "cli.recovery",
    "simulate": "cli.simulate",
    "audit-order": "cli.audit",
    "apply": "cli.run",
    "pause": "cli.control",
    "resume": "cli.run",
    "approve": "cli.control",
    "retry": "cli.run",
    "skip": "cli.control",
    "postpone": "cli.control",
    "abort": "cli.run",
    "checkpoint": "cli.checkpoint",
    "rollback": "cli.rollback",
    "status": "cli.outcome",
    "validate": "cli.outcome",
    "report": "cli.outcome",
    "notify": "cli.notify",
    "ssh": "cli.ssh",
    "verify": "cli.verify",
    "worker": "cli.worker",
    "lab": "cli.lab",
}
"""Each verb and the module that has it, in the order an operator meets them."""


class _Verbs(click.Group):
    """Loads a verb's module when it is asked for, so that planning needs nothing of the lab or of SSH."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with told_as_problem(Desk(ctx.params["record"]).bugs, NO_BUGS):
                return super().invoke(ctx)
        except Problem as problem:
            ctx.ensure_object(Desk).told_of(problem)
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        found: click.Command = getattr(
            importlib.import_module(f"skylift.{VERBS[cmd_name]}"), cmd_name.replace("-", "_")
        )
        return found


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("skylift"), message="skylift %(version)s")
@click.option(
    "--cloud",
    "record",
    envvar="SKYLIFT_CLOUD",
    default="cloud.yaml",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The record of the cloud; also SKYLIFT_CLOUD.",
)
@click.option(
    "--store",
    envvar="SKYLIFT_STORE",
    metavar="URL",
    help="Where the runs are, if several machines share them: postgresql://USER@HOST/DATABASE, without a "
    "password; also SKYLIFT_STORE, and 'store' in the record.",
)
@click.pass_context
def skylift(ctx: click.Context, record: Path, store: str | None) -> None:
    """Upgrade OpenStack clouds without taking them down.

    A run is: inspect, stage, check, plan, apply; then validate and report. Services are changed by apply,
    resume, retry, abort and 'rollback --apply', and by a worker that serves the cloud; by nothing else.
    """
    desk = ctx.obj = Desk(record=record, store=store)
    ctx.call_on_close(desk.close)


def main() -> None:
    """Run one verb; a problem is printed with its remedies, and its class decides the exit code."""
    # When a host goes down its proxy command may be reaped by whoever starts the next process: asyncio warns
    # of that on the operator's screen, and it means nothing to her.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    sys.exit(call(sys.argv[1:]))


def call(argv: list[str]) -> int:
    """Run one verb with these words and return its exit code."""
    try:
        code = skylift.main(argv, prog_name="skylift", standalone_mode=False)
    except Problem as problem:
        if "--json" in argv:
            say(json.dumps({"problem": problem_view.document(problem)}, indent=2))
        for line in problem_view.lines(problem):
            say(line, err=True)
        return exit_for(problem)
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing was started", err=True)
        return Exit.FAILED
    return code if isinstance(code, int) else Exit.OK


if __name__ == "__main__":
    main()
