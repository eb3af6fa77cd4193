"""What is written on a host: every file of its configuration, as a function of who it is."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import jinja2

from skylift.gate.lab import bus
from skylift.gate.lab.host import PROVIDER_ADDRESSES, PROVIDER_GROUP, PROVIDER_ID, PROVIDER_MTU, VIP
from skylift.gate.lab.launchers import Daemon

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skylift.gate.lab.components import Component
    from skylift.gate.lab.host import LabHost
    from skylift.gate.lab.passwords import Passwords
    from skylift.gate.lab.profiles import Profile
    from skylift.gate.lab.services import Role

PORTS = {"galera_state": 9200, "memcached": 11211}
"""Where controllers listen, beside the APIs, on their own addresses."""

PARKED_MAP = "/etc/haproxy/parked.map"
"""Where ``park.lua`` looks for it."""

_RECYCLE_S = 10
"""How old a service's connection to the database may get: so long a leaving member has to wait."""


@dataclass(frozen=True, slots=True)
class CloudFacts:
    """What all hosts agree on."""

    controllers: tuple[LabHost, ...]
    """In the order of preference: the first takes the database's writes."""
    passwords: Passwords
    profile: Profile


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file as it shall be on a host."""

    content: str
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file of a role: its template is its name, unless another is told."""

    path: str
    template: str = ""
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    bus: bool = False
    """Only where the cloud has a message bus."""

    @property
    def named(self) -> str:
        """The template's name."""
        return self.template or self.path.rpartition("/")[2]


_UNITS = "/etc/systemd/system"
_SWITCHED = (
    _Wanted(f"{_UNITS}/ovs-vswitchd.service.d/userspace.conf", "ovs-vswitchd.conf"),
    _Wanted(f"{_UNITS}/provider-network.service"),
    _Wanted("/usr/local/sbin/provider-network", mode=0o755),
    _Wanted("/usr/local/libexec/openstack/sudo", mode=0o755),
)
_NFS = _Wanted("/usr/sbin/mount.nfs", mode=0o755, bus=True)

_FILES: dict[Role, tuple[_Wanted, ...]] = {
    "controller": (
        _Wanted("/etc/sysusers.d/openstack.conf", "sysusers.conf"),
        _Wanted("/etc/tmpfiles.d/openstack.conf", "tmpfiles.conf"),
        _Wanted("/etc/mysql/mariadb.conf.d/99-cluster.cnf", "galera.cnf"),
        _Wanted(f"{_UNITS}/galera-state.service"),
        _Wanted("/usr/local/sbin/galera-notify", mode=0o755),
        _Wanted(f"{_UNITS}/leave-cloud.service"),
        _Wanted("/usr/local/sbin/leave-cloud", mode=0o755),
        _Wanted("/etc/memcached.conf"),
        _Wanted("/etc/haproxy/haproxy.cfg"),
        _Wanted("/etc/keepalived/keepalived.conf"),
        _Wanted("/etc/rabbitmq/rabbitmq.conf", bus=True),
        _Wanted("/etc/rabbitmq/rabbitmq-env.conf", bus=True),
        _Wanted("/usr/local/libexec/openstack/sudo", mode=0o755, bus=True),
        _NFS,
    ),
    "network": _SWITCHED,
    "compute": (
        *_SWITCHED,
        _NFS,
        _Wanted("/etc/libvirt/qemu.conf"),
        _Wanted("/etc/libvirt/libvirtd.conf"),
        _Wanted("/etc/default/libvirtd", "libvirtd.default"),
        _Wanted(f"{_UNITS}/libvirtd.service.d/tcp.conf", "libvirtd-tcp.conf"),
        _Wanted("/etc/tmpfiles.d/compute.conf"),
    ),
    "fake-compute": (),
    "client": (
        _Wanted(f"{_UNITS}/provider-network.service", bus=True),
        _Wanted("/usr/local/sbin/provider-network", mode=0o755, bus=True),
    ),
}


