"""Names of things, as types: no bare string crosses a module border."""

from __future__ import annotations

from typing import NewType

HostName = NewType("HostName", str)
ComponentName = NewType("ComponentName", str)
ServiceName = NewType("ServiceName", str)
"""A kind of process of a component, such as ``nova-conductor``."""
ArtifactName = NewType("ArtifactName", str)
UnitName = NewType("UnitName", str)
PoolName = NewType("PoolName", str)
StepId = NewType("StepId", str)
RunId = NewType("RunId", str)

Digest = NewType("Digest", str)
"""``sha256:`` and 64 hexadecimal digits."""

Seconds = NewType("Seconds", int)
Epoch = NewType("Epoch", float)
"""Seconds since 1970-01-01 UTC; always passed in, never asked for, below the drivers."""
