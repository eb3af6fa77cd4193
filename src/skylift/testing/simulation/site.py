"""The clouds that are simulated: most seeds get a small one, some a whole core."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from skylift.app.inspect import observe_cloud
from skylift.catalog.catalog import documents, load
from skylift.checks.registry import BACK_CHECKS, check_all
from skylift.model.cloud import Cloud
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, Epoch, Seconds, StepId
from skylift.model.record import Policy, Record, Timeouts
from skylift.model.release import Release
from skylift.planning.plan import Plan
from skylift.planning.rollback import Undone, plan_rollback, rollback_goal
from skylift.planning.text import plan_document, read_plan, write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import NOW
from skylift.testing.simulation.half_way import stop
from skylift.testing.simulation.scene import Findings, Scene
from skylift.testing.whole_clouds import Shape, migrations_of, whole_cloud
from skylift.verifier.verify import verify

Proposal = tuple[Plan, Findings]

CATALOG = load()
RECORD_DIGEST = Digest("sha256:" + "a" * 64)
TIMEOUTS = Timeouts(
    drain=Seconds(40),
    idle=Seconds(90),
    stop=Seconds(60),
    start=Seconds(60),
    command=Seconds(90),
    stage=Seconds(90),
    unreachable=Seconds(30),
)
"""Short ones, so that what takes too long is over soon."""


@dataclass(frozen=True, slots=True)
class Site:
    """One cloud to be upgraded or taken back, and how many seeds of a thousand get it."""

    name: str
    components: tuple[str, ...]
    shape: Shape
    share: int
    policy: Policy = Policy(timeouts=TIMEOUTS)
    back_after: StepId = StepId("")
    """The step of its upgrade after which it is taken back; none if it is upgraded."""


def _shape(hop: tuple[Release, Release], *, controllers: int, networks: int = 0, computes: int = 0) -> Shape:
    source, goal = hop
    return Shape(source=source, goal=goal, controllers=controllers, networks=networks, computes=computes)


_SLURP = Release(2024, 1), Release(2025, 1)
_NEXT = Release(2025, 1), Release(2026, 1)
_APIS = ("keystone", "glance", "placement")
_CORE = ("keystone", "glance", "placement", "nova", "neutron", "cinder")
SITES = (
    Site("keystone", ("keystone",), _shape(_SLURP, controllers=2), 640),
    Site(
        *("keystone, back", ("keystone",), _shape(_SLURP, controllers=2), 40),
        back_after=StepId("keystone:start@ctl2"),
    ),
    Site(
        *("three APIs, back", _APIS, _shape(_SLURP, controllers=3), 20),
        back_after=StepId("glance-api:drain@ctl2"),
    ),
    Site("three APIs", _APIS, _shape(_SLURP, controllers=3), 140),
    Site("heat", ("keystone", "heat"), _shape(_NEXT, controllers=2), 110),
    Site("nova", ("keystone", "placement", "nova"), _shape(_SLURP, controllers=2, computes=3), 48),
    Site("core", _CORE, _shape(_SLURP, controllers=3, networks=1, computes=2), 2),
)


def site_of(seed: int) -> Site:
    """Which cloud a seed gets: spread evenly over any thousand seeds in a row."""
    place = seed * 619 % 1000
    for site in SITES:
        if place < site.share:
            return site
        place -= site.share
    msg = "the shares are a thousand in all"
    raise AssertionError(msg)


@cache
def record_of(site: Site) -> Record:
    """Its record; the same value for every seed."""
    _, record = whole_cloud(CATALOG, site.components, site.shape, policy=site.policy)
    return record


def cloud_at(site: Site) -> FakeCloud:
    """A cloud that is whole at its source, backed up, with the target on every host."""
    record, shape = record_of(site), site.shape
    cloud = FakeCloud(record)
    for name in record.components:
        known = CATALOG.components[name]
        for schema in known.schemas:
            for releases in ((shape.source,), (shape.source, shape.goal)):
                of = (releases[-1], name, schema.name)
                cloud.schemas.give(of, migrations_of(known, schema, releases), until=shape.source)
    keeper = record.hosts_in(record.database.role)[0].name
    for database in record.databases:
        cloud.backups[keeper, record.database.backups / f"{database}-old.sql.zst"] = Epoch(NOW - 60)
    cloud.stage(shape.goal)
    return cloud


@cache
def scene_of(site: Site) -> Scene:
    """A site, as it is simulated."""
    record, goal = record_of(site), Upgrade(site.shape.goal)
    if site.back_after:
        undone = _stopped(site)[1]
        return Scene(
            name=site.name,
            catalog=CATALOG,
            record=record,
            goal=rollback_goal(record, undone, CATALOG, ()),
            build=lambda: _stopped(site)[0],
            propose=_remembered(lambda cloud: proposed_back(cloud, record, undone)),
        )
    return Scene(
        name=site.name,
        catalog=CATALOG,
        record=record,
        goal=goal,
        build=lambda: cloud_at(site),
        propose=_remembered(lambda cloud: proposed(cloud, record, goal)),
    )


def _stopped(site: Site) -> tuple[FakeCloud, Undone]:
    """A cloud whose upgrade was stopped half-way: each time another one, and each time the same."""
    record, cloud, goal = record_of(site), cloud_at(site), Upgrade(site.shape.goal)
    seen = observe_cloud(record, CATALOG, ports_of(cloud), now=cloud.now, goal=goal)
    return cloud, stop(cloud, proposed(seen, record, goal)[0], site.back_after)


def _remembered(propose: Callable[[Cloud], Proposal]) -> Callable[[Cloud], Proposal]:
    """A planner is pure: of a cloud that looks as one did just before, it says the same again.

    Most seeds of a site begin with the same look, and planning it anew would be a third of their time.
    """
    said: deque[tuple[Cloud, Proposal]] = deque(maxlen=8)

    def asked(cloud: Cloud) -> Proposal:
        for seen, proposal in said:
            if seen == cloud:
                return proposal
        said.append((cloud, propose(cloud)))
        return said[-1][1]

    return asked


def proposed(cloud: Cloud, record: Record, goal: Upgrade) -> Proposal:
    """The plan that an operator is shown, by the way it takes through its file, and what checks found.

    Raises:
        Refused: there is none.
        AssertionError: the verifier refuses what the planner made.
    """
    plan = plan_upgrade(cloud, record, goal, CATALOG, record_digest=RECORD_DIGEST)
    return _verified(plan, record), tuple(check_all(cloud, record, goal, CATALOG))


def proposed_back(cloud: Cloud, record: Record, undone: Undone) -> Proposal:
    """The same of a plan that takes a run back."""
    goal = rollback_goal(record, undone, CATALOG, ())
    plan = plan_rollback(cloud, record, undone, CATALOG, record_digest=RECORD_DIGEST)
    return _verified(plan, record), tuple(check_all(cloud, record, goal, CATALOG, checks=BACK_CHECKS))


def _verified(plan: Plan, record: Record) -> Plan:
    text = write_plan(plan)
    if violations := verify(plan_document(text), documents(record.catalog)):
        msg = f"the verifier refuses the planner's plan: {violations[0]}"
        raise AssertionError(msg)
    return read_plan(text)
