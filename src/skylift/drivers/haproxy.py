"""HAProxy, all instances at once, through the admin socket of each.

Source: HAProxy Management Guide, "show servers state", "show stat", "set server".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from skylift.drivers.ssh import Said, Ssh, shell
from skylift.model.cloud import Backend, BackendState
from skylift.model.ids import HostName, PoolName
from skylift.model.problem import Fix, Problem, Refused, Remedy, Transient

_MAINT_BITS = 0x01 | 0x02 | 0x04 | 0x20
_DRAIN_BITS = 0x08 | 0x10
_GETS_REQUESTS = {"1", "2"}
"""``srv_op_state``: starting (slow start) and running. Stopping (a health check that said 404) counts as
down: nobody told it to drain, and it comes back by itself."""
_QUESTION = b"show servers state; show stat -1 4 -1\n"
_TELL = ("socat", "-t", "10", "-")

# Of a hundred columns of statistics, names and current sessions; lines without a comma pass whole.
_ASK = 'said=$(socat -t 10 - "$1") && printf "%s\\n" "$said" | cut -d, -f1,2,5'


class BalancerSilent(Transient):
    """An instance does not answer: what it does with requests is unknown."""

    code = "balancer.silent"

    def __init__(self, silent: Mapping[HostName, str]) -> None:
        named = "; ".join(f"{host} ({why})" for host, why in sorted(silent.items()))
        first = min(silent)
        super().__init__(
            f"the balancer could not be asked on {named}",
            Remedy(Fix.REPAIR, f"see whether it runs: ssh {first} systemctl status haproxy"),
            Remedy(Fix.RETRY, "when it answers, the run goes on by itself"),
        )


class BalancerRefuses(Refused):
    """An instance did not do what it was told."""

    code = "balancer.refuses"

    def __init__(self, pool: PoolName, server: HostName, host: HostName, why: str) -> None:
        super().__init__(
            f"server {server} of pool {pool} could not be set by the balancer on {host}: {why}",
            Remedy(Fix.REPAIR, "give the pool and its servers the same names in cloud.yaml and haproxy.cfg"),
        )


class HaproxyBalancer:
    """``Balancer`` through ``socat`` on every balancer host; a server bears its host's name."""

    def __init__(self, ssh: Ssh, hosts: Iterable[HostName], socket: PurePosixPath) -> None:
        self._ssh = ssh
        self._hosts = tuple(hosts)
        self._socket = f"UNIX-CONNECT:{socket}"

    def backends(self) -> tuple[Backend, ...]:
        answers = self._tell(shell(_ASK, self._socket), _QUESTION, changes=False)
        return tuple(seen for host, text in answers.items() for seen in parse_backends(host, text))

    def set_state(self, pool: PoolName, server: HostName, state: Literal["drain", "ready"]) -> None:
        line = f"set server {pool}/{server} state {state}\n"
        answers = self._tell((*_TELL, self._socket), line.encode(), changes=True)
        for host, text in answers.items():
            if text.strip():
                raise BalancerRefuses(pool, server, host, text.strip().splitlines()[0])

    def _tell(self, argv: Sequence[str], line: bytes, *, changes: bool) -> Mapping[HostName, str]:
        """What each instance answers to ``line``; a repeated change is harmless, so none is uncertain."""
        said = self._ssh.on_each(self._hosts, argv, input=line, changes=changes)
        silent = {host: _silence(each) for host, each in said.items() if _silence(each)}
        if silent:
            raise BalancerSilent(silent)
        return {host: each.text for host, each in said.items() if isinstance(each, Said)}


def parse_backends(balancer: HostName, text: str) -> tuple[Backend, ...]:
    """Every server of every pool, from ``show servers state`` followed by ``show stat -1 4 -1``.

    The state as set by an operator comes first: HAProxy's own ``status`` says DOWN for a server that is
    drained and stopped, from which nobody could tell that it will get no requests when it comes up.
    """
    states, _, stats = text.partition("# pxname")
    sessions = _sessions("pxname" + stats)
    return tuple(
        Backend(
            balancer=balancer,
            pool=PoolName(row["be_name"]),
            server=HostName(row["srv_name"]),
            state=_state(row["srv_op_state"], int(row["srv_admin_state"], 0)),
            sessions=sessions[row["be_name"], row["srv_name"]],
        )
        for row in _rows(states.splitlines())
    )


def _rows(lines: Sequence[str]) -> list[dict[str, str]]:
    """The table of ``show servers state``: a version, a header that begins with ``#``, a line each."""
    table = [line.lstrip("# ").split(" ") for line in lines[1:] if line.strip()]
    return [dict(zip(table[0], row, strict=False)) for row in table[1:]] if table else []


def _sessions(stats: str) -> dict[tuple[str, str], int]:
    rows = csv.DictReader(io.StringIO(stats.strip()))
    return {(row["pxname"], row["svname"]): int(row["scur"]) for row in rows}


def _state(operation: str, admin: int) -> BackendState:
    if admin & _MAINT_BITS:
        return BackendState.MAINT
    if admin & _DRAIN_BITS:
        return BackendState.DRAIN
    return BackendState.UP if operation in _GETS_REQUESTS else BackendState.DOWN


def _silence(said: Said | Problem) -> str:
    if isinstance(said, Problem):
        return str(said)
    return "" if said.code == 0 else said.complaint
