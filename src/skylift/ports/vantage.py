"""The vantage host: where users' requests come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from skylift.model.cloud import Endpoint
from skylift.model.ids import ComponentName, Epoch, HostName


@dataclass(frozen=True, slots=True)
class WitnessSeen:
    """One witness: a resource made before the run, and whether it is as it was made."""

    name: str
    intact: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ProbeTally:
    """What the probes have counted since they were started."""

    requests: int
    failed: int
    longest_gap_s: Mapping[str, float]
    """Per API: longest time between two good answers."""
    last_sample_at: Epoch | None
    alive: bool
    failed_guests: int = 0
    """Of what failed, what was asked of guests, past every API."""


class Vantage(Protocol):
    """The OpenStack APIs as users reach them, through the VIP."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The catalog, read with a fresh token."""
        ...

    def ask_backend(self, component: ComponentName, host: HostName, port: int, path: str) -> str:
        """Get ``path`` from one backend past the balancers, with a token; what was wrong, or nothing.

        A user's request, made alone: a backend that answers it well has loaded what it loads when it
        is first asked.
        """
        ...

    def start_probes(self, label: str, *, witnesses: str = "") -> None:
        """Start the request streams of one run, detached on the vantage host; no effect if they run.

        The server among the ``witnesses`` of that label, where there is one, is asked past the APIs, too.
        """
        ...

    def tally(self, label: str) -> ProbeTally:
        """What the probes of ``label`` have counted so far."""
        ...

    def samples(self, label: str, *, offset: int) -> bytes:
        """What the probes of ``label`` wrote from byte ``offset`` on: whole lines, at most 4 MiB.

        Empty if there is nothing more. ``model.sample`` reads the lines.
        """
        ...

    def stop_probes(self, label: str) -> None:
        """End the request streams and remove what they made; no effect if they do not run.

        Raises ``Transient`` while they wait for answers, as long as users would: ask again.
        """
        ...

    def create_witnesses(self, label: str, *, without: tuple[str, ...] = ()) -> None:
        """Make what is missing of the witnesses of ``label``, as far as it can be made now.

        Which they are follows from the catalog: a user, a project, an image and a resource provider
        always; router, volume, server, guest and stack where their APIs are offered, but for those kinds
        that the first call for this label is to do ``without``.
        """
        ...

    def witnesses(self, label: str) -> tuple[WitnessSeen, ...]:
        """Look at each witness, through the APIs and past them; empty until all were made."""
        ...

    def destroy_witnesses(self, label: str) -> None:
        """Remove the witnesses of ``label``; no effect on what is gone."""
        ...
