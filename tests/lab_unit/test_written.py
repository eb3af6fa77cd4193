"""Claims about the record and the clouds.yaml of a lab."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML
from tests.lab.back import GOAL, STOPS, WITHOUT
from tests.lab.restored import UNPINNED
from tests.rollback.half_way import back_from, before_the_end, told_against

from skylift.actions.migrate_schema import MigrateSchema
from skylift.app.host_turns import turns_of
from skylift.app.propose_fleet import propose_maintenance
from skylift.app.record_file import load_record
from skylift.app.runs import Runs
from skylift.app.site import Site
from skylift.catalog.catalog import documents, load
from skylift.cli.views.plan import lines
from skylift.fleet.mandate import Purpose
from skylift.gate.lab.artifacts import Artifact, artifact
from skylift.gate.lab.host import Lab
from skylift.gate.lab.manifest import write_manifest
from skylift.gate.lab.profiles import API, CORE, NETWORK, Profile
from skylift.gate.lab.state import LabState, write_state
from skylift.gate.lab.written import there, write
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, HostName
from skylift.model.release import Release
from skylift.planning.plan import Notice
from skylift.planning.text import plan_document, write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.whole_clouds import Shape, cloud_of
from skylift.verifier.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from skylift.model.record import Record


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Artifact]:
    monkeypatch.setenv("SKYLIFT_CACHE_DIR", str(tmp_path / "cache"))
    return _made("2023.1", "2024.1")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    lab.folder.mkdir()
    return _reachable(lab)


@pytest.fixture
def core_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Record]:
    """The record of a new core cloud of a release, or of one of its smaller profiles."""
    monkeypatch.setenv("SKYLIFT_CACHE_DIR", str(tmp_path / "cache"))
    lab, made = Lab(tmp_path / "lab"), _made("2024.1", "2024.2", "2025.1", "2026.1", profile=CORE)

    def at(release: str, profile: Profile = CORE) -> Record:
        write_state(lab, LabState(release, tuple(made), profile.name))
        write(_reachable(lab), made[release], made)
        return load_record(lab.folder / "cloud.yaml")

    return at


@pytest.fixture
def core(core_at: Callable[[str], Record]) -> Record:
    """The record of a new core cloud of 2024.1."""
    return core_at("2024.1")


def _made(*releases: str, profile: Profile = API) -> dict[str, Artifact]:
    made = {release: artifact(release, profile) for release in releases}
    for one in made.values():
        one.tree.mkdir(parents=True)
        (one.tree / "release").write_text(one.release)
        write_manifest(one.tree)
    return made


def _reachable(lab: Lab) -> Lab:
    lab.key.touch(0o600)
    lab.known_hosts.write_text("".join(f"{host.address} ssh-ed25519 AAAA\n" for host in lab.hosts))
    return lab


def test_the_record_is_one_the_product_reads(lab: Lab, made: dict[str, Artifact]) -> None:
    write(lab, made["2023.1"], made)

    record = load_record(lab.folder / "cloud.yaml")

    assert sorted(record.hosts) == ["client", "ctl1", "ctl2", "ctl3"]
    assert {str(entry.artifact) for entry in record.components.values()} == {"openstack-2023.1"}
    assert {str(one.digest) for one in record.artifacts.values()} == {one.digest for one in made.values()}


def test_the_password_stands_in_the_owners_file_alone(lab: Lab, made: dict[str, Artifact]) -> None:
    write(lab, made["2023.1"], made)

    clouds = YAML(typ="safe").load(lab.folder / "clouds.yaml")
    password = clouds["clouds"]["lab"]["auth"]["password"]
    assert (lab.folder / "clouds.yaml").stat().st_mode & 0o777 == 0o600
    assert password not in (lab.folder / "cloud.yaml").read_text()


def test_what_is_there_is_known(lab: Lab, made: dict[str, Artifact]) -> None:
    before = there(lab)

    write(lab, made["2023.1"], made)

    assert (before, there(lab)) == (False, True)


@pytest.mark.parametrize("profile", [CORE, NETWORK], ids=lambda profile: profile.name)
def test_the_record_of_a_whole_cloud_has_every_service_where_it_runs(
    core_at: Callable[..., Record], profile: Profile
) -> None:
    core = core_at("2024.1", profile)

    where = {
        service.name: [name for name, (_, role) in profile.hosts.items() if role in service.roles]
        for service in profile.services
    }
    assert {
        name: [host.name for host in core.hosts_in(entry.role)] for name, entry in core.services.items()
    } == {name: sorted(hosts) for name, hosts in where.items()}
    assert core.broker is not None


def test_a_plan_for_both_network_hosts_has_a_turn_for_each(
    core_at: Callable[..., Record], tmp_path: Path
) -> None:
    """As the story of that profile asks for it, with something to carry on both."""
    record = core_at("2024.1", NETWORK)
    cloud = FakeCloud(record)
    cloud.neutron.router("r", "net1")
    cloud.neutron.network("n", "net2")
    cloud.pass_time(2)
    site = Site(record, load(), ports_of(cloud), Runs(tmp_path / "runs"), lambda: cloud.now, "rey@desk")

    hosts = (HostName("net1"), HostName("net2"))
    mandate = propose_maintenance(site, Purpose.REBOOT, hosts, frontier=False).mandate

    assert mandate is not None
    assert mandate.network_hosts == hosts
    assert [step.id for step in turns_of(site.record, site.catalog, mandate, ("run",))[hosts[1]].work] == [
        "reboot@net2",
        "neutron-openvswitch-agent@net2",
        "neutron-l3-agent@net2",
        "neutron-dhcp-agent@net2",
        "neutron-metadata-agent@net2",
        "agents@net2",
        "carry@net2",
    ]


@pytest.mark.parametrize("goal", ["2024.2", "2025.1"])
def test_what_a_core_cloud_has_from_a_later_release_on_begins_with_it(core: Record, goal: str) -> None:
    """Its units lie on the controllers, and have no link yet."""
    catalog, shape = load(), Shape(source=Release(2024, 1), goal=Release.parse(goal))

    plan = plan_upgrade(
        cloud_of(catalog, core, shape), core, Upgrade(shape.goal), catalog, record_digest=Digest("sha256:0")
    )

    for service in ("neutron-rpc-server", "neutron-periodic-workers"):
        own = [str(s.id) for s in plan.steps if s.id.startswith(f"{service}:") and s.id.endswith("@ctl1")]
        verbs = [name.partition(":")[2].partition("@")[0] for name in own]
        assert verbs == ["switch", "enable", "start", "healthy"]


def test_the_way_back_of_the_core_cloud_is_the_one_that_was_reviewed(
    core: Record, golden: Callable[[str, bytes], None]
) -> None:
    """From the last moment before the first step that ends a way back."""
    cloud, undone = before_the_end(core, Shape(source=Release(2024, 1), goal=Release(2025, 1)))

    plan = back_from(cloud, core, undone)

    shown = [line for line in lines(plan) if not line.startswith("sha256:")]
    assert told_against(plan) == ()
    golden("core_lab/back.txt", ("\n".join(shown) + "\n").encode())


def test_the_plan_of_the_core_cloud_is_the_one_that_was_reviewed(
    core: Record, golden: Callable[[str, bytes], None]
) -> None:
    """All but its digest, for an artifact's name depends on the machine that builds it."""
    catalog, shape = load(), Shape(source=Release(2024, 1), goal=Release(2025, 1))
    plan = plan_upgrade(
        cloud_of(catalog, core, shape), core, Upgrade(shape.goal), catalog, record_digest=Digest("sha256:0")
    )

    shown = [line for line in lines(plan) if not line.startswith("sha256:")]
    golden("core_lab/plan.txt", ("\n".join(shown) + "\n").encode())


