"""Take up a run that nobody drives: its process died, or somebody said a word to it while it was at rest."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from skylift.app.approvals import asked_by
from skylift.app.audit import audited
from skylift.app.automatic import is_due, take_back_by_itself
from skylift.app.await_begin import look_in
from skylift.app.bench import Bench
from skylift.app.bugs import told_as_problem
from skylift.app.conduct import approved_plan, carried_out, to_rest, work_on
from skylift.app.fleet_subject import Maintaining
from skylift.app.maintain import swept, take_over
from skylift.app.mandates import approved_mandate
from skylift.app.measuring import end_probes
from skylift.app.plan_seal import trusted
from skylift.app.propose import Proposal
from skylift.app.runs import RunFolder
from skylift.app.site import Site, run_id
from skylift.app.subject import Subject, Upgrading
from skylift.app.windows import Windows
from skylift.app.wiring import hold, open_journal
from skylift.engine.decide import Order, decide
from skylift.engine.fold import Run, fold
from skylift.engine.journal import Journal
from skylift.engine.operate import take_up as go_on
from skylift.engine.problems import RunHeld
from skylift.model.ids import RunId

VERB = "take up"
"""How the audit trail names it."""
BACK = "take back"
"""Likewise, if the run is taken back by itself."""
LOOK_IN_S = 60
"""How often a run is looked at that begins later: whom it is told of, and when, may change meanwhile."""


def take_up(site: Site, run: RunId, bench: Bench, *, show: Callable[[Proposal], None]) -> Run:
    """Drive ``run`` to rest, unless it rests: until then a pause stays one, and nothing new is started.

    Of one that has ended nothing is left but to end its probes. One that the policy wants taken back is:
    the plan is shown, and a run of it opened, which is to be taken up like any other. What a run over
    compute hosts has to do is not told by its journal alone, so that one is looked at, however it rests. One
    that begins later is left as it is, but for what is to be told of it by now.

    Raises:
        RunUnknown: it is not known.
        SignerUnknown: nobody whom the record trusts works here.
        PlanChanged: its plan is not the one that was approved.
        RunHeld: another run is being worked on.
        CloudDrifted: the cloud has changed while a way back was planned.
    """
    folder = site.runs.find(run)
    trusted(site.signer, site.record.signers)
    with open_journal(folder) as journal:
        seen = fold(journal.events())
        if seen.closed is None and look_in(
            site, _subject(folder, journal), journal, folder=folder, bench=bench
        ):
            return seen
        rests = seen.closed is not None or (not folder.of_fleet and _rests(site, folder, journal))
    if rests:
        if seen.closed is not None:
            # Its process died after the last event, before it ended the probes.
            with hold(site, run):
                end_probes(site, folder, bench)
                if folder.of_fleet:
                    swept(site, folder)
        came = seen
    else:
        with audited(site.runs, VERB, {"run": run}) as ended:
            with told_as_problem(site.runs.home):
                came = take_over(site, folder, bench) if folder.of_fleet else _upgrade(site, folder, bench)
            ended(0)
    if is_due(site, folder):
        with audited(site.runs, BACK, {"run": run}) as ended:
            name = run_id(site, "run")
            with told_as_problem(site.runs.home):
                back = take_back_by_itself(site, folder, name, bench, show=show, detached=True)
            ended(0)
        return back or came
    if rests:
        site.runs.rested(run, seen.length)
    return came


def looks_in_again(site: Site, run: RunId) -> int:
    """After how many seconds somebody is to look at a run again that begins later; 0 if nobody need."""
    folder = site.runs.find(run)
    with open_journal(folder) as journal:
        seen, now = fold(journal.events()), site.clock()
        if seen.closed is not None:
            return 0
        begins = _subject(folder, journal).begins(Windows(site.record.policy), seen, now)
    return max(1, min(LOOK_IN_S, ceil(begins - now))) if begins else 0


def _subject(folder: RunFolder, journal: Journal) -> Subject:
    if folder.of_fleet:
        return Maintaining(approved_mandate(folder, journal))
    return Upgrading(approved_plan(folder, journal))


def _rests(site: Site, folder: RunFolder, journal: Journal) -> bool:
    order = Order.of(approved_plan(folder, journal))
    return decide(order, fold(journal.events()), at_once=site.record.policy.at_once).over


def _upgrade(site: Site, folder: RunFolder, bench: Bench) -> Run:
    with open_journal(folder) as journal:
        plan = approved_plan(folder, journal)
        try:
            with hold(site, folder.id):
                go_on(journal, asked_by(site))
                rested = work_on(site, plan, journal, folder=folder, bench=bench)
        except RunHeld as held:
            return carried_out(journal, held, folder.id)
        return to_rest(site, plan, journal, rested, folder=folder, bench=bench)
