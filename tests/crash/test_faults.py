"""What goes wrong in a cloud during an upgrade, on the fake: the API stays whole, and there is a way on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from skylift.actions.backend_traffic import DrainBackend
from skylift.actions.migrate_schema import MigrateSchema
from skylift.engine.fold import Phase, Run, Standing
from skylift.engine.journal import Reported, Why
from skylift.engine.operate import Asked, retry
from skylift.model.cloud import BackendState, GaleraNode, UnitState
from skylift.model.ids import Epoch, HostName, Seconds, StepId
from skylift.model.problem import Fix, Problem, Refused, Remedy
from skylift.model.roster import Roster, ServiceReport
from skylift.model.work import InHand
from skylift.planning.plan import Edge, Plan, Stage, Step
from skylift.ports import Database
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, host_chain, plan_of, planned, step_of
from skylift.testing.samples import (
    EXPANDED_2024_1,
    GLANCE,
    KEYSTONE,
    PLACEMENT,
    R2024_1,
    artifact_name,
    sample_record,
    service_name,
)

CTL1, CTL2, CTL3 = HostName("ctl1"), HostName("ctl2"), HostName("ctl3")
RECORD = sample_record()
NEW = RECORD.artifacts[artifact_name(R2024_1)]


class Site:
    """A cloud, its journal, and a plan that is being run on it."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.cloud = FakeCloud(RECORD)
        self.journal = MemoryJournal()
        self.plan = plan or planned(RECORD)
        self.runner = Runner(cloud=self.cloud, journal=self.journal)

    def run(self) -> Run:
        return self.runner.run(self.plan)

    def retry(self) -> Run:
        retry(self.journal, Asked("rey", self.cloud.now))
        return self.runner.go_on(self.plan)

    def in_use(self, pool: str) -> set[str]:
        views = self.cloud.traffic.views()
        return {b.server for b in views if b.pool == pool and b.state is BackendState.UP}

    def times_done(self) -> Counter[tuple[str, str]]:
        return Counter((deed.host, deed.what) for deed in self.cloud.deeds)


def failure(run: Run) -> Reported:
    (step,) = run.within(Phase.FAILED)
    problem = run.steps[step].problem
    assert problem is not None
    return problem


@pytest.mark.parametrize("died", [UnitState.FAILED, UnitState.ACTIVATING])
def test_an_artifact_that_cannot_start_halts_the_run_with_the_api_whole_and_a_retry_goes_on(
    died: UnitState,
) -> None:
    """Issue 2, 3.4, first fault; also if systemd starts the unit again and again."""
    site = Site()
    site.cloud.died = died
    site.cloud.broken.add(NEW.path)
    halted = site.run()
    problem = failure(halted)
    served = {pool: site.in_use(pool) for pool in ("keystone", "glance", "placement")}
    users = list(site.cloud.failed)

    site.cloud.broken.clear()
    after = site.retry()

    assert halted.standing is Standing.HALTED
    assert problem.code == "service.died"
    assert problem.sentence.endswith(f"its last words: could not run {NEW.path}")
    assert {remedy.fix for remedy in problem.remedies} >= {Fix.REPAIR, Fix.RETRY, Fix.ROLL_BACK}
    assert sorted(map(len, served.values())) == [2, 3, 3]
    assert users == []
    assert after.standing is Standing.COMPLETED
    assert site.cloud.failed == []


def test_a_failure_lets_another_components_backend_get_back_into_its_pool() -> None:
    broken, going = (host_chain(RECORD, name, host, NEW) for name, host in ((KEYSTONE, CTL1), (GLANCE, CTL2)))
    chains = [[step_of(action) for action in chain] for chain in (broken, going)]
    other = step_of(DrainBackend(RECORD.services[service_name(PLACEMENT)].pool, CTL3))
    edges = [pair for chain in chains for pair in pairwise(chain)]
    site = Site(plan_of([*chains[0], *chains[1], other], [*edges, (chains[1][-1], other)]))
    site.cloud.stage(R2024_1)
    site.cloud.hosts[CTL1].staged.pop(NEW.path)
    site.cloud.rows.update({"keystone": EXPANDED_2024_1[KEYSTONE], "glance": EXPANDED_2024_1[GLANCE]})

    run = site.run()

    assert run.standing is Standing.HALTED
    assert failure(run).code == "fake.nothing-there"
    assert site.in_use("glance") == {CTL1, CTL2, CTL3}
    assert site.in_use("placement") == {CTL1, CTL2, CTL3}
    assert site.in_use("keystone") == {CTL2, CTL3}
    assert site.cloud.failed == []


@pytest.mark.parametrize(
    "call",
    ["jobs.start", "services.stop", "services.point", "balancer.set_state", "vantage.create_witnesses"],
)
def test_an_answer_that_was_lost_is_looked_for_and_nothing_is_done_twice(call: str) -> None:
    site = Site()
    site.cloud.lose_answer(call, times=5)

    run = site.run()

    assert run.standing is Standing.COMPLETED
    assert max(site.times_done().values()) == 1
    assert site.cloud.failed == []