@pytest.mark.parametrize(
    ("start", "goal"),
    [("2024.1", "2024.2"), ("2024.1", "2025.1"), ("2024.2", "2025.1"), ("2025.1", "2026.1")],
)
def test_every_upgrade_of_a_core_cloud_is_planned_rolling(
    core_at: Callable[[str], Record], start: str, goal: str
) -> None:
    catalog, shape = load(), Shape(source=Release.parse(start), goal=Release.parse(goal))
    core = core_at(start)

    plan = plan_upgrade(
        cloud_of(catalog, core, shape), core, Upgrade(shape.goal), catalog, record_digest=Digest("sha256:0")
    )

    assert verify(plan_document(write_plan(plan)), documents()) == ()
    assert not [step.id for step in plan.steps if step.impact.notice is Notice.DOWN]


def test_the_database_of_a_cell_is_brought_further_with_the_configuration_of_that_cell(core: Record) -> None:
    """Nova's own configuration file is that of all cells, and leads to cell0."""
    catalog, shape = load(), Shape(source=Release(2024, 1), goal=Release(2025, 1))
    plan = plan_upgrade(
        cloud_of(catalog, core, shape), core, Upgrade(shape.goal), catalog, record_digest=Digest("sha256:0")
    )
    commands = {
        str(s.id): " ".join(s.action.command.argv) for s in plan.steps if isinstance(s.action, MigrateSchema)
    }

    of_cell1 = "nova-manage --config-file /etc/nova/nova.conf --config-file /etc/nova/nova-cell1.conf db"
    assert f"{of_cell1} sync" in commands["nova:main-sync"]
    assert f"{of_cell1} online_data_migrations" in commands["nova:online-migrations"]
    assert commands["nova:api-sync"].endswith("/bin/nova-manage api_db sync")


def test_the_story_of_ways_back_finds_every_step_at_which_it_stops_or_kills(core: Record) -> None:
    """The brief form: without Cinder, Heat and Horizon."""
    here = {name: entry for name, entry in core.components.items() if name not in WITHOUT}
    record = replace(core, components=here)
    shape = Shape(source=Release(2024, 1), goal=Release.parse(GOAL))
    cloud, undone = before_the_end(record, shape)
    up = {str(step.id) for step in undone.plan.steps}
    back = {str(step.id) for step in back_from(cloud, record, undone).steps}

    assert {stop.step for stop in STOPS if stop.step} | {UNPINNED} <= up
    assert {str(death.step) for stop in STOPS for death in stop.deaths} <= back
    stages = {step.stage for step in undone.plan.steps}
    assert {stop.before for stop in STOPS if stop.before} <= stages
