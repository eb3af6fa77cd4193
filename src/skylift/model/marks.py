"""The names by which servers of ours are known on a cloud; they are ours only in our own project.

The agent on the vantage host gives the same names (``probe.session``), for it knows nothing of this package.
"""

from __future__ import annotations

from collections.abc import Iterable

PROBE = "skylift-probe-"
"""Of what the probes make, then the label of their run: it comes and goes while they ask."""
CANARY = "skylift-canary-"
"""Of what a host is tried with, then the label of the run and the host."""


def canary_name(label: str, host: str) -> str:
    """What the canary of a run on a host is called."""
    return f"{CANARY}{label}-{host}"


def passes(name: str) -> bool:
    """Whether a server of this name, if it is ours, goes by itself, so that nobody moves it."""
    return name.startswith((PROBE, CANARY))


def label_in(name: str, labels: Iterable[str]) -> str:
    """Which of these runs a server that passes was made by; empty if it was none of them."""
    found = [label for label in labels if name.startswith((f"{PROBE}{label}-", f"{CANARY}{label}-"))]
    return max(found, key=len, default="")
