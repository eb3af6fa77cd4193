"""What is written on a controller: every file of its configuration, as a function of who it is."""

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

from skylift.gate.lab.host import VIP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skylift.gate.lab.host import LabHost
    from skylift.gate.lab.passwords import Passwords

PORTS = {"keystone": 5000, "glance": 9292, "placement": 8778, "galera_state": 9200, "memcached": 11211}
"""Where controllers listen, on their own addresses; the APIs also on the VIP."""

PARKED_MAP = "/etc/haproxy/parked.map"
"""Where ``park.lua`` looks for it."""

_RECYCLE_S = 10
"""How old a service's connection to the database may get: so long a leaving member has to wait."""


@dataclass(frozen=True, slots=True)
class Api:
    """An API as its unit and the balancers see it."""

    name: str
    title: str
    health: str
    """A path that answers 200 without a token, and cheaply."""
    workers: str
    """uWSGI's options for how many requests are answered side by side."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return PORTS[self.name]


# Keystone makes its policy enforcer at the first request that needs one, and not so that another thread
# may ask meanwhile: with threads, one of the first requests after a start is forbidden now and then. Its
# processes are forked when it is loaded. Glance starts threads when it is made, which a fork would lose.
_FORKED = "--processes 3 --threads 1"
_THREADED = "--processes 1 --threads 4 --lazy-apps"

APIS = (
    Api("keystone", "Keystone", "/v3", _FORKED),
    Api("glance", "Glance", "/healthcheck", _THREADED),
    Api("placement", "Placement", "/", _THREADED),
)


@dataclass(frozen=True, slots=True)
class CloudFacts:
    """What all controllers agree on."""

    controllers: tuple[LabHost, ...]
    """In the order of preference: the first takes the database's writes."""
    passwords: Passwords


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file as it shall be on a host."""

    content: str
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"


def files_for(host: LabHost, cloud: CloudFacts) -> Mapping[str, HostFile]:
    """Every file to write on the controller ``host``, by its path, in the order of the paths."""
    files = {
        "/etc/sysusers.d/openstack.conf": _plain("sysusers.conf", host, cloud),
        "/etc/tmpfiles.d/openstack.conf": _plain("tmpfiles.conf", host, cloud),
        "/etc/mysql/mariadb.conf.d/99-cluster.cnf": _plain("galera.cnf", host, cloud),
        "/etc/systemd/system/galera-state.service": _plain("galera-state.service", host, cloud),
        "/usr/local/sbin/galera-notify": _plain("galera-notify", host, cloud, mode=0o755),
        "/usr/local/sbin/galera-state": HostFile(host_program("galera_state")),
        "/etc/systemd/system/leave-cloud.service": _plain("leave-cloud.service", host, cloud),
        "/usr/local/sbin/leave-cloud": _plain("leave-cloud", host, cloud, mode=0o755),
        "/etc/memcached.conf": _plain("memcached.conf", host, cloud),
        "/etc/haproxy/haproxy.cfg": _plain("haproxy.cfg", host, cloud),
        "/etc/haproxy/park.lua": HostFile(_park_script()),
        PARKED_MAP: HostFile("".join(f"{api.name} 0\n" for api in APIS)),
        "/etc/keepalived/keepalived.conf": _plain("keepalived.conf", host, cloud),
        "/etc/sysctl.d/60-vip.conf": HostFile("net.ipv4.ip_nonlocal_bind = 1\n"),
        "/etc/keystone/keystone.conf": _private("keystone.conf", "keystone", host, cloud),
        "/etc/glance/glance-api.conf": _private("glance-api.conf", "glance", host, cloud),
        "/etc/placement/placement.conf": _private("placement.conf", "placement", host, cloud),
        **_keys("fernet", cloud.passwords.fernet),
        **_keys("credential", cloud.passwords.credential),
    }
    for api in APIS:
        files[f"/etc/systemd/system/{api.name}-api.service"] = HostFile(
            _rendered("api.service", host, cloud, api=api)
        )
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


def _keys(kind: str, keys: tuple[str, ...]) -> dict[str, HostFile]:
    return {
        f"/etc/keystone/{kind}-keys/{number}": HostFile(key, 0o600, "keystone", "keystone")
        for number, key in enumerate(keys)
    }


def _plain(name: str, host: LabHost, cloud: CloudFacts, *, mode: int = 0o644) -> HostFile:
    return HostFile(_rendered(name, host, cloud), mode)


def _private(name: str, group: str, host: LabHost, cloud: CloudFacts) -> HostFile:
    return HostFile(_rendered(name, host, cloud), 0o640, "root", group)


def _rendered(name: str, host: LabHost, cloud: CloudFacts, **more: object) -> str:
    writers_last = [controller.name for controller in reversed(cloud.controllers)]
    known = {
        "host": host,
        "place": cloud.controllers.index(host),
        "controllers": cloud.controllers,
        "donors": "".join(f"{name}," for name in writers_last[:-1]),
        "apis": APIS,
        "ports": PORTS,
        "vip": VIP,
        "recycle_s": _RECYCLE_S,
        "secrets": cloud.passwords,
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
