"""Claims about what is written on the hosts of a core cloud."""

from __future__ import annotations

import configparser
import json
import runpy
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from skylift.catalog.catalog import load
from skylift.gate.lab import bus
from skylift.gate.lab.cloud_files import CloudFacts, HostFile, files_for
from skylift.gate.lab.furnish import REPORTING
from skylift.gate.lab.host import LabHost
from skylift.gate.lab.passwords import Passwords
from skylift.gate.lab.profiles import CORE
from skylift.model.record import Policy

_HOSTS = {
    name: LabHost(name, address, role, Path("/nowhere/lab/hosts") / name / "root")
    for name, (address, role) in CORE.hosts.items()
}
_MEMBERS = tuple(host for host in _HOSTS.values() if host.role == "controller")


def _planted(what: str) -> dict[str, str]:
    return {component.name: f"planted-{what}-{component.name}" for component in CORE.components}


_PASSWORDS = Passwords(
    admin="planted-admin",
    database=_planted("database"),
    service=_planted("service"),
    fernet=("planted-fernet",),
    credential=("planted-credential",),
    bus=_planted("bus"),
    shared={name: f"planted-{name}" for name in ("erlang", "metadata", "dashboard", "stacks")},
)
_CLOUD = CloudFacts(_MEMBERS, _PASSWORDS, CORE)
_FILES: dict[str, dict[str, HostFile]] = {
    name: dict(files_for(host, _CLOUD)) for name, host in _HOSTS.items()
}


def _settings(host: str, path: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(_FILES[host][path].content)
    return parser


@pytest.mark.parametrize("host", _HOSTS)
def test_no_secret_stands_in_a_file_others_may_read(host: str) -> None:
    assert not [
        path for path, file in _FILES[host].items() if file.mode & 0o004 and "planted" in file.content
    ]


@pytest.mark.parametrize("host", _HOSTS)
def test_a_unit_starts_what_the_link_of_its_service_leads_to(host: str) -> None:
    for service in CORE.on(_HOSTS[host].role):
        unit = _FILES[host][f"/etc/systemd/system/{service.unit_name}.service"].content

        assert f"ExecStart=/opt/openstack/current/{service.link_name}/libexec/serve-" in unit


def test_a_service_that_an_older_release_lacks_is_skipped_there_and_no_other() -> None:
    conditional = {
        path.rpartition("/")[2]
        for path, file in _FILES["ctl1"].items()
        if "ConditionPathExists=" in file.content
    }

    assert conditional == {"neutron-rpc-server.service", "neutron-periodic-workers.service"}


@pytest.mark.parametrize("host", ["cmp1", "cmp3"])
def test_a_compute_host_knows_no_database(host: str) -> None:
    settings = _settings(host, "/etc/nova/nova.conf")

    assert not {"database", "api_database"} & set(settings.sections())
    assert "planted-database" not in "".join(file.content for file in _FILES[host].values())


@pytest.mark.parametrize("host", ["ctl2", "cmp1", "cmp3"])
def test_two_releases_of_nova_may_run_side_by_side(host: str) -> None:
    settings = _settings(host, "/etc/nova/nova.conf")

    assert settings["upgrade_levels"]["compute"] == "auto"
    assert settings.getboolean("service_user", "send_service_user_token")


def test_a_controller_is_not_stopped_for_longer_than_users_wait_at_the_balancer() -> None:
    """Nova 2026.1 waits for the whole of it at each stop, and its API's requests wait with it."""
    settings = _settings("ctl2", "/etc/nova/nova.conf")

    assert settings.getint("DEFAULT", "manager_shutdown_timeout") < Policy().park_s / 2


def test_a_session_that_one_release_of_the_dashboard_wrote_can_be_read_by_another() -> None:
    """Its default changed with 2026.1, and what cannot be read is taken for a session that begins."""
    text = _FILES["ctl2"]["/etc/horizon/local_settings.py"].content

    assert 'SESSION_SERIALIZER = "django.contrib.sessions.serializers.PickleSerializer"' in text


def test_a_cell_has_a_part_of_the_bus_and_a_database_of_its_own() -> None:
    cloud, cell = (_settings("ctl1", path) for path in ("/etc/nova/nova.conf", "/etc/nova/nova-cell1.conf"))

    assert cloud["DEFAULT"]["transport_url"].endswith("/nova")
    assert cell["DEFAULT"]["transport_url"].endswith("/nova_cell1")
    assert cloud["database"]["connection"].endswith("/nova_cell0")
    assert cell["database"]["connection"].endswith("/nova")
    compute = _settings("cmp1", "/etc/nova/nova.conf")["DEFAULT"]["transport_url"]
    assert compute.endswith("/nova_cell1")


def test_guests_are_real_on_two_hosts_and_kept_in_a_file_on_the_third() -> None:
    drivers = [
        _settings(host, "/etc/nova/nova.conf")["DEFAULT"]["compute_driver"]
        for host in ("cmp1", "cmp2", "cmp3")
    ]

    assert drivers == ["libvirt.LibvirtDriver", "libvirt.LibvirtDriver", "kept_fake.KeptFakeDriver"]


@pytest.mark.parametrize("component", ["nova", "neutron", "cinder", "heat"])
def test_queues_have_copies_on_every_member_of_the_bus(component: str) -> None:
    settings = _settings("ctl1", f"/etc/{component}/{component}.conf")

    assert settings.getboolean("oslo_messaging_rabbit", "rabbit_quorum_queue")


def test_a_member_of_the_bus_asks_itself_first_and_then_the_others() -> None:
    told = bus.url(_HOSTS["ctl2"], _MEMBERS, "secret", ("nova", "nova_cell1"))

    assert told == (
        "rabbit://nova:secret@10.77.0.12:5672,nova:secret@10.77.0.13:5672,nova:secret@10.77.0.11:5672/nova_cell1"
    )


def test_compute_hosts_do_not_all_begin_with_the_same_member() -> None:
    firsts = {
        bus.url(_HOSTS[host], _MEMBERS, "x", ("nova", "nova")).partition(",")[0] for host in ("cmp1", "cmp2")
    }

    assert len(firsts) == 2


def test_a_user_of_the_bus_may_do_all_in_its_own_parts_and_nothing_elsewhere() -> None:
    told = json.loads(bus.definitions(CORE, _PASSWORDS))

    allowed = {(one["user"], one["vhost"]) for one in told["permissions"]}
    assert allowed == {(one.name, vhost) for one in CORE.components for vhost in one.vhosts}
    assert {one["name"] for one in told["vhosts"]} == {vhost for _, vhost in allowed}


def test_what_the_bus_loads_is_the_same_each_time_and_holds_no_password() -> None:
    once, again = (bus.definitions(CORE, _PASSWORDS) for _ in range(2))

    assert once == again
    assert "planted" not in once


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("cmp1", "/usr/local/sbin/provider-network"),
        ("client", "/usr/local/sbin/provider-network"),
        ("cmp1", "/usr/sbin/mount.nfs"),
        ("ctl1", "/usr/local/libexec/openstack/sudo"),
        ("ctl1", "/usr/local/sbin/leave-cloud"),
    ],
)
def test_scripts_parse(host: str, path: str) -> None:
    file = _FILES[host][path]

    ended = subprocess.run(["sh", "-n"], input=file.content.encode(), check=False, capture_output=True)

    assert (ended.returncode, ended.stderr, file.mode) == (0, b"", 0o755)


