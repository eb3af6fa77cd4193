"""What a verb says. Whether anybody listens decides nothing: a run that is driven goes on without."""

from __future__ import annotations

import os
import sys

import click


def say(text: str, *, err: bool = False) -> None:
    """Print one line on standard output, or on standard error.

    Where its reader has gone (``skylift report | head``) all that follows goes nowhere, without a word, and
    the verb goes on: it ends as it would have ended.
    """
    try:
        click.echo(text, err=err)
    except BrokenPipeError:
        # What is buffered is written once more at the end: it needs somewhere to go, too.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if err else sys.stdout).fileno())
        os.close(nowhere)
