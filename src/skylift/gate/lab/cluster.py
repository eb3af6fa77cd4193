"""The database cluster of the lab: three Galera members, brought together whatever state they are in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import LabProblem, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skylift.gate.lab.host import LabHost

_START_S = 240
_FIND_S = 25
"""How long members that are starting get to find each other before the cluster is made anew."""

_ASK = """
systemctl is-active mariadb || true
timeout 10 mariadb --batch --skip-column-names -e "SHOW STATUS WHERE Variable_name IN
  ('wsrep_cluster_status', 'wsrep_cluster_size', 'wsrep_local_state_comment')" 2>/dev/null || true
"""

_STOP = """
timeout 60 systemctl stop mariadb || systemctl kill --signal=KILL mariadb
"""

_POSITION = (
    _STOP
    + """
state=/var/lib/mysql/grastate.dat
seqno=$(sed -n 's/^seqno: *//p' $state 2>/dev/null || true)
if [ "$seqno" = -1 ] && ! grep -q '^uuid: *00000000' $state; then
  log=$(mktemp); chown mysql "$log"
  runuser -u mysql -- mariadbd --wsrep-recover --log-error="$log" >&2 || true
  seqno=$(sed -n 's/.*WSREP: Recovered position: .*:\\(-\\{0,1\\}[0-9]*\\).*/\\1/p' "$log" | tail -n 1)
  rm -f "$log"
fi
echo "${seqno:--1}"
"""
)

_REJOIN = _STOP + "systemctl start mariadb"

_FOUND = """
state=/var/lib/mysql/grastate.dat
if [ -e $state ]; then sed -i 's/^safe_to_bootstrap:.*/safe_to_bootstrap: 1/' $state; fi
galera_new_cluster
"""


class Ask(Protocol):
    """As :func:`skylift.gate.lab.host.run`."""

    def __call__(self, host: LabHost, script: str, *, timeout_s: int) -> str:
        """What the script printed."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """How one member sees itself and the cluster."""

    unit: str
    """What systemd says of the unit: ``active``, ``activating``, ``inactive``, ``failed``."""
    primary: bool
    synced: bool
    size: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """The members on ``hosts``, the first of equals first; ``ask`` runs a script on one, as root."""

    hosts: Sequence[LabHost]
    ask: Ask = run
    gather_s: float = 60
    """How long members that were started get to agree."""
    join_s: float = 180
    """How long a member that starts by itself gets to join."""

    def member(self, host: LabHost) -> Member:
        """Ask the member on ``host``; one that does not run has size 0.

        Raises:
            LabProblem: the host cannot be reached.
        """
        unit, _, told = self.ask(host, _ASK, timeout_s=30).partition("\n")
        values = dict(re.findall(r"^(wsrep_\w+)\t(.*)$", told, re.MULTILINE))
        return Member(
            unit=unit,
            primary=values.get("wsrep_cluster_status") == "Primary",
            synced=values.get("wsrep_local_state_comment") == "Synced",
            size=int(values.get("wsrep_cluster_size", 0)),
        )

    def whole(self) -> bool:
        """Whether all members are in one primary cluster and synced."""
        told = [self.member(host) for host in self.hosts]
        return all(one.primary and one.synced and one.size == len(self.hosts) for one in told)

    def gather(self) -> None:
        """Bring all members into one cluster; safe to repeat, and right after any of them crashed.

        If none is in a primary cluster, the one that has seen most of the data starts it anew, the
        first of equals.

        Raises:
            LabProblem: a member did not start, or did not become synced.
        """
        if not self._some_primary() and self._starting():
            poll(self._some_primary, limit_s=_FIND_S, every_s=1)
        if not self._some_primary():
            self.ask(self._most_advanced(), _FOUND, timeout_s=_START_S)
        for host in self.hosts:
            # One after another: two at once would want the same donor.
            self._join(host)
        if not poll(self.whole, limit_s=self.gather_s, every_s=1):
            told = ", ".join(f"{host.name} {self.member(host)}" for host in self.hosts)
            raise LabProblem(f"the database cluster did not become whole: {told}")

    def _join(self, host: LabHost) -> None:
        """Let the member on ``host`` join a cluster that is there.

        One that is about to is not disturbed: a transfer of the data that is cut short can leave both its
        ends waiting for each other.
        """
        poll(lambda: self._settled(host), limit_s=self.join_s, every_s=1)
        if not self.member(host).primary:
            self.ask(host, _REJOIN, timeout_s=_START_S)

    def _settled(self, host: LabHost) -> bool:
        member = self.member(host)
        return member.primary or member.unit != "activating"

    def _most_advanced(self) -> LabHost:
        seen = [int(self.ask(host, _POSITION, timeout_s=180)) for host in self.hosts]
        return self.hosts[seen.index(max(seen))]

    def _some_primary(self) -> bool:
        return any(self.member(host).primary for host in self.hosts)

    def _starting(self) -> bool:
        return any(self.member(host).unit in ("active", "activating") for host in self.hosts)
