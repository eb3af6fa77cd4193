"""The witnesses of a run over hosts, among them a guest of ours that is pinged while it is moved."""

from __future__ import annotations

from skylift.app.bench import Bench
from skylift.app.site import Site
from skylift.model.problem import Refused, Transient, Uncertain

_WITNESSES_S = 300
"""How long witnesses may take to be whole before the run begins without them."""
_NOT_MOVED = ("volume", "stack")
"""Kinds of witnesses that tell nothing of a run that changes neither Cinder nor Heat. And where hosts do not
share what a volume lies on, a guest that has one cannot be moved: ours must be in nobody's way."""


def witnessed(site: Site, label: str, bench: Bench) -> str:
    """The label of the witnesses, among them a guest that is pinged; empty if there are none."""
    until, why = site.clock() + _WITNESSES_S, "it was not asked for"
    while site.clock() < until and not bench.asked_to_stop():
        try:
            why = _still_to_make(site, label)
        except (Transient, Uncertain) as slow:
            why = str(slow)
        except Refused as refused:
            why = str(refused)
            break
        if not why:
            return label
        bench.pause()
    bench.remark(f"no guest of ours is watched during the run: {why}")
    return ""


def _still_to_make(site: Site, label: str) -> str:
    """What of the witnesses is not there yet, which is made as far as it can be now; empty if nothing."""
    seen = site.ports.vantage.witnesses(label)
    intact = sum(witness.intact for witness in seen)
    if seen and intact == len(seen):
        return ""
    site.ports.vantage.create_witnesses(label, without=_NOT_MOVED)
    return f"{intact} of {len(seen)} witnesses are intact" if seen else "the witnesses are not all made yet"
