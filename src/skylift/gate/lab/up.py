"""Bring the lab up: the stages from a bare machine to hosts that answer, and the cloud's own after them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from skylift.gate.lab import (
    artifacts,
    identity,
    machine,
    network,
    openstack,
    packages,
    rootfs,
    supervisor,
    written,
)
from skylift.gate.lab.cloud import cloud_stages
from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import LabProblem, orphans, run
from skylift.gate.lab.mounts import mount_root, mounted_below, share_hosts_folder
from skylift.gate.lab.profiles import PROFILES
from skylift.gate.lab.stages import Stage, build
from skylift.gate.lab.state import LabRefused, LabState, locked, read_state, write_state
from skylift.gate.lab.status import status
from skylift.model.problem import Fix, Remedy

if TYPE_CHECKING:
    from skylift.gate.lab.artifacts import Artifact
    from skylift.gate.lab.host import Lab, LabHost
    from skylift.gate.lab.profiles import Profile
    from skylift.gate.lab.services import Role
    from skylift.gate.lab.stages import Progress

HOSTS = "hosts"
"""The stage after which every host answers."""

_PACKAGES = "packages of this machine"
_DEBIAN = "Debian for the hosts"
_QUIET = "scripts of an earlier up"
_BOOT_S = 120
_QUIET_S = 300
_REBUILD_GIB = 1
"""What has to be free for a lab that stands already."""


def up(lab: Lab, wanted: LabState, progress: Progress) -> int:
    """Bring the lab about and return how many stages had to be pushed; 0 if it stood already.

    May be killed anywhere and called again: it goes on where it stopped.

    Raises:
        MachineUnfit: the machine lacks something; nothing was touched.
        LabBusy: another command is changing this lab.
        LabRefused: the folder holds something else; nothing was touched.
        LabProblem: a stage failed.
    """
    there = read_state(lab)
    profile = PROFILES[wanted.profile]
    machine.refuse_unfit(
        lab.folder,
        disk_gib=profile.disk_gib if there is None else _REBUILD_GIB,
        memory_gib=profile.memory_gib,
    )
    with locked(lab, "up"):
        refuse_other(lab, read_state(lab), wanted)
        if _stands(lab):
            return 0
        write_state(lab, wanted)
        return build(stages(lab, wanted), progress)


def stages(lab: Lab, wanted: LabState) -> tuple[Stage, ...]:
    """All stages of a lab, each after those it needs."""
    made = {release: artifacts.artifact(release, lab.profile) for release in wanted.artifacts}
    present = made[wanted.release]
    publish = [_publish_stage(lab, one) for one in made.values()]
    published = [stage.name for stage in publish]
    return (
        *host_stages(lab, present),
        *(_build_stage(one) for one in made.values()),
        *publish,
        *cloud_stages(lab, present, made, hosts=_QUIET, published=published),
    )


def _stands(lab: Lab) -> bool:
    """Whether the last stage was reached once and nothing has fallen over since: asked all at once."""
    return written.there(lab) and status(lab).whole and openstack.answers(lab)


def host_stages(lab: Lab, present: Artifact) -> tuple[Stage, ...]:
    """From a bare machine to hosts that answer; those that run it have ``present`` from the start."""
    layers = tuple(role for role, wanted in lab.profile.packages.items() if wanted)
    return (
        Stage(_PACKAGES, lambda: not packages.absent(), packages.install),
        Stage(
            _DEBIAN,
            lambda: rootfs.debian().built,
            rootfs.build_debian,
            after=(_PACKAGES,),
        ),
        *(_layer_stage(role, lab.profile) for role in layers),
        Stage(
            "network",
            lambda: network.stands(lab),
            lambda: network.raise_network(lab),
            after=(_PACKAGES,),
        ),
        Stage(
            "depot",
            lambda: supervisor.runs(lab, "depot"),
            lambda: supervisor.serve_depot(lab),
            after=("network",),
        ),
        Stage(
            "root file systems",
            lambda: _rooted(lab),
            lambda: _root(lab, present),
            after=(_DEBIAN, *map(_layer_name, layers), _artifact_name(present)),
        ),
        Stage(
            HOSTS,
            lambda: all(answers(host) for host in lab.hosts),
            lambda: _boot(lab),
            after=("network", "root file systems"),
        ),
        Stage(_QUIET, lambda: _quiet(lab), lambda: _await_quiet(lab), after=(HOSTS,)),
    )


def answers(host: LabHost) -> bool:
    """Whether ``host`` lets us in and runs a command."""
    if not supervisor.runs(host.lab, host.name):
        return False
    try:
        run(host, "true", timeout_s=15)
    except LabProblem:
        return False
    return True


def _rooted(lab: Lab) -> bool:
    mounted = mounted_below(lab.folder / "hosts")
    return all(host.root in mounted and identity.known(host) for host in lab.hosts)


def _root(lab: Lab, present: Artifact) -> None:
    share_hosts_folder(lab)
    identity.make_key(lab)
    for host in lab.hosts:
        # The client of a whole cloud has it for the sake of its command-line clients.
        extra = (present.layer,) if lab.profile.on(host.role) or lab.profile.bus else ()
        mount_root(host, (*extra, *rootfs.lower_trees(host.role, lab.profile)))
        identity.give_identity(host)
    identity.let_hypervisors_in(lab)


def _boot(lab: Lab) -> None:
    for host in lab.hosts:
        supervisor.power_on(host)
    for host in lab.hosts:
        if not poll(partial(answers, host), limit_s=_BOOT_S):
            log = supervisor.log_of(lab, host.name)
            raise LabProblem(
                f"{host.name} did not answer within {_BOOT_S} s of its start",
                Remedy(Fix.REPAIR, f"read its console in {log}, then run skylift lab up again"),
            )


def _build_stage(one: Artifact) -> Stage:
    return Stage(
        _artifact_name(one),
        lambda: one.entry.built,
        lambda: artifacts.build(one),
        after=(_PACKAGES,),
    )


def _publish_stage(lab: Lab, one: Artifact) -> Stage:
    return Stage(
        f"{_artifact_name(one)} in the depot",
        (lab.depot / one.archive.name).exists,
        lambda: artifacts.publish(one, lab.depot),
        after=(_artifact_name(one),),
    )


def _artifact_name(one: Artifact) -> str:
    return f"artifact {one.release}"


def _layer_name(role: Role) -> str:
    return f"layer {role}"


def _quiet(lab: Lab) -> bool:
    return not any(orphans(host) for host in lab.hosts)


def _await_quiet(lab: Lab) -> None:
    if not poll(lambda: _quiet(lab), limit_s=_QUIET_S, every_s=1):
        raise LabProblem(f"scripts of an earlier lab up still run on the hosts after {_QUIET_S} s")


def refuse_other(lab: Lab, there: LabState | None, wanted: LabState) -> None:
    """Go on only if the folder is free, or holds the lab that is wanted.

    Raises:
        LabRefused: it holds something else; nothing was touched.
    """
    if there is None and lab.folder.exists() and any(lab.folder.iterdir()):
        raise LabRefused(
            f"{lab.folder} is not empty and holds no lab",
            Remedy(Fix.REPAIR, "give an empty folder: skylift lab up --dir FOLDER"),
        )
    if there is not None and there != wanted:
        raise LabRefused(
            f"the lab in {lab.folder} was made for {_said(there)}, not for {_said(wanted)}",
            Remedy(Fix.REPAIR, f"take it down first: skylift lab down --dir {lab.folder}"),
        )


def _said(state: LabState) -> str:
    return f"{state.release} of profile {state.profile} with artifacts {', '.join(state.artifacts)}"


def _layer_stage(role: Role, profile: Profile) -> Stage:
    return Stage(
        _layer_name(role),
        lambda: rootfs.role_layer(role, profile).built,
        lambda: rootfs.build_role_layer(role, profile),
        after=(_DEBIAN,),
    )
