"""Artifacts on hosts: what lies there, what could be fetched, and how to stage one whole or not at all."""

from __future__ import annotations

from pathlib import PurePosixPath

from skylift.drivers.migrations import READER, parse_migrations
from skylift.drivers.ssh import Ssh
from skylift.drivers.ssh_problems import AnswerLost
from skylift.model.cloud import Revision
from skylift.model.ids import Digest, HostName
from skylift.model.record import Artifact
from skylift.ports.jobs import Command

_STAGED = r"""
[ -f "$1/MANIFEST.sha256" ] || exit 0
sum=$(sha256sum -- "$1/MANIFEST.sha256")
echo "sha256:${sum%% *}"
"""

_OBTAINABLE = r"""
command -v curl >/dev/null || { echo "it has no curl" >&2; exit 1; }
if curl -sfIL -o /dev/null --max-time 15 -- "$1"; then echo yes; else echo no; fi
"""

# What is verified is renamed, and nothing else ever bears the artifact's name: a cut-off download, a full
# disk or a reboot leaves at most a folder beside it, which the next attempt removes. The last line of the
# output is the reason of a failure. Regular files are those of the manifest and no others, with its sums;
# symbolic links those of MANIFEST.links, which the manifest lists; nothing else may be in there.
_STAGE = r"""
set -eu
export LC_ALL=C
name=$1 path=$2 digest=$3 source=$4 home=$(dirname -- "$2") doing="begin" work=
umask 022
ended() {
    code=$?
    if [ -n "$work" ]; then rm -rf -- "$work"; fi
    [ $code = 0 ] ||
        echo "could not $doing ($(df -h --output=avail "$home" | tail -n 1 | tr -d ' ') are free there)"
    exit $code
}
verify() {
    cd -- "$1"
    doing="verify $name: its manifest is not $digest"
    echo "${digest#sha256:}  MANIFEST.sha256" | sha256sum --quiet --strict -c - >&2
    doing="verify $name: a file is not what its manifest says"
    sha256sum --quiet --strict -c MANIFEST.sha256 >"$2.wrong" || {
        cat "$2.wrong" >&2
        wrong=$(head -n 1 "$2.wrong")
        doing="verify $name: ${wrong%%: FAILED*} is not what its manifest says"
        exit 1
    }
    doing="verify $name: it has files that its manifest does not list"
    { sed 's/^[0-9a-f]*  //' MANIFEST.sha256; echo MANIFEST.sha256; } | sort >"$2.listed"
    find . -type f -printf '%P\n' | sort >"$2.found"
    diff "$2.listed" "$2.found" | grep '^[<>]' | head -n 5 >&2 || :
    cmp -s "$2.listed" "$2.found"
    doing="verify $name: it has links that its manifest does not list"
    { [ ! -f MANIFEST.links ] || cat MANIFEST.links; } | sort >"$2.listed"
    find . -type l -printf '%P\t%l\n' | sort >"$2.found"
    cmp -s "$2.listed" "$2.found"
    doing="verify $name: it has what is neither file, folder nor link"
    [ -z "$(find . ! -type f ! -type d ! -type l -print -quit)" ]
    cd /
}
trap ended EXIT
trap 'exit 143' TERM INT HUP
mkdir -p -- "$home"
exec 9>"$home/.staging.lock"
doing="stage $name: somebody else stages here"
flock -w 900 9
rm -rf -- "$path".staging.*
doing="make a folder beside $path"
work=$(mktemp -d -- "$path.staging.XXXXXX")
if [ -e "$path" ]; then
    echo "verifying $path, which is there already"
    verify "$path" "$work/names"
    echo "$path is there already and whole"
    exit 0
fi
echo "fetching $source"
doing="fetch $source"
curl -sSfL --connect-timeout 15 --speed-limit 1024 --speed-time 60 -o "$work/archive" -- "$source"
echo "unpacking"
doing="unpack $source"
mkdir -m 0755 "$work/tree"
tar --extract --no-same-owner --same-permissions --directory "$work/tree" --file "$work/archive"
rm -f "$work/archive"
echo "verifying"
verify "$work/tree" "$work/names"
doing="put $name in its place"
sync -f "$work/tree"
mv -nT -- "$work/tree" "$path"
[ ! -e "$work/tree" ]
sync -f "$home"
echo "staged $path"
"""


class SshArtifacts:
    """``Artifacts`` over SSH; hosts fetch archives themselves, with ``curl``."""

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh

    def staged(self, host: HostName, path: PurePosixPath) -> Digest | None:
        digest = self._ssh.ask(host, _STAGED, str(path)).strip()
        return Digest(digest) if digest else None

    def obtainable(self, host: HostName, artifact: Artifact) -> bool:
        return self._ssh.ask(host, _OBTAINABLE, artifact.source).strip() == "yes"

    def stage_command(self, artifact: Artifact) -> Command:
        gently = ("nice", "ionice", "-c", "idle")
        what = (artifact.name, str(artifact.path), artifact.digest, artifact.source)
        return Command((*gently, "sh", "-c", _STAGE, "skylift", *what))

    def migrations(self, host: HostName, folder: PurePosixPath) -> tuple[Revision, ...]:
        said = self._ssh.run(host, ["python3", "-I", "-", str(folder)], input=READER.encode())
        if said.code != 0:
            raise AnswerLost(host, said.complaint)
        return parse_migrations(host, folder, said.text)
