"""What a host exports, asked there as root; and who has its volumes, asked of Cinder and Nova.

Of tgt the configuration is read as tgt-admin(8) reads it, by the same parser with the same options. LIO and
nvmet are read where the kernel shows them, in configfs, and where their tools save them: rtslib has its file
in /etc/target, Debian's in /etc/rtslib-fb-target. No password leaves the host.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from skylift.drivers.ssh import Ssh
from skylift.model.exports import Attached, Exports, Served, Software, Target
from skylift.model.ids import HostName

LOOK = r"""
export LC_ALL=C
port=$1; config=$2; configfs=$3; etc=$4
starts() {
    for unit in "$@"; do
        state=$(systemctl is-enabled -- "$unit" 2>/dev/null) || :
        echo "== starts ${state:-not-found}"
    done
}
socket=${TGT_IPC_SOCKET:-/run/tgtd/socket}.$port
if [ -S "$socket" ]; then
    echo "== by tgt"
    if ! command -v tgtadm >/dev/null; then
        echo "== blind tgtd runs, and there is no tgtadm here to ask it"
    elif ! timeout 10 tgtadm -C "$port" --lld iscsi --mode target --op show 2>&1; then
        echo "== blind tgtd does not answer at $socket"
    fi
    echo "== keeps $config"
    [ ! -e "$config" ] || perl -MConfig::General=ParseConfig -e '
        my %read = ParseConfig(-ConfigFile => shift, -UseApacheInclude => 1, -IncludeDirectories => 1,
            -IncludeGlob => 1, -MergeDuplicateBlocks => 1);
        my $targets = $read{target} || {};
        for my $name (sort keys %$targets) {
            for my $kind ("backing-store", "direct-store") {
                my $of = $targets->{$name}{$kind};
                for my $one (ref $of eq "ARRAY" ? @$of : defined $of ? ($of) : ()) {
                    print "$name\t$_\n" for ref $one eq "HASH" ? sort keys %$one : ($one);
                }
            }
        }' "$config" || echo "== blind $config cannot be read"
    starts tgt.service tgtd.service
