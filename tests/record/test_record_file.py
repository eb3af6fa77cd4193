"""The record's file: every mistake is told at its line, all at once, before anything is touched."""

# ruff: noqa: E501 - the table of mistakes reads best with a line for each

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from pathlib import Path, PurePosixPath

import pytest
from tests.record.conftest import PINNED, WHOLE

from skylift.app.record_file import RecordInvalid, load_record
from skylift.app.record_starter import starter
from skylift.model.ids import Seconds, ServiceName
from skylift.model.record import BrokerEntry, LossBudget, Policy, StorageEntry, Timeouts
from skylift.model.release import Release


def _mistakes(file: Path) -> list[str]:
    with pytest.raises(RecordInvalid) as caught:
        load_record(file)
    return [mistake.told(file.name) for mistake in caught.value.mistakes]


def test_a_whole_record_is_read_with_its_paths_resolved(file: Path) -> None:
    record = load_record(file)

    assert record.ssh.key == PurePosixPath(file.parent / "id_ed25519")
    assert record.vantage.clouds_yaml == PurePosixPath(file.parent / "clouds.yaml")
    assert [host.name for host in record.hosts_in("controller")] == ["ctl1", "ctl2", "ctl3"]
    assert record.artifact_for(Release(2023, 1)) == record.artifacts[next(iter(record.artifacts))]
    assert record.components.keys() == {"keystone", "glance"}
    assert record.policy == Policy()


def test_a_policy_of_the_operators_own_is_read(file: Path) -> None:
    told = "policy:\n  batch: 2\n  loss: {gap: 9}\n  timeouts: {drain: 7}\n"
    file.write_text(WHOLE.replace("policy:\n  batch: 1\n", told))

    policy = load_record(file).policy

    assert policy.batch == 2
    assert policy.loss.gap == 9
    assert policy.timeouts.drain == 7


def test_a_release_without_quotes_is_still_a_release(file: Path) -> None:
    file.write_text(WHOLE.replace('release: "2023.1"', "release: 2023.1"))

    assert load_record(file).artifact_for(Release(2023, 1)) is not None


