"""What can be said of a run over a fleet: from its mandate and its journal, on this machine alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from skylift.app.mandates import approved_mandate
from skylift.app.read_fleet import entry_of
from skylift.app.runs import RunFolder, Runs
from skylift.app.wiring import open_journal, worker_on
from skylift.engine.fold import ASIDE, Phase, Run, fold
from skylift.engine.guards import pairs_of
from skylift.engine.host_turn import commands_of, emptying_of
from skylift.engine.journal import Event, MovesAsked
from skylift.engine.left_running import outlasting
from skylift.engine.moved_networks import KINDS
from skylift.engine.problems import Holder
from skylift.engine.settled_places import Before, moved_before, step_of
from skylift.fleet.afterwards import Wanted
from skylift.fleet.mandate import Mandate
from skylift.model.ids import HostName, StepId
from skylift.model.record import Record


@dataclass(frozen=True, slots=True)
class FleetAccount:
    """Where a run over a fleet is, host by host."""

    mandate: Mandate
    run: Run
    holder: Holder | None
    asked: Counter[str]
    """How often each instance was asked to move."""
    carried: Counter[str] = field(default_factory=Counter)
    """How many routers and networks were given to other agents."""
    events: Sequence[Event] = ()
    """All that its journal has."""
    record: Record | None = None
    """It has how hosts are called where they are reached, and what automation there is."""

    @property
    def done(self) -> tuple[HostName, ...]:
        """The hosts that are through, in the plan's order."""
        return tuple(host for host in self.mandate.hosts if self._is_through(host))

    @property
    def under_way(self) -> tuple[HostName, ...]:
        """The hosts that are being emptied or worked on."""
        running = {_host_of(step) for step in self.run.within(Phase.RUNNING)}
        return tuple(host for host in self.mandate.hosts if host in running)

    @property
    def may_run(self) -> Mapping[StepId, HostName]:
        """The steps not under way whose command may still run, each with its host.

        What pauses automation is among them if the record can be read: it alone has the host.
        """
        return outlasting(self.run, dict(self._commands()))

    def _commands(self) -> Iterator[tuple[StepId, HostName]]:
        for host in self.mandate.hosts:
            entry = entry_of(self.record, host) if self.record else None
            yield from ((step, entry.name if entry else host) for step in commands_of(host))
        automation = self.record.maintenance.automation if self.record else {}
        for pair in pairs_of(self.run):
            if pair.name in automation:
                yield from ((step, automation[pair.name].host) for step in (pair.pause, pair.back))

    @property
    def left(self) -> dict[HostName, str]:
        """Every host that is neither through nor under way, with what keeps it; empty if it may yet begin."""
        held = dict.fromkeys(self.mandate.left_out, "the plan leaves it out, and said why as it was made")
        rest = [h for h in self.mandate.hosts if h not in {*self.done, *self.under_way}]
        return {host: self._trouble(host) for host in rest} | held

    @property
    def steps(self) -> tuple[StepId, ...]:
        """What a word may be about: the emptying of each host, and what was begun."""
        hosts = {emptying_of(h): None for h in self.mandate.hosts}
        last = {step_of(self.wanted.kind): None} if self.wanted else {}
        return tuple(hosts | last | dict.fromkeys(self.run.steps))

    @property
    def wanted(self) -> Wanted | None:
        """What is done when every host is through, with whose homes the journal tells; none if nothing is."""
        wanted = self.mandate.wanted
        return replace(wanted, homes=self._before.homes) if wanted else None

    @property
    def afterwards(self) -> Counter[str]:
        """How often each instance was asked to move since every host was through."""
        return Counter(move.instance for move in self._before.asked)

    @property
    def _before(self) -> Before:
        wanted = self.mandate.wanted
        return moved_before(self.events, step_of(wanted.kind)) if wanted else Before()

    def _is_through(self, host: HostName) -> bool:
        own = [at.phase for step, at in self.run.steps.items() if _host_of(step) == host]
        last = {"drain": 1}.get(self.mandate.purpose.value, 2)
        return len(own) >= last and set(own) == {Phase.DONE} and self._has_last(host)

    def _has_last(self, host: HostName) -> bool:
        ends = {
            **{t.host: (t.ends,) for t in self.mandate.volumes if t.host in self.mandate.volume_hosts},
            **dict.fromkeys(self.mandate.network_hosts, ("carry",)),
            **dict.fromkeys(self.mandate.storage_hosts, ("storage",)),
        }.get(host, ("clean", "open"))
        ends = ("empty",) if self.mandate.purpose.value == "drain" else ends
        return any(StepId(f"{end}@{host}") in self.run.steps for end in ends)

    def _trouble(self, host: HostName) -> str:
        for step, at in self.run.steps.items():
            if _host_of(step) != host:
                continue
            if at.aside is not None and at.phase in ASIDE:
                return f"{step} is {at.phase.value}, by {at.aside.actor}: {at.aside.reason}"
            if at.problem is not None:
                return f"{step} failed: {at.problem.sentence}"
        return ""


def account_of(mandate: Mandate, events: Sequence[Event], holder: Holder | None) -> FleetAccount:
    """The account of a run, from all of its events."""
    moves = [of for e in events if isinstance(e, MovesAsked) for of in e.moves]
    asked = Counter(of.instance for of in moves if of.way not in KINDS)
    carried = Counter(way for _, way in {(of.instance, of.way) for of in moves if of.way in KINDS})
    return FleetAccount(mandate, fold(events), holder, asked, carried, events)


def fleet_account(runs: Runs, folder: RunFolder, record: Record | None = None) -> FleetAccount:
    """Where the run in ``folder`` is; works while the cloud cannot be reached."""
    with open_journal(folder) as journal:
        mandate, events = approved_mandate(folder, journal), journal.events()
    holder = worker_on(runs)
    own = holder if holder and holder.run == folder.id else None
    return replace(account_of(mandate, events, own), record=record)


def _host_of(step: StepId) -> str:
    return step.partition("@")[2]
