"""What the fake cloud consists of: plain mutable parts, changed by ``FakeCloud`` and its ports alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from skylift.model.cloud import UnitState
from skylift.model.ids import Digest, HostName, PoolName, UnitName
from skylift.ports import Command, Ended, JobState, Running

GIB = 2**30


@dataclass(slots=True)
class FakeUnit:
    """A systemd unit; ``link`` is where it finds its artifact."""

    link: PurePosixPath
    pool: PoolName
    state: UnitState
    running: PurePosixPath | None = None
    pid: int | None = None
    started_at: float | None = None
    enabled: bool = True
    """Whether it starts with its host."""
    inactive_at: float | None = None
    """When a stop under way ends."""
    words: str = ""
    """The last line that its process wrote."""


@dataclass(slots=True)
class FakeJob:
    """A job under its key; what its command does takes effect when it ends."""

    command: Command
    ends_at: float
    state: JobState = field(default_factory=Running)
    fails: Ended | None = None
    """How it ends if its command is to have no effect."""


@dataclass(slots=True)
class FakeHost:
    """A machine: what lies on its disk, what runs on it, and whether it can be reached."""

    name: HostName
    links: dict[PurePosixPath, PurePosixPath] = field(default_factory=dict)
    staged: dict[PurePosixPath, Digest] = field(default_factory=dict)
    units: dict[UnitName, FakeUnit] = field(default_factory=dict)
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    files: dict[PurePosixPath, bytes] = field(default_factory=dict)
    reachable: bool = True
    up_at: float = 0.0
    """When it is up again; in the past if it is up."""
    booted_at: float | None = None
    """When its units started with it; none if that was before anybody looked."""
    booting: bool = False
    """Whether its units are still to be started, as soon as it is up."""
    boots: int = 1
    disk_free_bytes: int = 40 * GIB
    clock_offset_ms: int = 0
    key_digests: dict[str, str] = field(
        default_factory=lambda: {"fernet": "sha256:" + "f" * 64, "credential": "sha256:" + "c" * 64}
    )


@dataclass(slots=True)
class FakeServer:
    """One server of one pool in one balancer: what it was told, and what its health checks found."""

    told: Literal["drain", "ready"] = "ready"
    healthy: bool = True
    changing_since: float | None = None
    """Since when the checks find the opposite of ``healthy``."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was really done to the cloud: what happened twice is here twice."""

    at: float
    host: HostName
    what: str


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """A user's request that got no good answer."""

    at: float
    pool: PoolName
    why: str


@dataclass(frozen=True, slots=True)
class FakeProbes:
    """The probes of one label: what had been counted when they were started, and when they were stopped."""

    requests: int
    failed: int
    ended: tuple[int, int, float] | None = None
    """Requests, failures and time at their end; none while they run."""
