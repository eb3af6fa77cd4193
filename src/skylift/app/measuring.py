"""What users get while a run goes on is measured by probes, which outlive whoever drives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from skylift.app.bench import Bench
from skylift.app.loss_budget import LossGuard
from skylift.app.runs import RunFolder
from skylift.app.samples import fetch_samples
from skylift.app.schedule import clock_of
from skylift.app.site import Site
from skylift.engine.drive import Guard
from skylift.engine.fold import Run
from skylift.engine.journal import Journal
from skylift.engine.journal_problems import JournalUnwritable
from skylift.model.ids import Epoch, HostName
from skylift.model.problem import Refused, Transient, Uncertain
from skylift.model.record import LossBudget

_ENDING_S = 30
"""How long the probes may take to end, beside what the balancers may hold their requests for."""


@contextmanager
def measured(
    site: Site,
    folder: RunFolder,
    journal: Journal,
    *,
    bench: Bench,
    loss: LossBudget,
    resumed: bool,
    blackout: int = 0,
    outage: Callable[[Run], bool] = lambda _run: False,
) -> Iterator[Guard]:
    """The probes run and are counted for as long as the block runs, and what they met is kept.

    ``blackout`` is what guests may lose beside the budget, as they are moved. What is lost in an
    ``outage`` that the plan announces counts for nothing.
    """
    vantage, label = site.ports.vantage, str(folder.id)
    try:
        if not resumed:
            _let_pass(site, bench)
        host = site.record.vantage.host
        yield LossGuard(
            vantage,
            journal,
            label,
            loss=loss,
            host=host,
            blackout=blackout,
            outage=outage,
            balancers=lambda: silent_balancers(site),
        )
    finally:
        end_probes(site, folder, bench)


def silent_balancers(site: Site) -> tuple[HostName, ...]:
    """Those that do not answer now."""
    silent = []
    for host in site.record.hosts_in(site.record.balancer.role):
        try:
            site.ports.balancer.backends(host.name)
        except Transient:
            silent.append(host.name)
    return tuple(silent)


def end_probes(site: Site, folder: RunFolder, bench: Bench) -> None:
    """End them, if they run, and keep what they met."""
    _stop(site, str(folder.id), bench)
    try:
        fetch_samples(site, folder)
    except (Transient, JournalUnwritable) as unreached:
        # Samples stay there: report fetches what is missing.
        bench.remark(f"the probes' samples were not fetched: {unreached}; to try again: skylift report")


def _stop(site: Site, label: str, bench: Bench) -> None:
    """Stop them, and wait while they wait for answers as users would."""
    until = site.clock() + site.record.longest_wait + _ENDING_S
    while True:
        try:
            site.ports.vantage.stop_probes(label)
        except (Transient, Uncertain) as late:
            if site.clock() > until:
                bench.remark(
                    f"the probes were not ended and swept up: {late}; 'skylift validate --clean-up' does it, "
                    "or the next run over hosts"
                )
                return
            bench.pause()
        except Refused as refused:
            again = "'skylift validate --clean-up' tries again"
            bench.remark(f"the probes were not swept up: {refused}; {again}")
            return
        else:
            return


def _let_pass(site: Site, bench: Bench) -> None:
    baseline = site.record.policy.baseline
    until = Epoch(site.clock() + baseline)
    bench.remark(
        f"measuring for {baseline} s, until {clock_of(until)}, what users get before anything changes"
    )
    while site.clock() < until and not bench.asked_to_stop():
        bench.pause()
