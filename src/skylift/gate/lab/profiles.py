"""The profiles of the lab: which hosts a cloud has, what is installed on them and what runs there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skylift.gate.lab import components

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skylift.gate.lab.components import Component
    from skylift.gate.lab.services import Role, Service


@dataclass(frozen=True, slots=True)
class Profile:
    """One size of cloud."""

    name: str
    hosts: Mapping[str, tuple[str, Role]]
    """By name: the address and the role, in the order in which they are listed."""
    components: tuple[Component, ...]
    """In the order in which they come about."""
    packages: Mapping[Role, tuple[str, ...]]
    """What Debian's archive adds to the hosts of a role."""
    disk_gib: int
    memory_gib: int
    pace: int = 100
    """Percent of the usual rates at which the probes ask its APIs."""
    park_s: int = 20
    """How long its balancers may let requests wait."""
    larger: Profile | None = None
    """One whose artifacts it has, as they have all that it needs: those are built once for both."""

    @property
    def services(self) -> tuple[Service, ...]:
        """All services, component by component."""
        return tuple(service for one in self.components for service in one.services)

    @property
    def balanced(self) -> tuple[Service, ...]:
        """Those behind the balancers."""
        return tuple(service for service in self.services if service.port)

    @property
    def bus(self) -> bool:
        """Whether it has a message bus."""
        return any(one.vhosts for one in self.components)

    def on(self, role: Role) -> tuple[Service, ...]:
        """The services of the hosts of ``role``."""
        return tuple(service for service in self.services if role in service.roles)

    def named(self, component: str) -> Component:
        """The component called so.

        Raises:
            KeyError: it has none.
        """
        return {one.name: one for one in self.components}[component]


_CONTROLLERS: dict[str, tuple[str, Role]] = {
    "ctl1": ("10.77.0.11", "controller"),
    "ctl2": ("10.77.0.12", "controller"),
    "ctl3": ("10.77.0.13", "controller"),
}
_CLIENT: dict[str, tuple[str, Role]] = {"client": ("10.77.0.20", "client")}
_CONTROLLER_PACKAGES = (
    "mariadb-server",
    "mariadb-backup",
    "galera-4",
    "rsync",
    "memcached",
    "haproxy",
    "keepalived",
    "nftables",
)
_SWITCH = ("openvswitch-switch", "ethtool")

API = Profile(
    name="api",
    hosts=_CONTROLLERS | _CLIENT,
    components=(components.KEYSTONE, components.GLANCE, components.PLACEMENT),
    packages={"controller": _CONTROLLER_PACKAGES, "client": ()},
    disk_gib=10,
    memory_gib=6,
)
"""Keystone, Glance and Placement: what can be upgraded without a message bus."""

CORE = Profile(
    name="core",
    hosts={
        **_CONTROLLERS,
        "net1": ("10.77.0.21", "network"),
        "cmp1": ("10.77.0.31", "compute"),
        "cmp2": ("10.77.0.32", "compute"),
        "cmp3": ("10.77.0.33", "fake-compute"),
        "client": ("10.77.0.20", "client"),
    },
    components=(
        *API.components,
        components.NOVA,
        components.NEUTRON,
        components.CINDER,
        components.HEAT,
        components.HORIZON,
    ),
    packages={
        "controller": (*_CONTROLLER_PACKAGES, "rabbitmq-server", "qemu-utils"),
        "network": (*_SWITCH, "dnsmasq-base", "haproxy", "iptables", "ipset", "conntrack", "iputils-arping"),
        "compute": (
            *_SWITCH,
            "libvirt-daemon-system",
            "libvirt-clients",
            "qemu-system-x86",
            "qemu-utils",
            "python3-libvirt",
            "netcat-openbsd",
            "iptables",
            "genisoimage",
        ),
        "fake-compute": (),
        "client": ("ethtool",),
    },
    disk_gib=20,
    memory_gib=14,
    # Two cores carry 12 requests a second, boots among them, beside all of these services.
    pace=50,
    # Heat's engines of 2025.1 took 18 s to stop, all at once, and users waited for 28 s.
    park_s=40,
)
"""The whole core of a cloud, with real guests on two hosts."""

NETWORK = Profile(
    name="network",
    hosts={
        **_CONTROLLERS,
        "net1": ("10.77.0.21", "network"),
        "net2": ("10.77.0.22", "network"),
        "cmp1": ("10.77.0.31", "compute"),
        **_CLIENT,
    },
    components=(*API.components, components.NOVA, components.NEUTRON),
    packages={role: of for role, of in CORE.packages.items() if role != "fake-compute"},
    disk_gib=20,
    memory_gib=12,
    pace=50,
    larger=CORE,
)
"""What routers and DHCP need to be moved from host to host, with a guest behind them."""

PROFILES = {profile.name: profile for profile in (API, CORE, NETWORK)}
