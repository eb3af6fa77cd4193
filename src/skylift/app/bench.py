"""How whoever conducts a run waits, shows it, and is asked to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skylift.engine.drive import View
from skylift.engine.fold import Run
from skylift.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Bench:
    """How a run is waited for, shown, and asked to stop."""

    pause: Callable[[], None]
    asked_to_stop: Callable[[], bool]
    view: Callable[[Plan, Run], View]
    """Given the plan and the run as it begins, what is called after each tick."""
    remark: Callable[[str], None]
    """Told what is worth knowing and no problem."""
