"""Commands that may outlive their step: one that was late, or whose host fell silent, ended no job."""

from __future__ import annotations

from collections.abc import Mapping

from skylift.actions.action import Done, Pending
from skylift.engine.decide import Order, may_run, outlives
from skylift.engine.fold import Run
from skylift.engine.journal import Outcome
from skylift.model.ids import HostName, StepId
from skylift.model.problem import Problem
from skylift.planning.plan import Step
from skylift.ports import NoJob, Ports, Running


def lent(ports: Ports, run: Run, step: StepId) -> Ports:
    """The ports under the key of a begun step's newest attempt."""
    return ports.under(f"{run.id}.{step}.{run.steps[step].attempt}")


def look_at(step: Step, ports: Ports) -> Done | Pending | Problem:
    """Whether the command of a step that is not under way still runs; nothing is pushed."""
    host = step.action.runs_on
    try:
        state = ports.jobs.state(host) if host is not None else NoJob()
    except Problem as problem:
        return problem
    if isinstance(state, Running):
        return Pending(f"its command still runs on {host}: {state.last_line or step.action.title}")
    return Done()


def going_on(order: Order, run: Run, ports: Ports) -> Mapping[StepId, HostName]:
    """The steps not under way whose command runs right now, each with its host; none of a closed run.

    Raises:
        Problem: a host that may run one does not say.
    """
    if run.closed is not None:
        return {}
    return {s: host for s, host in may_run(order, run).items() if _runs(ports, run, s, host)}


def outlasting(run: Run, commands: Mapping[StepId, HostName]) -> Mapping[StepId, HostName]:
    """Of these ``commands``, each with its host, those that may run while their step does not.

    Of a run that was given up, and not left as it was, each was seen to end before it was closed.
    """
    seen_to_end = run.closed is Outcome.ABORTED and run.abort and not run.abort.leave
    return {} if seen_to_end else {step: on for step, on in commands.items() if outlives(run, step)}


def may_go_on(run: Run, commands: Mapping[StepId, HostName], ports: Ports) -> bool:
    """Whether one of these ``commands`` has outlived its step; a host that does not say may run it."""
    for step, host in commands.items():
        if outlives(run, step):
            try:
                if _runs(ports, run, step, host):
                    return True
            except Problem:
                return True
    return False


def _runs(ports: Ports, run: Run, step: StepId, host: HostName) -> bool:
    return isinstance(lent(ports, run, step).jobs.state(host), Running)
