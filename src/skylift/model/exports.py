"""What a host serves to others from its own disks, whose volumes these are, and when it may be rebooted.

Whether a back end of Cinder is local is told by this alone: a volume of it is among what the host exports.
Sources, read in cinder 26.0 (2025.1): volume/manager.py, ``_init_host``, exports volumes in use again as
cinder-volume starts. Of volume/targets, iscsi.py and tgt.py, ``ensure_export``, write the file of each anew
and have tgt-admin read its configuration; lio.py restores the saved configuration, and only if there is no
target at all; nvmeof.py does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from skylift.model.ids import HostName


class Software(Enum):
    """What exports disks."""

    TGT = "tgt"
    LIO = "LIO"
    NVMET = "nvmet"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One disk as others reach it."""

    name: str
    """Its IQN or NQN."""
    unit: int
    """Its LUN, or its namespace."""
    backing: str
    """The device or file behind it."""


@dataclass(frozen=True, slots=True)
class Served:
    """What one software exports on a host, and what it would after a boot."""

    by: Software
    targets: tuple[Target, ...]
    saved: Mapping[str, tuple[Target, ...]]
    """What may be restored, by the file that says so; of tgt without units, which follow from the order."""
    starts: bool
    """Whether a unit that restores one of these starts with the host."""


@dataclass(frozen=True, slots=True)
class Exports:
    """All that a host exports; nothing on most hosts."""

    served: tuple[Served, ...] = ()
    blind: str = ""
    """Why more may be exported than can be told; empty if that is all."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """Whatever serves them."""
        return tuple(target for of in self.served for target in of.targets)


@dataclass(frozen=True, slots=True)
class Attached:
    """A volume that an instance has, as Cinder tells it."""

    id: str
    named: str
    """What its disk and its target are named after: its id, or that of the one it was migrated to."""
    backend: str
    """``host@backend``, without the pool."""
    users: frozenset[str] = frozenset()
    """Instances that have it, without those that are shut off."""

    def is_at(self, target: Target) -> bool:
        """Whether a target leads to it."""
        return self.named in target.name or self.named in target.backing


@dataclass(frozen=True, slots=True)
class LocalVolumes:
    """What a host served when it was planned: the same is to be there after its reboot."""

    volumes: Mapping[str, tuple[Target, ...]]
    """By the volume's id; each is attached."""
    others: tuple[Target, ...]
    """What no attached volume of the host's back ends explains."""
    backends: tuple[str, ...]
    """Those that any of the volumes is of: all of their attached volumes are served from here."""
    users: tuple[str, ...]
    """The instances that have them, without those that are shut off."""
    in_use: int
    """How many of the volumes these have."""


@dataclass(frozen=True, slots=True)
class Against:
    """Why a host must not be rebooted, and what is to be done about that."""

    why: str
    repair: str


_SAVE = {
    Software.TGT: "tgt-admin --dump, and keep that below /etc/tgt/conf.d; a volume of cinder is written by "
    "systemctl restart cinder-volume",
    Software.LIO: "targetcli saveconfig",
    Software.NVMET: "nvmetcli save",
}
_START = {
    Software.TGT: "systemctl enable tgt",
    Software.LIO: "systemctl enable rtslib-fb-targetctl",
    Software.NVMET: "systemctl enable nvmet",
}
_SHOWN = 3


def local_volumes(exports: Exports, attached: Iterable[Attached]) -> LocalVolumes | None:
    """What a host serves now; none if it exports nothing."""
    targets = exports.targets
    if not targets:
        return None
    found = {of: tuple(t for t in targets if of.is_at(t)) for of in attached}
    served = {of: own for of, own in found.items() if own}
    explained = {target for own in served.values() for target in own}
    return LocalVolumes(
        {of.id: own for of, own in served.items()},
        tuple(target for target in targets if target not in explained),
        tuple(sorted({of.backend for of in served})),
        tuple(sorted({user for of in served for user in of.users})),
        sum(bool(of.users) for of in served),
    )


def against_boot(host: HostName, exports: Exports, attached: Iterable[Attached]) -> tuple[Against, ...]:
    """What of a host's exports would not be there after a boot; nothing if all would."""
    return tuple(_lost_at_boot(host, exports, tuple(attached)))


def _lost_at_boot(host: HostName, exports: Exports, attached: tuple[Attached, ...]) -> Iterator[Against]:
    if exports.blind:
        yield Against(f"nobody can tell what it exports: {exports.blind}", f"skylift ssh {host} ss -ltnp")
    for of in exports.served:
        if lacks := unsaved(of):
            yield Against(
                f"exported by {of.by.value}, and not in what is restored at a boot: {told(lacks)}",
                f"skylift ssh {host} {_SAVE[of.by]}",
            )
        by_cinder = of.by is Software.LIO and any(v.is_at(t) for v in attached for t in of.targets)
        if not of.starts and not by_cinder:
            yield Against(
                f"no unit that restores what {of.by.value} exports starts with the host",
                f"skylift ssh {host} {_START[of.by]}",
            )


def unsaved(of: Served) -> tuple[str, ...]:
    """What would be missing by the one file that has most: no software restores two."""
    kept = [{(t.name, t.backing) for t in saved} for saved in of.saved.values()] or [set()]
    lacking = [tuple(t.name for t in of.targets if (t.name, t.backing) not in saved) for saved in kept]
    return min(lacking, key=lambda names: (len(names), names))


def not_served(of: LocalVolumes, exports: Exports, attached: Iterable[Attached]) -> tuple[str, ...]:
    """What a host must export and does not: what it did, while that is attached, and what came since."""
    now, left = set(exports.targets), [target.name for target in of.others if target not in exports.targets]
    for volume in attached:
        planned = of.volumes.get(volume.id, ())
        left += [f"{t.name} ({t.backing} as unit {t.unit})" for t in planned if t not in now]
        if not planned and volume.backend in of.backends and not any(volume.is_at(t) for t in now):
            left.append(f"volume {volume.id}")
    return tuple(left)


def came_since(of: LocalVolumes | None, now: LocalVolumes | None) -> str:
    """Who or what would be cut off by a reboot, and was not when it was planned; empty if nobody."""
    if now is None:
        return ""
    users = set(now.users) - set(of.users if of else ())
    others = {target.name for target in now.others} - {t.name for t in (of.others if of else ())}
    found = [f"{told(sorted(users))} has a volume of it, and had none when it was planned"] * bool(users)
    found += [f"it exports {told(sorted(others))}, and did not when it was planned"] * bool(others)
    return "; ".join(found)


def told(names: Iterable[str]) -> str:
    """The first few of them."""
    every = list(names)
    return ", ".join(every[:_SHOWN]) + (f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else "")