fi
if [ -d "$configfs/target/iscsi" ]; then
    echo "== by LIO"
    for lun in "$configfs"/target/iscsi/*/tpgt_*/lun/lun_*; do
        tpg=${lun%/lun/*}; name=${tpg%/*}
        [ -d "$lun" ] && [ "$(cat "$tpg/enable")" = 1 ] || continue
        for store in "$lun"/*; do
            [ -L "$store" ] || continue
            printf '%s\t%s\t%s\n' "${name##*/}" "${lun##*lun_}" "$(cat "$store/udev_path")"
        done
    done
    for file in "$etc/target/saveconfig.json" "$etc/rtslib-fb-target/saveconfig.json"; do
        [ ! -r "$file" ] || { echo "== keeps $file"; sed 's/\(_password": *\)"[^"]*"/\1""/' "$file"; echo; }
    done
    starts rtslib-fb-targetctl.service target.service
fi
if [ -d "$configfs/nvmet" ]; then
    echo "== by nvmet"
    for subsystem in "$configfs"/nvmet/ports/*/subsystems/*; do
        [ -L "$subsystem" ] || continue
        for space in "$subsystem"/namespaces/*; do
            [ -d "$space" ] && [ "$(cat "$space/enable")" = 1 ] || continue
            printf '%s\t%s\t%s\n' "${subsystem##*/}" "${space##*/}" "$(cat "$space/device_path")"
        done
    done
    file=$etc/nvmet/config.json
    [ ! -r "$file" ] || { echo "== keeps $file"; sed 's/\(_key": *\)"[^"]*"/\1""/' "$file"; echo; }
    starts nvmet.service
fi
if [ ! -S "$socket" ] && [ ! -d "$configfs/target/iscsi" ] &&
    grep -qsE ':0CBC [0-9A-F]+:0000 0A ' /proc/net/tcp /proc/net/tcp6; then
    echo "== blind something that is neither tgt nor LIO serves on port 3260, which is iSCSI's"
fi
"""
_STARTS = {"enabled", "alias", "static", "indirect", "generated"}
"""What systemd calls a unit that starts with its host, or whose start another one decides."""


class Line(Protocol):
    """The way to the agent on the vantage host."""

    def tell(self, *words: str, changes: bool = False) -> Any:
        """Run it, and return its answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a host has what exports disks."""

    control_port: int = 0
    """Of tgtd, as its option ``-C`` has it."""
    tgt_config: str = "/etc/tgt/targets.conf"
    configfs: str = "/sys/kernel/config"
    etc: str = "/etc"


_USUAL = Places()


class HostVolumes:
    """``Volumes`` over SSH and through the APIs."""

    def __init__(self, ssh: Ssh, line: Line, places: Places = _USUAL) -> None:
        self._ssh, self._line, self._places = ssh, line, places

    def exports(self, host: HostName) -> Exports:
        of = self._places
        return parse_exports(
            self._ssh.ask(host, LOOK, str(of.control_port), of.tgt_config, of.configfs, of.etc)
        )

    def attached(self, host: HostName) -> tuple[Attached, ...]:
        found = self._line.tell("volumes", "attached", f"--host={host}")
        stopped = set(self._all_stopped()) if any(one["servers"] for one in found) else set()
        return tuple(
            Attached(one["id"], one["named"], one["backend"], frozenset(one["servers"]) - stopped)
            for one in found
        )

    def _all_stopped(self) -> Iterator[str]:
        after = ""
        while True:
            said = self._line.tell("volumes", "stopped", f"--after={after}")
            yield from said["things"]
            after = said["after"]
            if not after:
                return


@dataclass(slots=True)
class _Part:
    """What was said of one software."""

    by: Software
    shown: list[str] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)
    starts: bool = False


def parse_exports(text: str) -> Exports:
    """What a look printed: sections, each under a line that begins with ``==``."""
    parts: list[_Part] = []
    blind, into = "", list[str]()
    for line in text.splitlines():
        mark, _, rest = line.partition(" ") if line.startswith("== ") else ("", "", line)
        word, _, told = rest.partition(" ")
        if not mark:
            into.append(line)
        elif word == "by":
            parts.append(_Part(Software(told)))
            into = parts[-1].shown
        elif word == "keeps":
            into = parts[-1].kept.setdefault(told, [])
        elif word == "starts":
            parts[-1].starts |= told in _STARTS
        elif word == "blind":
            blind = told
    served = (_served(part) for part in parts)
    return Exports(tuple(of for of in served if of.targets), blind)


def _served(part: _Part) -> Served:
    if part.by is Software.TGT:
        targets = tuple(parse_tgt(part.shown))
        saved = {file: tuple(_two(line) for line in lines) for file, lines in part.kept.items()}
    else:
        read = parse_lio if part.by is Software.LIO else parse_nvmet
        targets = tuple(sorted({_three(line) for line in part.shown if line}))
        saved = {file: _read(read, "\n".join(lines)) for file, lines in part.kept.items()}
    return Served(part.by, targets, saved, part.starts)


def _read(read: Callable[[Any], Iterator[Target]], text: str) -> tuple[Target, ...]:
    """What a file saves; nothing if it is none of its kind, for then nothing is restored from it."""
    try:
        return tuple(read(json.loads(text)))
    except (ValueError, KeyError, TypeError):
        return ()


def parse_tgt(lines: list[str]) -> Iterator[Target]:
    """What ``tgtadm --mode target --op show`` tells; LUN 0 is the controller, and no disk."""
    name, unit = "", 0
    for line in lines:
        word, _, rest = line.strip().partition(": ")
        if line.startswith("Target "):
            name = rest
        elif word == "LUN":
            unit = int(rest)
        elif word == "Backing store path" and rest != "None":
            yield Target(name, unit, rest)


def parse_lio(document: Mapping[str, Any]) -> Iterator[Target]:
    """What rtslib saved. Source: rtslib_fb/root.py and target.py, ``dump``."""
    stores = {f"/backstores/{s['plugin']}/{s['name']}": s.get("dev", "") for s in document["storage_objects"]}
    for target in document["targets"]:
        for group in target["tpgs"] if target["fabric"] == "iscsi" else ():
            for lun in group["luns"] if group["enable"] else ():
                yield Target(target["wwn"], lun["index"], stores.get(lun["storage_object"], ""))


def parse_nvmet(document: Mapping[str, Any]) -> Iterator[Target]:
    """What nvmetcli saved. Source: nvmet/nvme.py, ``dump``."""
    linked = {nqn for port in document["ports"] for nqn in port["subsystems"]}
    for of in document["subsystems"]:
        for space in of["namespaces"] if of["nqn"] in linked else ():
            if space.get("enable"):
                yield Target(of["nqn"], space["nsid"], space["device"]["path"])


def _two(line: str) -> Target:
    name, backing = line.split("\t")
    return Target(name, 0, backing)


def _three(line: str) -> Target:
    name, unit, backing = line.split("\t")
    return Target(name, int(unit), backing)
