"""How network hosts stand in a run: who is out, who is yet to be, and what their agents carry now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from skylift.engine.host_turn import HostTurn
from skylift.engine.ledger import Ledger
from skylift.fleet.network import NetworkNow, agents_on, may_leave
from skylift.fleet.sight import Stage
from skylift.model.ids import HostName
from skylift.model.network_agent import Carried, NetworkAgent
from skylift.ports import Ports


class NetworkLooks:
    """Looks at the turns of hosts with agents that carry what is others', by the journal and by Neutron.

    ``beside`` are compute hosts whose agents are being emptied; ``refused`` is what Neutron would not do.
    """

    def __init__(
        self,
        ledger: Ledger,
        ports: Ports,
        turns: Mapping[HostName, HostTurn],
        *,
        beside: Collection[HostName],
        refused: Collection[tuple[str, str]],
    ) -> None:
        self._ledger, self._ports, self._turns = ledger, ports, turns
        self._beside, self._refused = beside, refused

    def is_left(self, turn: HostTurn) -> bool:
        """Whether nothing more is done with a host: it failed, or was set aside, or the run was given up."""
        run = self._ledger.run
        return bool(turn.trouble(run) or (run.abort is not None and turn.stage(run) is Stage.DUE))

    def active(self) -> frozenset[HostName]:
        """The hosts that are being emptied or worked on, and are no operator's yet."""
        run = self._ledger.run
        begun = (t for t in self._turns.values() if t.begun(run) and not t.trouble(run))
        # A compute host's agents are touched when its instances are gone: then it is beside the others.
        out = {t.host for t in begun if t.closing is None or t.stage(run) is not Stage.DUE}
        return frozenset((*out, *self._beside))

    def now(self, agents: Iterable[NetworkAgent], host: HostName) -> NetworkNow:
        """How agents may be used while ``host`` is emptied; hosts that are held count as out."""
        run = self._ledger.run
        held = {t.host for t in self._turns.values() if t.stage(run) is Stage.UNDER_WAY}
        later = frozenset(t.host for t in self._turns.values() if t.stage(run) is Stage.DUE)
        out = frozenset((host, *held, *self.active()))
        return NetworkNow({a.id: a for a in agents}, out, later, self._refused)

    def carried(self, agents: Iterable[NetworkAgent], host: HostName) -> tuple[Carried, ...]:
        """What is assigned to the agents of a host."""
        found = (of for a in agents_on(agents, host) for of in self._ports.network.carried(a))
        return tuple({of.id: of for of in found}.values())

    def may_leave(self, host: HostName) -> bool:
        """Whether its agents may be emptied beside those of the hosts that are out."""
        agents = self._ports.network.agents()
        now = self.now(agents, host)
        return may_leave(host, {name: self.carried(agents, name) for name in now.out}, now)
