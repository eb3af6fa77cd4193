"""HAProxy, all instances at once, through the admin socket of each.

Source: HAProxy Management Guide, "show servers state", "show stat", "set server", "show map", "set map".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from skylift.drivers.ssh import Said, Ssh, shell
from skylift.model.cloud import Backend, BackendState
from skylift.model.ids import HostName, PoolName, Seconds
from skylift.model.problem import Fix, Problem, Refused, Remedy, Transient

_MAINT_BITS = 0x01 | 0x02 | 0x04 | 0x20
_DRAIN_BITS = 0x08 | 0x10
_GETS_REQUESTS = {"1", "2"}
"""``srv_op_state``: starting (slow start) and running. Stopping (a health check that said 404) counts as
down: nobody told it to drain, and it comes back by itself."""
_QUESTION = b"show servers state; show stat -1 4 -1\n"
_MAP_COLUMNS = 3
_LONGEST_S = 60
"""As in ``park.lua``: an end further ahead holds nothing."""
_TELL = ("socat", "-t", "10", "-")

_SHOW_MAP = 'date +%s; echo "show map $2" | socat -t 10 - "$1"'
# The end is by the clock of the balancer's own host, and in whole seconds, as park.lua reads it.
_SET_MAP = """
until=$(($(date +%s) + $4))
echo "set map $2 $3 $until/$5" | socat -t 10 - "$1"
"""
_UNSET_MAP = 'echo "set map $2 $3 0" | socat -t 10 - "$1"'

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
            Remedy(Fix.REPAIR, f"see whether it runs: skylift ssh {first} systemctl status haproxy"),
            Remedy(Fix.REPAIR, f"if it does not, start it: skylift ssh {first} systemctl start haproxy"),
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


class BalancerCannotPark(Refused):
    """An instance cannot hold requests of a pool."""

    code = "balancer.cannot-park"

    def __init__(self, pool: PoolName, host: HostName, why: str) -> None:
        super().__init__(
            f"requests to pool {pool} could not be parked by the balancer on {host}: {why}",
            Remedy(
                Fix.REPAIR, f"give the map that balancer.parking names a line '{pool} 0', and reload HAProxy"
            ),
            Remedy(Fix.RETRY, "then: skylift retry"),
        )


class HaproxyBalancer:
    """``Balancer`` through ``socat`` on every balancer host; a server bears its host's name.

    Pools are parked through the map ``parking``, as ``park.lua`` beside this file reads it; each that may
    be parked has a line in it, so that a change is one step: a line that is set is never missing.
    """

    def __init__(
        self,
        ssh: Ssh,
        hosts: Iterable[HostName],
        socket: PurePosixPath,
        *,
        parking: PurePosixPath | None = None,
    ) -> None:
        self._ssh = ssh
        self._hosts = tuple(hosts)
        self._socket = f"UNIX-CONNECT:{socket}"
        self._parking = parking

    def backends(self, on: HostName | None = None) -> tuple[Backend, ...]:
        asked = (on,) if on else self._hosts
        answers = self._tell(shell(_ASK, self._socket), _QUESTION, changes=False, hosts=asked)
        return tuple(seen for host, text in answers.items() for seen in parse_backends(host, text))

    def set_state(self, pool: PoolName, server: HostName, state: Literal["drain", "ready"]) -> None:
        line = f"set server {pool}/{server} state {state}\n"
        answers = self._tell((*_TELL, self._socket), line.encode(), changes=True)
        for host, text in answers.items():
            if text.strip():
                raise BalancerRefuses(pool, server, host, text.strip().splitlines()[0])

    def park(self, pool: PoolName, seconds: Seconds, *, limit: Seconds) -> None:
        self._set_map(pool, _SET_MAP, str(seconds), str(limit))

    def unpark(self, pool: PoolName) -> None:
        self._set_map(pool, _UNSET_MAP)

    def parked(self) -> Mapping[HostName, Mapping[PoolName, Seconds]]:
        if self._parking is None:
            return {host: {} for host in self._hosts}
        answers = self._tell(shell(_SHOW_MAP, self._socket, str(self._parking)), b"", changes=False)
        return {host: parse_parked(text) for host, text in answers.items()}

    def _set_map(self, pool: PoolName, script: str, *args: str) -> None:
        if self._parking is None:
            raise BalancerCannotPark(
                pool, self._hosts[0], "the record names no map for it (balancer.parking)"
            )
        answers = self._tell(shell(script, self._socket, str(self._parking), pool, *args), b"", changes=True)
        for host, text in answers.items():
            if text.strip():
                raise BalancerCannotPark(pool, host, text.strip().splitlines()[0])

    def _tell(
        self, argv: Sequence[str], line: bytes, *, changes: bool, hosts: Sequence[HostName] = ()
    ) -> Mapping[HostName, str]:
        """What each instance answers to ``line``; a repeated change is harmless, so none is uncertain."""
        said = self._ssh.on_each(hosts or self._hosts, argv, input=line, changes=changes)
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


def parse_parked(text: str) -> Mapping[PoolName, Seconds]:
    """For how long still each pool of a map is parked, from the host's time and ``show map``.

    A line is a reference, a key and a value; the value is 0, or the end and the limit of one request's wait.
    """
    clock_s, *lines = text.splitlines()
    rows = (line.split(" ") for line in lines if line.startswith("0x"))
    return {PoolName(row[1]): _left(row[2], int(clock_s)) for row in rows if len(row) == _MAP_COLUMNS}


def _left(value: str, clock_s: int) -> Seconds:
    until, _, limit = value.partition("/")
    left = int(until) - clock_s if until.isdecimal() and limit.isdecimal() else 0
    return Seconds(left if 0 < left <= _LONGEST_S else 0)


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
