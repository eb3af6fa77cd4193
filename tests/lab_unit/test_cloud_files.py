"""Claims about what is written on a controller."""

from __future__ import annotations

import configparser
import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from skylift.gate.lab.cloud_files import CloudFacts, HostFile, archive, digest_of, files_for
from skylift.gate.lab.host import VIP, Lab
from skylift.gate.lab.passwords import Passwords
from skylift.gate.lab.profiles import API

_LAB = Lab(Path("/nowhere/lab"))
_PASSWORDS = Passwords(
    admin="planted-admin",
    database={"keystone": "planted-kdb", "glance": "planted-gdb", "placement": "planted-pdb"},
    service={"glance": "planted-glance", "placement": "planted-placement"},
    fernet=("planted-fernet-0", "planted-fernet-1"),
    credential=("planted-credential-0", "planted-credential-1"),
    bus={},
    shared={},
)
_CLOUD = CloudFacts(_LAB.controllers, _PASSWORDS, API)


def _files(name: str = "ctl2") -> dict[str, HostFile]:
    return dict(files_for(_LAB.host(name), _CLOUD))


def _setting(path: str, section: str, option: str) -> str:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(_files()[path].content)
    return parser[section][option]


def test_no_secret_stands_in_a_file_others_may_read() -> None:
    open_to_all = [path for path, file in _files().items() if file.mode & 0o004]

    assert len(open_to_all) > 10
    assert not [path for path in open_to_all if "planted" in _files()[path].content]


def test_keys_are_the_same_on_every_controller_and_their_services_alone() -> None:
    for kind in ("fernet", "credential"):
        files = [_files(host.name)[f"/etc/keystone/{kind}-keys/1"] for host in _LAB.controllers]

        assert {file.content for file in files} == {f"planted-{kind}-1"}
        assert {(file.mode, file.owner) for file in files} == {(0o600, "keystone")}


def test_the_administrators_password_is_on_no_controller() -> None:
    assert not [path for path, file in _files().items() if "planted-admin" in file.content]


def test_services_call_keystone_through_the_vip() -> None:
    for path in ("/etc/glance/glance-api.conf", "/etc/placement/placement.conf"):
        assert _setting(path, "keystone_authtoken", "auth_url") == f"http://{VIP}:5000/v3"


def test_services_reach_the_database_through_the_balancer_on_their_host() -> None:
    connection = _setting("/etc/keystone/keystone.conf", "database", "connection")

    assert connection == "mysql+pymysql://keystone:planted-kdb@127.0.0.1/keystone"


def test_every_controller_is_a_server_in_every_pool() -> None:
    balancer = _files()["/etc/haproxy/haproxy.cfg"].content

    for api in API.services:
        pool = balancer.partition(f"backend {api.link_name}\n")[2].partition("\nfrontend")[0]
        assert re.findall(rf"server (ctl\d) \S+:{api.port} check", pool) == ["ctl1", "ctl2", "ctl3"]


def test_only_the_first_member_takes_writes_while_it_may() -> None:
    balancer = _files()["/etc/haproxy/haproxy.cfg"].content
    members = re.findall(r"server (ctl\d) \S+:3306 (.*)", balancer)

    assert [name for name, options in members if "backup" not in options.split()] == ["ctl1"]


def test_a_writer_is_the_last_donor() -> None:
    assert "wsrep_sst_donor = ctl3,ctl2,\n" in _files()["/etc/mysql/mariadb.conf.d/99-cluster.cnf"].content


def test_controllers_have_different_priorities_for_the_vip() -> None:
    told = [_files(host.name)["/etc/keepalived/keepalived.conf"].content for host in _LAB.controllers]
    priorities = [int(number) for text in told for number in re.findall(r"priority (\d+)", text)]

    assert priorities == sorted(set(priorities), reverse=True)


def test_a_controller_is_not_its_own_peer() -> None:
    peers = _files()["/etc/keepalived/keepalived.conf"].content.partition("unicast_peer")[2].partition("}")[0]

    assert "10.77.0.12" not in peers
    assert peers.count("10.77.0.") == 2


@pytest.mark.parametrize("api", [api.link_name for api in API.services])
def test_a_unit_starts_what_the_link_of_its_component_leads_to(api: str) -> None:
    unit = _files()[f"/etc/systemd/system/{api}-api.service"].content

    assert f"ExecStart=/opt/openstack/current/{api}/libexec/serve-{api} --http-socket 10.77.0.12:" in unit
    assert f"User={api}\n" in unit


def test_the_host_leaves_before_any_of_its_services_stops() -> None:
    """Row 3: a reboot is not noticed. Units stop in the reverse of the order they start in."""
    files = _files()
    after = " ".join(
        re.findall("^After=(.*)", files["/etc/systemd/system/leave-cloud.service"].content, re.MULTILINE)
    )
    services = {"galera-state", "mariadb", "memcached", "haproxy", "keepalived"}

    assert {f"{name}.service" for name in services | {api.unit_name for api in API.services}} <= set(
        after.split()
    )


@pytest.mark.parametrize("path", ["/usr/local/sbin/leave-cloud", "/usr/local/sbin/galera-notify"])
def test_scripts_parse(path: str) -> None:
    file = _files()[path]

    ended = subprocess.run(["sh", "-n"], input=file.content.encode(), check=False, capture_output=True)

    assert (ended.returncode, ended.stderr, file.mode) == (0, b"", 0o755)


def test_the_same_files_make_the_same_archive() -> None:
    assert archive(_files()) == archive(_files())


def test_an_archive_says_who_owns_what() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive(_files()))) as tar:
        member = tar.getmember("etc/glance/glance-api.conf")

    assert (member.uname, member.gname, member.mode) == ("root", "glance", 0o640)


@pytest.mark.parametrize(
    "changed",
    [
        {"/etc/a": HostFile("y\n")},
        {"/etc/a": HostFile("x\n", mode=0o600)},
        {"/etc/a": HostFile("x\n", owner="glance")},
        {"/etc/b": HostFile("x\n")},
    ],
)
def test_the_digest_changes_with_anything_about_a_file(changed: dict[str, HostFile]) -> None:
    assert digest_of(changed) != digest_of({"/etc/a": HostFile("x\n")})


def test_haproxy_takes_its_configuration_and_every_api_can_be_parked(tmp_path: Path) -> None:
    files = _files()
    text = files["/etc/haproxy/haproxy.cfg"].content
    for path in ("/etc/haproxy/park.lua", "/etc/haproxy/parked.map"):
        (tmp_path / Path(path).name).write_text(files[path].content)
    here = f"setenv PARKED_MAP {tmp_path}/parked.map\n    lua-load-per-thread {tmp_path}/"
    (tmp_path / "haproxy.cfg").write_text(text.replace("lua-load-per-thread /etc/haproxy/", here))

    said = subprocess.run(
        ["haproxy", "-c", "-f", "haproxy.cfg"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert said.returncode == 0, said.stderr
    assert text.count("http-request lua.park") == len(API.balanced)
    assert files["/etc/haproxy/parked.map"].content.split() == [
        w for api in API.balanced for w in (api.link_name, "0")
    ]
