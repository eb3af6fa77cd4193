"""The components of the lab's clouds: what each reads, keeps, and is called in Keystone's catalog."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from skylift.gate.lab import services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skylift.gate.lab.services import Role, Service


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file of a component on the hosts of ``roles``, for its own eyes."""

    path: str
    template: str
    roles: tuple[Role, ...] = ("controller",)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a component is found by in Keystone's catalog."""

    type: str
    service: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Component:
    """One component, before it has a host."""

    name: str
    title: str
    uid: int
    """The same number on every controller: they share a folder."""
    services: tuple[Service, ...]
    databases: Mapping[str, str]
    """Its databases by what each is to it, as in the record; that is empty where there is just one."""
    schema: tuple[str, ...]
    """The commands that bring its databases from nothing to the head of its artifact."""
    files: tuple[ConfigFile, ...]
    config_files: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By database: what a command about it reads, if that is not what it finds by itself."""
    endpoints: tuple[Endpoint, ...] = ()
    vhosts: tuple[str, ...] = ()
    """Its parts of the message bus."""
    folders: tuple[str, ...] = ()
    """Lines of tmpfiles.d, beyond a folder below /etc and one below /var/lib."""
    account: Literal["user", "none"] = "user"
    """Whether it has a user in Keystone."""
    domain: tuple[str, str] = ("", "")
    """A domain of its own in Keystone, and that one's administrator."""
    roles: tuple[str, ...] = ()
    """Roles of Keystone that it gives to users."""
    additions: tuple[tuple[str, str], ...] = ()
    """Files of ours in its artifact: the path below site-packages, and the name in ``artifactside``."""
    finish: str = ""
    """Commands that end the build of its artifact."""

    @property
    def tools(self) -> str:
        """The link by which its commands are found."""
        return self.services[0].link_name


def _paste(component: str, link: str, name: str = "api-paste.ini") -> str:
    # The pipeline belongs to the code: it comes from the artifact that runs.
    etc = f"/opt/openstack/current/{link}/etc/{component}"
    return f"L+ /etc/{component}/{name} - - - - {etc}/{name}"


KEYSTONE = Component(
    name="keystone",
    title="OpenStack Keystone",
    uid=64060,
    services=(services.KEYSTONE,),
    databases={"": "keystone"},
    schema=("keystone-manage db_sync",),
    files=(ConfigFile("/etc/keystone/keystone.conf", "keystone.conf"),),
    folders=(
        "d /etc/keystone/fernet-keys 0700 keystone keystone",
        "d /etc/keystone/credential-keys 0700 keystone keystone",
    ),
    account="none",
)
GLANCE = Component(
    name="glance",
    title="OpenStack Glance",
    uid=64062,
    services=(services.GLANCE,),
    databases={"": "glance"},
    schema=("glance-manage db_sync",),
    files=(ConfigFile("/etc/glance/glance-api.conf", "glance-api.conf"),),
    endpoints=(Endpoint("image", "glance"),),
    folders=(
        "d /srv/shared/images 0750 glance glance",
        "d /srv/shared/staging 0750 glance glance",
        _paste("glance", "glance", "glance-api-paste.ini"),
    ),
)
PLACEMENT = Component(
    name="placement",
    title="OpenStack Placement",
    uid=64063,
    services=(services.PLACEMENT,),
    databases={"": "placement"},
    schema=("placement-manage db sync",),
    files=(ConfigFile("/etc/placement/placement.conf", "placement.conf"),),
    endpoints=(Endpoint("placement", "placement"),),
)

