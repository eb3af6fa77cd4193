"""A fleet's plan as an operator reads it before she approves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from skylift.app.propose_fleet import FleetProposal
from skylift.cli.views.columns import columns, indented
from skylift.fleet.network import NetworkPlan, NetworkTurn
from skylift.fleet.plan import Certificate, FleetPlan, Spread
from skylift.fleet.storage import StoragePlan, StorageTurn
from skylift.fleet.verdict import HOLDS, Verdict
from skylift.fleet.volume import VolumePlan, VolumeService
from skylift.model.codec import encode
from skylift.model.ids import HostName

_SHOWN = 10
"""Of a kind of thing, as many are named; --json has all."""


def lines(proposal: FleetProposal) -> list[str]:
    """What will be, then what no plan could do better, then what is in the way, the gravest last."""
    plan, took = proposal.plan, proposal.interval
    mandate = proposal.mandate
    if mandate and mandate.others and not (plan.turns or plan.held or plan.refused or plan.stranded):
        counts = {
            "network": len(mandate.network_hosts),
            "storage": len(mandate.storage_hosts),
            "volume": len(mandate.volume_hosts),
        }
        told = " and ".join(f"{number} {kind} hosts" for kind, number in counts.items() if number)
        return [f"{told}, one after another", *_apart(proposal)]
    heading = (
        f"{len(plan.turns)} of {len(proposal.fleet.hosts)} hosts, {len(plan.moves)} moves, "
        f"{plan.waves} waves, "
        f"{_span(plan.makespan)} (likely {_span(took.low)} to {_span(took.high)})"
    )
    return [
        heading,
        "",
        *_waves(plan),
        "",
        *_afterwards(proposal),
        "",
        *_bounds(plan),
        *_frontier(proposal),
        *_verdicts(plan),
        *_refused(plan),
        *_apart(proposal),
    ]


def document(proposal: FleetProposal) -> dict[str, Any]:
    """The same, for ``--json``: the plan's document, the interval and the frontier."""
    return {
        **proposal.document,
        "interval": encode(proposal.interval),
        "full": encode(proposal.full),
        "frontier": encode(proposal.frontier),
        **({"network": encode(proposal.network)} if proposal.network != NetworkPlan() else {}),
        **({"storage": encode(proposal.storage)} if proposal.storage != StoragePlan() else {}),
        **({"volumes": encode(proposal.volumes)} if proposal.volumes != VolumePlan() else {}),
    }


