"""What part of a process that drives a run its journal takes, where steps are done on real hosts.

A process reaches an sshd of this machine's by the product's own driver, and drives by the product's own loop:
it looks at each step that is under way twice a second, by a command on its host, as at a job. A step is begun
by one command, and lasts as long as the planner expects one of an upgrade of the sample cloud to last: the
first as long as its first, and so on. What the product does beside that (it tells what goes on, and counts
what users lose) is left out, so the share is rather too large.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import ClassVar

from skylift.actions.action import Action, Done, NothingToUndo, Pending, Progress, Reversal
from skylift.drivers.clock import Interrupts
from skylift.drivers.ssh import Ssh
from skylift.engine.drive import Surroundings, drive
from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Standing
from skylift.engine.journal import Event, Journal
from skylift.engine.operate import Asked, open_run
from skylift.model.ids import Epoch, HostName, RunId, Seconds
from skylift.planning.plan import Plan
from skylift.ports import Ports
from skylift.sshbench.farm import Farm
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.plans import PLAN_DIGEST, plan_of, planned, step_of
from skylift.testing.samples import sample_record

_AT_ONCE = 20
_LIMIT_S = 300
"""For a command: what is measured is CPU, on a machine that may have much else to do."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a process took for one run, and how much of that its journal."""

    kept_in: str
    steps: int
    events: int
    process_cpu_s: float
    journal_cpu_s: float

    @property
    def percent(self) -> float:
        """The journal's part."""
        return 100 * self.journal_cpu_s / self.process_cpu_s

    @property
    def event_ms(self) -> float:
        """CPU of one event, written and looked for."""
        return 1000 * self.journal_cpu_s / self.events


@dataclass(frozen=True)
class _Lasting(Action):
    """Something on a host that is begun by one command, is over after a while, and is looked at meanwhile."""

    kind: ClassVar[str] = "lasting"

    host: HostName
    number: int
    lasts_s: int
    mark: str
    ssh: Ssh = field(compare=False, repr=False)

    @property
    def title(self) -> str:
        return f"do piece {self.number} of the work on {self.host}"

    def observe(self, ports: Ports) -> Progress:  # noqa: ARG002 - it has its own way to its host
        over = f"test -e {self.mark} && test $(($(date +%s) - $(stat -c %Y {self.mark}))) -ge {self.lasts_s}"
        told = self.ssh.run(self.host, ("sh", "-c", over), limit_s=_LIMIT_S)
        return Pending("it is not over") if told.code else Done()

    def advance(self, ports: Ports) -> None:  # noqa: ARG002 - as above
        begin = f"test -e {self.mark} || touch {self.mark}"
        self.ssh.run(self.host, ("sh", "-c", begin), changes=True, limit_s=_LIMIT_S)

    def reversal(self) -> Reversal:
        return NothingToUndo("a bench undoes nothing")


def measured_share(kept_in: str, journal: Journal, farm: Farm, *, hosts: int, steps: int) -> Share:
    """Drive a run with so many steps on each of so many hosts to its end, its events in ``journal``."""
    named = farm.first(hosts)
    asked = Asked("bench", Epoch(time.time()))
    open_run(journal, RunId("share"), cloud="bench", plan=PLAN_DIGEST, approved=(), asked=asked)
    with Ssh(farm.access, named, connect_limit_s=_LIMIT_S) as ssh, ThreadPoolExecutor(_AT_ONCE) as pool:
        for host in named:
            ssh.run(host, ("true",), limit_s=_LIMIT_S)
        timed = _Timed(journal)
        plan = _plan(list(named), steps, farm.folder / kept_in, ssh)
        ports = ports_of(FakeCloud(sample_record()))
        limits = Limits(at_once=_AT_ONCE, unreachable=Seconds(_LIMIT_S))
        cpu = time.process_time()
        execution = Execution(plan, timed, ports, limits=limits, pool=pool)
        around = Surroundings(clock=lambda: Epoch(time.time()), pause=Interrupts().pause)
        run = drive(execution, around)
        spent = time.process_time() - cpu
    if run.standing is not Standing.COMPLETED:
        problems = [at.problem.sentence for at in run.steps.values() if at.problem]
        raise RuntimeError(f"the run is {run.standing.value}: {problems}")
    return Share(kept_in, len(plan.steps), run.length, spent, timed.cpu_s)


def _plan(hosts: list[HostName], steps: int, marks: Path, ssh: Ssh) -> Plan:
    marks.mkdir()
    lasting = cycle(step.estimate.likely for step in planned(sample_record()).steps)
    rows = []
    for host in hosts:
        row = [
            _Lasting(host, number, lasts_s, f"{marks}/{host}-{number}", ssh)
            for number, lasts_s in enumerate(islice(lasting, steps))
        ]
        rows.append([step_of(action, name=f"{action.number}@{host}") for action in row])
    return plan_of([step for row in rows for step in row], [edge for row in rows for edge in pairwise(row)])


class _Timed:
    """A journal, and the CPU time that it takes of the thread that uses it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.cpu_s = 0.0

    def append(self, event: Event, *, after: int) -> None:
        self._timed(lambda: self._journal.append(event, after=after))

    def events(self, after: int = 0) -> tuple[Event, ...]:
        found: list[tuple[Event, ...]] = []
        self._timed(lambda: found.append(self._journal.events(after)))
        return found[0]

    def close(self) -> None:
        self._journal.close()

    def _timed(self, does: Callable[[], None]) -> None:
        began = time.thread_time()
        try:
            does()
        finally:
            self.cpu_s += time.thread_time() - began