def test_a_host_out_of_reach_for_a_while_only_delays_the_run() -> None:
    site = Site()
    cut_at = site.cloud.now + 20

    def guard(_run: Run, now: Epoch) -> Problem | None:
        site.cloud.hosts[CTL2].reachable = not cut_at <= now < cut_at + 250
        return None

    run = replace(site.runner, guard=guard).run(site.plan)

    assert run.standing is Standing.COMPLETED
    assert max(site.times_done().values()) == 1
    assert site.cloud.failed == []


def test_a_host_out_of_reach_for_too_long_fails_its_step_and_a_retry_goes_on() -> None:
    """Issue 2, 3.4: a host unreachable mid-run."""
    site = Site()
    site.cloud.hosts[CTL2].reachable = False
    halted = site.run()

    site.cloud.hosts[CTL2].reachable = True
    after = site.retry()

    codes = {at.problem.code for at in halted.steps.values() if at.problem}
    assert halted.standing is Standing.HALTED
    assert codes == {"host.unreachable"}
    assert after.standing is Standing.COMPLETED
    assert max(site.times_done().values()) == 1
    assert site.cloud.failed == []


def test_the_holder_of_the_vip_rebooted_in_the_middle_is_waited_for_and_the_run_completes() -> None:
    """Issue 2, 3.4. What it had in flight is lost with it; nothing is started twice by us."""
    site = Site()
    reboot_at = site.cloud.now + 40

    def guard(_run: Run, now: Epoch) -> Problem | None:
        if now >= reboot_at and site.cloud.hosts[CTL1].boots == 1:
            site.cloud.reboot(CTL1)
        return None

    run = replace(site.runner, guard=guard).run(site.plan)

    assert site.cloud.hosts[CTL1].boots == 2
    assert (run if run.standing is Standing.COMPLETED else site.retry()).standing is Standing.COMPLETED
    assert {f.why for f in site.cloud.failed} <= {"in flight on ctl1 when its service was stopped"}


def test_a_balancer_that_forgets_what_it_was_told_is_told_again_before_anything_stops() -> None:
    site = Site()
    drains = [s.id for s in site.plan.steps if isinstance(s.action, DrainBackend)]

    def guard(run: Run, _now: Epoch) -> Problem | None:
        quiet = [s for s in run.within(Phase.RUNNING) if "quiet" in s or "flight" in s]
        if quiet and quiet[0] not in forgot:
            forgot.add(quiet[0])
            site.cloud.traffic.forget(CTL1)
        return None

    forgot: set[StepId] = set()
    run = replace(site.runner, guard=guard).run(site.plan)

    assert len(forgot) == len(drains)
    assert run.standing is Standing.COMPLETED
    assert site.cloud.failed == []


def test_a_full_disk_on_one_host_halts_before_anything_stops_and_a_retry_goes_on() -> None:
    """Issue 2, 3.4: full disk on one host."""
    site = Site()
    site.cloud.hosts[CTL3].disk_free_bytes = 0
    halted = site.run()
    stopped = [deed for deed in site.cloud.deeds if "stop" in deed.what]

    site.cloud.hosts[CTL3].disk_free_bytes = 40 * 2**30
    after = site.retry()

    assert failure(halted).code == "job.failed"
    assert stopped == []
    assert after.standing is Standing.COMPLETED


def test_an_upgrade_check_that_fails_is_asked_again_by_a_retry() -> None:
    site = Site()
    site.cloud.upgrade_check_code = 2
    halted = site.run()

    site.cloud.upgrade_check_code = 0
    after = site.retry()

    codes = {at.problem.code for at in halted.steps.values() if at.problem}
    assert codes == {"service.not-ready"}
    assert after.standing is Standing.COMPLETED


def test_a_schema_that_somebody_else_moved_is_migrated_again_by_a_retry() -> None:
    site = Site()
    source = site.cloud.rows["keystone"]
    expanding = StepId("keystone:expand")

    def guard(run: Run, _now: Epoch) -> Problem | None:
        if expanding in run.within(Phase.RUNNING) and run.steps[expanding].attempt == 1:
            site.cloud.rows["keystone"] = source
        return None

    halted = replace(site.runner, guard=guard).run(site.plan)
    after = site.retry()

    assert failure(halted).code == "schema.not-reached"
    assert after.standing is Standing.COMPLETED
    assert site.cloud.failed == []


def test_a_host_key_that_changed_while_a_job_ran_does_not_run_the_job_again() -> None:
    """A refusal that is not the job's own says nothing of the job."""
    site = Site()
    ports = ports_of(site.cloud)
    barred = _Barred(ports.database)
    runner = replace(site.runner, ports=replace(ports, database=barred))
    halted = runner.run(site.plan)
    barred.refuses = False
    retry(site.journal, Asked("rey", site.cloud.now))
    after = runner.go_on(site.plan)

    assert halted.standing is Standing.HALTED
    assert after.standing is Standing.COMPLETED
    assert max(site.times_done().values()) == 1


