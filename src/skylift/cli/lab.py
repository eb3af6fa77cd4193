"""``skylift lab``: a real cloud of real hosts on this machine, to try upgrades on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skylift.cli.desk import answer, json_option, remark
from skylift.cli.exits import Exit
from skylift.cli.views import lab as view
from skylift.gate.lab.artifacts import releases
from skylift.gate.lab.clients import as_user
from skylift.gate.lab.down import down as take_down
from skylift.gate.lab.host import Lab, LabProblem, default_folder
from skylift.gate.lab.profiles import PROFILES
from skylift.gate.lab.state import LabState
from skylift.gate.lab.status import status as look
from skylift.gate.lab.up import up as bring_up

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT = PROFILES["api"]

_folder = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the lab lies. [default: $SKYLIFT_LAB_DIR, or ~/.local/share/skylift/lab]",
)


@click.group()
def lab() -> None:
    """Build, look at and take down a cloud of three controllers and a client on this machine."""


@lab.command()
@_folder
@click.option("--profile", type=click.Choice(sorted(PROFILES)), default=_DEFAULT.name, show_default=True)
@click.option("--release", help="The release to start with. [default: the oldest of the profile]")
@click.option("--artifacts", help="Releases to have in the depot. [default: all later ones]")
@json_option
def up(
    folder: Path | None, profile: str, release: str | None, artifacts: str | None, *, as_json: bool
) -> int:
    """Bring the lab up, or finish bringing it up; does nothing if it is.

    May be interrupted, or killed: the next one goes on where it stopped.
    """
    place = _lab(folder)
    start = time.monotonic()
    known = releases(PROFILES[profile])
    release = release or known[0]
    wanted = LabState(release, choose_artifacts(release, artifacts, known), profile)
    try:
        with view.progress() as progress:
            pushed = bring_up(place, wanted, progress)
    except KeyboardInterrupt:
        raise LabProblem("the lab is not up yet: interrupted") from None
    took = f"{time.monotonic() - start:.1f} s"
    done = f"up in {took}" if pushed else f"up already (looked for {took})"
    lines = [f"the lab is {done}", f"record: {place.folder / 'cloud.yaml'}"]
    answer(lines, {"folder": str(place.folder), "pushed": pushed, "release": release}, as_json=as_json)
    return Exit.OK


@lab.command()
@_folder
@json_option
def status(folder: Path | None, *, as_json: bool) -> int:
    """Say what runs: hosts, units, who holds the VIP, the release of each component."""
    found = look(_lab(folder))
    answer(view.lines(found), found, as_json=as_json)
    return Exit.OK if found.whole else Exit.FAILED


@lab.command()
@_folder
def down(folder: Path | None) -> int:
    """Leave nothing of the lab behind but the cache of what is costly to build."""
    place = _lab(folder)
    with view.progress() as progress:
        pushed = take_down(place, progress)
    remark("the lab is down" if pushed else f"there is no lab in {place.folder}")
    return Exit.OK


@lab.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def openstack(words: tuple[str, ...]) -> int:
    """Run OpenStack's command-line client in the lab's network, as the administrator of its cloud.

    It takes what that client takes: skylift lab openstack server list. The lab is the one in
    $SKYLIFT_LAB_DIR, or the usual one.
    """
    ended = as_user(_lab(None), "openstackclient.shell", words, capture=False)
    return Exit.OK if ended.returncode == 0 else Exit.FAILED


def _lab(folder: Path | None) -> Lab:
    return Lab(folder.absolute() if folder else default_folder())


def choose_artifacts(release: str, told: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """``release`` and those told, in order; by default all from ``release`` on, of those ``known``.

    Raises:
        click.UsageError: one is not known.
    """
    wanted = {release, *filter(None, (told or "").replace(" ", "").split(","))}
    if unknown := wanted - set(known):
        raise click.UsageError(f"no artifacts of {', '.join(sorted(unknown))}: known are {', '.join(known)}")
    if told is None:
        return tuple(known[known.index(release) :])
    return tuple(sorted(wanted))
