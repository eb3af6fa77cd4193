"""The loss budget: what users may lose before a run halts by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from skylift.actions.backend_traffic import DrainBackend
from skylift.actions.parking import ParkPool
from skylift.engine.decide import Order
from skylift.engine.fold import Run
from skylift.engine.journal import Journal, LossCounted, milliseconds
from skylift.engine.ledger import Ledger
from skylift.engine.loans import Loan
from skylift.engine.store_problems import LeaseUnsure
from skylift.model.ids import Epoch, HostName, PoolName, Seconds
from skylift.model.problem import Fix, Problem, Refused, Remedy, Transient
from skylift.model.record import LossBudget
from skylift.planning.plan import Notice, Plan
from skylift.ports import ProbeTally, Vantage

LOOK_EVERY_S = 2
"""How often the count is read: one short command on the vantage host."""

_SILENT_S = 60


class LossBudgetSpent(Refused):
    """Users lost more than the policy allows."""

    code = "loss-budget.spent"

    def __init__(self, what: str, *, of_hosts: bool = False, silent: Iterable[HostName] = ()) -> None:
        """``silent`` are the balancers that do not answer now."""
        silent = tuple(silent)
        beside = f"; the balancer on {' and '.join(silent)} does not answer" if silent else ""
        back = Remedy(Fix.ROLL_BACK, "or take it back, as far as it can: skylift rollback -o back.plan")
        forward = "" if of_hosts else " --forward"
        super().__init__(
            f"{what}{beside}",
            *(
                Remedy(Fix.REPAIR, how)
                for h in silent
                for how in (
                    f"see what it does: skylift ssh {h} systemctl status haproxy",
                    f"if it does not run, start it: skylift ssh {h} systemctl start haproxy",
                )
            ),
            Remedy(
                Fix.REPAIR, "see which API fails, during which step, and what is lost by now: skylift report"
            ),
            Remedy(Fix.RETRY, f"when the APIs are whole again: skylift resume{forward}"),
            *(() if of_hosts else (back,)),
            Remedy(Fix.ACCEPT, "or allow more in policy.loss of the record, then plan again"),
        )


class ProbesSilent(Refused):
    """Nobody measures any more what users get."""

    code = "probes.silent"

    def __init__(self, host: str, why: str) -> None:
        super().__init__(
            f"users' requests are no longer measured: {why}",
            Remedy(
                Fix.REPAIR, f"see why they ended: skylift ssh {host} journalctl -n 50 -u 'skylift-probes-*'"
            ),
            Remedy(Fix.RETRY, "resume, which starts them again: skylift resume"),
        )


def with_announced(loss: LossBudget, plan: Plan) -> LossBudget:
    """The budget with the gaps that the plan itself announces: a request that waits is not lost."""
    waits = [step.action.limit for step in plan.steps if isinstance(step.action, ParkPool)]
    return replace(loss, gap=Seconds(loss.gap + max(waits, default=0)))


def outage_of(plan: Plan) -> Callable[[Run], bool]:
    """Whether an API that the plan stops as a whole is out right now."""
    out = out_of(plan)
    return lambda run: bool(out(run))


def out_of(plan: Plan) -> Callable[[Run], frozenset[str]]:
    """The APIs that the plan stops as a whole and that are out right now: all backends are taken.

    The first that it takes, and the last that it gives back, are no outage: others serve.
    """
    order = Order.of(plan)
    pools: dict[tuple[str, PoolName], dict[Loan, str]] = defaultdict(dict)
    for loan in order.loans:
        step = plan.step(loan.taken_by)
        if isinstance(step.action, DrainBackend) and step.impact.notice is Notice.DOWN:
            pools[step.impact.api, step.action.pool][loan] = step.action.server

    def out(run: Run) -> frozenset[str]:
        return frozenset(
            api
            for (api, _), of in pools.items()
            if {s for n, s in of.items() if n.is_taken(run) and n.given_back_by not in run.passed}
            == set(of.values())
        )

    return out


def counted(tally: ProbeTally, now: Epoch) -> LossCounted:
    """What the journal keeps of a count."""
    gaps_ms = {api: round(gap * 1000) for api, gap in tally.longest_gap_s.items()}
    return LossCounted(tally.failed, tally.failed_guests, gaps_ms, milliseconds(now))


def over_budget(tally: ProbeTally, before: LossCounted, loss: LossBudget, *, blackout: int = 0) -> str | None:
    """What was lost beyond the budget since ``before`` was counted, in words; none if it holds.

    A gap counts if it is longer than the policy's and longer than it already was ``before``, so that a
    run that was resumed after a gap is not paused by that gap again; one that was open then, and lasts, is.
    Of what was asked of guests, as much as ``blackout`` says may be lost beside the budget: that they are
    moved was announced, by a run over hosts and no other. APIs have no such allowance.
    """
    guests = tally.failed_guests - before.failed_guests
    failed = tally.failed - before.failed - min(guests, blackout)
    if failed > loss.failed_requests:
        return f"{failed} requests failed or were lost, and the policy allows {loss.failed_requests}"
    for api, gap in sorted(tally.longest_gap_s.items()):
        if round(gap * 1000) > max(loss.gap * 1000, before.gaps_ms.get(api, 0)):
            return f"{api} gave no good answer for {gap:.1f} s, and the policy allows {loss.gap} s"
    return None


class LossGuard:
    """The engine's guard: reads the probes' count every few seconds and holds it against the policy.

    What counts is lost since an operator last let the run go on, whichever process drove it meanwhile: what
    had been lost by then is in the ``journal``, written down when the first of them looked.

    A vantage host that cannot be reached for a short while pauses nothing: it says nothing of users. Nor does
    a process of ours that stood still: silence is what is met with by those who look.
    A run that goes on all the same is told of it once.
    In an ``outage`` that the plan announces nothing is judged, for a pause would only make it longer; what is
    lost counts from its end on.
    ``balancers`` tells which of them do not answer: users lose most by one that died, and it is named then.
    """

    def __init__(
        self,
        vantage: Vantage,
        journal: Journal,
        label: str,
        *,
        loss: LossBudget,
        host: str,
        blackout: int = 0,
        outage: Callable[[Run], bool] = lambda _run: False,
        balancers: Callable[[], Iterable[HostName]] = tuple,
    ) -> None:
        self._vantage = vantage
        self._journal = journal
        self._label = label
        self._loss = loss
        self._host = host
        self._blackout = blackout
        self._outage = outage
        self._balancers = balancers
        self._was_out = False
        self._looked_at = Epoch(0.0)
        self._silent_since: Epoch | None = None

    def __call__(self, run: Run, now: Epoch) -> Problem | None:
        if now - self._looked_at < LOOK_EVERY_S:
            return None
        self._looked_at = now
        if self._outage(run):
            self._was_out, self._silent_since = True, None
            return None
        try:
            tally = self._vantage.tally(self._label)
        except LeaseUnsure:
            return None  # whoever may not look now does nothing else either
        except Transient as unreached:
            return self._silent(now, str(unreached))
        if not tally.alive:
            return self._silent(now, "the probes have ended")
        self._silent_since = None
        if self._was_out:
            self._was_out = False
            self._write(counted(tally, now), since=run.lost)
            return None
        before = run.lost or self._kept(counted(tally, now))
        lost = over_budget(tally, before, self._loss, blackout=self._blackout)
        if lost is None or LossBudgetSpent.code in run.warned:
            return None
        return LossBudgetSpent(lost, of_hosts=self._blackout > 0, silent=self._balancers())

    def _kept(self, now: LossCounted) -> LossCounted:
        """What counts from here on: this count, unless the journal has one that the run does not know yet."""
        return self._write(now, since=None) or now

    def _write(self, now: LossCounted, *, since: LossCounted | None) -> LossCounted | None:
        """What counts once ``now`` was written in the place of ``since``, or somebody else's count."""
        ledger = Ledger(self._journal)
        while ledger.run.lost == since and ledger.run.closed is None:
            ledger.write(now)
        return ledger.run.lost

    def _silent(self, now: Epoch, why: str) -> Problem | None:
        self._silent_since = now if self._silent_since is None else self._silent_since
        return ProbesSilent(self._host, why) if now - self._silent_since > _SILENT_S else None
