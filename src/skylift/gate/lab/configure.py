"""Put the hosts' files in place and enable their units, so that a reboot brings all of it back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from skylift.gate.lab.cloud_files import CloudFacts, archive, digest_of, files_for
from skylift.gate.lab.host import LabProblem, run
from skylift.gate.lab.passwords import passwords
from skylift.gate.lab.profiles import API

if TYPE_CHECKING:
    from skylift.gate.lab.artifacts import Artifact
    from skylift.gate.lab.host import Lab, LabHost
    from skylift.gate.lab.services import Role

_SYSTEM: dict[Role, tuple[str, ...]] = {
    "controller": ("galera-state", "mariadb", "memcached", "haproxy", "keepalived", "rabbitmq-server"),
    "network": ("openvswitch-switch", "provider-network"),
    "compute": ("openvswitch-switch", "provider-network", "libvirtd"),
    "fake-compute": (),
    "client": ("provider-network",),
}
_ON_THE_BUS = ("rabbitmq-server", "provider-network")
"""What only clouds with a message bus have."""
_MARK = "/etc/openstack-files.digest"

_CONFIGURE = f"""
umask 077
cat > /run/files.tar
tar -tf /run/files.tar | grep -E '^etc/(sysusers|tmpfiles)[.]d/' > /run/files.first || true
tar -C / -xf /run/files.tar -T /run/files.first
systemd-sysusers
for file in $(grep tmpfiles /run/files.first || true); do systemd-tmpfiles --create "/$file"; done
tar -C / -xf /run/files.tar
rm /run/files.tar /run/files.first
for file in /etc/sysctl.d/60-*.conf; do [ ! -e "$file" ] || sysctl --quiet --load="$file"; done
mkdir -p /opt/openstack/current
chmod 755 /opt/openstack /opt/openstack/current
for name in $LINKS; do
  link=/opt/openstack/current/$name
  [ -e "$link" ] || ln -sfn "$ARTIFACT" "$link"
done
# As systemctl enable would, but for Debian's scripts for older systems, which take seconds for each unit.
for unit in $UNITS; do
  for folder in /etc/systemd/system /lib/systemd/system; do
    [ ! -e "$folder/$unit.service" ] ||
      ln -sfn "$folder/$unit.service" "/etc/systemd/system/multi-user.target.wants/$unit.service"
  done
done
systemctl daemon-reload
echo "$DIGEST" > {_MARK}
"""


def cloud_facts(lab: Lab) -> CloudFacts:
    """What the hosts of ``lab`` agree on; its passwords are made if this is the first time."""
    return CloudFacts(lab.controllers, passwords(lab), lab.profile)


def units_of(host: LabHost, release: str, *, base: bool) -> tuple[str, ...]:
    """The units of the services of ``host``: those of :data:`API` if ``base``, else all the others."""
    services = (service for service in host.lab.profile.on(host.role) if (service in API.services) is base)
    leave = ("leave-cloud",) if base and host.role == "controller" else ()
    return (*(service.unit_name for service in services if service.of(release)), *leave)


def system_units(host: LabHost) -> tuple[str, ...]:
    """The units of ``host`` that OpenStack stands on."""
    bus = host.lab.profile.bus
    return tuple(unit for unit in _SYSTEM[host.role] if bus or unit not in _ON_THE_BUS)


def configured(lab: Lab) -> bool:
    """Whether every host has the files it should have."""
    facts = cloud_facts(lab)
    return all(_marked(host) == digest_of(files_for(host, facts)) for host in _to_configure(lab))


def configure(lab: Lab, present: Artifact) -> None:
    """Write the files of every host, and let services without one use the artifact ``present``.

    Which artifact a service uses is left alone where it is said already: a cloud that was upgraded
    stays so.

    Raises:
        LabProblem: a host could not be reached, or refused.
    """
    facts = cloud_facts(lab)
    hosts = _to_configure(lab)
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(lambda host: _configure(host, facts, present), hosts))


def _to_configure(lab: Lab) -> tuple[LabHost, ...]:
    facts = cloud_facts(lab)
    return tuple(host for host in lab.hosts if files_for(host, facts))


def _configure(host: LabHost, facts: CloudFacts, present: Artifact) -> None:
    files = files_for(host, facts)
    services = [service for service in facts.profile.on(host.role) if service.of(present.release)]
    told = {
        "ARTIFACT": present.path,
        "LINKS": " ".join(service.link_name for service in services),
        "UNITS": " ".join(
            (
                *system_units(host),
                *units_of(host, present.release, base=True),
                *units_of(host, present.release, base=False),
            )
        ),
        "DIGEST": digest_of(files),
    }
    variables = "".join(f"{name}='{value}'\n" for name, value in told.items())
    run(host, variables + _CONFIGURE, input=archive(files), timeout_s=60)


def _marked(host: LabHost) -> str:
    try:
        return run(host, f"cat {_MARK}", timeout_s=15).strip()
    except LabProblem:
        return ""
