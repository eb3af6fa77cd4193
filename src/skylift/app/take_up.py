"""Take up a run that nobody drives: its process died, or somebody said a word to it while it was at rest."""

from __future__ import annotations

from skylift.app import maintain
from skylift.app.audit import audited
from skylift.app.bench import Bench
from skylift.app.conduct import approved_plan, asked_by, carried_out, to_rest, work_on
from skylift.app.plan_seal import trusted
from skylift.app.runs import RunFolder
from skylift.app.site import Site
from skylift.app.wiring import hold, open_journal
from skylift.engine.decide import Order, decide
from skylift.engine.fold import Run, fold
from skylift.engine.operate import resume
from skylift.engine.problems import RunHeld
from skylift.model.ids import RunId

VERB = "take up"
"""How the audit trail names it."""


def take_up(site: Site, run: RunId, bench: Bench) -> Run:
    """Drive ``run`` to rest, unless it rests: until then a pause stays one, and nothing new is started.

    Raises:
        RunUnknown: it is not known.
        SignerUnknown: nobody whom the record trusts works here.
        PlanChanged: its plan is not the one that was approved.
        RunHeld: another run is being worked on.
    """
    folder = site.runs.find(run)
    trusted(site.signer, site.record.signers)
    if (seen := _at_rest(site, folder)) is not None:
        site.runs.rested(run, seen.length)
        return seen
    with audited(site.runs, VERB, {"run": run}) as ended:
        came = _fleet(site, folder, bench) if folder.of_fleet else _upgrade(site, folder, bench)
        ended(0)
    return came


def _at_rest(site: Site, folder: RunFolder) -> Run | None:
    with open_journal(folder) as journal:
        run = fold(journal.events())
        if folder.of_fleet:
            return run if run.closed or run.pause else None
        order = Order.of(approved_plan(folder, journal))
        return run if decide(order, run, at_once=site.record.policy.at_once).over else None


def _upgrade(site: Site, folder: RunFolder, bench: Bench) -> Run:
    with open_journal(folder) as journal:
        plan = approved_plan(folder, journal)
        try:
            with hold(site, folder.id):
                if fold(journal.events()).pause is None:
                    resume(journal, asked_by(site))
                work_on(site, plan, journal, folder=folder, bench=bench)
        except RunHeld as held:
            return carried_out(journal, held, folder.id)
        return to_rest(site, plan, journal, folder=folder, bench=bench)


def _fleet(site: Site, folder: RunFolder, bench: Bench) -> Run:
    return maintain.go_on(site, folder, bench)
