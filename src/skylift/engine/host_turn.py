"""One host's turn in a run over a fleet, as steps: it is emptied, worked on, tried, and open again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skylift.actions.action import Action
from skylift.actions.closing import AwaitIdle, CloseService, OpenService
from skylift.actions.network_agents import CloseAgents, OpenAgents
from skylift.actions.volume_host import Exporting
from skylift.engine.fold import ASIDE, Phase, Run
from skylift.fleet.sight import Stage
from skylift.model.ids import HostName, Seconds, ServiceName, StepId
from skylift.model.storage import StorageHost


@dataclass(frozen=True, slots=True)
class WorkStep:
    """One piece of the work on an empty host."""

    id: StepId
    action: Action
    deadline: Seconds


@dataclass(frozen=True, slots=True)
class ServiceTurn:
    """What is done about one service beside nova-compute that a scheduler gives work to."""

    service: ServiceName
    closing: CloseService | None
    """None if nobody else could take its work: that waits in its queue."""
    idle: AwaitIdle | None
    """None if its stop loses nothing."""

    @property
    def before_stop(self) -> tuple[CloseService | AwaitIdle, ...]:
        """What must be done before its host stops, in this order."""
        return tuple(action for action in (self.closing, self.idle) if action is not None)


def emptying_of(host: HostName) -> StepId:
    """The step that begins with the closing of ``host`` and ends when nobody is left on it."""
    return StepId(f"empty@{host}")


def reboot_of(host: HostName) -> StepId:
    """The step of the work in which ``host`` is rebooted."""
    return StepId(f"reboot@{host}")


def hypervisor_of(host: HostName) -> StepId:
    """The step of the work that brings the new hypervisor to ``host``."""
    return StepId(f"hypervisor@{host}")


def commands_of(host: HostName) -> tuple[StepId, ...]:
    """The steps of its turn that run a command on ``host``, which may outlive them."""
    return (hypervisor_of(host), reboot_of(host))


@dataclass(frozen=True, slots=True)
class HostTurn:
    """What is done with one host. How it is emptied is decided at each look; the work is a row of actions."""

    host: HostName
    """As Nova or Neutron calls it."""
    closing: CloseService | None
    """Of a compute host, which the conductor empties; none of any other host."""
    work: tuple[WorkStep, ...]
    """None if it is only to be empty, and then it stays closed."""
    agents: CloseAgents | None = None
    """Of a host whose agents carry routers or networks: these go elsewhere when no instance is left."""
    storage: StorageHost | None = None
    """Of a host of the storage cluster: it is worked on when no other is, and the cluster lets it stop."""
    services: tuple[ServiceTurn, ...] = ()
    """Closed, and idle, before it is worked on."""
    exporting: Exporting | None = None
    """What it serves from its own disks; none if it has no such services."""

    @property
    def emptying(self) -> StepId:
        """The step that begins with the closing and ends when nobody is left on the host."""
        return emptying_of(self.host)

    @property
    def openings(self) -> tuple[OpenService | OpenAgents, ...]:
        """What takes the closings back that were ours."""
        of = (_opening(self.closing),) if self.closing else ()
        return (*of, *((OpenAgents(self.agents.host, self.agents.labels),) if self.agents else ()))

    @property
    def service_openings(self) -> tuple[OpenService, ...]:
        """The same for services beside nova-compute."""
        return tuple(_opening(of.closing) for of in self.services if of.closing is not None)

    @property
    def closings(self) -> tuple[CloseService | CloseAgents, ...]:
        """What keeps it closed while an operator looks at it."""
        every = (self.closing, self.agents, *(of.closing for of in self.services))
        return tuple(closing for closing in every if closing is not None)

    @property
    def steps(self) -> tuple[StepId, ...]:
        """All of its steps, in their order."""
        return (self.emptying, *(step.id for step in self.work))

    def stage(self, run: Run) -> Stage:
        """How far the work on it is, by the journal."""
        if self.steps[-1] in run.passed:
            return Stage.DONE
        return Stage.UNDER_WAY if any(_begun(run, step.id) for step in self.work) else Stage.DUE

    def begun(self, run: Run) -> bool:
        """Whether the run has taken it, and neither given it back nor ended with it."""
        at = run.steps.get(self.emptying)
        taken = at is not None and at.begun and at.phase not in {Phase.FAILED, Phase.WAITING, *ASIDE}
        return taken and self.stage(run) is not Stage.DONE

    def current(self, run: Run) -> WorkStep | None:
        """The piece of work that is under way, or is next; none before the host is empty, and after all."""
        if self.stage(run) is not Stage.UNDER_WAY:
            return None
        return next((step for step in self.work if step.id not in run.passed), None)

    def trouble(self, run: Run) -> str:
        """Why an operator, or the run itself, does no more with it; empty if nothing is in the way."""
        for step in self.steps:
            at = run.steps.get(step)
            if at is not None and at.phase is Phase.FAILED and at.problem is not None:
                return at.problem.sentence
            if at is not None and at.phase in ASIDE and at.aside is not None:
                return f"{step} was {at.phase.value} by {at.aside.actor}: {at.aside.reason}"
        return ""


def failed(turns: Mapping[HostName, HostTurn], run: Run) -> tuple[HostName, ...]:
    """The hosts whose turn has failed since the run was last let go on."""
    lost = run.within(Phase.FAILED) - run.excused
    return tuple(host for host, turn in turns.items() if not lost.isdisjoint(turn.steps))


def _opening(closing: CloseService) -> OpenService:
    return OpenService(closing.host, closing.service, closing.rosters, closing.labels)


def _begun(run: Run, step: StepId) -> bool:
    at = run.steps.get(step)
    return at is not None and at.begun
