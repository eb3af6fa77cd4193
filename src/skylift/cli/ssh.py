"""``skylift ssh``: a host of the record, reached as Skylift itself reaches it."""

from __future__ import annotations

import os

import click

from skylift.app.record_file import load_record
from skylift.cli.desk import Desk, pass_desk
from skylift.model.ids import HostName


@click.command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@pass_desk
def ssh(desk: Desk, host: str, command: tuple[str, ...]) -> None:
    """Run COMMAND on HOST, or a shell, by the record's user, key, proxy command and pinned host keys.

    COMMAND is one for the shell there, as with OpenSSH's own ssh, and its exit code is that of COMMAND.
    """
    record = load_record(desk.record)
    entry = record.hosts.get(HostName(host))
    if entry is None:
        raise click.UsageError(f"the record has no host {host}; it has {', '.join(record.hosts)}")
    argv = record.ssh.argv(entry.address)
    # Not a child: terminal, signals and exit code are those of the command.
    os.execvp(argv[0], (*argv, *command))  # noqa: S606 - the shell is that of the other host
