"""Put a controller's files in place and enable its units, so that a reboot brings all of it back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from skylift.gate.lab.cloud_files import APIS, CloudFacts, archive, digest_of, files_for
from skylift.gate.lab.host import LabProblem, run
from skylift.gate.lab.passwords import passwords

if TYPE_CHECKING:
    from skylift.gate.lab.artifacts import Artifact
    from skylift.gate.lab.host import Lab, LabHost

API_UNITS = tuple(f"{api.name}-api" for api in APIS)
"""The units that serve the APIs."""

_UNITS = ("galera-state", "mariadb", "memcached", "haproxy", "keepalived", *API_UNITS, "leave-cloud")
_MARK = "/etc/openstack-files.digest"

_CONFIGURE = f"""
umask 077
cat > /run/files.tar
tar -C / -xf /run/files.tar etc/sysusers.d etc/tmpfiles.d
systemd-sysusers
systemd-tmpfiles --create /etc/tmpfiles.d/openstack.conf
tar -C / -xf /run/files.tar
rm /run/files.tar
sysctl --quiet --load=/etc/sysctl.d/60-vip.conf
for component in $COMPONENTS; do
  link=/opt/openstack/current/$component
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
    """What the controllers of ``lab`` agree on; its passwords are made if this is the first time."""
    return CloudFacts(lab.controllers, passwords(lab))


def configured(lab: Lab) -> bool:
    """Whether every controller has the files it should have."""
    return all(_marked(host) == digest_of(files_for(host, cloud_facts(lab))) for host in lab.controllers)


def configure(lab: Lab, present: Artifact) -> None:
    """Write the files of every controller, and let components without one use the artifact ``present``.

    Which artifact a component uses is left alone where it is said already: a cloud that was upgraded
    stays so.

    Raises:
        LabProblem: a host could not be reached, or refused.
    """
    facts = cloud_facts(lab)
    with ThreadPoolExecutor(len(lab.controllers)) as pool:
        list(pool.map(lambda host: _configure(host, facts, present), lab.controllers))


def _configure(host: LabHost, facts: CloudFacts, present: Artifact) -> None:
    files = files_for(host, facts)
    told = {
        "ARTIFACT": present.path,
        "COMPONENTS": " ".join(api.name for api in APIS),
        "UNITS": " ".join(_UNITS),
        "DIGEST": digest_of(files),
    }
    variables = "".join(f"{name}='{value}'\n" for name, value in told.items())
    run(host, variables + _CONFIGURE, input=archive(files), timeout_s=60)


def _marked(host: LabHost) -> str:
    try:
        return run(host, f"cat {_MARK}", timeout_s=15).strip()
    except LabProblem:
        return ""
