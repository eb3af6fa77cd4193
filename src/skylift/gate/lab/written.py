"""What the lab writes for whoever upgrades it: the record of its cloud, and a clouds.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

from skylift.gate.lab import backup
from skylift.gate.lab.cloud_files import PARKED_MAP
from skylift.gate.lab.configure import cloud_facts
from skylift.gate.lab.host import BRIDGE_ADDRESS, DEPOT_PORT, VIP
from skylift.gate.lab.openstack import IDENTITY_URL, REGION
from skylift.gate.lab.state import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skylift.gate.lab.artifacts import Artifact
    from skylift.gate.lab.components import Component
    from skylift.gate.lab.host import Lab, LabHost
    from skylift.gate.lab.services import Service

_CLOUD = "lab"
_BASELINE_S = 270
"""Long beside what an upgrade of a cloud this small takes, so that its tail latencies can be compared, and so
that its requests alone are the 5,000 below which a zero says little."""


def there(lab: Lab) -> bool:
    """Whether both files are there; what an upgrade wrote into the record since then is left alone."""
    return (lab.folder / "cloud.yaml").exists() and (lab.folder / "clouds.yaml").exists()


def write(lab: Lab, present: Artifact, made: Mapping[str, Artifact]) -> None:
    """Write both, the one with the password for its owner alone."""
    write_whole(lab.folder / "clouds.yaml", _yaml(clouds(cloud_facts(lab).passwords.admin)), mode=0o600)
    write_whole(lab.folder / "cloud.yaml", _yaml(record(lab, present, made)))


def clouds(password: str) -> dict[str, Any]:
    """The ``clouds.yaml`` with which its administrator reaches the cloud through the VIP."""
    auth = {
        "auth_url": IDENTITY_URL,
        "username": "admin",
        "password": password,
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    return {"clouds": {_CLOUD: {"auth": auth, "region_name": REGION, "identity_api_version": 3}}}


def record(lab: Lab, present: Artifact, made: Mapping[str, Artifact]) -> dict[str, Any]:
    """The record of the cloud as it is when it is new: every component runs ``present``."""
    proxy = f"nsenter --net={lab.namespace} socat - TCP:%h:%p"
    broker = {"broker": _three("rabbitmq", lab)} if lab.profile.bus else {}
    return {
        "skylift": 1,
        "name": _CLOUD,
        "ssh": {
            "user": "root",
            "key": lab.key.name,
            "known_hosts": lab.known_hosts.name,
            "proxy_command": proxy,
        },
        "hosts": {host.name: _host(lab, host) for host in lab.hosts},
        "artifacts": {_called(one): _artifact(one) for one in made.values()},
        "components": {one.name: _component(one, present) for one in lab.profile.components},
        "balancer": {
            "kind": "haproxy",
            "role": "controller",
            "socket": "/run/haproxy/admin.sock",
            "vip": VIP,
            "parking": PARKED_MAP,
        },
        "database": {**_three("galera", lab), "backups": str(backup.FOLDER)},
        **broker,
        "vantage": {
            "host": lab.client.name,
            "clouds_yaml": "clouds.yaml",
            "cloud": _CLOUD,
            "pace": lab.profile.pace,
        },
        "policy": {"baseline": _BASELINE_S, "park_s": lab.profile.park_s},
    }


def _host(lab: Lab, host: LabHost) -> dict[str, Any]:
    """One host: its own role, and one more for each service that hosts of several roles share."""
    if host == lab.client:
        return {"address": host.address, "roles": ["vantage"]}
    own = [_role(service) for service in lab.profile.on(host.role)]
    roles = list(dict.fromkeys((host.role, *own)))
    zone = {"zone": f"az{lab.controllers.index(host) + 1}"} if host in lab.controllers else {}
    return {"address": host.address, "roles": roles, **zone}


def _role(service: Service) -> str:
    """The role of its hosts."""
    return service.roles[0] if len(service.roles) == 1 else service.name


def _component(one: Component, present: Artifact) -> dict[str, Any]:
    files = {"config_files": {name: list(paths) for name, paths in one.config_files.items()}}
    return {
        "artifact": _called(present),
        "user": one.name,
        **_databases(one.databases),
        **(files if one.config_files else {}),
        "services": {service.name: _service(service) for service in one.services},
    }


def _databases(named: Mapping[str, str]) -> dict[str, Any]:
    if not named:
        return {}
    return {"database": named[""]} if "" in named else {"databases": dict(named)}


def _service(service: Service) -> dict[str, Any]:
    balanced = {"port": service.port, "pool": service.link_name} if service.port else {}
    return {
        "role": _role(service),
        "unit": f"{service.unit_name}.service",
        "link": f"/opt/openstack/current/{service.link_name}",
        **balanced,
        **({"since": service.since} if service.since else {}),
    }


def _three(kind: str, lab: Lab) -> dict[str, Any]:
    """What every controller is a member of."""
    return {"kind": kind, "role": "controller", "size": len(lab.controllers)}


def _called(one: Artifact) -> str:
    return f"openstack-{one.release}"


def _artifact(one: Artifact) -> dict[str, str]:
    return {
        "release": one.release,
        "digest": one.digest,
        "source": f"http://{BRIDGE_ADDRESS}:{DEPOT_PORT}/{one.archive.name}",
        "path": one.path,
    }


def _yaml(content: dict[str, Any]) -> str:
    out = StringIO()
    writer = YAML()
    writer.width = 200
    writer.dump(content, out)
    return out.getvalue()
