"""Whoever holds a run in a store: it lives, and carries out what is said to the run, or it is dead."""

from __future__ import annotations

from math import ceil

from skylift.app.bench import Bench
from skylift.app.site import Site
from skylift.app.wiring import worker_on
from skylift.model.ids import RunId


def await_holder(site: Site, run: RunId, bench: Bench) -> None:
    """If a process holds ``run`` in a store, wait until it shows a sign of life, or its lease has ended.

    That takes no longer than a lease lasts. The kernel frees the lease of a file at once.
    """
    store, holder = site.runs.store, worker_on(site.runs)
    if store is None or holder is None or holder.run != run:
        return
    seen = store.lease.pulse()
    if seen is not None:
        bench.remark(
            f"held by {holder}: waiting for at most {ceil(seen.left_s)} s until that process shows a sign of "
            "life, or its lease has ended"
        )
    while seen is not None and not bench.asked_to_stop():
        bench.pause()
        now = store.lease.pulse()
        if now is not None and now.epoch == seen.epoch and now.left_s > seen.left_s:
            return
        seen = now
