"""The vantage host over SSH: the agent there does the asking, we tell it what to ask."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any

from skylift.drivers.clouds_yaml import credentials
from skylift.drivers.ssh import Said, Ssh, shell
from skylift.drivers.ssh_problems import AnswerLost
from skylift.drivers.vantage_agent import FOLDER, agent
from skylift.model.cloud import Endpoint
from skylift.model.ids import ComponentName, Epoch, HostName
from skylift.model.problem import Fix, Refused, Remedy, Transient
from skylift.model.record import VantageEntry
from skylift.ports.vantage import ProbeTally, WitnessSeen

_ABSENT, _TRY_LATER = 69, 75
_CHUNK_BYTES = 4 << 20

# One round trip where the agent is there already, as it nearly always is.
_RUN = f'[ -e "$1" ] || exit {_ABSENT}; exec python3 -I -B "$@"'

# A connection that is cut ends the input, and so the copy, as if it were whole: hence the checksum.
_SHIP = """
umask 077
mkdir -p "$(dirname "$1")"
cat > "$1.$$"
if echo "$2  $1.$$" | sha256sum --check --quiet >&2; then mv "$1.$$" "$1"; else rm "$1.$$"; exit 1; fi
"""

_TALLY = 'if [ -e "$1" ]; then cat "$1"; else echo; fi; systemctl is-active "$2" || :'
_SAMPLES = 'if [ -e "$1" ]; then tail -c "+$2" "$1" | head -c "$3" | gzip -1; fi'


class ApiUnanswered(Transient):
    """An API did not answer the vantage host in time, or answered with a server's fault."""

    code = "api.unanswered"

    def __init__(self, host: HostName, why: str) -> None:
        super().__init__(
            f"an API could not be asked from {host}: {why}",
            Remedy(Fix.REPAIR, "see which backends serve: skylift inspect"),
            Remedy(Fix.RETRY, "when the API answers, the run goes on by itself"),
        )


class ApiRefused(Refused):
    """An API answered the vantage host, but not with what was asked for."""

    code = "api.refused"

    def __init__(self, host: HostName, why: str) -> None:
        super().__init__(
            f"an API refused what was asked from {host}: {why}",
            Remedy(Fix.REPAIR, "see whether the credentials in vantage.clouds_yaml are an administrator's"),
            Remedy(Fix.RETRY, "after the repair: skylift retry"),
        )


class SshVantage:
    """``Vantage`` over SSH. ``rates`` are firings per second by stream; the agent's own if none."""

    def __init__(
        self,
        ssh: Ssh,
        entry: VantageEntry,
        addresses: Mapping[HostName, str],
        *,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self._ssh = ssh
        self._addresses = addresses
        self._entry = entry
        self._host = entry.host
        self._rates = dict(rates or {})

    def endpoints(self) -> tuple[Endpoint, ...]:
        listed = self._tell("catalog")
        return tuple(Endpoint(end["service"], end["interface"], end["url"]) for end in listed)

    def ask_backend(self, component: ComponentName, host: HostName, port: int, path: str) -> str:
        backend = f"http://{self._addresses[host]}:{port}"
        return str(self._tell("ask", component, backend, path)["complaint"])

    def start_probes(self, label: str) -> None:
        self._tell("launch", f"--label={label}", f"--rates={json.dumps(self._rates)}", changes=True)

    def tally(self, label: str) -> ProbeTally:
        said = self._ssh.ask(
            self._host, _TALLY, str(FOLDER / label / "tally.json"), f"skylift-probes-{label}.service"
        )
        count, _, active = said.strip("\n").rpartition("\n")
        counted = json.loads(count or "{}")
        last = counted.get("last_sample_at")
        return ProbeTally(
            requests=counted.get("requests", 0),
            failed=counted.get("failed", 0),
            longest_gap_s=counted.get("longest_gap_s", {}),
            last_sample_at=None if last is None else Epoch(last),
            alive=active == "active",
        )

    def samples(self, label: str, *, offset: int) -> bytes:
        path = str(FOLDER / label / "samples.tsv")
        said = self._ssh.run(self._host, shell(_SAMPLES, path, str(offset + 1), str(_CHUNK_BYTES)))
        if said.code != 0:
            raise AnswerLost(self._host, said.complaint)
        try:
            chunk = gzip.decompress(said.out) if said.out else b""
        except (OSError, EOFError, zlib.error):
            raise AnswerLost(self._host, "the samples did not arrive whole") from None
        return chunk[: chunk.rfind(b"\n") + 1]

    def stop_probes(self, label: str) -> None:
        self._tell("stop", f"--label={label}", changes=True)

    def create_witnesses(self, label: str) -> None:
        self._tell("witness", "create", f"--label={label}", changes=True)

    def witnesses(self, label: str) -> tuple[WitnessSeen, ...]:
        return tuple(WitnessSeen(**seen) for seen in self._tell("witness", "verify", f"--label={label}"))

    def destroy_witnesses(self, label: str) -> None:
        self._tell("witness", "destroy", f"--label={label}", changes=True)

    def _tell(self, *words: str, changes: bool = False) -> Any:
        """Run the agent and return its answer; the credentials go by standard input."""
        path = agent().path
        fed = json.dumps(credentials(self._entry)).encode()
        command = shell(_RUN, str(path), *words)
        said = self._ssh.run(self._host, command, input=fed, changes=changes)
        if said.code == _ABSENT:
            self._ssh.change(self._host, _SHIP, str(path), agent().sha256, input=agent().content)
            said = self._ssh.run(self._host, command, input=fed, changes=changes)
        self._judge(said)
        return json.loads(said.text)

    def _judge(self, said: Said) -> None:
        if said.code == _TRY_LATER:
            raise ApiUnanswered(self._host, said.complaint)
        if said.code != 0:
            raise ApiRefused(self._host, said.complaint)
