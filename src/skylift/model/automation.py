"""Automation that would work against a run over hosts, as an operator declares it in the record."""

from __future__ import annotations

from dataclasses import dataclass

from skylift.model.ids import HostName


@dataclass(frozen=True, slots=True)
class AutomationEntry:
    """One thing that is paused before the first host is begun, and given back on every way out.

    Such as masakari's segments, octavia's health manager, watcher's audits, an autoscaler. Commands are run
    without a shell.
    """

    host: HostName
    """The host of the record that the commands are run on, over SSH."""
    paused: tuple[str, ...]
    """Whether it is paused: it ends with 0 if so, with 1 if not, within 25 s, and changes nothing. What is
    paused already is somebody else's doing, and left as it is."""
    pause: tuple[str, ...]
    """Pauses it."""
    give_back: tuple[str, ...]
    """Lets it go on. Of a run that was killed it is run when that is resumed or given up."""
