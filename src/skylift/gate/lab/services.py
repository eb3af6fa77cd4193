"""The services of the lab's clouds: which program each is, where it runs and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from skylift.gate.lab.launchers import Daemon, Program, Wsgi

Role = Literal["controller", "compute", "fake-compute", "network", "client"]
"""What a host is for. A fake compute is like a compute host, but its instances are lines in a file."""

# Keystone makes its policy enforcer at the first request that needs one, and not so that another thread
# may ask meanwhile: with threads, one of the first requests after a start is forbidden now and then. Its
# processes are forked when it is loaded. Glance starts threads when it is made, which a fork would lose.
_FORKED = "--processes 3 --threads 1"
_THREADED = "--processes 1 --threads 4 --lazy-apps"
# What eventlet has patched runs one request at a time in each process. There are two, so that the
# balancer's question is answered while one of them works.
_GREEN = "--processes 2 --threads 1 --lazy-apps"


@dataclass(frozen=True, slots=True)
class Service:
    """One kind of process, as its unit and the balancers see it."""

    name: str
    title: str
    program: Program
    roles: tuple[Role, ...] = ("controller",)
    port: int = 0
    """Where it listens behind the balancers; 0 if it is reached over the message bus alone."""
    health: str = "/"
    """A path that answers 200 without a token, and cheaply."""
    workers: str = _GREEN
    """uWSGI's options for how many requests are answered side by side."""
    environment: str = ""
    user: str = ""
    """Whom it runs as; empty for the user of its component."""
    since: str = ""
    """The first release that has it; empty if all have."""
    unit: str = ""
    """Its unit's name without suffix; empty if that is the service's own."""
    link: str = ""
    """The name of its link to an artifact; empty if that is the service's own."""

    @property
    def unit_name(self) -> str:
        """The name of its unit, without suffix."""
        return self.unit or self.name

    @property
    def link_name(self) -> str:
        """The name of its link to an artifact, of its launcher there, and of its pool if it is balanced."""
        return self.link or self.name

    @property
    def launcher_path(self) -> str:
        """What its unit starts."""
        return f"/opt/openstack/current/{self.link_name}/libexec/serve-{self.link_name}"

    def of(self, release: str) -> bool:
        """Whether ``release`` has it."""
        return self.since <= release


KEYSTONE = Service(
    "keystone",
    "Keystone API",
    Wsgi("keystone.wsgi.api", "keystone-wsgi-public"),
    port=5000,
    health="/v3",
    workers=_FORKED,
    unit="keystone-api",
)
GLANCE = Service(
    "glance-api",
    "Glance API",
    Wsgi("glance.wsgi.api", "glance-wsgi-api"),
    port=9292,
    health="/healthcheck",
    workers=_THREADED,
    link="glance",
)
PLACEMENT = Service(
    "placement-api",
    "Placement API",
    Wsgi("placement.wsgi.api", "placement-api"),
    port=8778,
    workers=_THREADED,
    link="placement",
)

_CELL = "--config-file /etc/nova/nova.conf --config-file /etc/nova/nova-cell1.conf"
NOVA = (
    Service(
        "nova-api",
        "Nova API",
        Wsgi("nova.wsgi.osapi_compute", "nova-api-wsgi"),
        port=8774,
    ),
    Service(
        "nova-metadata",
        "Nova metadata API",
        Wsgi("nova.wsgi.metadata", "nova-metadata-wsgi"),
        port=8775,
    ),
    Service("nova-scheduler", "Nova scheduler", Daemon("nova-scheduler")),
    Service("nova-super-conductor", "Nova conductor of all cells", Daemon("nova-conductor")),
    Service("nova-conductor", "Nova conductor of cell1", Daemon(f"nova-conductor {_CELL}")),
    Service(
        "nova-compute",
        "Nova compute",
        Daemon("nova-compute"),
        roles=("compute", "fake-compute"),
        user="root",
        environment="PYTHONPATH=/opt/libvirt-python",
    ),
)

_SERVER = "--config-file /etc/neutron/neutron.conf --config-file /etc/neutron/ml2.ini"
_AGENT = "--config-file /etc/neutron/neutron.conf --config-file /etc/neutron"
NEUTRON = (
    Service(
        "neutron-server",
        "Neutron API",
        Wsgi("neutron.wsgi.api", daemon=f"neutron-server {_SERVER}"),
        port=9696,
        environment="OS_NEUTRON_CONFIG_FILES=neutron.conf;ml2.ini",
    ),
    Service(
        "neutron-rpc-server",
        "Neutron's ear for its agents",
        Daemon(f"neutron-rpc-server {_SERVER}"),
        since="2024.2",
    ),
    Service(
        "neutron-periodic-workers",
        "Neutron's recurring work",
        Daemon(f"neutron-periodic-workers {_SERVER}"),
        since="2024.2",
    ),
    Service(
        "neutron-openvswitch-agent",
        "Neutron Open vSwitch agent",
        Daemon(f"neutron-openvswitch-agent {_AGENT}/openvswitch_agent.ini"),
        roles=("compute", "network"),
        user="root",
    ),
    Service(
        "neutron-l3-agent",
        "Neutron L3 agent",
        Daemon(f"neutron-l3-agent {_AGENT}/l3_agent.ini"),
        roles=("network",),
        user="root",
    ),
    Service(
        "neutron-dhcp-agent",
        "Neutron DHCP agent",
        Daemon(f"neutron-dhcp-agent {_AGENT}/dhcp_agent.ini"),
        roles=("network",),
        user="root",
    ),
    Service(
        "neutron-metadata-agent",
        "Neutron metadata agent",
        Daemon(f"neutron-metadata-agent {_AGENT}/metadata_agent.ini"),
        roles=("network",),
        user="root",
    ),
)

CINDER = (
    Service(
        "cinder-api",
        "Cinder API",
        Wsgi("cinder.wsgi.api", "cinder-wsgi"),
        port=8776,
        health="/healthcheck",
    ),
    Service("cinder-scheduler", "Cinder scheduler", Daemon("cinder-scheduler")),
    Service("cinder-volume", "Cinder volume", Daemon("cinder-volume"), user="root"),
    Service("cinder-backup", "Cinder backup", Daemon("cinder-backup"), user="root"),
)

HEAT = (
    Service(
        "heat-api",
        "Heat API",
        Wsgi("heat.wsgi.api", "heat-wsgi-api"),
        port=8004,
        health="/healthcheck",
    ),
    Service("heat-engine", "Heat engine", Daemon("heat-engine")),
)

HORIZON = (
    Service(
        "horizon",
        "Horizon",
        Wsgi("openstack_dashboard.wsgi", options='--static-map "/static=$artifact/static"'),
        port=8080,
        health="/auth/login/",
        workers=_THREADED,
    ),
)
