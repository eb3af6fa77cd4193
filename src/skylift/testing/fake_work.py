"""What goes on on a fake host: units that start and stop, and commands that take their time."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from skylift.model.cloud import UnitState
from skylift.model.ids import ComponentName, Digest, Epoch, ServiceName, UnitName
from skylift.model.schema import rows_after
from skylift.ports import Command, Ended, Running
from skylift.testing.fake_builds import NOVA_COMPUTE
from skylift.testing.fake_state import GIB, Deed, FakeHost, FakeJob, FakeUnit

if TYPE_CHECKING:
    from skylift.testing.fake_cloud import FakeCloud

STOP_S = 1
COMMAND_S = 4
"""How long a migration, a dump or a check takes."""
START_S = 3
STAGE_S = 4

FETCH, DUMP = "fetch-artifact", "dump-database"
NOT_FOUND = 127
_FETCH_NEEDS_BYTES = 2 * GIB


def start_job(cloud: FakeCloud, host: FakeHost, key: str, command: Command) -> None:
    """Start ``command`` as a job. A unit it starts is activating from now on."""
    lasts = {"systemctl": START_S, FETCH: STAGE_S}.get(command.argv[0], COMMAND_S)
    host.jobs[key] = FakeJob(command, cloud.now + lasts)
    cloud.deeds.append(Deed(cloud.now, host.name, " ".join(command.argv)))
    unit = host.units.get(UnitName(command.argv[-1]))
    if unit is not None and unit.state is not UnitState.ACTIVE:
        unit.state, unit.inactive_at = UnitState.ACTIVATING, None


def boot_id(host: FakeHost) -> str:
    """What a host calls its present boot."""
    return f"boot-{host.boots}-of-{host.name}"


def stop_unit(cloud: FakeCloud, host: FakeHost, name: UnitName) -> None:
    """Stop a unit: what it has in hand is lost; no effect on one that is stopped or stopping."""
    unit = host.units[name]
    if unit.state in {UnitState.ACTIVE, UnitState.ACTIVATING}:
        cloud.traffic.cut((unit.pool, host.name))
        if is_unit_of(cloud, name, NOVA_COMPUTE):
            cloud.builds.cut(host.name)
        cloud.deeds.append(Deed(cloud.now, host.name, f"systemctl stop {name}"))
        unit.state, unit.inactive_at = UnitState.DEACTIVATING, cloud.now + STOP_S
    elif unit.state is UnitState.FAILED:
        unit.state = UnitState.INACTIVE


def is_unit_of(cloud: FakeCloud, name: UnitName, service: ServiceName) -> bool:
    """Whether a unit is a service's."""
    entry = cloud.record.services.get(service)
    return entry is not None and entry.unit == name


def run_unit(cloud: FakeCloud, host: FakeHost, unit: FakeUnit) -> bool:
    """Let a unit run what its link points to; whether that could run."""
    path = host.links.get(unit.link)
    if path is None or path not in host.staged or path in cloud.broken:
        unit.state, unit.running, unit.pid = cloud.died, None, None
        return False
    cloud.pids += 1
    unit.state, unit.running, unit.pid, unit.started_at = UnitState.ACTIVE, path, cloud.pids, cloud.now
    return True


def run_host(cloud: FakeCloud, host: FakeHost) -> None:
    """Let everything on a host come to its end whose time has come."""
    if host.booting:
        host.booting = False
        for unit in (u for u in host.units.values() if u.enabled):
            run_unit(cloud, host, unit)
    for unit in host.units.values():
        if unit.inactive_at is not None and unit.inactive_at <= cloud.now:
            unit.state, unit.running, unit.pid, unit.inactive_at = UnitState.INACTIVE, None, None, None
    for job in host.jobs.values():
        if isinstance(job.state, Running) and job.ends_at <= cloud.now:
            job.state = _end(cloud, host, job.command)


def _end(cloud: FakeCloud, host: FakeHost, command: Command) -> Ended:
    """Take a command's effect, and say how it ended."""
    program, *words = command.argv
    if program == "systemctl":
        unit = host.units.get(UnitName(words[-1]))
        if unit is None:
            return Ended(5, f"Failed to start {words[-1]}: Unit {words[-1]} not found.")
        runs = unit.state is UnitState.ACTIVE or run_unit(cloud, host, unit)
        return Ended(0, "") if runs else Ended(1, "Job failed. See 'journalctl -xe' for details.")
    if program == "sh":
        return _reboot(cloud, host)
    if program == FETCH:
        if host.disk_free_bytes < _FETCH_NEEDS_BYTES:
            return Ended(1, "tar: write error: No space left on device")
        host.staged[PurePosixPath(words[0])] = Digest(words[1])
        return Ended(0, "all files agree with the manifest")
    if program == DUMP:
        cloud.backups[host.name, PurePosixPath(words[1])] = Epoch(cloud.now)
        return Ended(0, words[1])
    if program.endswith("-manage"):
        return _migrate(cloud, host, command)
    plain = {"true": Ended(0, ""), "false": Ended(1, "it could not be installed")}
    if program.endswith("-status"):
        return Ended(cloud.upgrade_check_code, "Upgrade Check Results")
    return plain.get(program) or Ended(NOT_FOUND, f"{program}: command not found")


def _reboot(cloud: FakeCloud, host: FakeHost) -> Ended:
    """What the action that reboots a host runs: it prints the boot that ends, and may come to nothing."""
    before = boot_id(host)
    if host.name not in cloud.stuck:
        cloud.reboot(host.name)
    return Ended(0, f"{before}\n")


def _migrate(cloud: FakeCloud, host: FakeHost, command: Command) -> Ended:
    program, said = PurePosixPath(command.argv[0]), " ".join(command.argv[1:])
    path = program.parent.parent
    if path not in host.staged:
        return Ended(NOT_FOUND, f"{program}: no such file")
    component = ComponentName(program.name.removesuffix("-manage"))
    branch = next((branch for branch in ("expand", "contract") if branch in said), None)
    if branch is None and "sync" not in said:
        return Ended(0, "nothing to migrate")
    release = next(a.release for a in cloud.record.artifacts.values() if a.path == path)
    own = cloud.migrations[release, component]
    for database in cloud.record.components[component].databases.values():
        cloud.rows[database] = rows_after(own, cloud.rows[database], branch or "")
    return Ended(0, f"{said}: done")