def files_for(host: LabHost, cloud: CloudFacts) -> Mapping[str, HostFile]:
    """Every file to write on ``host``, by its path, in the order of the paths."""
    files = {
        wanted.path: HostFile(_rendered(wanted.named, host, cloud), wanted.mode, wanted.owner, wanted.group)
        for wanted in _FILES[host.role]
        if cloud.profile.bus or not wanted.bus
    }
    if host.role == "controller":
        files |= _of_controllers(cloud)
    for component in cloud.profile.components:
        files |= _of_component(component, host, cloud)
    for service in cloud.profile.on(host.role):
        template = "daemon.service" if isinstance(service.program, Daemon) else "api.service"
        component = next(one for one in cloud.profile.components if service in one.services)
        more = {"service": service, "component": component, "user": service.user or component.name}
        files[f"{_UNITS}/{service.unit_name}.service"] = HostFile(_rendered(template, host, cloud, **more))
    return dict(sorted(files.items()))


def host_program(name: str) -> str:
    """The text of one of the programs that run on hosts."""
    return (resources.files("skylift.gate.lab.hostside") / f"{name}.py").read_text()


def _park_script() -> str:
    return (resources.files("skylift.drivers") / "park.lua").read_text()


def archive(files: Mapping[str, HostFile]) -> bytes:
    """The files as a tar archive with paths relative to the root; the same files give the same bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, file in files.items():
            content = file.content.encode()
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), file.mode
            member.uname, member.gname = file.owner, file.group
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def digest_of(files: Mapping[str, HostFile]) -> str:
    """One word that changes with any path, content, mode or owner."""
    told = {path: [file.content, file.mode, file.owner, file.group] for path, file in files.items()}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _of_controllers(cloud: CloudFacts) -> dict[str, HostFile]:
    """What no template says."""
    files = {
        "/usr/local/sbin/galera-state": HostFile(host_program("galera_state")),
        "/etc/sysctl.d/60-vip.conf": HostFile("net.ipv4.ip_nonlocal_bind = 1\n"),
        "/etc/haproxy/park.lua": HostFile(_park_script()),
        PARKED_MAP: HostFile("".join(f"{api.link_name} 0\n" for api in cloud.profile.balanced)),
        **_keys("fernet", cloud.passwords.fernet),
        **_keys("credential", cloud.passwords.credential),
    }
    if cloud.profile.bus:
        brokers = "rabbitmq"
        files |= {
            "/etc/rabbitmq/definitions.json": HostFile(
                bus.definitions(cloud.profile, cloud.passwords), 0o640, "root", brokers
            ),
            "/var/lib/rabbitmq/.erlang.cookie": HostFile(
                cloud.passwords.shared["erlang"], 0o400, brokers, brokers
            ),
        }
    return files


def _of_component(component: Component, host: LabHost, cloud: CloudFacts) -> dict[str, HostFile]:
    """Its own files: on controllers its group may read them, elsewhere its services are root's."""
    mode, group = (0o640, component.name) if host.role == "controller" else (0o600, "root")
    return {
        file.path: HostFile(_rendered(file.template, host, cloud), mode, "root", group)
        for file in component.files
        if host.role in file.roles
    }


def _keys(kind: str, keys: tuple[str, ...]) -> dict[str, HostFile]:
    return {
        f"/etc/keystone/{kind}-keys/{number}": HostFile(key, 0o600, "keystone", "keystone")
        for number, key in enumerate(keys)
    }


def _rendered(name: str, host: LabHost, cloud: CloudFacts, **more: object) -> str:
    writers_last = [controller.name for controller in reversed(cloud.controllers)]
    balanced = cloud.profile.balanced
    known = {
        "host": host,
        "place": cloud.controllers.index(host) if host in cloud.controllers else 0,
        "controllers": cloud.controllers,
        "donors": "".join(f"{name}," for name in writers_last[:-1]),
        "components": cloud.profile.components,
        "apis": balanced,
        "ports": {**{api.link_name: api.port for api in balanced}, **PORTS},
        "vip": VIP,
        "provider_address": PROVIDER_ADDRESSES.get(host.name, ""),
        "provider_id": PROVIDER_ID,
        "provider_group": PROVIDER_GROUP,
        "provider_mtu": PROVIDER_MTU,
        "guests": cloud.profile.bus,
        "recycle_s": _RECYCLE_S,
        "secrets": cloud.passwords,
        "bus": lambda user, vhost: bus.url(host, cloud.controllers, cloud.passwords.bus[user], (user, vhost)),
    }
    return _templates().get_template(f"{name}.j2").render(known | more)


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("skylift.gate.lab"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
