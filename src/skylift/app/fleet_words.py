"""Words about whole hosts and zones in a run over a fleet: which steps they mean."""

from __future__ import annotations

from collections.abc import Iterable

from skylift.app.fleet_account import FleetAccount
from skylift.engine.fold import Run
from skylift.engine.host_turn import emptying_of
from skylift.engine.problems import StepRefuses
from skylift.engine.verbs import TABLE, Verb, rests
from skylift.model.ids import HostName, StepId
from skylift.model.problem import Fix, Refused, Remedy


class HostNotPlanned(Refused):
    """A word was about a host or a zone that a run over a fleet does not work on."""

    code = "fleet.host-not-planned"

    def __init__(self, names: Iterable[str], known: Iterable[str]) -> None:
        known = list(known)
        more = f" and {len(known) - 8} more" if len(known) > 8 else ""  # noqa: PLR2004 - of a screen's line
        super().__init__(
            f"this run does not work on {', '.join(names)}; it has {', '.join(known[:8])}{more}",
            Remedy(Fix.REPAIR, "see its hosts and how they stand: skylift status --json"),
        )


def steps_of(
    of: FleetAccount, verb: Verb, hosts: Iterable[HostName], zones: Iterable[str]
) -> tuple[StepId, ...]:
    """The step of each of these hosts that ``verb`` may be about; hosts that have none are passed over.

    Raises:
        HostNotPlanned: the run does not work on one of them, or on no host of a zone.
        StepRefuses: none of them has such a step.
    """
    planned, by_zone = list(of.mandate.hosts), of.mandate.zones
    strange = [*(h for h in hosts if h not in planned), *(z for z in zones if z not in by_zone)]
    if strange:
        raise HostNotPlanned(strange, [*by_zone, *planned])
    wanted = {*hosts, *(host for zone in zones for host in by_zone[zone])}
    found = [_open_to(of.run, verb, host) for host in planned if host in wanted]
    steps = tuple(step for step in found if step is not None)
    if not steps:
        why = "none of these hosts stands so that it could be"
        raise StepRefuses(verb.value, None, why, rests=rests(of.run))
    return steps


def _open_to(run: Run, verb: Verb, host: HostName) -> StepId | None:
    phases = TABLE[verb].phases or frozenset()
    own = [step for step in run.steps if step.partition("@")[2] == host]
    for step in own:
        if run.steps[step].phase in phases:
            return step
    return emptying_of(host) if not own and None in phases else None
