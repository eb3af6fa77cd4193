"""What to do about a plan of hosts when the machine that ran Skylift is gone: as in ``app.recovery``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from skylift.app.fleet_subject import STAGE, Maintaining
from skylift.app.host_turns import turns_of
from skylift.app.read_fleet import entry_of
from skylift.app.recovery import ByHand, Recovery, StageTold, reach_of
from skylift.catalog.catalog import Catalog
from skylift.engine.automation import AutomationGuard
from skylift.engine.host_turn import HostTurn
from skylift.engine.storage_hosts import NooutGuard
from skylift.engine.verbs import Kind, said_of
from skylift.fleet.mandate import Mandate, Purpose, digest_of_mandate
from skylift.fleet.reasons import turning
from skylift.model.ids import HostName
from skylift.model.record import Record

_RUN = "RUN"
"""Its label is its run's name, which nobody knows yet."""


def recovery_of_hosts(mandate: Mandate, record: Record, catalog: Catalog) -> Recovery:
    """The procedure for a plan of hosts; ``record`` is that which it was made from.

    Raises:
        NoComputeService, FleetHostUnknown: it is another.
    """
    subject = Maintaining(mandate)
    turns = tuple(turns_of(record, catalog, mandate, (_RUN,)).values())
    automation = tuple(AutomationGuard(*of) for of in record.maintenance.automation.items())
    worked_on = {of.entry.host for of in automation} | _machines(record, mandate)
    return Recovery(
        cloud=mandate.cloud,
        headline=f"{mandate.cloud}, {subject.what}",
        digest=digest_of_mandate(mandate),
        stages=(StageTold(STAGE, tuple(_changes(turns)), subject.noticed),),
        verbs=said_of(Kind.HOSTS),
        back=(),
        instead=_instead(mandate, turns),
        no_returns=(),
        backups=(),
        taken=(*_paused(record, automation), *(held for turn in turns for held in _of_host(record, turn))),
        lapses=(),
        lapse_s=0,
        reach=reach_of(record, worked_on),
        lost="what it has closed stays closed until it is opened by hand (below); the rest is planned anew",
        again=mandate.again,
    )


def _changes(turns: Iterable[HostTurn]) -> Iterator[str]:
    """The hosts with the same work on one line."""
    alike: dict[str, list[HostName]] = {}
    for turn in turns:
        verbs = ", ".join(step.partition("@")[0] for step in turn.steps)
        alike.setdefault(verbs, []).append(turn.host)
    for verbs, hosts in alike.items():
        yield f"{', '.join(hosts)}: {verbs}"


def _instead(mandate: Mandate, turns: Iterable[HostTurn]) -> str:
    if mandate.purpose is Purpose.DRAIN:
        return "what was moved stays where it is; a host stays closed until it is opened by hand"
    return "; ".join(dict.fromkeys(turning(mandate, turn.emptying).way_back for turn in turns))


def _paused(record: Record, automation: Iterable[AutomationGuard]) -> Iterator[ByHand]:
    for guard in automation:
        yield ByHand("automation", guard.back.title, guard.back.by_hand(record))


def _of_host(record: Record, turn: HostTurn) -> Iterator[ByHand]:
    buckets = turn.storage.buckets if turn.storage is not None else ()
    every = (*turn.openings, *turn.service_openings, *(NooutGuard(bucket).back for bucket in buckets))
    for action in every:
        yield ByHand(turn.host, action.title, action.by_hand(record))


def _machines(record: Record, mandate: Mandate) -> set[HostName]:
    """The hosts of the mandate by the record's names."""
    return {entry.name for host in mandate.hosts if (entry := entry_of(record, host))}
