"""Run a mandate over a fleet of compute hosts: open a journal or go on with one, and drive it to rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from skylift.app.approvals import Approval, approved_for, asked_by
from skylift.app.as_planned import OtherRecord
from skylift.app.await_begin import await_begin, look_in
from skylift.app.bench import Bench
from skylift.app.conduct import await_window, carried_out, free_for
from skylift.app.fleet_as_planned import fleet_as_planned, fleet_sets_out
from skylift.app.fleet_subject import STAGE, Maintaining
from skylift.app.fleet_witnesses import witnessed
from skylift.app.gates import GateGuard
from skylift.app.holders import await_holder
from skylift.app.host_turns import turns_of, whole_within
from skylift.app.mandates import approved_mandate, read_approved
from skylift.app.measuring import measured
from skylift.app.notify import Teller
from skylift.app.old_jobs import jobs_on
from skylift.app.plan_seal import author, in_time, seal_plan, trusted
from skylift.app.runs import RunFolder
from skylift.app.schedule import has_begun, to_be_opened
from skylift.app.site import Site
from skylift.app.windows import Windows
from skylift.app.wiring import hold, holds, open_journal
from skylift.engine.drive import Surroundings
from skylift.engine.fleet_drive import drive_fleet
from skylift.engine.fleet_run import FleetExecution, FleetLimits
from skylift.engine.fold import Phase, Run, fold
from skylift.engine.journal import Event, Journal
from skylift.engine.live_fleet import LiveFleet
from skylift.engine.operate import Asked, open_run, resume, take_up
from skylift.engine.problems import RunHeld
from skylift.engine.settled_places import moved_before, step_of
from skylift.engine.verbs import Kind, said_to
from skylift.engine.watched_moves import asked_before
from skylift.fleet.conductor import Conductor, Pace
from skylift.fleet.fleet import Fleet
from skylift.fleet.mandate import Mandate, Purpose, digest_of_mandate, read_mandate
from skylift.fleet.settling import Settling
from skylift.model.codec import Malformed
from skylift.model.ids import Epoch, RunId, Seconds, StepId
from skylift.model.maintenance import Maintenance
from skylift.model.problem import Problem, Transient, Uncertain

_BLACKOUT = 9
"""Pings and counts of our guest that may be lost beside the loss budget: it is moved, which is announced.
Three seconds of them."""
_AGAIN = 10
"""A plan is made again no sooner than after so many times what the cloud may take to begin something."""
_AGAIN_MIN_S = 60


def apply_mandate(
    site: Site,
    run: RunId,
    text: bytes,
    bench: Bench,
    *,
    approval: Approval = Approval.NONE,
    named: tuple[StepId, ...] = (),
    seal: bytes | None = None,
    at: Epoch | None = None,
    detached: bool = False,
) -> Run:
    """Run the mandate in ``text``, of which ``seal`` lies beside it, until it is complete or rests.

    It is opened at once, and begins no host before ``at``, or before a window is open for one: then the fleet
    is looked at again. ``detached``, it is left to workers. Instances come and go: where they did since it
    was made, the same hosts are planned anew.

    Raises:
        SignerUnknown, PlanUnsealed, PlanExpired: nobody whom the record trusts answers for it, or no longer.
        PlanChanged: it is not what was approved.
        OtherRecord, FleetDrifted: it is not for this cloud as it is now.
        NotApproved: its stage needs an approval, and nothing was said of it.
        NoReturnUnnamed: a step was named, and such a run has no point of no return.
        SecondPersonNeeded: whoever applies it made it, and may not approve it.
        WindowTooShort: a host of it can be through in no window.
        RunHeld: another process works on this cloud.
        RunOpen: another one over hosts is neither complete nor given up.
        JobGoesOn: a command of an earlier run still runs on one of its hosts.
    """
    mandate = read_approved(text)
    digest = digest_of_mandate(mandate)
    trusted(site.signer, site.record.signers)
    made_by = author(digest, seal, site.record.signers, holds, again=mandate.again)
    if mandate.record != site.digest:
        raise OtherRecord(mandate.record, site.digest, again=mandate.again)
    said = approved_for(site, (STAGE,), (), made_by=made_by, approval=approval, named=named)
    asked, subject, windows = asked_by(site), Maintaining(mandate), Windows(site.record.policy)
    to_come = to_be_opened(run, mandate.cloud, digest, gates=said.gates, approved=(), at=at)
    begins = subject.begins(windows, to_come, site.clock())
    in_time(seal, holds, begins or site.clock(), again=mandate.again)
    if seal is None and site.signer is not None:
        seal = seal_plan(digest, site.signer, now=asked.at, valid_h=site.record.policy.plan_valid_h)
    windows.require(mandate.takes_s(), site.clock(), again=mandate.again)
    with hold(site, run):
        fleet_as_planned(site, run, mandate, bench)
        folder = site.runs.create(run, text, seal)
        with open_journal(folder) as journal:
            begun = open_run(
                journal, run, cloud=mandate.cloud, plan=digest, asked=asked, gates=said.gates, not_before=at
            )
            if detached:
                return begun
            if begins is None:
                jobs_on(site, mandate.hosts).forget()
                begun = _drive_on(site, mandate, journal, folder=folder, bench=bench)
    with open_journal(folder) as journal:
        return _to_rest(site, mandate, journal, begun, folder=folder, bench=bench)


def go_on(site: Site, folder: RunFolder, bench: Bench, say: Callable[[Journal, Asked], Run] = resume) -> Run:
    """Say a word to a run that lets it go on, and drive it to rest; as ``conduct.go_on``.

    Raises:
        PlanChanged: its mandate is not the one that was approved.
        RunRefuses, StepRefuses: not as the run or the step stands.
        RunHeld: another run is being worked on.
    """
    trusted(site.signer, site.record.signers)
    free_for(site, folder.id)
    with open_journal(folder) as journal:
        mandate = approved_mandate(folder, journal)
        with said_to(Kind.HOSTS):
            say(journal, asked_by(site))
        await_holder(site, folder.id, bench)
        try:
            with hold(site, folder.id):
                rested = _work(site, mandate, journal, folder=folder, bench=bench)
        except RunHeld as held:
            return carried_out(journal, held, folder.id)
        return _to_rest(site, mandate, journal, rested, folder=folder, bench=bench)


def take_over(site: Site, folder: RunFolder, bench: Bench) -> Run:
    """Drive an open run that nobody drives to rest, by no operator's word: what has failed stays failed.

    Raises:
        PlanChanged: its mandate is not the one that was approved.
        RunHeld: another run is being worked on.
    """
    with open_journal(folder) as journal:
        mandate = approved_mandate(folder, journal)
        try:
            with hold(site, folder.id):
                take_up(journal, asked_by(site))
                rested = _work(site, mandate, journal, folder=folder, bench=bench)
        except RunHeld as held:
            return carried_out(journal, held, folder.id)
        return _to_rest(site, mandate, journal, rested, folder=folder, bench=bench)


def _to_rest(
    site: Site, mandate: Mandate, journal: Journal, rested: Run, *, folder: RunFolder, bench: Bench
) -> Run:
    """Look once more, now that others may take the cloud, and drive what was said since the run ``rested``.

    Whoever says a word while we hold the cloud leaves it to us, and that we do until the probes have ended.
    What such a run has to do is not told by its journal alone, as in ``conduct``; that it has grown is. One
    that begins later is waited for, with nothing held.
    """
    subject, windows, waited = Maintaining(mandate), Windows(site.record.policy), False
    while True:
        run = fold(journal.events())
        if subject.begins(windows, run, site.clock()):
            await_begin(site, subject, journal, folder=folder, bench=bench)
            waited = True
            continue
        if run.closed or run.pause or not (waited or run.length > rested.length):
            break
        try:
            with hold(site, folder.id):
                waited, rested = False, _work(site, mandate, journal, folder=folder, bench=bench)
        except RunHeld as held:
            return carried_out(journal, held, folder.id)
    site.runs.rested(folder.id, run.length)
    return run


def _work(site: Site, mandate: Mandate, journal: Journal, *, folder: RunFolder, bench: Bench) -> Run:
    """Drive the run to rest; one that begins later is left as it is, as in ``conduct.work_on``."""
    if look_in(site, Maintaining(mandate), journal, folder=folder, bench=bench):
        return fold(journal.events())
    fleet_sets_out(site, mandate, journal, bench)
    return _drive_on(site, mandate, journal, folder=folder, bench=bench)


def _drive_on(site: Site, mandate: Mandate, journal: Journal, *, folder: RunFolder, bench: Bench) -> Run:
    """Drive the run to rest, and tell those whom the record names of it meanwhile.

    While only a closed window holds it up, it waits for the next one, as ``conduct`` does.
    """
    windows = Windows(site.record.policy)
    teller = Teller(site, Maintaining(mandate), bench)
    teller.follow(journal, folder)
    run = fold(journal.events())
    if run.gated and not run.abort:
        bench.remark(f"nothing begins yet: skylift approve {STAGE.value}; and then: skylift resume")
    elif not (run.pause and not has_begun(run)):  # else nothing is under way, and nothing may begin
        while True:
            run, left = _drive(site, mandate, journal, folder=folder, bench=teller.bench)
            until = _opens(windows, run, left, site.clock())
            if until is None:
                break
            told = f"no host could be back before the window closes: waiting until {windows.told(until)}"
            bench.remark(told)
            teller.window(folder.id, until)
            if not await_window(site, journal, teller.bench, until):
                break
            take_up(journal, asked_by(site))
    teller.finish()
    return run


def _opens(windows: Windows, run: Run, takes_s: Iterable[int], now: Epoch) -> Epoch | None:
    """When the first of what is left may be begun, if only a closed window keeps it from that."""
    if run.closed or run.pause or run.abort:
        return None
    opens = (windows.opens(seconds, now) for seconds in takes_s)
    first = min((moment for moment in opens if moment is not None), default=now)
    return first if first > now else None


def _drive(
    site: Site, mandate: Mandate, journal: Journal, *, folder: RunFolder, bench: Bench
) -> tuple[Run, tuple[Seconds, ...]]:
    """Returns how long each host takes that is left, too."""
    record, label, loss = site.record, str(folder.id), site.record.policy.loss
    witnesses = witnessed(site, label, bench) if not fold(journal.events()).steps else label
    site.ports.vantage.start_probes(label, witnesses=witnesses)
    gates, begun = record.gates, bool(fold(journal.events()).steps)
    with (
        ThreadPoolExecutor(max(len(gates), 1)) as asking,
        ThreadPoolExecutor(record.policy.at_once) as pool,
        measured(site, folder, journal, bench=bench, loss=loss, resumed=begun, blackout=_BLACKOUT) as guard,
    ):
        execution = _execution(site, mandate, journal, folder=folder, bench=bench, pool=pool)
        around = Surroundings(
            clock=site.clock,
            pause=bench.pause,
            asked_to_stop=bench.asked_to_stop,
            view=_view(bench, execution.run),
            guard=guard,
            gate=GateGuard(gates, site.ask, asking),
        )
        run = drive_fleet(execution, around, every=record.maintenance.look)
    if run.closed is not None:
        swept(site, folder)
    return run, execution.takes_s


def swept(site: Site, folder: RunFolder) -> None:
    """Remove the guest that was watched during a run that has ended."""
    with suppress(Problem):
        site.ports.vantage.destroy_witnesses(str(folder.id))


def _execution(
    site: Site,
    mandate: Mandate,
    journal: Journal,
    *,
    folder: RunFolder,
    bench: Bench,
    pool: ThreadPoolExecutor,
) -> FleetExecution:
    of = site.record.maintenance
    earlier = [f for f in site.runs.known() if f.id != folder.id]
    labels = (str(folder.id), *(f.id for f in earlier if _gives_back(f)))
    turns = turns_of(site.record, site.catalog, mandate, labels)
    cloud = LiveFleet(site.ports, turns, labels=labels, of=of)
    fleet = _opened(site, cloud, bench)
    events = journal.events()
    asked = asked_before(events, fold(events).opened_ms)
    pace = pace_of(of)
    # A host of the storage cluster waits twice for that: before its reboot, and after it.
    idle = site.record.policy.timeouts.idle if mandate.volumes else Seconds(0)
    waits = 2 * whole_within(site.record) + idle
    pace = replace(pace, late=pace.late + -(-waits // mandate.policy.host_s))
    conductor = Conductor(fleet, mandate.policy, pace, asked)
    conductor.settling = settling_of(mandate, fleet, pace, events)
    limits = FleetLimits(
        maintenance=of,
        command=site.record.policy.timeouts.command,
        whole=whole_within(site.record),
        idle=idle,
        may_take=Windows(site.record.policy).may_take,
    )
    return FleetExecution(
        journal,
        site.ports,
        turns,
        conductor=conductor,
        cloud=cloud,
        limits=limits,
        earlier=tuple(f.id for f in earlier),
        pool=pool,
    )


def pace_of(of: Maintenance) -> Pace:
    """How long a run waits, as the record says."""
    return Pace(settle_s=of.settle, again_s=Seconds(max(_AGAIN_MIN_S, _AGAIN * of.settle)))


def settling_of(mandate: Mandate, fleet: Fleet, pace: Pace, events: tuple[Event, ...]) -> Settling | None:
    """What is done when every host is through, as far as the journal goes; none if nothing is."""
    wanted = mandate.wanted
    if wanted is None:
        return None
    before = moved_before(events, step_of(wanted.kind))
    return Settling(
        fleet,
        mandate.policy,
        replace(wanted, homes=before.homes),
        tries=pace.tries,
        again_s=pace.again_s,
        asked=before.asked,
        tried=before.tried,
    )


def _gives_back(folder: RunFolder) -> bool:
    """Whether what an earlier run took is to be given back: not the hosts that it was to leave empty."""
    if not folder.of_fleet:
        return False
    try:
        return read_mandate(folder.plan.read_bytes()).purpose is not Purpose.DRAIN
    except (Malformed, OSError):
        return False  # of a run whose plan nobody can read, nothing is known to be ours


def _opened(site: Site, cloud: LiveFleet, bench: Bench) -> Fleet:
    """The whole fleet, as soon as the APIs tell it.

    Raises:
        Transient: they did not for as long as the policy waits for anything.
    """
    until = site.clock() + site.record.policy.timeouts.unreachable
    while True:
        try:
            return cloud.open(site.clock())
        except (Transient, Uncertain):
            if site.clock() > until:
                raise
            bench.pause()


def _view(bench: Bench, begun: Run) -> Callable[[Run, Mapping[StepId, str]], None]:
    """One remark for each step that begins or ends."""
    shown = begun

    def show(run: Run, _left: Mapping[StepId, str]) -> None:
        nonlocal shown
        for step in run.steps.differing(shown.steps):
            if shown.steps.get(step) != (at := run.steps[step]):
                word = {Phase.RUNNING: "started", Phase.WAITING: "again"}.get(at.phase, at.phase.value)
                told = f": {at.problem.sentence}" if at.problem and at.phase is Phase.FAILED else ""
                bench.remark(f"{_span(run.last_ms - run.opened_ms)} {word:<9} {step}{told}")
        for step, what in run.waits.items():
            if shown.waits.get(step) != what:
                bench.remark(f"{_span(run.last_ms - run.opened_ms)} waits     {step}: {what}")
        shown = run

    return show


def _span(ms: int) -> str:
    return f"{ms // 60_000:02}:{ms // 1000 % 60:02}"
