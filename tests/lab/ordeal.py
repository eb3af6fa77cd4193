"""A run whose process is killed again and again, and what the hosts' own logs say of it afterwards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.lab.operating import RUN_S, TICK_S, Ended, Operator, Verb, await_event, events, standing

from skylift.app.runs import RunFolder
from skylift.drivers.jobs import folder_name
from skylift.engine.fold import Run
from skylift.engine.journal import Event, RunResumed, StepDone, StepStarted
from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import Lab
from skylift.gate.lab.host import run as on_host
from skylift.model.ids import StepId

MOMENT_S = 3
STARTED = "39f53479d3a045ac8e11786248231fbf"
STOPPED = "9d1aaa27d60140bd96365438aad20286"
"""What systemd calls the end of starting a unit, and of stopping one (SD_MESSAGE_UNIT_*)."""


@dataclass(frozen=True, slots=True)
class Death:
    """A moment in which the process is killed."""

    step: StepId
    moment: str
    """``started``: it was just written that the step starts. ``done``: that it is done, and nothing after
    it has begun. ``at work``: its command runs on its host."""
    host: str = ""


@dataclass(slots=True)
class Ordeal:
    """A run under way, and what it went through."""

    lab: Lab
    operator: Operator
    run: RunFolder
    began: float
    ended: list[Ended] = field(default_factory=list)
    """Each process that worked on it, the killed ones first."""
    at_death: list[tuple[Death, Run]] = field(default_factory=list)
    to_work_s: list[float] = field(default_factory=list)
    """CPU each resumed process had used when the next step started or ended, or a moment had passed."""

    def go_through(self, verb: Verb, deaths: Iterable[Death], *, limit_s: float = RUN_S) -> None:
        """Kill ``verb`` and each process that resumes it, one a death, and let the last one end."""
        for death in deaths:
            self.at_death.append((death, survive(self.lab, self.run, verb, death)))
            self.ended.append(verb.end())
            verb = self._resume()
        self.ended.append(verb.end(limit_s))

    def _resume(self) -> Verb:
        """A new process for the run; notes what it cost until it had come to its work."""
        before = len(events(self.run))
        verb = self.operator.start("resume")
        assert isinstance(await_event(self.run, verb, lambda _: True, after=before), RunResumed)
        # A command that runs on its host may run for long yet: then its being watched is the work.
        poll(lambda: len(events(self.run)) > before + 1, limit_s=MOMENT_S, every_s=TICK_S)
        self.to_work_s.append(verb.cpu_s())
        return verb

    def jobs_started(self) -> Counter[tuple[str, str]]:
        """How often each host's own log says that each job of the run was started."""
        return Counter(
            (host, line["MESSAGE"].rpartition("Skylift job ")[2].rstrip("."))
            for host, line in self.said_by_systemd(STARTED)
            if f"Skylift job {self.run.id}." in line["MESSAGE"]
        )

    def said_by_systemd(self, message: str) -> list[tuple[str, dict[str, str]]]:
        """What the first process of each host but the client logged of this kind since the run began."""
        question = f"journalctl --no-pager -o json --since=@{int(self.began)} _PID=1 MESSAGE_ID={message}"
        return [
            (host.name, json.loads(line))
            for host in self.lab.hosts
            if host != self.lab.client
            for line in on_host(host, question, timeout_s=60).splitlines()
        ]


def survive(lab: Lab, run: RunFolder, verb: Verb, death: Death) -> Run:
    """Wait for the moment, kill, and tell how the run stood then."""

    def reached(event: Event) -> bool:
        wanted = StepDone if death.moment == "done" else StepStarted
        return isinstance(event, wanted) and event.step == death.step

    await_event(run, verb, reached)
    if death.moment == "at work":
        job = lab.host(death.host).root / "var/lib/skylift/jobs" / folder_name(f"{run.id}.{death.step}.1")
        begun = poll((job / "started").exists, limit_s=60, every_s=TICK_S)
        assert begun, f"{job} was not started:\n{verb.said}"
    verb.kill()
    return standing(run)
