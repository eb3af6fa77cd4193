"""The vantage host over SSH: the agent there does the asking, we tell it what to ask."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping

from skylift.drivers.ssh import Ssh, shell
from skylift.drivers.ssh_problems import AnswerLost
from skylift.drivers.vantage_agent import FOLDER
from skylift.drivers.vantage_line import VantageLine
from skylift.model.cloud import Endpoint
from skylift.model.ids import ComponentName, Epoch, HostName
from skylift.model.record import VantageEntry
from skylift.model.sample import TIME_LIMIT_S
from skylift.ports.vantage import ProbeTally, WitnessSeen

_CHUNK_BYTES = 4 << 20

_TALLY = 'if [ -e "$1" ]; then cat "$1"; else echo; fi; systemctl is-active "$2" || :'
_SAMPLES = 'if [ -e "$1" ]; then tail -c "+$2" "$1" | head -c "$3" | gzip -1; fi'


class SshVantage:
    """``Vantage`` over SSH.

    ``rates`` are firings per second by stream; the agent's own if none, at the pace of ``entry``.
    ``held_s`` is for how long the balancers may let a request wait: users who ask for it wait so much longer.
    """

    def __init__(
        self,
        ssh: Ssh,
        entry: VantageEntry,
        addresses: Mapping[HostName, str],
        *,
        rates: Mapping[str, float] | None = None,
        held_s: float = 0,
    ) -> None:
        self._ssh = ssh
        self._line = VantageLine(ssh, entry)
        self._addresses = addresses
        self._host = entry.host
        self._asking = (
            f"--rates={json.dumps(dict(rates or {}))}",
            f"--pace={entry.pace}",
            f"--patience={TIME_LIMIT_S + held_s}",
        )
        self._wanted = (f"--image={entry.image or ''}", f"--network={entry.network or ''}")

    def endpoints(self) -> tuple[Endpoint, ...]:
        listed = self._line.tell("catalog")
        return tuple(Endpoint(end["service"], end["interface"], end["url"]) for end in listed)

    def ask_backend(self, component: ComponentName, host: HostName, port: int, path: str) -> str:
        backend = f"http://{self._addresses[host]}:{port}"
        return str(self._line.tell("ask", component, backend, path)["complaint"])

    def start_probes(self, label: str, *, witnesses: str = "") -> None:
        guests = f"--witnesses={witnesses}"
        self._line.tell("launch", f"--label={label}", *self._asking, guests, *self._wanted, changes=True)

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
            failed_guests=counted.get("failed_guests", 0),
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
        self._line.tell("stop", f"--label={label}", changes=True)

    def create_witnesses(self, label: str, *, without: tuple[str, ...] = ()) -> None:
        lacks = [f"--without={kind}" for kind in without]
        self._line.tell("witness", "create", f"--label={label}", *lacks, *self._wanted, changes=True)

    def witnesses(self, label: str) -> tuple[WitnessSeen, ...]:
        return tuple(WitnessSeen(**seen) for seen in self._line.tell("witness", "verify", f"--label={label}"))

    def destroy_witnesses(self, label: str) -> None:
        self._line.tell("witness", "destroy", f"--label={label}", changes=True)