@pytest.mark.parametrize("name", ["init", "udhcpc"])
def test_the_programs_of_the_guest_parse(name: str) -> None:
    script = (resources.files("skylift.gate.lab") / "guestside" / name).read_bytes()

    assert subprocess.run(["sh", "-n"], input=script, check=False).returncode == 0


def test_the_client_reaches_the_network_of_the_guests_by_an_address_of_its_own() -> None:
    brought_up = _FILES["client"]["/usr/local/sbin/provider-network"].content

    assert "ip address replace 10.78.0.20/16 dev prov0" in brought_up
    assert "ethtool -K prov0 tx off" in brought_up


@pytest.mark.parametrize("words", [["printf", "%s", "done"], ["nova-rootwrap", "/nowhere", "printf", "done"]])
def test_what_a_service_starts_by_sudo_is_started_by_itself(words: list[str], tmp_path: Path) -> None:
    """Those that would be filtered, too: nobody here has less than root's rights."""
    script = tmp_path / "sudo"
    script.write_text(_FILES["cmp1"]["/usr/local/libexec/openstack/sudo"].content)

    said = subprocess.run(["sh", str(script), *words], capture_output=True, check=True, text=True).stdout

    assert said == "done"


def test_what_the_dashboard_serves_from_its_folder_lies_in_its_artifact(tmp_path: Path) -> None:
    text = (resources.files("skylift.gate.lab") / "artifactside" / "local_settings.py").read_text()
    place = tmp_path / "lib/python3.11/site-packages/openstack_dashboard/local/local_settings.py"
    place.parent.mkdir(parents=True)
    place.write_text(text)

    assert runpy.run_path(str(place))["STATIC_ROOT"] == str(tmp_path / "static")


def test_the_lab_waits_for_every_service_that_reports() -> None:
    known = load().components.values()
    reporting = {service for one in known if one.roster for service in one.roster.services}

    assert set(REPORTING) == reporting & {service.name for service in CORE.services}