class _Barred:
    """A database whose rows nobody may read for now."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.refuses = True

    def rows(self, database: str, table: str = "alembic_version") -> frozenset[str]:
        if self.refuses:
            raise Refused("the host key of ctl1 is not the pinned one")
        return self._database.rows(database, table)

    def reports(self, roster: Roster) -> tuple[ServiceReport, ...]:
        return self._database.reports(roster)

    def lower_version(self, roster: Roster, row: ServiceReport, version: int) -> None:
        self._database.lower_version(roster, row, version)

    def work(self, roster: Roster) -> tuple[InHand, ...]:
        return self._database.work(roster)

    def work_of(
        self, roster: Roster, row: ServiceReport, *, promised_before: Epoch | None
    ) -> tuple[InHand, ...]:
        return self._database.work_of(roster, row, promised_before=promised_before)

    def nodes(self) -> tuple[GaleraNode, ...]:
        return self._database.nodes()

    def grants(self, user: str) -> tuple[str, ...]:
        return self._database.grants(user)


def test_a_job_that_outlasts_its_deadline_is_watched_on_and_not_started_twice() -> None:
    plan = planned(RECORD)
    hasty = replace(
        plan,
        steps=tuple(
            replace(s, deadline=Seconds(1)) if isinstance(s.action, MigrateSchema) else s for s in plan.steps
        ),
    )
    site = Site(hasty)
    run = site.run()
    retries = 0

    while run.standing is Standing.HALTED and retries < 20:
        retries += 1
        run = site.retry()

    assert run.standing is Standing.COMPLETED
    assert retries > 3
    assert max(site.times_done().values()) == 1


def test_a_loss_budget_that_is_spent_pauses_the_run_and_resuming_completes_it() -> None:
    site = Site()
    spent = Refused("the loss budget is spent", Remedy(Fix.RETRY, "skylift resume"))
    once = iter([None] * 30 + [spent])

    paused = replace(site.runner, guard=lambda _run, _now: next(once, None)).run(site.plan)
    after = site.run()

    assert paused.pause is not None
    assert paused.pause.why is Why.LOSS_BUDGET
    assert after.standing is Standing.COMPLETED
    assert site.cloud.failed == []


class TestWrongOrdersAreSeen:
    """Issue 2, 3.2: forced, a wrong order shows in what users get."""

    @staticmethod
    def failures(plan: Plan) -> set[str]:
        site = Site(plan)
        site.run()
        return {failed.why for failed in site.cloud.failed}

    def test_contract_before_the_old_code_is_gone(self) -> None:
        whys = self.failures(_reordered(Stage.CONVERGE, before=Stage.CONTROL_PLANE))

        assert any("uses what" in why and "removed from the schema" in why for why in whys)

    def test_new_code_before_expand(self) -> None:
        plan = _reordered(Stage.EXPAND, before=Stage.CONVERGE)
        whys = self.failures(_chained(plan, [s for s in plan.steps if "warm-up" not in s.id]))

        assert any("which the schema does not have" in why for why in whys)

    def test_but_a_warm_up_sees_new_code_before_expand_before_any_user_does(self) -> None:
        site = Site(_reordered(Stage.EXPAND, before=Stage.CONVERGE))

        run = site.run()

        assert run.within(Phase.FAILED) == {"keystone:warm-up@ctl1"}
        assert site.cloud.failed == []

    def test_stopping_what_was_not_drained(self) -> None:
        chain = [step_of(action) for action in host_chain(RECORD, KEYSTONE, CTL1, NEW)[2:]]
        site = Site(plan_of(chain, pairwise(chain)))
        site.cloud.stage(R2024_1)
        site.cloud.rows["keystone"] = EXPANDED_2024_1[KEYSTONE]

        site.run()

        assert {f.why for f in site.cloud.failed} == {"in flight on ctl1 when its service was stopped"}

    def test_all_backends_at_once(self) -> None:
        chains = [[step_of(a) for a in host_chain(RECORD, KEYSTONE, h, NEW)] for h in (CTL1, CTL2, CTL3)]
        edges = [pair for chain in chains for pair in pairwise(chain)]
        site = Site(plan_of([s for chain in chains for s in chain], edges))
        site.cloud.stage(R2024_1)
        site.cloud.rows["keystone"] = EXPANDED_2024_1[KEYSTONE]

        site.run()

        assert {f.why for f in site.cloud.failed} == {"no backend serves"}


def _reordered(moved: Stage, *, before: Stage) -> Plan:
    """The plan with all steps of one stage moved next to another stage, one step after the other."""
    plan = planned(RECORD)
    taken = [s for s in plan.steps if s.stage is moved]
    rest = [s for s in plan.steps if s.stage is not moved]
    at = next(i for i, s in enumerate(rest) if s.stage is before)
    return _chained(plan, [*rest[:at], *taken, *rest[at:]])


def _chained(plan: Plan, steps: list[Step]) -> Plan:
    edges = tuple(Edge(a.id, b.id, "forced", "the test") for a, b in pairwise(steps))
    return replace(plan, steps=tuple(steps), edges=edges)