_CELL1_FILES = ("/etc/nova/nova.conf", "/etc/nova/nova-cell1.conf")
_CELL1 = " ".join(("nova-manage", *(f"--config-file {file}" for file in _CELL1_FILES)))
NOVA = Component(
    name="nova",
    title="OpenStack Nova",
    uid=64064,
    services=services.NOVA,
    databases={"api": "nova_api", "cell0": "nova_cell0", "cell1": "nova"},
    schema=(
        "nova-manage api_db sync",
        # The address of cell0's database is that of cell1's with _cell0 at its end.
        f"{_CELL1} cell_v2 map_cell0",
        f"{_CELL1} cell_v2 create_cell --name cell1",
        f"{_CELL1} db sync",
    ),
    files=(
        ConfigFile("/etc/nova/nova.conf", "nova.conf"),
        ConfigFile("/etc/nova/nova-cell1.conf", "nova-cell1.conf"),
        ConfigFile("/etc/nova/nova.conf", "nova-compute.conf", ("compute", "fake-compute")),
    ),
    config_files={"cell1": _CELL1_FILES},
    endpoints=(Endpoint("compute", "nova-api", "/v2.1"),),
    vhosts=("nova", "nova_cell1"),
    folders=(_paste("nova", "nova-api"),),
    additions=(("nova/virt/kept_fake.py", "kept_fake.py"),),
)
NEUTRON = Component(
    name="neutron",
    title="OpenStack Neutron",
    uid=64065,
    services=services.NEUTRON,
    databases={"": "neutron"},
    schema=("neutron-db-manage --config-file /etc/neutron/neutron.conf upgrade heads",),
    files=(
        ConfigFile("/etc/neutron/neutron.conf", "neutron.conf"),
        ConfigFile("/etc/neutron/ml2.ini", "ml2.ini"),
        ConfigFile("/etc/neutron/neutron.conf", "neutron-agent.conf", ("compute", "network")),
        ConfigFile("/etc/neutron/openvswitch_agent.ini", "openvswitch_agent.ini", ("compute", "network")),
        ConfigFile("/etc/neutron/l3_agent.ini", "l3_agent.ini", ("network",)),
        ConfigFile("/etc/neutron/dhcp_agent.ini", "dhcp_agent.ini", ("network",)),
        ConfigFile("/etc/neutron/metadata_agent.ini", "metadata_agent.ini", ("network",)),
    ),
    endpoints=(Endpoint("network", "neutron-server"),),
    vhosts=("neutron",),
    folders=(_paste("neutron", "neutron-server"),),
)
CINDER = Component(
    name="cinder",
    title="OpenStack Cinder",
    uid=64066,
    services=services.CINDER,
    databases={"": "cinder"},
    schema=("cinder-manage db sync",),
    files=(
        ConfigFile("/etc/cinder/cinder.conf", "cinder.conf"),
        ConfigFile("/etc/cinder/shares", "cinder-shares"),
    ),
    endpoints=(
        Endpoint("volumev3", "cinder-api", "/v3/%(project_id)s"),
        Endpoint("block-storage", "cinder-api", "/v3/%(project_id)s"),
    ),
    vhosts=("cinder",),
    folders=(
        "d /srv/shared/volumes 0755 root root",
        "d /srv/shared/volume-backups 0700 root root",
        _paste("cinder", "cinder-api"),
        _paste("cinder", "cinder-api", "resource_filters.json"),
    ),
)
HEAT = Component(
    name="heat",
    title="OpenStack Heat",
    uid=64067,
    services=services.HEAT,
    databases={"": "heat"},
    schema=("heat-manage db_sync",),
    files=(ConfigFile("/etc/heat/heat.conf", "heat.conf"),),
    endpoints=(Endpoint("orchestration", "heat-api", "/v1/%(project_id)s"),),
    vhosts=("heat",),
    domain=("heat", "heat_domain_admin"),
    roles=("heat_stack_owner", "heat_stack_user"),
    folders=(_paste("heat", "heat-api"),),
)
HORIZON = Component(
    name="horizon",
    title="OpenStack Horizon",
    uid=64068,
    services=services.HORIZON,
    databases={},
    schema=(),
    files=(ConfigFile("/etc/horizon/local_settings.py", "local_settings.py"),),
    account="none",
    additions=(("openstack_dashboard/local/local_settings.py", "local_settings.py"),),
    finish="""
for word in "collectstatic --noinput" "compress --force"; do
  env DJANGO_SETTINGS_MODULE=openstack_dashboard.settings \\
    "$ARTIFACT/bin/python" -m django $word --verbosity 0 >&2
done
""",
)
