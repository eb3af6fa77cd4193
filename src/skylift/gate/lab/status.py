"""What runs in the lab, as its hosts say it themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skylift.gate.lab import supervisor
from skylift.gate.lab.configure import system_units, units_of
from skylift.gate.lab.host import VIP, LabProblem, run
from skylift.gate.lab.state import LabState, read_state

if TYPE_CHECKING:
    from pathlib import Path

    from skylift.gate.lab.host import Lab, LabHost

_ASK = """
for unit in $UNITS; do echo "unit $unit $(systemctl is-active $unit.service || true)"; done
timeout 10 mariadb --batch --skip-column-names -e "SELECT CONCAT('database ', GROUP_CONCAT(
  VARIABLE_VALUE ORDER BY VARIABLE_NAME DESC SEPARATOR ' ')) FROM information_schema.GLOBAL_STATUS
  WHERE VARIABLE_NAME IN ('WSREP_LOCAL_STATE_COMMENT', 'WSREP_CLUSTER_SIZE')" 2>/dev/null || true
ip -4 -o address show dev host0 | grep -q " $VIP/" && echo vip
for link in /opt/openstack/current/*; do
  [ -L "$link" ] && echo "release $(basename "$link") $(basename "$(readlink "$link")")"
done
true
"""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host as it is now."""

    name: str
    address: str
    powered: bool
    answers: bool
    holds_vip: bool
    units: dict[str, str]
    """Unit by unit, what systemd says: ``active``, ``failed``..."""
    database: str | None
    """How its member of the database cluster sees itself: ``Synced 3``; empty if it is down, None on
    hosts that have none."""
    releases: dict[str, str]
    """Service by service, the release of the artifact it is switched to."""


@dataclass(frozen=True, slots=True)
class LabStatus:
    """The lab as it is now."""

    folder: Path
    asked: LabState | None
    """None if there is no lab; no host is listed then."""
    depot: bool
    hosts: tuple[HostStatus, ...]

    @property
    def vip_holder(self) -> str | None:
        """The host that has the VIP, or None if none says so."""
        return next((host.name for host in self.hosts if host.holds_vip), None)

    @property
    def whole(self) -> bool:
        """Whether all hosts answer, all units run, the database is whole and the VIP has its holder."""
        return bool(self.hosts) and self.depot and self.vip_holder is not None and all(map(_well, self.hosts))


def status(lab: Lab) -> LabStatus:
    """Ask every host at once; a host that does not answer is told as such and is no problem."""
    asked = read_state(lab)
    if asked is None:
        return LabStatus(lab.folder, None, depot=False, hosts=())
    with ThreadPoolExecutor() as pool:
        hosts = tuple(pool.map(lambda host: _host_status(host, asked.release), lab.hosts))
    return LabStatus(lab.folder, asked, supervisor.runs(lab, "depot"), hosts)


def _well(host: HostStatus) -> bool:
    active = all(said == "active" for said in host.units.values())
    return host.answers and active and host.database in (None, "Synced 3")


def _host_status(host: LabHost, release: str) -> HostStatus:
    powered = supervisor.runs(host.lab, host.name)
    asked = (
        *system_units(host),
        *units_of(host, release, base=True),
        *units_of(host, release, base=False),
    )
    try:
        said = (
            run(host, f"UNITS='{' '.join(asked)}' VIP={VIP}\n{_ASK}", timeout_s=15).splitlines()
            if powered
            else None
        )
    except LabProblem:
        said = None
    units: dict[str, str] = {}
    releases: dict[str, str] = {}
    database = ""
    for line in said or ():
        match line.split():
            case ["unit", unit, state]:
                units[unit] = state
            case ["release", component, artifact]:
                releases[component] = artifact.partition("-")[0]
            case ["database", *member]:
                database = " ".join(member)
            case _:
                continue
    return HostStatus(
        name=host.name,
        address=host.address,
        powered=powered,
        answers=said is not None,
        holds_vip="vip" in (said or ()),
        units=units,
        database=database if host.role == "controller" else None,
        releases=releases,
    )
