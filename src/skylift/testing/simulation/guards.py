"""What the run may take of a cloud, and must give back: the watch's account of pools, hosts and schemas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from skylift.actions.backend_traffic import DrainBackend
from skylift.actions.closing import CloseService
from skylift.actions.migrate_schema import MigrateSchema
from skylift.actions.prepare import StageArtifact
from skylift.app.validate import Outcome, validate
from skylift.engine.decide import Order
from skylift.engine.fold import Standing
from skylift.model.cloud import BackendState, UnitState
from skylift.model.ids import HostName, PoolName, StepId, UnitName
from skylift.planning.plan import Notice, Plan
from skylift.ports import Ended, Running
from skylift.testing.fake_traffic import held
from skylift.testing.simulation.wire import Call
from skylift.testing.simulation.world import World
from skylift.verifier.fleet.seen import Violation

Place = tuple[PoolName, HostName]


class Guards:
    """Judges what is asked of the cloud, and what it has become."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._record = world.cloud.record
        self.checks: Counter[str] = Counter()
        self.places: tuple[Place, ...] = world.places
        self._asked: dict[Place, StepId] = {}
        """What the run drained, or asked to, and has not let back."""
        self._stopped: set[tuple[HostName, UnitName]] = set()
        """What the run stopped, and has not started."""
        self.stops: dict[Place, float] = {}
        """When the stop of a backend's service was last asked for."""
        self._left = {
            place
            for servers in world.cloud.traffic.servers.values()
            for place, server in servers.items()
            if server.told == "drain"
        }
        """What an earlier run had out when this one began, which has not touched it: that run names it."""
        self._others = dict(world.cloud.roster.closed)
        """Services that others closed before the run."""
        down = {s.impact.api for s in plan.steps if s.impact.notice is Notice.DOWN}
        entries = self._record.services.values()
        self.announced = frozenset(entry.pool for entry in entries if entry.component in down)
        """The pools that the plan says will not answer for a while."""

    def is_taken(self, place: Place) -> bool:
        """Whether a backend is out of use because the run took it, or stopped what serves there."""
        pool, host = place
        units = self._world.cloud.hosts[host].units.items()
        stopped = any((host, name) in self._stopped for name, unit in units if unit.pool == pool)
        return stopped or place in self._asked

    def serves(self, place: Place) -> bool:
        """Whether a backend could answer: its host is up and its unit runs."""
        pool, host = place
        units = self._world.cloud.hosts[host].units.values()
        active = any(unit.pool == pool and unit.state is UnitState.ACTIVE for unit in units)
        return self._world.cloud.is_up(host) and active

    def may_call(self, call: Call, step: StepId) -> Iterator[Violation]:
        """Judge a change as it is asked for."""
        match call.name, call.args:
            case "balancer.set_state", (pool, server, "drain"):
                yield from self._may_drain((pool, server))
                self._asked[pool, server] = step
                self._left.discard((pool, server))
            case "balancer.set_state", (pool, server, "ready"):
                self.checks["back"] += 1
                if (pool, server) in self._asked and self._runs_nothing((pool, server)):
                    yield Violation("back", f"{server} is let back into {pool}, and its service does not run")
                self._asked.pop((pool, server), None)
                self._left.discard((pool, server))
            case "services.stop", (host, unit):
                yield from self._may_stop(host, unit)
                self._stopped.add((host, unit))
                if pool := self._world.cloud.hosts[host].units[unit].pool:
                    self.stops[pool, host] = self._world.cloud.now
            case "jobs.start", (host, command):
                self._stopped.discard((host, UnitName(command.argv[-1])))
                action = self._plan.step(step).action
                if isinstance(action, MigrateSchema):
                    yield from self._may_migrate(action)
            case "intake.open", (_, row):
                self.checks["not ours"] += 1
                if row.id in self._others:
                    yield Violation("not ours", f"{row.id} is opened, and somebody else closed it")
            case _:
                return

    def look(self) -> Iterator[Violation]:
        """Judge what is out of use now."""
        holder = self._world.cloud.traffic.vip_holder
        if holder is None:
            return
        self.checks.update(("batch", "not ours"))
        told = self._world.cloud.traffic.servers[holder]
        out = Counter(place[0] for place in self._asked if told[place].told == "drain")
        size = Counter(pool for pool, _ in self.places)
        for pool, number in out.items():
            if pool in self.announced or held(self._world.cloud, pool):
                continue
            if number > self._record.policy.batch or number >= size[pool] > 1:
                yield Violation("batch", f"{number} of {size[pool]} backends of {pool} are out at once")
        for row, why in self._others.items():
            if self._world.cloud.roster.closed.get(row) != why:
                yield Violation("not ours", f"{row} is no longer closed as somebody else had closed it")

    def once(self, call: Call) -> Iterator[Violation]:
        """Judge a job that was just started: whether its command runs, or ended well, under another key."""
        self.checks["once"] += 1
        host, command = call.args
        jobs = self._world.cloud.hosts[host].jobs
        others = [job for key, job in jobs.items() if key != call.key and job.command.argv == command.argv]
        mine = jobs.get(call.key)
        if command.argv[0] == "systemctl" or mine is None:
            return
        told = f"{' '.join(command.argv)} on {host}"
        if any(isinstance(job.state, Running) for job in others) and isinstance(mine.state, Running):
            yield Violation("once", f"{told} runs twice at a time")
        if any(isinstance(job.state, Ended) and job.state.code == 0 for job in others):
            yield Violation("once", f"{told} is run again, and it had ended well")

    def end(self) -> Iterator[Violation]:
        """Judge what is left when the run is over."""
        run = self._world.run
        if run is None:
            return
        self.checks.update(("given back", "goal"))
        kept = Order.of(self._plan).taken(run) if run.abort and run.abort.leave else ()
        told = {loan.taken_by for loan in kept}
        listed = [self._plan.step(step).action for step in sorted(told)]
        drained = {(a.pool, a.server) for a in listed if isinstance(a, DrainBackend)}
        drained |= self._left if run.abort else set()
        closed = {f"{a.service}-{a.host}" for a in listed if isinstance(a, CloseService)}
        for servers in self._world.cloud.traffic.servers.values():
            for (pool, server), seen_there in servers.items():
                if seen_there.told == "drain" and (pool, server) not in drained:
                    yield Violation("given back", f"{server} is left out of {pool}, and nothing says so")
        for row in self._world.cloud.roster.closed.keys() - self._others.keys() - closed:
            yield Violation("given back", f"{row} is left closed, and nothing says so")
        if any(held(self._world.cloud, pool) for pool, _ in self.places):
            yield Violation("given back", "requests are still held")
        if run.standing is Standing.COMPLETED:
            yield from self._reached()

    def _may_drain(self, place: Place) -> Iterator[Violation]:
        self.checks["last"] += 1
        pool, server = place
        views = [b for b in self._world.cloud.traffic.views() if b.pool == pool]
        holder = self._world.cloud.traffic.vip_holder
        own = [b for b in views if b.balancer == holder]
        if pool in self.announced or len(own) == 1 or held(self._world.cloud, pool):
            return
        up = {b.server for b in own if b.state is BackendState.UP}
        if server in up and not up - {server}:
            yield Violation("last", f"{server} is drained, and no other backend of {pool} is in use")

    def _may_stop(self, host: HostName, name: UnitName) -> Iterator[Violation]:
        self.checks["in use"] += 1
        unit = self._world.cloud.hosts[host].units[name]
        traffic = self._world.cloud.traffic
        if not unit.pool or unit.state is not UnitState.ACTIVE or unit.pool in self.announced:
            return
        if traffic.in_flight((unit.pool, host)) and self._world.cloud.now > self._world.forgot_at:
            yield Violation("in use", f"{name} on {host} is stopped with requests in flight")

    def _may_migrate(self, action: MigrateSchema) -> Iterator[Violation]:
        if not action.destructive:
            return
        self.checks["contract"] += 1
        target = self._world.scene.target
        for service in self._record.components[action.component].services.values():
            for entry in self._record.hosts_in(service.role):
                running = self._world.cloud.hosts[entry.name].units[service.unit].running
                if running and target and running != target.path:
                    old = f"{service.unit} on {entry.name} runs {running.name}"
                    yield Violation("contract", f"{action.phase} of {action.component} begins, and {old}")

    def _runs_nothing(self, place: Place) -> bool:
        """Whether the run stopped what it now lets users back to, and nothing started it since."""
        pool, host = place
        if self.serves(place) or not self._world.cloud.is_up(host):
            return False
        units = self._world.cloud.hosts[host].units
        return any((host, name) in self._stopped for name, unit in units.items() if unit.pool == pool)

    def _reached(self) -> Iterator[Violation]:
        scene = self._world.scene
        verdict = validate(scene.seen(self._world.cloud, None), self._record, scene.goal, scene.catalog)
        if verdict.outcome is Outcome.FAILED:
            yield Violation("goal", f"the run is complete, and {verdict.issues[0].sentence}")
        staged = [s.action for s in self._plan.steps if isinstance(s.action, StageArtifact)]
        for action in staged:
            if (
                self._world.cloud.hosts[action.host].staged.get(action.artifact.path)
                != action.artifact.digest
            ):
                yield Violation("goal", f"{action.artifact.name} is not on {action.host}")
