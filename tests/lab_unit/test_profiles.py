"""Claims about the profiles of the lab: what holds for every one of them, and for the core cloud."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.lab_unit.test_machine import FIT

from skylift.gate.lab import rootfs
from skylift.gate.lab.cloud_files import files_for
from skylift.gate.lab.configure import cloud_facts, system_units, units_of
from skylift.gate.lab.host import Lab, marker_of
from skylift.gate.lab.machine import lacks
from skylift.gate.lab.profiles import API, CORE, NETWORK, PROFILES, Profile
from skylift.gate.lab.state import LabState, read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skylift.gate.lab.host import LabHost


@pytest.fixture
def core(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    write_state(lab, LabState("2024.1", ("2024.1",), CORE.name))
    return lab


def _repeated(values: Iterable[object]) -> list[object]:
    return [value for value, times in Counter(values).items() if times > 1]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_each_service_switches_alone(profile: Profile) -> None:
    assert not _repeated(service.link_name for service in profile.services)
    assert not _repeated(service.unit_name for service in profile.services)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_no_two_share_a_port_a_number_or_an_address(profile: Profile) -> None:
    assert not _repeated(service.port for service in profile.balanced)
    assert not _repeated(component.uid for component in profile.components)
    assert not _repeated(address for address, _ in profile.hosts.values())


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_service_has_a_host(profile: Profile) -> None:
    roles = {role for _, role in profile.hosts.values()}

    assert all(set(service.roles) & roles for service in profile.services)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_endpoint_is_of_a_balanced_service(profile: Profile) -> None:
    named = {place.service for component in profile.components for place in component.endpoints}

    assert named <= {service.link_name for service in profile.balanced}


def test_a_lab_has_the_hosts_of_the_profile_it_was_asked_to_have(core: Lab, tmp_path: Path) -> None:
    assert [host.name for host in core.hosts] == list(CORE.hosts)
    assert [host.name for host in Lab(tmp_path / "none").hosts] == ["ctl1", "ctl2", "ctl3", "client"]


def test_a_lab_that_says_no_profile_has_the_smallest(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    marker_of(lab).write_text('{"release": "2023.1", "artifacts": ["2023.1"]}')

    assert read_state(lab) == LabState("2023.1", ("2023.1",), API.name)
    assert lab.profile is API


def test_a_core_cloud_has_three_nova_computes_and_two_of_them_with_real_guests(core: Lab) -> None:
    with_compute = [host for host in core.hosts if "nova-compute" in _units(host, "2024.1")]

    assert [host.name for host in with_compute] == ["cmp1", "cmp2", "cmp3"]
    assert [host.name for host in with_compute if "libvirtd" in system_units(host)] == ["cmp1", "cmp2"]


@pytest.mark.parametrize(
    ("release", "there"), [("2024.1", False), ("2024.2", True), ("2025.1", True), ("2026.1", True)]
)
def test_a_service_runs_from_the_release_on_that_first_had_it(
    core: Lab,
    release: str,
    there: bool,  # noqa: FBT001
) -> None:
    units = _units(core.controllers[0], release)

    assert "neutron-server" in units
    assert ({"neutron-rpc-server", "neutron-periodic-workers"} <= set(units)) is there
    assert ("neutron-rpc-server" in units) is there


def test_the_base_starts_before_the_rest_and_both_are_all(core: Lab) -> None:
    ctl1 = core.controllers[0]
    base, rest = (units_of(ctl1, "2025.1", base=base) for base in (True, False))

    assert base == ("keystone-api", "glance-api", "placement-api", "leave-cloud")
    assert not set(base) & set(rest)


def test_the_network_cloud_has_two_network_hosts_and_less_than_the_core_beside_them(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab")
    write_state(lab, LabState("2024.1", ("2024.1",), NETWORK.name))

    units = {host.name: _units(host, "2024.1") for host in lab.hosts}
    assert [name for name, of in units.items() if "neutron-l3-agent" in of] == ["net1", "net2"]
    assert [name for name, of in units.items() if "nova-compute" in of] == ["cmp1"]
    assert not any("cinder" in unit or "heat" in unit for of in units.values() for unit in of)
    assert NETWORK.memory_gib < CORE.memory_gib


def test_every_file_of_the_network_cloud_can_be_written_and_both_network_hosts_have_the_same(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path / "lab")
    write_state(lab, LabState("2024.1", ("2024.1",), NETWORK.name))

    files = {host.name: files_for(host, cloud_facts(lab)) for host in lab.hosts}

    assert files["net1"].keys() == files["net2"].keys()
    assert "host = net2\n" in files["net2"]["/etc/neutron/neutron.conf"].content
    assert not any("/cinder/" in path or "/heat/" in path for of in files.values() for path in of)


def test_hosts_of_a_role_are_the_same_in_both_clouds_and_built_once() -> None:
    for role in NETWORK.packages:
        assert rootfs.role_layer(role, NETWORK) == rootfs.role_layer(role, CORE)


def test_a_lab_without_a_message_bus_starts_none(tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    assert "rabbitmq-server" not in system_units(lab.controllers[0])
    assert system_units(lab.client) == ()


def test_what_the_core_cloud_installs_changes_no_layer_of_the_small_one() -> None:
    small, core = (rootfs.role_layer("controller", profile) for profile in (API, CORE))

    assert small != core


def test_the_core_cloud_asks_for_more_memory_and_disk() -> None:
    needs = lacks(FIT, disk_gib=CORE.disk_gib, memory_gib=CORE.memory_gib)

    assert needs == (f"{CORE.memory_gib} GiB of memory (there are 8.0)",)


def _units(host: LabHost, release: str) -> tuple[str, ...]:
    return (*units_of(host, release, base=True), *units_of(host, release, base=False))
