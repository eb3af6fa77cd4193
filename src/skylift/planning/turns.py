"""A turn: one service on one host, from serving old code to serving new code."""

from __future__ import annotations

from dataclasses import dataclass

from skylift.actions.action import Action
from skylift.actions.backend_traffic import AwaitQuiet, DrainBackend
from skylift.actions.service_run import AwaitHealthy, StartService, StopService, WarmUpBackend
from skylift.actions.switch_artifact import SwitchArtifact
from skylift.model.ids import HostName
from skylift.planning.plan import Impact, Notice, Stage, Step
from skylift.planning.steps import StepMaker
from skylift.planning.survey import Left, ServiceLeft

BECAUSE = {
    "quiet": "requests end on a backend only if no new ones come",
    "stop": "a stop would cut requests in flight",
    "switch": "a running process must not find another release's files under it",
    "start": "a service starts on what its link points to",
    "healthy": "only what was started can answer",
    "warm-up": "only what is healthy is worth a request",
    "undrain": "the first requests to a service that was just started may fail, so they must not be a user's",
}
"""Why each verb of a turn waits for the one before it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One service on one host, out of use and back, as steps by their verbs."""

    host: HostName
    verbs: tuple[tuple[str, Step], ...]
    """In their order."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of it, in order."""
        return tuple(step for _, step in self.verbs)

    @property
    def first(self) -> Step:
        """From here on the service is less than whole on its host."""
        return self.steps[0]

    @property
    def last(self) -> Step:
        """From its end on it is in use again."""
        return self.steps[-1]

    @property
    def until_stopped(self) -> tuple[Step, ...]:
        """The steps up to its stop."""
        verbs = [verb for verb, _ in self.verbs]
        return self.steps[: verbs.index("stop") + 1]

    def step(self, verb: str) -> Step:
        """The step of one verb.

        Raises:
            KeyError: the turn has none.
        """
        return dict(self.verbs)[verb]


def turn(maker: StepMaker, left: Left, service: ServiceLeft, host: HostName) -> Turn:
    """A service's turn on ``host``, to the artifact that the component goes to."""
    entry, path = service.entry, left.target.path
    old = service.running[host].path
    switch = SwitchArtifact(host, service.name, entry.link, old=old, new=path)
    return _turn(maker, (left, service, host), switch)


def restart(maker: StepMaker, left: Left, service: ServiceLeft, host: HostName) -> Turn:
    """The same without another artifact: the service looks again at how new the others are."""
    return _turn(maker, (left, service, host), None)


def _turn(maker: StepMaker, of: tuple[Left, ServiceLeft, HostName], switch: SwitchArtifact | None) -> Turn:
    left, service, host = of
    entry, path = service.entry, left.target.path
    balanced = entry.balanced
    round_of, stage = ("", Stage.CONTROL_PLANE) if switch else ("unpin-", Stage.CONVERGE)
    fewer = Impact(Notice.DOWN if left.cold else Notice.FEWER_BACKENDS, left.name)

    def step(verb: str, action: Action) -> tuple[str, Step]:
        name = f"{service.name}:{round_of}{verb}@{host}"
        noticed = fewer if balanced and verb != "undrain" else None
        return verb, maker.step(name, stage, action, noticed)

    port, health = (entry.port, service.known.health) if balanced else (0, "")
    before = [
        ("drain", DrainBackend(entry.pool, host)),
        ("quiet", AwaitQuiet(entry.pool, host)),
    ]
    between: list[tuple[str, Action]] = [
        ("stop", StopService(host, entry.unit, entry.link)),
        *([("switch", switch)] if switch else []),
        ("start", StartService(host, entry.unit, entry.link)),
        ("healthy", AwaitHealthy(host, entry.unit, entry.link, path, port, health)),
    ]
    verbs = [step(verb, action) for verb, action in (*(before if balanced else ()), *between)]
    if balanced:
        verbs.append(step("warm-up", WarmUpBackend(host, left.name, entry.port, service.known.ask)))
        verbs.append(("undrain", maker.undrain(service, host, round_of, stage)))
    return Turn(host, tuple(verbs))
