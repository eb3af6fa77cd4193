"""Long commands, detached on their host as transient systemd units, each with a folder that survives.

``/var/lib/skylift/jobs/KEY/`` has ``command`` (the script that systemd runs), ``output``, ``started``
(there as soon as the command may have begun, and on disk before it does) and ``rc`` (its code, renamed
into place when it ended). So what became of a job is known after a reboot of its host, and a start that
is repeated, because its answer was lost, starts nothing: a lock on the host makes the two exclusive.
Folders stay until ``forget`` is told that nobody can ask for them any more.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from skylift.drivers.ssh import Ssh, shell
from skylift.drivers.ssh_problems import ChangeUncertain
from skylift.model.ids import HostName
from skylift.model.masking import masked
from skylift.model.problem import Fix, Refused, Remedy
from skylift.ports.jobs import Command, Ended, Jobs, JobState, NoJob, Running

FOLDER = PurePosixPath("/var/lib/skylift/jobs")
_TAIL_BYTES = 4096
_CUT_SHORT = 255
_SIGNALS_FROM = 128
_NAME_CHARS = 150

_NO_ROOM = 74

# Answers 0 whether it started the job or found it: both are what was wanted. What the job has to write
# at its end gets its place on disk now, so that a disk that fills up meanwhile does not hide the end.
# A caller that dies while it sends the command leaves less of it than it announced, or nothing: that is
# not run, for a part of a command may be another one.
_START = r"""
umask 077
mkdir -p "$1" || exit 74
exec 9>"$1/.lock"
flock -w 15 9
cd "$1"
state=$(systemctl show -p ActiveState --value "$3")
if [ -e "$2/started" ] || [ "$state" != inactive ]; then exit 0; fi
mkdir -p "$2" && printf '   \n' >"$2/rc.new" && cat >"$2/command.new" && : >>"$2/output" || exit 74
if [ "$(wc -c <"$2/command.new")" -ne "$5" ]; then echo "the command was cut off on its way" >&2; exit 75; fi
fallocate --keep-size --length 65536 "$2/output" 2>/dev/null || :
mv -fT "$2/command.new" "$2/command"
systemd-run --quiet --collect --no-ask-password --unit="$3" --description="Skylift job $4" \
    --service-type=exec --property=KillMode=control-group --property=OOMPolicy=continue \
    /bin/sh "$1/$2/command" 9>&-
"""

# The end is looked for before and after the unit: it may come while we look.
_STATE = r"""
cd "$1" 2>/dev/null || { echo none; exit 0; }
if [ -e rc ]; then echo "ended $(cat rc)"
else
    state=$(systemctl show -p ActiveState --value "$2")
    case $state in
        active|activating|deactivating|reloading) echo running ;;
        *) if [ -e rc ]; then echo "ended $(cat rc)"
           elif [ -e started ]; then echo cut
           else echo none; fi ;;
    esac
fi
[ ! -e output ] || tail -c "$3" output
"""

# A key is in its script, for the name of a folder may be another. A job without a code has not ended, or
# was cut short; its unit decides, as above.
_KNOWN = r"""
cd "$1" 2>/dev/null || exit 0
for folder in */; do
    name=${folder%/}
    [ -e "$name/command" ] || continue
    key=$(sed -n '2s/^# Skylift job \(.*\): run by systemd, once\.$/\1/p' "$name/command")
    [ -n "$key" ] || continue
    state=inactive
    if [ ! -e "$name/rc" ]; then
        unit=skylift-$(printf %s "$key" | sha256sum | cut -c1-16).service
        state=$(systemctl show -p ActiveState --value "$unit")
    fi
    case $state in
        active|activating|deactivating|reloading) printf 'runs %s\n' "$key" ;;
        *) printf 'over %s\n' "$key" ;;
    esac
done
"""

# Out of the way first, in one move: what is half removed would have no key any more, and stay for ever.
_FORGET = r"""
cd "$1" 2>/dev/null || exit 0
while IFS= read -r name; do
    [ ! -d "$name" ] || mv -T "$name" ".gone-$name"
