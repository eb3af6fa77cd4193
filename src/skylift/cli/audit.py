"""``skylift audit-order``: judge an order that Skylift did not make."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import click

from skylift.app.order_file import audit_file
from skylift.cli.desk import answer, json_option
from skylift.cli.exits import Exit
from skylift.cli.views import audit as audit_view


@click.command("audit-order")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--catalog-file",
    "more",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=PurePosixPath),
    help="A file of a component that Skylift does not ship; may be given again.",
)
@json_option
def audit_order(file: Path, *, more: tuple[PurePosixPath, ...], as_json: bool) -> Exit:
    """Judge the order in FILE, written by hand or taken from another tool, by the rules of every plan.

    It asks no host and reads no record.
    """
    judged = audit_file(file, more)
    answer(audit_view.lines(judged), audit_view.document(judged), as_json=as_json)
    return Exit.BLOCKED if judged.violations else Exit.OK
