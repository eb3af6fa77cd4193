"""Services as systemd units, and the artifact each one really runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

from skylift.drivers.ssh import Ssh, shell
from skylift.drivers.ssh_problems import AnswerLost, ChangeUncertain
from skylift.model.cloud import UnitSeen, UnitState
from skylift.model.ids import Epoch, HostName, UnitName
from skylift.model.masking import masked
from skylift.model.problem import Fix, Refused, Remedy
from skylift.ports.jobs import Command

_STATES = {
    "active": UnitState.ACTIVE,
    "reloading": UnitState.ACTIVE,
    "refreshing": UnitState.ACTIVE,
    "activating": UnitState.ACTIVATING,
    "deactivating": UnitState.DEACTIVATING,
    "inactive": UnitState.INACTIVE,
    "maintenance": UnitState.INACTIVE,
    "failed": UnitState.FAILED,
}
_WORDS = 300
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"[\W\dTZ]*\b(?:CRITICAL|ERROR)\b(?: \S+(?: |$))?")
"""What a line at this level begins with: perhaps the time and the process, the level, and who logs."""
_FRAME = re.compile(r'\s+File ".+", line \d+')
"""A frame of a traceback, whose first line may be too far above."""
_ABSENT, _NO_ARTIFACT = 66, 67
"""How our scripts say so; far from what the tools they call end with."""

# What is mapped is what runs, even if a link or a unit file was changed since (as needrestart judges).
# A process may end while we look: what cannot be read is not there any more.
_UNIT = r"""
export LC_ALL=C
systemctl show --timestamp=unix -p LoadState,ActiveState,MainPID,ExecMainStartTimestamp -- "$1"
[ ! -L "$2" ] || echo "linked=$(readlink -f -- "$2")"
pid=$(systemctl show -p MainPID --value -- "$1")
[ "${pid:-0}" -gt 0 ] || exit 0
children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || :)
shift 2
for each in $pid $children; do
    for folder in "$@"; do
        grep -o -- " $folder/[^/]*/" "/proc/$each/maps" 2>/dev/null || :
    done
