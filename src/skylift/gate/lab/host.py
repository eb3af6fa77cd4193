"""The lab, its hosts, and running a script on one: the seam of all that builds a cloud there."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from skylift.gate.lab.profiles import API, PROFILES, Profile
from skylift.gate.lab.services import Role
from skylift.model.problem import Fix, Remedy, Uncertain

NETWORK = "10.77.0.0/16"
BRIDGE_ADDRESS = "10.77.0.1"
VIP = "10.77.0.10"
DEPOT_PORT = 8099
PROVIDER_ADDRESSES = {"client": "10.78.0.20"}
"""Who has an address of its own in the network of the guests, beside them."""
PROVIDER_ID = 78
PROVIDER_GROUP = "239.77.78.1"
"""The overlay that carries the guests' network from host to host: its number and its multicast group."""
PROVIDER_MTU = 1440
"""What an overlay leaves of 1500 bytes, and of that a tag."""

_TAIL_CHARS = 2000
_MARK = "SKYLIFT_LAB_SCRIPT_OF"
_COUNT_ORPHANS = f"""
found=0
for place in /proc/[0-9]*; do
  owner=$(tr '\\0' '\\n' < "$place/environ" 2>/dev/null | sed -n 's/^{_MARK}=//p' || true)
  if [ -n "$owner" ] && [ "$owner" != "${_MARK}" ]; then found=$((found + 1)); fi
done
echo $found
"""


class LabProblem(Uncertain):
    """The lab could not be built, asked or taken down.

    How far it got is not remembered but looked up: ``lab up`` and ``lab down`` go on where it stopped.
    """

    code = "lab.failed"

    def __init__(self, sentence: str, *remedies: Remedy) -> None:
        again = Remedy(Fix.RETRY, "run skylift lab up again: it goes on where it stopped")
        super().__init__(sentence, *(remedies or (again,)))


@dataclass(frozen=True, slots=True)
class LabHost:
    """A host of the lab, known before it boots."""

    name: str
    address: str
    role: Role
    root: Path
    """The merged root file system: files may be written here before the host boots, and after."""

    @property
    def lab(self) -> Lab:
        """The lab this host belongs to, told by where its root lies."""
        return Lab(self.root.parents[2])


@dataclass(frozen=True, slots=True)
class Lab:
    """Where a lab lives: everything but the cache lies below ``folder``."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of its network namespace and cgroup: ``skylift`` for the usual folder.

        Other folders get a name of their own, so that labs may stand side by side: nothing connects
        their networks, and all of them use the same addresses.
        """
        if self.folder == _usual_folder():
            return "skylift"
        return "skylift-" + hashlib.sha256(bytes(self.folder)).hexdigest()[:8]

    @property
    def namespace(self) -> Path:
        """The file that ``nsenter --net=`` takes."""
        return Path("/run/netns") / self.name

    @property
    def profile(self) -> Profile:
        """The profile it was asked to have; the smallest where nothing is said."""
        try:
            told = json.loads(marker_of(self).read_text())
            return PROFILES[told["profile"]]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return API

    @property
    def hosts(self) -> tuple[LabHost, ...]:
        """All of them, in the order of the profile."""
        return tuple(
            LabHost(name, address, role, self.folder / "hosts" / name / "root")
            for name, (address, role) in self.profile.hosts.items()
        )

    @property
    def controllers(self) -> tuple[LabHost, ...]:
        """The hosts that carry the control plane."""
        return self.having("controller")

    def having(self, *roles: Role) -> tuple[LabHost, ...]:
        """The hosts with one of ``roles``."""
        return tuple(host for host in self.hosts if host.role in roles)

    @property
    def client(self) -> LabHost:
        """The host outside the control plane from which probes run."""
        return self.host("client")

    def host(self, name: str) -> LabHost:
        """The host called ``name``.

        Raises:
            LabProblem: there is no such host.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabProblem(f"there is no host {name} in the lab: it has {', '.join(self.profile.hosts)}")

    @property
    def key(self) -> Path:
        """The private key whose public half every host lets in as root."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys of all hosts, by address."""
        return self.folder / "known_hosts"

    @property
    def depot(self) -> Path:
        """The folder served at ``http://10.77.0.1:8099/`` to the hosts."""
        return self.folder / "depot"

    @property
    def shared(self) -> Path:
        """The folder every controller sees as ``/srv/shared``, as an NFS share would be."""
        return self.folder / "shared"


def marker_of(lab: Lab) -> Path:
    """The file that tells a lab's folder from any other, and what the lab was asked to be."""
    return lab.folder / "lab.json"


def default_folder() -> Path:
    """``$SKYLIFT_LAB_DIR``, or ``skylift/lab`` in the user's data folder."""
    told = os.environ.get("SKYLIFT_LAB_DIR")
    if told:
        return Path(told).absolute()
    return _usual_folder()


def _usual_folder() -> Path:
    """Where the lab lies if nobody says otherwise; a lab's name must not change with the environment."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "skylift/lab"


def cache_folder() -> Path:
    """``$SKYLIFT_CACHE_DIR``, or ``skylift`` in the user's cache folder."""
    told = os.environ.get("SKYLIFT_CACHE_DIR")
    if told:
        return Path(told).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skylift"


def ssh_command(host: LabHost) -> list[str]:
    """The ssh command that logs in to ``host`` as root; a remote command may follow."""
    lab = host.lab
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(lab.known_hosts),
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "5",
        "ServerAliveInterval": "5",
        "LogLevel": "ERROR",
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    enter = ["nsenter", f"--net={lab.namespace}"]
    return [*enter, "ssh", "-F", "none", "-i", str(lab.key), *flags, f"root@{host.address}"]


def run(host: LabHost, script: str, *, input: bytes | None = None, timeout_s: int) -> str:  # noqa: A002 - subprocess's own word
    """Run ``script`` on ``host`` as root with ``sh -euc`` and return what it printed.

    Raises:
        LabProblem: it ended with another code than 0 (the end of its stderr is in the sentence), the
            host could not be reached, or ``timeout_s`` passed.
    """
    # Marked, so that the next one can tell what a killed one left running there: see orphans().
    command = [*ssh_command(host), shlex.join(["env", f"{_MARK}={os.getpid()}", "sh", "-euc", script])]
    try:
        ended = subprocess.run(
            command, input=input or b"", capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabProblem(
            f"a script on {host.name} did not end within {timeout_s} s: {_first_line(script)}"
        ) from None
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace")[-_TAIL_CHARS:].strip()
        raise LabProblem(f"a script on {host.name} ended with code {ended.returncode}: {said}")
    return ended.stdout.decode(errors="replace")


def orphans(host: LabHost) -> int:
    """How many of the scripts on ``host`` were started by :func:`run` in another process than this.

    A script goes on when the connection that started it is cut. Two of the same kind at once could hurt
    each other, so whoever finds some lets them end first.

    Raises:
        LabProblem: the host cannot be reached.
    """
    return int(run(host, _COUNT_ORPHANS, timeout_s=15))


def _first_line(script: str) -> str:
    return script.strip().partition("\n")[0][:120]
