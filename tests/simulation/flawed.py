"""Products with one flaw each: what the watch of a simulation must see, each by the rule that names it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.simulation import flawed_engines as engines
from tests.simulation import flawed_plans as plans

from skylift.checks.finding import Level
from skylift.engine.execute import Execution
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.play import Product
from skylift.testing.simulation.scene import Findings

KILLED = (FaultKind.KILL_AFTER_EFFECT,)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A flawed product, with the rule by which it must be seen and the faults that bring it to light."""

    rule: str
    product: Product
    kinds: tuple[FaultKind, ...] = KILLED
    site: str = "keystone"
    at_once: int = 6
    """Steps in flight, by the record's policy."""
    within: int = 30
    """Seeds within which it must be seen."""


def _complains(findings: Findings) -> Findings:
    return tuple(replace(finding, level=Level.BLOCKS) for finding in findings)


def _engine(flawed: type[Execution]) -> Product:
    return Product(execution=flawed)


FLAWS: dict[str, Flaw] = {
    "approves by itself": Flaw("approved", _engine(engines.ApprovesItself)),
    "starts all at once": Flaw("at once", _engine(engines.StartsAll), at_once=1),
    "plans to let back too soon": Flaw("back", Product(plan=plans.lets_back_too_soon)),
    "plans turns side by side": Flaw("batch", Product(plan=plans.turns_at_once)),
    "has a bug": Flaw("bug", _engine(engines.Stumbles), (FaultKind.LOST_ANSWER,)),
    "lets its journal be edited": Flaw("chain", Product(store=engines.rewrites)),
    "closes what was given up as complete": Flaw(
        "closed", Product(journal=engines.ClosesAsComplete), (FaultKind.ABORT,)
    ),
    "plans the contract too early": Flaw("contract", Product(plan=plans.contract_at_any_time)),
    "applies whatever has changed": Flaw("drift", Product(drift=lambda _p, _n: ()), (FaultKind.DRIFT,)),
    "waits for ever": Flaw("ends", _engine(engines.NeverLate), (FaultKind.SERVICE_DIES,)),
    "writes what is to start later": Flaw("event first", Product(journal=engines.WritesLater)),
    "writes twice": Flaw("fold", Product(journal=engines.AppendsTwice)),
    "gives nothing back": Flaw("given back", _engine(engines.NeverGivesBack), (FaultKind.ABORT,)),
    "plans no way back into the pool": Flaw("batch", Product(plan=plans.never_lets_back)),
    "goes on after an abort": Flaw("given up", _engine(engines.GoesOnAfterAbort), (FaultKind.ABORT,)),
    "pauses on its way back": Flaw("goes back", _engine(engines.HeldOnItsWayBack), site="keystone, back"),
    "plans nothing for a host": Flaw("goal", Product(plan=plans.forgets_a_host)),
    "plans a stop of what is in use": Flaw("in use", Product(plan=plans.stops_what_is_in_use)),
    "looks only once": Flaw(
        "in use",
        _engine(engines.LooksOnce),
        (FaultKind.PAUSE, FaultKind.BALANCER_RESTARTS),
        at_once=1,
        within=120,  # a pause and a restart must befall one step, between its look and its stop
    ),
    "drains whatever is down": Flaw("last", Product(plan=plans.drains_anyway), (FaultKind.SERVICE_DIES,)),
    "works without the lease": Flaw("lease", Product(holds=False), (FaultKind.SECOND_APPLY,)),
    "opens what others closed": Flaw("not ours", Product(plan=plans.opens_what_others_closed), site="nova"),
    "takes a lost answer for a failure": Flaw(
        "once", _engine(engines.TakesUncertainForFailed), (FaultKind.LOST_ANSWER,)
    ),
    "forgets its key": Flaw("once", _engine(engines.ForgetsItsKey)),
    "starts what waits": Flaw("order", _engine(engines.StartsAnything)),
    "deaf to pauses": Flaw("paused", _engine(engines.DeafToPauses), (FaultKind.PAUSE,)),
    "writes whatever others wrote": Flaw(
        "paused", Product(journal=engines.AppendsBlindly), (FaultKind.WORD_RACES,)
    ),
    "complains of what is well": Flaw("plan", Product(checks=_complains)),
    "keeps less than it says": Flaw("reload", Product(store=engines.forgets)),
    "names no way out": Flaw("remedy", _engine(engines.SaysNothing), (FaultKind.JOB_FAILS_ONCE,)),
    "plans turns without a wait": Flaw("users", Product(plan=plans.turns_at_once)),
    "plans to stop what builds": Flaw("work", Product(plan=plans.stops_what_builds), site="nova"),
    "plans to switch engines one by one": Flaw(
        "work", Product(plan=plans.starts_before_all_have_stopped), site="heat"
    ),
    "plans to stop what makes stacks": Flaw("work", Product(plan=plans.waits_for_no_stack), site="heat"),
    "wakes up and writes on": Flaw("writer", Product(journal=engines.WakesUpLater, store=engines.in_memory)),
}