done | sort -u | sed 's/^ /mapped=/'
"""

# A start that systemd repeats by itself has another id each time, and the newest may have said nothing yet:
# all that follow the one that was asked for are looked at. What a process wrote just before it died may
# still be on its way to the journal.
_LAST_WORDS = r"""
unit=$1
set -- --quiet --no-pager -o cat
again=$(systemctl show -p NRestarts --value -- "$unit")
last=$((${again:-0} + 1))
journalctl --sync 2>/dev/null || :
starts=$(journalctl "$@" --output-fields=INVOCATION_ID _PID=1 "UNIT=$unit" | uniq | tail -n "$last")
[ -n "$starts" ] || exit 0
for start in $starts; do set -- "$@" "_SYSTEMD_INVOCATION_ID=$start"; done
journalctl "$@" -n 50
"""

_STOP = r"""
[ "$(systemctl show -p LoadState --value -- "$1")" != not-found ] || exit 66
systemctl stop --no-block -- "$1"
[ "$(systemctl show -p ActiveState --value -- "$1")" != failed ] || systemctl reset-failed -- "$1"
"""

_START = 'systemctl reset-failed -- "$1" 2>/dev/null; exec systemctl start -- "$1"'
"""A unit that failed too often is not started by systemd until it has forgotten that."""

_ENABLED = 'systemctl is-enabled -- "$1" 2>/dev/null || :'
_YES = {"enabled", "alias"}
_NOT_ITS_OWN = {"static", "indirect", "generated", "transient"}
"""What systemd calls a unit whose start another one decides. Source: systemctl(1), is-enabled."""

_ENABLE = r"""
case $(systemctl show -p LoadState --value -- "$1") in not-found|masked) exit 66 ;; esac
exec systemctl --quiet "$2" -- "$1"
"""

_POINT = r"""
[ -d "$2" ] || exit 67
mkdir -p -- "$(dirname -- "$1")"
ln -sfn -- "$2" "$1.new"
mv -fT -- "$1.new" "$1"
sync -- "$(dirname -- "$1")"
"""

_LINKED = '[ ! -L "$1" ] || readlink -f -- "$1"'

_ANSWERS = r"""
command -v curl >/dev/null || { echo "it has no curl" >&2; exit 1; }
curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --max-time 5 "$1" || :
"""


class NoSuchUnit(Refused):
    """A host does not have a unit that the record names, or has it masked."""

    code = "service.no-unit"

    def __init__(self, unit: UnitName, host: HostName) -> None:
        super().__init__(
            f"{unit} on {host} could not be changed: there is no such unit, or it is masked",
            Remedy(
                Fix.REPAIR,
                f"see what the host has: skylift ssh {host} systemctl list-units --all; correct cloud.yaml",
            ),
        )


class NoArtifact(Refused):
    """A link was to point to an artifact that is not there."""

    code = "artifact.absent"

    def __init__(self, host: HostName, link: PurePosixPath, path: PurePosixPath) -> None:
        super().__init__(
            f"{link} on {host} could not be pointed to {path}: there is no artifact at that place",
            Remedy(Fix.REPAIR, f"see what is there: skylift ssh {host} ls -l {path.parent}"),
            Remedy(Fix.RETRY, "stage the artifact again, then: skylift retry"),
        )


class SystemdServices:
    """``Services`` over SSH. ``homes`` are the folders that artifacts lie in, one folder each."""

    def __init__(self, ssh: Ssh, addresses: Mapping[HostName, str], homes: Collection[PurePosixPath]) -> None:
        self._ssh = ssh
        self._addresses = addresses
        self._homes = [str(home) for home in sorted(set(homes))]

    def unit(self, host: HostName, unit: UnitName, link: PurePosixPath) -> UnitSeen:
        return parse_unit(host, unit, self._ssh.ask(host, _UNIT, unit, str(link), *self._homes))

    def last_words(self, host: HostName, unit: UnitName) -> str:
        return parse_words(self._ssh.ask(host, _LAST_WORDS, unit))

    def stop(self, host: HostName, unit: UnitName) -> None:
        said = self._ssh.run(host, shell(_STOP, unit), changes=True)
        if said.code == _ABSENT:
            raise NoSuchUnit(unit, host)
        if said.code != 0:
            raise ChangeUncertain(host, said.complaint)

    def start_command(self, unit: UnitName) -> Command:
        return Command(("sh", "-c", _START, "skylift", unit))

    def starts_with_host(self, host: HostName, unit: UnitName) -> bool | None:
        return parse_enabled(self._ssh.ask(host, _ENABLED, unit))

    def let_start_with_host(self, host: HostName, unit: UnitName, *, wanted: bool) -> None:
        said = self._ssh.run(host, shell(_ENABLE, unit, "enable" if wanted else "disable"), changes=True)
        if said.code == _ABSENT:
            raise NoSuchUnit(unit, host)
        if said.code != 0:
            raise ChangeUncertain(host, said.complaint)

    def linked(self, host: HostName, link: PurePosixPath) -> PurePosixPath | None:
        where = self._ssh.ask(host, _LINKED, str(link)).strip()
        return PurePosixPath(where) if where else None

    def point(self, host: HostName, link: PurePosixPath, path: PurePosixPath) -> None:
        said = self._ssh.run(host, shell(_POINT, str(link), str(path)), changes=True)
        if said.code == _NO_ARTIFACT:
            raise NoArtifact(host, link, path)
        if said.code != 0:
            raise ChangeUncertain(host, said.complaint)

    def answers(self, host: HostName, port: int, path: str) -> int | None:
        address = self._addresses[host]
        named = f"[{address}]" if ":" in address else address
        status = self._ssh.ask(host, _ANSWERS, f"http://{named}:{port}{path}").strip()
        if not status.isdecimal():
            raise AnswerLost(host, f"curl printed {status[:80]!r} instead of a status")
        return int(status) or None


def parse_words(text: str) -> str:
    """The line that says most of why it ended, as ``Services.last_words`` is to tell it."""
    said = [line for line in _COLOUR.sub("", masked(text)).splitlines() if line.strip()]
    words = _cause(said) or (said[-1] if said else "")
    return words.strip()[:_WORDS]


def _cause(said: Sequence[str]) -> str:
    """The last line at an error's level, or that names what a Python program raised; empty if there is none.

    For whatever serves such a program has the very last word, and takes its leave: "goodbye to uWSGI.".
    """
    cause, raised, in_frames = "", "", False
    for line in said:
        found = _ERROR.match(line)
        level = found.group() if found else ""
        rest = line[len(level) :]
        if _FRAME.match(rest):
            in_frames = True
        elif not rest.strip() or (in_frames and rest[0].isspace()):
            continue  # the code of a frame, and where in it
        elif in_frames:
            cause, raised, in_frames = line, level, False
        elif level and level != raised:  # else it is more of what was raised, such as where to read of it
            cause = line
    return cause


def parse_enabled(text: str) -> bool | None:
    """Whether a unit starts with its host, by what ``is-enabled`` printed; none if another unit decides.

    One that is enabled until the next boot alone does not.
    """
    said = text.strip()
    return None if said in _NOT_ITS_OWN else said in _YES


def parse_unit(host: HostName, unit: UnitName, text: str) -> UnitSeen:
    """A unit from systemd's properties, its link and its mapped artifacts, a line each.

    Processes of one unit that map several artifacts (an unfinished reload) are shown with all of them,
    which is no artifact's path, so that nobody takes the unit for upgraded.
    """
    said: dict[str, str] = {}
    mapped: list[str] = []
    for name, _, value in (line.partition("=") for line in text.splitlines()):
        if name == "mapped":
            mapped.append(value.rstrip("/"))
        said[name] = value
    pid = int(said["MainPID"])
    started = re.fullmatch(r"@(\d+)", said["ExecMainStartTimestamp"])
    absent = said["LoadState"] == "not-found"
    return UnitSeen(
        host=host,
        unit=unit,
        state=UnitState.ABSENT if absent else _STATES[said["ActiveState"]],
        pid=pid or None,
        started_at=Epoch(float(started[1])) if started and pid else None,
        running=" and ".join(mapped) or None,
        linked=said.get("linked"),
    )
