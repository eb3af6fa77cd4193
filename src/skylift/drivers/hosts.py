"""Machines: what one says of itself, in one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from skylift.drivers.ssh import Ssh, shell
from skylift.drivers.ssh_problems import AnswerLost
from skylift.model.cloud import Answer, HostSeen
from skylift.model.ids import HostName
from skylift.model.masking import masked

_TAIL_BYTES = 1 << 20
_ASK_LIMIT_S = 25
_GAVE_UP = 124
"""What ``timeout`` ends with when it ended the command."""

KEY_REPOSITORIES = {"fernet": "/etc/keystone/fernet-keys", "credential": "/etc/keystone/credential-keys"}

# The clock is read first and last, so that their mean is the middle of the round trip.
_LOOK = r"""
date +begun=%s%N
echo "boot_id=$(cat /proc/sys/kernel/random/boot_id)"
. /etc/os-release; echo "os_release=$PRETTY_NAME"
near=$1; while [ ! -e "$near" ]; do near=$(dirname "$near"); done
echo "disk_free=$(df -B1 --output=avail "$near" | tail -n 1)"
shift
export LC_ALL=C
for kind in "$@"; do
    folder=${kind#*=}
    [ -d "$folder" ] && [ -n "$(ls -A "$folder")" ] || continue
    sum=$(cd "$folder" && sha256sum -- * | sha256sum)
    echo "key_${kind%%=*}=sha256:${sum%% *}"
done
date +ended=%s%N
"""

_TAIL = 'if [ -f "$1" ]; then tail -c "+$2" -- "$1" | head -c "$3"; fi'


class SshHosts:
    """``Hosts`` over SSH. ``artifacts`` is the folder below which free disk matters."""

    def __init__(
        self,
        ssh: Ssh,
        artifacts: PurePosixPath,
        *,
        key_repositories: Mapping[str, str] = KEY_REPOSITORIES,
    ) -> None:
        self._ssh = ssh
        self._artifacts = artifacts
        self._key_repositories = [f"{kind}={folder}" for kind, folder in key_repositories.items()]

    def look(self, host: HostName) -> HostSeen:
        said = self._ssh.run(host, shell(_LOOK, str(self._artifacts), *self._key_repositories))
        if said.code != 0:
            raise AnswerLost(host, said.complaint)
        return parse_look(host, said.text, middle=(said.asked_at + said.answered_at) / 2)

    def ask(self, host: HostName, argv: Sequence[str], *, user: str = "root") -> Answer:
        limited = ["timeout", "--kill-after=2", str(_ASK_LIMIT_S), *argv]
        command = limited if user == "root" else ["runuser", "-u", user, "--", *limited]
        said = self._ssh.run(host, command)
        if said.code == _GAVE_UP:
            raise AnswerLost(host, f"{argv[0]} took longer than {_ASK_LIMIT_S} s")
        return Answer(said.code, masked((said.out + said.err).decode(errors="replace")))

    def tail(self, host: HostName, path: PurePosixPath, *, offset: int) -> bytes:
        said = self._ssh.run(host, shell(_TAIL, str(path), str(offset + 1), str(_TAIL_BYTES)))
        if said.code != 0:
            raise AnswerLost(host, said.complaint)
        return said.out


def parse_look(host: HostName, text: str, *, middle: float) -> HostSeen:
    """A host from what it printed; ``middle`` is our clock in the middle of the round trip, in seconds."""
    said = dict(line.split("=", 1) for line in text.splitlines())
    theirs = (int(said["begun"]) + int(said["ended"])) / 2e9
    return HostSeen(
        host=host,
        boot_id=said["boot_id"],
        clock_offset_ms=round((theirs - middle) * 1000),
        disk_free_bytes=int(said["disk_free"]),
        os_release=said["os_release"],
        key_digests={n.removeprefix("key_"): said[n] for n in sorted(said) if n.startswith("key_")},
    )
