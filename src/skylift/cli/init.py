"""``skylift init``: a commented record to begin from."""

from __future__ import annotations

from pathlib import Path

import click

from skylift.app.record_starter import starter
from skylift.cli.desk import remark
from skylift.cli.exits import Exit
from skylift.cli.output_file import may_be_written, write_output


@click.command("init")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), default="cloud.yaml")
def init(path: Path) -> Exit:
    """Write a commented record to PATH; a file that is there is left alone."""
    try:
        write_output(path if path.exists() else may_be_written(path), starter().encode(), anew=True)
    except FileExistsError:
        remark(f"{path} is there already and was left alone; name another path, or move it away")
        return Exit.BLOCKED
    click.echo(f"wrote {path}: fill in what it asks for, then: skylift --cloud {path} inspect")
    return Exit.OK
