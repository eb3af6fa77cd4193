"""Run a plan: open a journal or go on with one, and drive it to rest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from skylift.app.approvals import Approval, approved_of, asked_by
from skylift.app.as_planned import OtherRecord, as_planned, sets_out, take_over_for
from skylift.app.await_begin import await_begin, look_in
from skylift.app.bench import Bench
from skylift.app.gates import GateGuard
from skylift.app.holders import await_holder
from skylift.app.loss_budget import outage_of, with_announced
from skylift.app.measuring import measured
from skylift.app.notify import Teller
from skylift.app.old_jobs import jobs_on
from skylift.app.plan_seal import author, in_time, seal_plan, trusted
from skylift.app.propose import verified
from skylift.app.runs import RunFolder
from skylift.app.samples import witness_label
from skylift.app.schedule import to_be_opened
from skylift.app.site import Site
from skylift.app.spoilt import is_spoilt
from skylift.app.subject import Upgrading
from skylift.app.windows import Windows, steps_left
from skylift.app.wiring import hold, holds, open_journal, worker_on
from skylift.engine.decide import Order, decide
from skylift.engine.drive import Surroundings, drive
from skylift.engine.execute import Execution, Limits
from skylift.engine.fold import Run, fold
from skylift.engine.journal import Journal
from skylift.engine.ledger import Ledger
from skylift.engine.operate import Asked, Gates, open_run, pause, resume, take_up
from skylift.engine.problems import RunHeld
from skylift.engine.verbs import Kind, said_to
from skylift.model.goal import Rollback
from skylift.model.ids import Epoch, RunId, StepId
from skylift.planning.plan import Plan
from skylift.planning.text import PlanChanged, digest_of, read_plan

_HOLDING = 2
"""Threads beside those of the steps in flight, so that silent hosts do not keep what is held from lasting."""


def apply(
    site: Site,
    run: RunId,
    text: bytes,
    bench: Bench,
    *,
    approval: Approval,
    named: tuple[StepId, ...] = (),
    seal: bytes | None = None,
    at: Epoch | None = None,
    detached: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Run:
    """Run the plan in ``text``, of which ``seal`` lies beside it, until it is complete, halted or paused.

    It is opened at once; its first step starts not before ``at``, and not while no window is open for it:
    then the cloud is looked at again, and until then nothing is held. ``detached``, it is left to workers.
    ``named`` are points of no return that it may pass. ``check`` may refuse it, too, once the cloud is held.

    Raises:
        SignerUnknown, PlanUnsealed, PlanExpired: nobody whom the record trusts answers for it, or no longer.
        PlanChanged, PlanFormat, PlanUnsafe: it is not what was approved, or must not run.
        OtherRecord, CloudDrifted: it is not for this cloud as it is now.
        RunUnknown, RunRefuses, StepRefuses: the run that it takes back is not here, or not at rest.
        NotApproved: something in it needs an approval, and nothing was said of it.
        NoReturnUnnamed: a step was named that is no point of no return.
        WindowTooShort: a step of it can end in no window.
        SecondPersonNeeded: whoever applies it made it, and may not approve it.
        RunHeld: another process works on this cloud.
        RunOpen: another upgrade than the one that it takes back is neither complete nor given up.
    """
    plan = verified(text, site.record.catalog)
    trusted(site.signer, site.record.signers)
    again = plan.again
    made_by = author(digest_of(plan), seal, site.record.signers, holds, again=again)
    if plan.record != site.digest:
        raise OtherRecord(plan.record, site.digest, again)
    said = approved_of(site, plan, made_by, approval, named=named)
    if said.unnamed:
        bench.remark(f"approved, and no step alone leads back from it: {', '.join(said.unnamed)}")
    windows, digest = Windows(site.record.policy), digest_of(plan)
    approved, gates = said.no_returns, said.gates
    to_come = to_be_opened(run, plan.cloud, digest, gates=gates, approved=approved, at=at)
    windows.require(steps_left(Order.of(plan), to_come), site.clock(), again=again)
    begins = Upgrading(plan).begins(windows, to_come, site.clock())
    in_time(seal, holds, begins or site.clock(), again=again)

    def still_true() -> None:
        check()
        as_planned(site, run, plan)
        if begins is None:
            take_over_for(site, run, plan)

    start = Start(text, seal, gates, approved, detached, at, waits=begins is not None)
    return begin(site, run, plan, start, bench=bench, check=still_true)


@dataclass(frozen=True, slots=True)
class Start:
    """What a run is opened with."""

    text: bytes
    """The plan file."""
    seal: bytes | None = None
    """The seal on it; without one it gets one of whoever works here, if there is a key."""
    gates: Gates = field(default_factory=Gates)
    approved: tuple[StepId, ...] = ()
    """The points of no return that may be passed."""
    detached: bool = False
    """Whether it is left to workers once it is opened."""
    not_before: Epoch | None = None
    """When its first step may start at the earliest."""
    waits: bool = False
    """Whether it begins later, for that or for a window."""


def begin(
    site: Site,
    run: RunId,
    plan: Plan,
    start: Start,
    *,
    bench: Bench,
    check: Callable[[], None] = lambda: None,
) -> Run:
    """Hold the cloud, ``check`` that the plan may run, open a run of it, and drive it to rest.

    Raises:
        JobGoesOn: a command of an earlier run still runs on one of its hosts.
    """
    asked, digest, seal = asked_by(site), digest_of(plan), start.seal
    if seal is None and site.signer is not None:
        seal = seal_plan(digest, site.signer, now=asked.at, valid_h=site.record.policy.plan_valid_h)
    with hold(site, run):
        check()
        folder = site.runs.create(run, start.text, seal)
        with open_journal(folder) as journal:
            open_run(
                journal,
                run,
                cloud=plan.cloud,
                plan=digest,
                approved=start.approved,
                asked=asked,
                gates=start.gates,
                not_before=start.not_before,
            )
            rested = fold(journal.events())
            if start.detached:
                return rested
            if not start.waits:
                jobs_on(site, site.record.hosts).forget()
                rested = _drive_on(site, plan, journal, folder=folder, bench=bench)
    with open_journal(folder) as journal:
        return to_rest(site, plan, journal, rested, folder=folder, bench=bench)


def go_on(site: Site, folder: RunFolder, bench: Bench, say: Callable[[Journal, Asked], Run] = resume) -> Run:
    """Say a word to a run that lets it go on (resume it, retry a step, abort it), and drive it to rest.

    If a process works on the run already, that one carries it out, and this returns as soon as it is seen to
    live; if it is dead, this goes on once its lease has ended.

    Raises:
        PlanChanged: its plan is not the one that was approved.
        RunRefuses, StepRefuses: not as the run or the step stands.
        RunHeld: another run is being worked on.
    """
    trusted(site.signer, site.record.signers)
    free_for(site, folder.id)
    with open_journal(folder) as journal:
        plan = approved_plan(folder, journal)
        with said_to(Kind.of(plan)):
            say(journal, asked_by(site))
        await_holder(site, folder.id, bench)
        try:
            with hold(site, folder.id):
                rested = work_on(site, plan, journal, folder=folder, bench=bench)
        except RunHeld as held:
            return carried_out(journal, held, folder.id)
        return to_rest(site, plan, journal, rested, folder=folder, bench=bench)


def free_for(site: Site, run: RunId) -> None:
    """See that no other run is worked on before anything is said to this one."""
    holder = worker_on(site.runs)
    if holder is not None and holder.run != run:
        raise RunHeld(holder)


def to_rest(site: Site, plan: Plan, journal: Journal, rested: Run, *, folder: RunFolder, bench: Bench) -> Run:
    """Look once more, now that others may take the cloud, and drive what was said since the run ``rested``.

    Whoever says a word while we hold the cloud leaves it to us; so a word that came after our last look
    must not be left to nobody. What was waited for in vain is not waited for anew without a word.
    """
    order, at_once, windows = Order.of(plan), site.record.policy.at_once, Windows(site.record.policy)
    subject, acted_on = Upgrading(plan), rested.length
    while not decide(order, run := fold(journal.events()), at_once=at_once).over:
        if subject.begins(windows, run, site.clock()):
            await_begin(site, subject, journal, folder=folder, bench=bench)
            acted_on = 0  # its time has come, or somebody ended the waiting
            continue
        if run.length <= acted_on:
            break
        try:
            with hold(site, folder.id):
                take_up(journal, asked_by(site))
                acted_on = work_on(site, plan, journal, folder=folder, bench=bench).length
        except RunHeld as held:
            return carried_out(journal, held, folder.id)
    if not is_spoilt(plan, run, site.record.policy):  # else there is something to do yet, by whoever is there
        site.runs.rested(folder.id, run.length)
    return run


def carried_out(journal: Journal, held: RunHeld, run: RunId) -> Run:
    """The run, if it is this one that another process works on.

    Raises:
        RunHeld: it is another.
    """
    if held.holder is not None and held.holder.run != run:
        raise held
    return fold(journal.events())


def approved_plan(folder: RunFolder, journal: Journal) -> Plan:
    """The plan that this run was opened with.

    Raises:
        PlanChanged: the run's folder holds another.
    """
    plan = read_plan(folder.plan.read_bytes())
    if digest_of(plan) != fold(journal.events()).plan:
        raise PlanChanged(f"run {folder.id} was opened with another", again=plan.again)
    return plan


def work_on(site: Site, plan: Plan, journal: Journal, *, folder: RunFolder, bench: Bench) -> Run:
    """Drive the run to rest; one that begins later is left as it is, to be waited for with nothing held.

    Before the first step of one that was opened earlier the cloud is looked at again. Returns the run as it
    was then: a word may have come since.
    """
    if look_in(site, Upgrading(plan), journal, folder=folder, bench=bench) is not None:
        return fold(journal.events())
    sets_out(site, plan, journal)
    return _drive_on(site, plan, journal, folder=folder, bench=bench)


def _drive_on(site: Site, plan: Plan, journal: Journal, *, folder: RunFolder, bench: Bench) -> Run:
    """Drive the run to rest; while only a closed window holds it up, wait for the next one, unmeasured."""
    windows, order, teller = Windows(site.record.policy), Order.of(plan), Teller(site, Upgrading(plan), bench)
    teller.follow(journal, folder)
    if (begun := fold(journal.events())).abort is None:
        windows.require(steps_left(order, begun), site.clock(), again=plan.again)

    def closed_until() -> Epoch | None:
        run = fold(journal.events())
        chosen = decide(order, run, at_once=site.record.policy.at_once)
        return windows.waits_until(order, run, chosen, site.clock())

    while True:
        rested = fold(journal.events())
        if until := closed_until():
            bench.remark(f"no step could end before the window closes: waiting until {windows.told(until)}")
            teller.window(folder.id, until)
            if not await_window(site, journal, teller.bench, until):
                break
            # What was held has lapsed meanwhile, and is taken again where it is needed.
            take_up(journal, asked_by(site))
        rested = _drive(site, plan, journal, folder=folder, bench=teller.bench, windows=windows)
        if closed_until() is None:
            break
    teller.finish()
    return rested


def await_window(site: Site, journal: Journal, bench: Bench, until: Epoch) -> bool:
    """Wait with nothing under way; false if the run was paused meanwhile."""
    ledger = Ledger(journal)
    while site.clock() < until:
        if bench.asked_to_stop() and ledger.catch_up().pause is None:
            pause(journal, asked_by(site))
        run = ledger.catch_up()
        if run.pause or run.abort:
            return run.abort is not None
        bench.pause()
    return True


def _drive(
    site: Site, plan: Plan, journal: Journal, *, folder: RunFolder, bench: Bench, windows: Windows
) -> Run:
    policy = site.record.policy
    limits = Limits(
        at_once=policy.at_once, unreachable=policy.timeouts.unreachable, may_take=windows.may_take
    )
    with ThreadPoolExecutor(policy.at_once + _HOLDING) as pool:
        execution = Execution(plan, journal, site.ports, limits=limits, pool=pool)
        around = Surroundings(
            clock=site.clock,
            pause=bench.pause,
            asked_to_stop=bench.asked_to_stop,
            view=bench.view(plan, execution.run),
        )
        begun, aborted = bool(execution.run.steps), execution.run.abort is not None
        if plan.stages_only or (aborted and not begun):
            # Nothing is changed that users could notice.
            return drive(execution, around)
        loss, outage = with_announced(policy.loss, plan), outage_of(plan)
        site.ports.vantage.start_probes(str(folder.id), witnesses=witness_label(plan))
        gates = site.record.gates
        with (
            ThreadPoolExecutor(max(len(gates), 1)) as asking,
            measured(site, folder, journal, bench=bench, loss=loss, resumed=begun, outage=outage) as guard,
        ):
            gate = GateGuard(gates, site.ask, asking, waits=not isinstance(plan.goal, Rollback))
            return drive(execution, replace(around, guard=guard, gate=gate))