def _span(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004


def _waves(plan: FleetPlan) -> Iterator[str]:
    """Waves overlap in time: a host goes as soon as there is room, and waits for no other of its wave."""
    rows: list[tuple[object, ...]] = [("wave", "hosts", "moves", "begins", "back")]
    wave_of = {turn.host: turn.wave for turn in plan.turns}
    moved = Counter(wave_of[move.source] for move in plan.moves)
    for wave in range(1, plan.waves + 1):
        turns = [turn for turn in plan.turns if turn.wave == wave]
        begins, back = min(t.closed for t in turns) // 1000, max(t.back for t in turns) // 1000
        rows.append((wave, len(turns), moved[wave], _span(begins), _span(back)))
    yield from columns(*rows)


def _afterwards(proposal: FleetProposal) -> Iterator[str]:
    """What becomes of where instances are when every host is through; also if that is nothing."""
    plan, of = proposal.plan, proposal.plan.afterwards
    if of is None:
        yield f"afterwards: nothing is moved; hosts are then {_full(proposal.full)}"
        yield "  else: --afterwards bring-back, or --afterwards balance"
        return
    more_s = max(0, -(-of.ends // 1000) - plan.makespan)
    yield (
        f"afterwards, {of.kind.value}: {len(of.moves)} moves, of {of.fewest} that are needed at least, "
        f"{_span(more_s)} more"
    )
    yield f"  hosts are then {_full(of.after)}; before, {_full(of.before)}"
    if of.stays:
        yield f"  not brought back: {len(of.stays)} instances"
        yield from _some([f"{stay.instance}: {stay.reason}" for stay in of.stays])
    if of.beyond:
        yield f"  further off the mean than {of.band} points, and nothing helps: {_names(of.beyond)}"


def _full(of: Spread) -> str:
    return f"{of.least} to {of.most} % full, {of.mean} % on average"


def _bounds(plan: FleetPlan) -> Iterator[str]:
    of = plan.bounds
    room = (
        f"{len(plan.refused)} of {plan.pools} pools cannot be done"
        if plan.refused
        else "every pool can be done"
    )
    yield "no plan can do better than:"
    yield from indented(
        columns(
            ("B0 room", room),
            ("B1 moves", of.moves),
            ("B2 waves at all", of.waves_at_all),
            ("B3 waves after the first of these", of.waves),
            ("B4 makespan by room", _span(of.area_s)),
            ("B5 makespan by hosts out", _span(of.slots_s)),
            ("B6 makespan by the busiest host", _span(of.network_s)),
        ),
        2,
    )


def _frontier(proposal: FleetProposal) -> Iterator[str]:
    if proposal.frontier:
        yield from ("", "larger first waves move more instances twice, and end sooner:")
        rows = [(c.batch, c.moves, c.waves, _span(c.makespan)) for c in proposal.frontier]
        yield from indented(columns(("first wave", "moves", "waves", "makespan"), *rows), 2)


def _verdicts(plan: FleetPlan) -> Iterator[str]:
    """What is not simply moved live; what waits for somebody comes last, each with its remedy."""
    count = Counter(verdict.way for verdict in plan.verdicts)
    if count:
        told = ", ".join(f"{number} {way.value}" for way, number in count.items())
        yield from ("", f"not simply moved live: {told}")
    ordered = sorted(plan.verdicts, key=lambda v: v.way in HOLDS)
    yield from _some([_verdict(v) for v in ordered if v.way not in HOLDS])
    yield from _some([_verdict(v) for v in ordered if v.way in HOLDS])
    if plan.held:
        yield f"left alone until these are settled: {_names(h.host for h in plan.held)}"


def _apart(proposal: FleetProposal) -> Iterator[str]:
    """What is not of Nova."""
    yield from _network(proposal)
    yield from _storage(proposal)
    yield from _volumes(proposal)


def _network(proposal: FleetProposal) -> Iterator[str]:
    """What becomes of routers and networks, host by host, in their order."""
    plan = proposal.network
    for turn in plan.turns:
        what = Counter(kind for _, kind, _ in turn.moves)
        told = [
            f"{number} {kind}s go to {_names(_targets(turn, kind))}" for kind, number in sorted(what.items())
        ]
        told += [f"{len(turn.stays)} are carried elsewhere, too, and fail over"] * bool(turn.stays)
        yield from ("", f"network agents of {turn.host}: {'; '.join(told) or 'they carry nothing'}")
    yield from _left_alone(
        plan.held, "start or enable an agent on another host: openstack network agent list"
    )


def _storage(proposal: FleetProposal) -> Iterator[str]:
    """What is done about the storage cluster, and what it costs, host by host."""
    plan = proposal.storage
    if plan.turns:
        yield from (
            "",
            f"storage cluster: {len(plan.turns)} hosts, one at a time, each when the cluster lets it stop",
            "  and every placement group has all of its copies; its OSDs are kept in (noout) meanwhile",
        )
    for turn in plan.turns:
        yield f"  {turn.host}: {_daemons(turn)}{_cost(turn)}"
        if turn.idle:
            yield f"    not waited for, as they do not run or hold nothing: {_names(turn.idle)}"
        if turn.waits:
            yield f"    it would wait now: {turn.waits}"
    of_cluster = {host: f"the storage cluster: {why}" for host, why in plan.held.items()}
    yield from _left_alone(of_cluster, "see what it lacks: ceph status")


def _left_alone(held: Mapping[HostName, str], repair: str) -> Iterator[str]:
    """The hosts that a plan leaves out, each with the reason and what is to be done about it."""
    for host, why in held.items():
        yield from ("", f"left alone until this is settled: {host}", f"  {why}", f"  repair: {repair}")


def _volumes(proposal: FleetProposal) -> Iterator[str]:
    """What is done about services beside nova-compute that get new work, host by host."""
    plan = proposal.volumes
    if plan.turns:
        yield from (
            "",
            f"services that get new work: {len(plan.turns)} hosts, one at a time, each when they are idle",
        )
    for turn in plan.turns:
        yield f"  {turn.host}: {'; '.join(map(_before_stop, turn.services))}"
        if turn.local is not None:
            volumes = f"{len(turn.local.volumes)} attached volumes"
            yield f"    it serves {volumes} from its own disks: {turn.cut_off or 'nobody runs who has one'}"
    for host, against in plan.held.items():
        for each in against:
            yield from _left_alone({host: each.why}, each.repair)


def _before_stop(of: VolumeService) -> str:
    done = ["closed to new work"] * of.closes + ["waited for until it has nothing in hand"] * of.idles
    done += ["and opened again"] * of.closes
    stays = f"not closed, as {of.why_not}"
    return f"{of.service} is {', '.join(done if of.closes else [*done, stays])}"


def _daemons(turn: StorageTurn) -> str:
    of = turn.of
    told = [f"{len(of.osds)} OSDs"] * bool(of.osds) + [f"monitor {name}" for name in of.monitors]
    return " and ".join(told) or "nothing that runs"


def _cost(turn: StorageTurn) -> str:
    if not turn.lacking:
        return ""
    return f"; while it is down, {turn.lacking} of {turn.groups} placement groups have a copy less"


def _targets(turn: NetworkTurn, kind: str) -> list[HostName]:
    return sorted({target for _, what, target in turn.moves if what == kind})


def _verdict(verdict: Verdict) -> str:
    told = f"{verdict.way.value:9} {verdict.instance}: {verdict.reason}"
    notice = f"; tell its owner {verdict.notice_h} h before" if verdict.notice_h else ""
    return told + notice + (f"; {verdict.remedy}" if verdict.remedy else "")


def _some(told: list[str]) -> Iterator[str]:
    yield from indented(told[:_SHOWN], 2)
    if len(told) > _SHOWN:
        yield f"  and {len(told) - _SHOWN} more: --json has all"


def _refused(plan: FleetPlan) -> Iterator[str]:
    for proof in plan.refused:
        yield from ("", *_proof(proof))
    if plan.stranded:
        yield from (
            "",
            f"no way was found to empty {len(plan.stranded)} hosts, nor a proof that there is none:",
        )
        yield f"  {_names(plan.stranded)}"
        yield "  repair: widen what the policy allows, or add an empty host to their pool"


def _proof(proof: Certificate) -> Iterator[str]:
    yield f"refused: a pool of {proof.hosts} hosts cannot be done: {proof.named}: {proof.sentence}"
    if proof.resource is not None:
        yield f"  repair: add {proof.spare} {proof.resource.value} of spare room to the pool"
    yield f"  or stop, or move out of the pool: {_names(proof.instead)}"


def _names(names: Any) -> str:
    every = [str(name) for name in names]
    return ", ".join(every[:_SHOWN]) + (f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else "")
