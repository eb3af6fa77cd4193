"""What others do on hosts that are to be empty, and this run may not end: named, and waited for so long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from skylift.engine.fold import Phase
from skylift.engine.host_turn import HostTurn
from skylift.engine.journal import StepWaits, milliseconds
from skylift.engine.ledger import Ledger
from skylift.engine.live_fleet import Looked
from skylift.engine.watched_moves import WatchedMoves
from skylift.fleet.conductor import Conductor
from skylift.model.ids import Epoch, HostName, StepId
from skylift.model.maintenance import Maintenance
from skylift.model.problem import Fix, Remedy
from skylift.ports import MigrationSeen


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that keeps a host from being worked on."""

    what: str
    """What tells it from others, and names it."""
    remedies: tuple[Remedy, ...]


class InTheWay:
    """Writes down what a host waits for, and gives the host up when that lasts too long."""

    def __init__(self, ledger: Ledger, moves: WatchedMoves, of: Maintenance) -> None:
        self._ledger, self._moves, self._of = ledger, moves, of
        self._since: dict[tuple[HostName, str], Epoch] = {}
        self._given_up: dict[HostName, Obstacle] = {}

    def look(
        self,
        turns: Mapping[HostName, HostTurn],
        looked: Looked,
        conductor: Conductor,
        *,
        now: Epoch,
        more: Mapping[StepId, str],
    ) -> None:
        """Of each host that is being emptied; ``more`` is what others give up by themselves."""
        run, since = self._ledger.run, self._since
        self._given_up = {}
        emptied = {h: turn for h, turn in turns.items() if turn.emptying in run.within(Phase.RUNNING)}
        found = {host: tuple(self.on(host, looked)) for host in emptied}
        keys = {(host, obstacle.what) for host, of in found.items() for obstacle in of}
        self._since = {key: since.get(key, now) for key in sorted(keys)}
        for host, obstacles in found.items():
            step = turns[host].emptying
            # What goes again at once, as servers of the probes do, is not worth a word.
            lasting = (o.what for o in obstacles if now - self._since[host, o.what] >= self._of.settle)
            told = "; ".join(sorted(lasting))
            told = f"{told} for maintenance.patience at most" if told else more.get(step, "")
            if told != self._ledger.run.waits.get(step, ""):
                self._ledger.write(StepWaits(step, told, milliseconds(now)))
            for obstacle in obstacles:
                if now - self._since[host, obstacle.what] > self._of.patience:
                    self._given_up[host] = obstacle
                    conductor.give_up(host, f"{obstacle.what} did not end within {self._of.patience} s")

    def on(self, host: HostName, looked: Looked) -> Iterator[Obstacle]:
        """What is in the way of one host now."""
        for seen in looked.migrations:
            ours = self._moves.asked_for(seen)
            if host in {seen.source, seen.target} and (not ours or seen.id in self._moves.lasting):
                yield _migration(seen, ours=ours)
        for name, where in looked.passing.items():
            if where == host:
                remove = f"if no run works with it any more: openstack server delete {name}"
                what = f"the server {name}, which is Skylift's and should go by itself,"
                yield Obstacle(what, (Remedy(Fix.REPAIR, remove),))

    def remedies(self, host: HostName) -> tuple[Remedy, ...]:
        """How what was in a host's way is removed, if that is why it was given up."""
        return self._given_up[host].remedies if host in self._given_up else ()


def _migration(seen: MigrationSeen, *, ours: bool) -> Obstacle:
    what = "resize" if seen.resize else "migration"
    whose = "which can no longer be ended" if ours else "which this run did not ask for"
    to = seen.target or "a host that is not chosen yet"
    found = f"{what} {seen.id} of {seen.instance} from {seen.source} to {to}, {whose},"
    listed = f"openstack server migration list --server {seen.instance}"
    look = Remedy(Fix.REPAIR, f"see how it stands: {listed}")
    if seen.live:
        end = f"or end it: openstack server migration abort {seen.instance} {seen.id}"
    elif seen.status == "finished":
        end = f"or, if its owner agrees: openstack server resize confirm {seen.instance}"
    else:
        end = f"or see what its host does: skylift ssh {seen.source} journalctl -n 100 -u 'nova-compute*'"
    return Obstacle(found, (look, Remedy(Fix.REPAIR, end)))