MISTAKES = {
    "another format": ("skylift: 1", "skylift: 2", "cloud.yaml:1: skylift: is 2; write a whole number from 1 to 1"),
    "unknown key": ("    port: 5000", "    prot: 5000", "services.keystone.prot: is not a key here; did you mean port?"),
    "missing key": ("        port: 5000\n", "", "cloud.yaml:21: components.keystone.services.keystone: keystone is reached through the balancer, and has no port; add its port"),
    "missing section": ("balancer: {", "balancers: {", "balancer: is missing; add a section 'balancer:'"),
    "no value": ("name: lab", "name:", "cloud.yaml:2: name: has no value; write a name of letters"),
    "empty text": ("name: lab", 'name: ""', "cloud.yaml:2: name: is empty"),
    "text that YAML reads as something else": (
        'proxy_command: "nsenter --net=/run/netns/x socat - TCP:%h:%p"',
        "proxy_command: 12",
        "ssh.proxy_command: is 12, which YAML does not read as text; put it in quotes",
    ),
    "a list for a text": ("name: lab", "name: [lab]", "cloud.yaml:2: name: is not a single value"),
    "a text for a number": ("port: 5000", "port: five", "cloud.yaml:25: components.keystone.services.keystone.port: is 'five'; write a whole"),
    "port out of range": ("port: 5000", "port: 70000", "port: is 70000; write a whole number from 1 to 65535"),
    "policy out of range": ("batch: 1", "batch: 0", "policy.batch: is 0; write a whole number from 1 to 1000"),
    "batch as large as the API": (
        "batch: 1",
        "batch: 3",
        "policy.batch: is 3, which would take every backend of an API out at once; write a whole number from 1 to 2",
    ),
    "unknown role": ("    role: controller", "    role: controler", "keystone.role: no host has the role controler; did you mean"),
    "unknown role of the bus": ("policy:", "broker: {role: controler, size: 3}\npolicy:", "broker.role: no host has the role controler"),
    "a bus of another size": ("policy:", "broker: {role: controller, size: 2}\npolicy:", "broker.size: is 2, but 3 hosts have the role controller; write 3"),
    "unknown role of the storage cluster": ("policy:", "storage: {role: controler}\npolicy:", "storage.role: no host has the role controler"),
    "another kind of storage cluster": ("policy:", "storage: {kind: gluster, role: controller}\npolicy:", "storage.kind: is 'gluster'"),
    "another kind of bus": ("policy:", "broker: {kind: qpid, role: controller, size: 3}\npolicy:", "broker.kind: is 'qpid'"),
    "unknown artifact": ("    artifact: openstack-2023.1", "    artifact: openstack-2032.1", "did you mean openstack-2023.1?"),
    "unknown component": ("  glance: {", "  glanse: {", "glanse is not a component Skylift knows; did you mean glance?"),
    "unknown host": ("host: client", "host: cleint", "vantage.host: there is no host cleint; did you mean client?"),
    "vantage in the control plane": ("host: client", "host: ctl1", "ctl1 is part of the control plane"),
    "bad digest": ("sha256:aaa", "sha1:aaa", "cloud.yaml:12: artifacts.openstack-2023.1.digest: is 'sha1:"),
    "bad release": ('"2023.1"', '"2023.3"', "artifacts.openstack-2023.1.release: is '2023.3'; write a year and a half"),
    "bad first release of a service": ("        port: 5000", "        since: Caracal\n        port: 5000", "services.keystone.since: is 'Caracal'; write a year and a half"),
    "bad URL": ("http://10.77.0.1:8099", "ftp://10.77.0.1", "write the http or https URL of the archive"),
    "relative path on hosts": ("path: /opt", "path: opt", "artifacts.openstack-2023.1.path: is 'opt/"),
    "bad unit": ("unit: keystone-api.service", "unit: keystone-api", "write a systemd unit that ends in .service"),
    "bad roles": ("roles: [vantage]", "roles: vantage", "hosts.client.roles: is 'vantage'; write a list such as [one, two]"),
    "no roles": ("roles: [vantage]", "roles: []", "hosts.client.roles: is a list; write a list such as [one, two]"),
    "bad host name": ("  client: {", "  cli ent: {", "'cli ent' cannot be a name; write a name of letters"),
    "section that is a text": ("database: {kind: galera, role: controller, size: 3, backups: /var/backups/skylift}",
                               "database: galera", "database: is not a mapping; write indented lines"),
    "duplicate key": ("name: lab", "name: lab\nname: lab2", "cloud.yaml:3: name: stands here twice, first on line 2"),
    "same address twice": ("10.77.0.12", "10.77.0.11", "hosts.ctl2.address: is 10.77.0.11, as that of ctl1 is"),
    "same port twice": ("port: 9292", "port: 5000", "components.glance.services.glance-api.port: is 5000, as that of keystone is"),
    "a service of another component": ("      keystone:\n", "      nova-api:\n", "nova-api is no service of keystone; write one of: keystone"),
    "no database": ("    database: keystone\n", "", "components.keystone: has no database; add database: the name of that database"),
    "a database too many": ("database: keystone", "database: keystone\n    databases: {cell1: x}", "components.keystone: names cell1, which keystone does not have"),
    "configuration of a database that is not there": (
        "database: keystone\n",
        "database: keystone\n    config_files: {cell2: [/etc/keystone/keystone.conf]}\n",
        "config_files.cell2: there is no database cell2; remove it",
    ),
    "configuration at a relative path": (
        "database: keystone\n",
        "databases: {cell1: x}\n    config_files: {cell1: [keystone.conf]}\n",
        "config_files.cell1: is a list; write a list such as [one, two], each an absolute path on the hosts",
    ),
    "a service that ends before it begins": (
        "port: 5000",
        'port: 5000\n        since: "2024.1"\n        until: "2023.1"',
        "until: keystone would end with 2023.1 and begin with 2024.1; write the last release",
    ),
    "an outage of nothing": ("batch: 1", "batch: 1\n  outages: [glanse]", "policy.outages: there is no component glanse; did you mean glance?"),
    "a cell of nothing": ("zone: az1", "zone: az1, cell: cell1", "hosts.ctl1.cell: no component has a database of cell cell1; remove it"),
    "a catalog file that is not there": ("name: lab", "name: lab\ncatalog: [ours.toml]", "ours.toml, which is not a file"),
    "Galera smaller than its hosts": ("size: 3", "size: 2", "database.size: is 2, but 3 hosts have the role controller"),
    "map of a balancer": ("vip: 10.77.0.10}", "vip: 10.77.0.10, parking: 'a map'}", "balancer.parking: is 'a map'; write the absolute path"),
    "time to park": ("  batch: 1", "  batch: 1\n  park_s: 90", "policy.park_s: is 90; write a whole number from 1 to 60"),
    "kind of balancer": ("kind: haproxy", "kind: nginx", "balancer.kind: is 'nginx'; write haproxy: the one kind"),
    "key file missing": ("key: id_ed25519", "key: id_rsa", "id_rsa, which is not a file; create it, or correct the path"),
    "unknown cloud": ("cloud: lab", "cloud: lap", "vantage.cloud: clouds.yaml has no cloud lap; did you mean lab?"),
    "a character YAML does not allow": ("name: lab", "name: l\x07ab", "is not YAML: "),
    "roles missing": ("roles: [vantage]", "zone: az9", "hosts.client.roles: is missing; write a list such as"),
    "syntax": ("name: lab", "name: [lab", "is not YAML: "),
    "not a mapping": (WHOLE, "- a\n", "is not a mapping"),
    "no hosts": (re.compile(r"hosts:\n(  .*\n){4}"), "hosts: {}\n", "hosts: is empty; add at least one entry"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_its_remedy(file: Path, case: str) -> None:
    find, replace, told = MISTAKES[case]
    pattern = find if isinstance(find, re.Pattern) else re.compile(re.escape(str(find)))
    broken, count = pattern.subn(lambda _: str(replace), WHOLE, count=1)
    file.write_text(broken)

    mistakes = _mistakes(file)

    assert count == 1
    assert any(str(told) in mistake for mistake in mistakes), mistakes
    whole_file = ("is missing", "special characters")
    placed = [m for m in mistakes if not any(words in m for words in whole_file)]
    assert all(re.match(r"cloud\.yaml:\d+: ", mistake) for mistake in placed)


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(file: Path) -> None:
    broken = WHOLE.replace("port: 5000", "port: 0").replace("name: lab", "nmae: lab").replace("az3", "[az3]")
    file.write_text(broken)

    mistakes = _mistakes(file)

    assert [m.split(": ")[1] for m in mistakes] == [
        "name",
        "nmae",
        "hosts.ctl3.zone",
        "components.keystone.services.keystone.port",
    ]
    assert len(str(_problem(file)).splitlines()) == 1 + len(mistakes)


def _problem(file: Path) -> RecordInvalid:
    with pytest.raises(RecordInvalid) as caught:
        load_record(file)
    return caught.value


def test_one_mistake_is_not_told_twice_through_what_refers_to_it(file: Path) -> None:
    file.write_text(WHOLE.replace("    artifact: openstack-2023.1", "    artifact:"))

    assert len(_mistakes(file)) == 1


@pytest.mark.parametrize("secret", ["id_ed25519", "clouds.yaml"])
def test_a_secret_that_others_may_read_is_refused(file: Path, secret: str) -> None:
    (file.parent / secret).chmod(0o640)

    (told,) = _mistakes(file)

    assert f"{secret} has mode 0640, so others may read it; run: chmod 0600 " in told


def test_a_host_without_a_pinned_key_is_refused(file: Path) -> None:
    (file.parent / "known_hosts").write_text(PINNED.replace("10.77.0.13", "10.77.0.99"))

    (told,) = _mistakes(file)

    assert told.startswith("cloud.yaml:7: hosts.ctl3.address: ")
    assert "has no key of ctl3 (10.77.0.13)" in told
    assert "ssh-keyscan -p 22 10.77.0.13" in told


def test_balancers_that_can_hold_requests_say_by_which_map(file: Path) -> None:
    without = load_record(file)
    file.write_text(WHOLE.replace("10.77.0.10}", "10.77.0.10, parking: /etc/haproxy/parked.map}"))

    told = load_record(file)

    assert without.balancer.parking is None
    assert told.balancer.parking == PurePosixPath("/etc/haproxy/parked.map")
    assert (without.longest_wait, told.longest_wait) == (0, told.policy.park_s)
    assert told.policy.park_s == 20


def test_a_revoked_host_key_pins_nothing(file: Path) -> None:
    (file.parent / "known_hosts").write_text(PINNED.replace("10.77.0.13", "@revoked 10.77.0.13"))

    (told,) = _mistakes(file)

    assert "has no key of ctl3" in told


def test_a_hashed_name_that_is_damaged_pins_nothing(file: Path) -> None:
    (file.parent / "known_hosts").write_text(PINNED.replace("10.77.0.13", "|1|a|b"))

    (told,) = _mistakes(file)

    assert "has no key of ctl3" in told


def test_pinned_keys_are_found_by_list_pattern_port_and_hash(file: Path) -> None:
    salt = b"0123456789abcdef0123"
    hashed = hmac.digest(salt, b"[10.77.0.11]:2222", hashlib.sha1)
    first = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(hashed).decode()}"
    lines = [first, "other,[10.77.0.12]:2222", "@cert-authority [10.77.0.1?]:2222", "[10.77.0.20]:2222"]
    (file.parent / "known_hosts").write_text("".join(f"{line} ssh-ed25519 AAAA\n" for line in lines))
    file.write_text(WHOLE.replace("user: root", "user: root, port: 2222"))

    assert load_record(file).ssh.port == 2222


@pytest.mark.parametrize("text", ["", "clouds: 3\n", "clouds: [\n", "clouds:\n"])
def test_credentials_that_are_no_clouds_yaml_are_refused(file: Path, text: str) -> None:
    (file.parent / "clouds.yaml").write_text(text)

    (told,) = _mistakes(file)

    assert "clouds.yaml has no mapping 'clouds'" in told


def test_a_file_that_is_not_there_is_one_mistake_with_a_way_to_begin(tmp_path: Path) -> None:
    (told,) = _mistakes(tmp_path / "cloud.yaml")

    assert (
        told == "cloud.yaml: no such file or directory; name another with --cloud, or write one: skylift init"
    )


def test_a_file_that_is_not_utf8_is_told_with_its_line(file: Path) -> None:
    file.write_bytes(b"skylift: 1\nname: \xff\n")

    assert _mistakes(file) == ["cloud.yaml:2: is not UTF-8; save it as UTF-8"]


def test_an_empty_file_misses_every_section(file: Path) -> None:
    file.write_text("# nothing yet\n")

    assert _mistakes(file) == [
        "cloud.yaml: is empty; write the sections of a record, or begin with: skylift init"
    ]


def test_the_starter_complains_about_exactly_the_lines_that_say_so(tmp_path: Path) -> None:
    (tmp_path / "cloud.yaml").write_text(starter())
    marked = {n for n, line in enumerate(starter().splitlines(), 1) if line.endswith(" # fill in")}

    problem = _problem(tmp_path / "cloud.yaml")

    assert {m.line for m in problem.mistakes} == marked
    assert all(m.what == "has no value" for m in problem.mistakes)


def test_the_starter_loads_once_it_is_filled_in(file: Path) -> None:
    file.write_text(_filled(starter()))

    record = load_record(file)

    assert record.components.keys() == {"keystone", "glance", "placement"}


def test_the_policy_that_the_starter_shows_is_the_one_used_without_it(file: Path) -> None:
    text = re.sub(r"(?m)^# (policy:|  +\w+:)", r"\1", _filled(starter()).split("# What you allow")[1])
    shown = "policy:" + text.split("policy:", 1)[1]
    file.write_text(WHOLE.replace("policy:\n  batch: 1\n", shown))

    policy = load_record(file).policy

    assert shown.count(":") - 3 == len(Policy.__slots__) - 2 + len(LossBudget.__slots__) + len(
        Timeouts.__slots__
    )
    assert policy == Policy()


def _filled(text: str) -> str:
    addresses = iter(("10.77.0.11", "10.77.0.12", "10.77.0.13", "10.77.0.20"))
    digest = "sha256:" + "b" * 64
    values = {"name": "lab", "key": "id_ed25519", "known_hosts": "known_hosts", "digest": digest}
    values |= {"source": "http://depot/a.tar.zst", "vip": "10.77.0.10"}
    values |= {"clouds_yaml": "clouds.yaml", "cloud": "lab"}

    def fill(match: re.Match[str]) -> str:
        value = next(addresses) if match[1] == "address" else values[match[1]]
        return f"{match[1]}: {value}"

    return re.sub(r"(\w+): +# fill in", fill, text)


def test_a_record_may_say_with_which_release_a_service_begins_and_ends(file: Path) -> None:
    bounds = '        port: 5000\n        since: 2024.1\n        until: "2025.1"\n'
    file.write_text(WHOLE.replace("        port: 5000\n", bounds))

    keystone = load_record(file).services[ServiceName("keystone")]

    assert (keystone.since, keystone.until) == (Release(2024, 1), Release(2025, 1))
    assert [keystone.is_in(r) for r in (Release(2023, 2), Release(2025, 1), Release(2025, 2))] == [
        False,
        True,
        False,
    ]


def test_a_record_may_name_its_message_bus(file: Path) -> None:
    file.write_text(file.read_text().replace("policy:", "broker: {role: controller, size: 3}\npolicy:"))

    assert load_record(file).broker == BrokerEntry(role="controller", size=3, kind="rabbitmq")


def test_a_storage_cluster_is_named_with_how_its_tool_is_called(file: Path) -> None:
    words = "storage: {role: controller, tool: [podman, exec, mon, ceph], whole: 60}\npolicy:"
    file.write_text(file.read_text().replace("policy:", words))

    tool = ("podman", "exec", "mon", "ceph")
    assert load_record(file).storage == StorageEntry("controller", tool=tool, whole=Seconds(60))
