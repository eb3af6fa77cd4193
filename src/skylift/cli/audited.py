"""What every verb that may change something has in common: the audit trail has it, and what came of it."""

from __future__ import annotations

from typing import Any

import click

from skylift.app.audit import audited
from skylift.app.bugs import told_as_problem
from skylift.cli.desk import NO_BUGS, Desk
from skylift.cli.exits import Exit


class Audited(click.Command):
    """A verb that is written down before it does anything, and again when it has ended."""

    def invoke(self, ctx: click.Context) -> Any:
        desk = ctx.ensure_object(Desk)
        said = {key: str(word) for key, word in ctx.params.items() if word not in {None, False}}
        with audited(desk.runs, self.name or "", said) as ended:
            # Within, so that the trail has it as what came of the verb.
            try:
                with told_as_problem(desk.bugs, NO_BUGS):
                    code = super().invoke(ctx)
            except click.ClickException:
                ended(Exit.USAGE)
                raise
            ended(code)
        return code
