"""What goes on on a fake host: units that start and stop, and commands that take their time."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from skylift.model.cloud import UnitState
from skylift.model.ids import ComponentName, Digest, ServiceName, UnitName
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
REHEARSE, RESTORE = "rehearse-restore", "restore-database"
NOT_FOUND = 127
AUTOMATION = "automation"
"""The program of a cloud that pauses what works beside a run: ``automation paused|pause|give-back NAME``."""
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
    if path is None or path not in host.staged or path in cloud.broken or not _starts(cloud, host, unit):
        unit.state, unit.running, unit.pid = cloud.died, None, None
        unit.words = f"could not run {path}"
        return False
    cloud.pids += 1
    unit.words = ""
    unit.state, unit.running, unit.pid, unit.started_at = UnitState.ACTIVE, path, cloud.pids, cloud.now
    return True


def _starts(cloud: FakeCloud, host: FakeHost, unit: FakeUnit) -> bool:
    """Whether what a unit runs bears what the rows of its component tell."""
    entry = next(e for e in cloud.record.services.values() if host.units.get(e.unit) is unit)
    artifact = cloud.record.artifact_at(str(host.links[unit.link]))
    return artifact is None or cloud.roster.starts((entry.name, host.name), artifact.release)


def run_host(cloud: FakeCloud, host: FakeHost) -> None:
    """Let everything on a host come to its end whose time has come."""
    if host.booting:
        host.booting, host.booted_at = False, cloud.now
        for unit in (u for u in host.units.values() if u.enabled):
            run_unit(cloud, host, unit)
    for unit in host.units.values():
        if unit.inactive_at is not None and unit.inactive_at <= cloud.now:
            unit.state, unit.running, unit.pid, unit.inactive_at = UnitState.INACTIVE, None, None, None
    for job in host.jobs.values():
        if isinstance(job.state, Running) and job.ends_at <= cloud.now:
            job.state = job.fails or _end(cloud, host, job.command)


def _end(cloud: FakeCloud, host: FakeHost, command: Command) -> Ended:
    """Take a command's effect, and say how it ended."""
    program, *words = command.argv
    if program == "systemctl":
        return _start(cloud, host, UnitName(words[-1]))
    if program == "sh":
        # Batch after batch: ``sh -c LOOP NAME COMMAND``; or a reboot, which is a script with a note alone.
        again = Command(tuple(words[3:]), command.user)
        return _end(cloud, host, again) if again.argv else _reboot(cloud, host, words[2])
    if program == FETCH:
        if host.disk_free_bytes < _FETCH_NEEDS_BYTES:
            return Ended(1, "tar: write error: No space left on device")
        host.staged[PurePosixPath(words[0])] = Digest(words[1])
        return Ended(0, "all files agree with the manifest")
    if program in {DUMP, REHEARSE, RESTORE}:
        return _store(cloud, host, command)
    if (heads := cloud.leads_to.get(command.argv)) is not None:
        cloud.rows |= {head.database: head.rows for head in heads}
        return Ended(0, f"{' '.join(command.argv)}: done")
    if program.endswith("-manage"):
        return _migrate(cloud, host, command)
    return _plain(cloud, command)


def _plain(cloud: FakeCloud, command: Command) -> Ended:
    program, *words = command.argv
    if program == AUTOMATION:
        verb, name = words
        if name not in cloud.automation:
            return Ended(1, f"{name} does not answer")
        cloud.automation[name] = verb == "pause"
    if program.endswith("-status"):
        return Ended(cloud.upgrade_check_code, "Upgrade Check Results")
    plain = {
        "true": Ended(0, ""),
        AUTOMATION: Ended(0, ""),
        "ovs-ofctl": Ended(0, ""),
        "false": Ended(1, "it could not be installed"),
    }
    return plain.get(program) or Ended(NOT_FOUND, f"{program}: command not found")


def _store(cloud: FakeCloud, host: FakeHost, command: Command) -> Ended:
    program, database, path, *finished = command.argv
    if program == DUMP:
        return cloud.stores.dump(host, database, PurePosixPath(path))
    if program == REHEARSE:
        return cloud.stores.rehearse(host, PurePosixPath(path))
    return cloud.stores.restore(host, database, PurePosixPath(path), int(finished[0]))


def _start(cloud: FakeCloud, host: FakeHost, name: UnitName) -> Ended:
    unit = host.units.get(name)
    if unit is None:
        return Ended(5, f"Failed to start {name}: Unit {name} not found.")
    runs = unit.state is UnitState.ACTIVE or run_unit(cloud, host, unit)
    return Ended(0, "") if runs else Ended(1, "Job failed. See 'journalctl -xe' for details.")


def _reboot(cloud: FakeCloud, host: FakeHost, note: str) -> Ended:
    """What the action that reboots a host runs: it prints the boot that ends, and may come to nothing."""
    before = boot_id(host)
    if host.name not in cloud.stuck:
        cloud.reboot(host.name)
    return Ended(0, f"{before} {note}\n")


def _migrate(cloud: FakeCloud, host: FakeHost, command: Command) -> Ended:
    said = " ".join(command.argv)
    paths = (PurePosixPath(word) for word in command.argv if word.startswith("/"))
    program = next(path for path in paths if path.name.endswith("-manage"))
    path = program.parent.parent
    if path not in host.staged:
        return Ended(NOT_FOUND, f"{program}: no such file")
    component = ComponentName(program.name.removesuffix("-manage").removesuffix("-db"))
    release = next(a.release for a in cloud.record.artifacts.values() if a.path == path)
    cloud.schemas.run(release, component, said)
    return Ended(0, f"{said}: done")