done
rm -rf .gone-*
"""

_COMMAND = """\
#!/bin/sh
# Skylift job {key}: run by systemd, once.
cd {folder} || exit
umask 077
exec >>output 2>&1 </dev/null
: >started && sync started . || exit
umask 022
(cd / && exec {command})
rc=$?
umask 077
printf '%-3d\n' $rc 1<>rc.new && sync rc.new && mv -fT rc.new rc && sync .
exit $rc
"""


class NoRoomForJob(Refused):
    """A host's disk takes not even a job's own files."""

    code = "job.no-room"

    def __init__(self, host: HostName, why: str) -> None:
        super().__init__(
            f"nothing could be started on {host}: {FOLDER} cannot be written ({why})",
            Remedy(
                Fix.REPAIR,
                f"see what fills the disk: skylift ssh {host} 'df -h /var/lib; du -xh / | sort -h | tail'",
            ),
            Remedy(Fix.RETRY, "make room, then: skylift retry"),
        )


@dataclass(frozen=True, slots=True)
class SshJobs:
    """``Jobs`` over SSH and systemd; ``under`` binds it to the key of a step."""

    ssh: Ssh
    key: str = ""

    def under(self, key: str) -> Jobs:
        return SshJobs(self.ssh, key)

    def start(self, host: HostName, command: Command) -> None:
        name = folder_name(self._bound)
        script = command_script(self.key, FOLDER / name, command).encode()
        what = (str(FOLDER), name, unit_name(self.key), self.key, str(len(script)))
        said = self.ssh.run(host, shell(_START, *what), input=script, changes=True)
        if said.code == _NO_ROOM:
            raise NoRoomForJob(host, said.complaint)
        if said.code != 0:
            raise ChangeUncertain(host, said.complaint)

    def state(self, host: HostName) -> JobState:
        folder = FOLDER / folder_name(self._bound)
        return parse_state(self.ssh.ask(host, _STATE, str(folder), unit_name(self.key), str(_TAIL_BYTES)))

    def known(self, host: HostName) -> Mapping[str, bool]:
        told = (line.split(" ", 1) for line in self.ssh.ask(host, _KNOWN, str(FOLDER)).splitlines())
        return {key: word == "runs" for word, key in told}

    def forget(self, host: HostName, keys: Iterable[str]) -> None:
        names = "".join(f"{folder_name(key)}\n" for key in keys).encode()
        said = self.ssh.run(host, shell(_FORGET, str(FOLDER)), input=names, changes=True)
        if said.code != 0:
            raise ChangeUncertain(host, said.complaint)

    @property
    def _bound(self) -> str:
        if not self.key:
            raise ValueError("jobs are started under a key: call under() first")
        return self.key


def folder_name(key: str) -> str:
    """A key as a file name: itself where it may be, and told apart by a hash where it may not."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", key) and len(key) <= _NAME_CHARS:
        return key
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", key)[:_NAME_CHARS]
    return f"{safe}.{_hash(key)}"


def unit_name(key: str) -> str:
    """The transient unit of a job: short, for systemd bounds names."""
    return f"skylift-{_hash(key)}.service"


def command_script(key: str, folder: PurePosixPath, command: Command) -> str:
    """The script that runs ``command`` once and leaves its code behind; every word of it is quoted."""
    words = list(command.argv)
    if command.env:
        words = ["env", *(f"{name}={value}" for name, value in command.env), *words]
    if command.user != "root":
        words = ["runuser", "-u", command.user, "--", *words]
    shown = " ".join(key.split())
    return _COMMAND.format(key=shown, folder=shlex.quote(str(folder)), command=shlex.join(words))


def parse_state(text: str) -> JobState:
    """What became of a job, from the word for it on the first line and the end of its output below."""
    word, _, output = text.partition("\n")
    tail = masked(output[-_TAIL_BYTES:])
    match word.split():
        case ["none"]:
            return NoJob()
        case ["running"]:
            lines = tail.strip().splitlines()
            return Running(lines[-1] if lines else "")
        case ["ended", code] if int(code) <= _SIGNALS_FROM or int(code) == _CUT_SHORT:
            return Ended(int(code), tail)
        case ["ended", code]:
            return _cut_short(tail, f"by signal {int(code) - _SIGNALS_FROM}")
        case ["cut"]:
            return _cut_short(tail, "before it ended: its host was rebooted, or all its processes killed")
        case _:
            raise ValueError(f"a host said of a job: {word!r}")


def _cut_short(tail: str, why: str) -> Ended:
    said = tail if not tail or tail.endswith("\n") else tail + "\n"
    return Ended(_CUT_SHORT, f"{said}cut short {why}\n"[-_TAIL_BYTES:])


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
