"""What a host exports, by a real tgtd; and by trees that look as the kernel shows LIO and nvmet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.app.maintained import SiteOf, ran
from tests.app.volume_run import VOL, serving, volumes_of
from tests.drivers import tgt
from tests.drivers.loopback import ADDRESS, Sshd
from tests.drivers.loopback import serving as serving_ssh

from skylift.app.read_volume import VolumesStuck
from skylift.drivers.ssh import Ssh
from skylift.drivers.volumes import LOOK, HostVolumes, Places
from skylift.engine.fold import Standing
from skylift.fleet.mandate import Purpose
from skylift.model.exports import Attached, Exports, Served, Software, Target, against_boot
from skylift.model.ids import HostName
from skylift.ports import Volumes
from skylift.testing.contracts import VolumesContract
from skylift.testing.fake_volumes import FakeVolumes

HOST = VOL[0]
ENABLED = '#!/bin/sh\n[ "$1" != is-enabled ] || {{ [ "$3" = {unit} ] && echo {state}; }}\n'
RUNS, OFF = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ATTACHED = [
    {"id": RUNS, "named": RUNS, "backend": "vol1@lvm", "servers": ["vm"]},
    {"id": OFF, "named": OFF, "backend": "vol1@lvm", "servers": ["off"]},
]


class Line:
    """The way to an agent that tells of two volumes, and that one instance is shut off."""

    def tell(self, *words: str, changes: bool = False) -> Any:
        assert not changes
        return ATTACHED if words[1] == "attached" else {"things": ["off", "else"], "after": ""}


@dataclass(frozen=True, slots=True)
class Machine:
    """A host that is reached over SSH, where a unit is said to start with it, or not."""

    folder: Path
    ssh: Ssh

    def volumes(self, places: Places) -> HostVolumes:
        return HostVolumes(self.ssh, Line(), places)

    def says(self, unit: str, state: str) -> None:
        program = self.folder / "systemctl"
        program.write_text(ENABLED.format(unit=unit, state=state), encoding="ascii")
        program.chmod(0o755)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "first").mkdir()
    with serving_ssh(folder, first=folder / "first") as sshd:
        yield sshd


@pytest.fixture
def machine(sshd: Sshd) -> Iterator[Machine]:
    with Ssh(sshd.access, {HOST: ADDRESS}) as ssh:
        found = Machine(sshd.folder / "first", ssh)
        found.says("tgt.service", "enabled")
        yield found


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[tgt.Tgtd]:
    with tgt.tgtd(tmp_path, RUNS, OFF) as running:
        yield running


@tgt.needs_tgt
class TestTgt(VolumesContract):
    @pytest.fixture
    def volumes(self, machine: Machine, daemon: tgt.Tgtd) -> Volumes:
        return machine.volumes(daemon.places)

    @pytest.fixture
    def serving(self) -> HostName:
        return HOST

    @pytest.fixture
    def boot(self, daemon: tgt.Tgtd) -> Callable[[], None]:
        return daemon.boot

    def test_what_is_in_no_file_is_named_and_gone_after_a_boot(
        self, volumes: Volumes, daemon: tgt.Tgtd
    ) -> None:
        daemon.forget(OFF)

        (against,) = against_boot(HOST, volumes.exports(HOST), volumes.attached(HOST))
        assert OFF in against.why
        assert RUNS not in against.why
        assert "tgt-admin --dump" in against.repair

        daemon.boot()
        assert [target.name for target in volumes.exports(HOST).targets] == [tgt.PREFIX + RUNS]

    def test_a_file_that_names_another_disk_does_not_save_it(
        self, volumes: Volumes, daemon: tgt.Tgtd
    ) -> None:
        file = daemon.folder / "volumes" / f"volume-{OFF}"
        file.write_text(file.read_text(encoding="ascii").replace(f"{OFF}.img", "other.img"), encoding="ascii")

        (against,) = against_boot(HOST, volumes.exports(HOST), volumes.attached(HOST))
        assert "not in what is restored" in against.why

    @pytest.mark.parametrize("state", ["disabled", "masked"])
    def test_without_a_unit_that_starts_it_nothing_is_brought_back(
        self, machine: Machine, volumes: Volumes, state: str
    ) -> None:
        machine.says("tgt.service", state)

        (against,) = against_boot(HOST, volumes.exports(HOST), volumes.attached(HOST))
        assert against.why == "no unit that restores what tgt exports starts with the host"
        assert against.repair == "skylift ssh vol1 systemctl enable tgt"

    def test_one_that_does_not_answer_leaves_us_blind(self, volumes: Volumes, daemon: tgt.Tgtd) -> None:
        daemon.die()

        seen = volumes.exports(HOST)
        assert seen.blind.startswith("tgtd does not answer")
        assert "nobody can tell what it exports" in against_boot(HOST, seen, ())[0].why

    def test_no_password_leaves_the_host(self, machine: Machine, daemon: tgt.Tgtd) -> None:
        of = daemon.places
        said = machine.ssh.ask(HOST, LOOK, str(of.control_port), of.tgt_config, of.configfs, of.etc)

        assert tgt.PREFIX + RUNS in said
        assert tgt.PASSWORD not in said


@dataclass(frozen=True, slots=True)
class _Volumes:
    """A real host that exports; whose volumes these are, a fake Cinder tells."""

    real: HostVolumes
    fake: FakeVolumes

    def exports(self, host: HostName) -> Exports:
        return self.real.exports(host) if host == HOST else self.fake.exports(host)

    def attached(self, host: HostName) -> tuple[Attached, ...]:
        return self.fake.attached(host)


@tgt.needs_tgt
def test_a_run_reboots_a_host_of_a_real_tgtd_when_all_is_saved_and_sees_it_again(
    tmp_path: Path, machine: Machine
) -> None:
    (tmp_path / "tgt").mkdir()
    at = serving(volumes_of(tmp_path))
    with tgt.tgtd(tmp_path / "tgt", *at.cloud.disks.volumes) as daemon:
        real = machine.volumes(daemon.places)
        fake = FakeVolumes(at.cloud)
        at.site = replace(at.site, ports=replace(at.site.ports, volumes=_Volumes(real, fake)))
        kept = (daemon.folder / "volumes" / "volume-of-off").read_bytes()
        daemon.forget("of-off")
        with pytest.raises(VolumesStuck, match="of-off"):
            ran(at, Purpose.REBOOT, HOST)

        (daemon.folder / "volumes" / "volume-of-off").write_bytes(kept)
        before = real.exports(HOST).targets
        _booted_with(at, daemon)
        run = ran(at, Purpose.REBOOT, HOST)

        assert run.standing is Standing.COMPLETED
        assert at.cloud.hosts[HOST].boots == 2
        assert sorted(real.exports(HOST).targets) == sorted(before)


def _booted_with(at: SiteOf, daemon: tgt.Tgtd) -> None:
    """Let tgtd go down and come up with the fake host that it is on."""

    def follow() -> None:
        if at.cloud.hosts[HOST].boots > 1 and not at.said:
            at.said = True
            daemon.boot()

    at.meanwhile = follow


IQN = "iqn.2010-10.org.openstack:volume-"


def lio(root: Path, *volumes: str, enabled: str = "1") -> Places:
    """What configfs has of targets with one disk each. Source: Linux, target_core_fabric_configfs.c."""
    for number, volume in enumerate(volumes):
        store = root / f"config/target/core/iblock_{number}" / (IQN + volume)
        group = root / "config/target/iscsi" / (IQN + volume) / "tpgt_1"
        lun = group / "lun/lun_0"
        for folder in (store, lun / "statistics"):
            folder.mkdir(parents=True)
        (store / "udev_path").write_text(f"/dev/vg/volume-{volume}\n", encoding="ascii")
        (group / "enable").write_text(f"{enabled}\n", encoding="ascii")
        (lun / "alua_tg_pt_gp").write_text("", encoding="ascii")
        (lun / "053e505f59").symlink_to(store)
    (root / "config/target/iscsi/discovery_auth").mkdir(parents=True, exist_ok=True)
    return Places(control_port=tgt_free(), configfs=str(root / "config"), etc=str(root / "etc"))


def tgt_free() -> int:
    """A control port that no tgtd has."""
    return 31_000 + time.monotonic_ns() % 1000


def saved_by_rtslib(file: Path, *volumes: str) -> None:
    """As rtslib saves it, in its form and order. Source: rtslib_fb 2.1.75, ``RTSRoot.save_to_file``."""
    file.parent.mkdir(parents=True)
    stores = [
        {"dev": f"/dev/vg/volume-{v}", "name": IQN + v, "plugin": "block", "readonly": False, "wwn": "86"}
        for v in volumes
    ]
    targets = [
        {
            "fabric": "iscsi",
            "tpgs": [
                {
                    "attributes": {"authentication": 1, "generate_node_acls": 0},
                    "enable": True,
                    "luns": [{"alias": "053", "index": 0, "storage_object": f"/backstores/block/{IQN}{v}"}],
                    "node_acls": [{"chap_password": tgt.PASSWORD, "chap_userid": "u", "node_wwn": "iqn.a"}],
                    "portals": [{"ip_address": "10.79.0.1", "iser": False, "port": 3260}],
                    "tag": 1,
                }
            ],
            "wwn": IQN + v,
        }
        for v in volumes
    ]
    document = {"fabric_modules": [], "storage_objects": stores, "targets": targets}
    file.write_text(json.dumps(document, sort_keys=True, indent=2) + "\n", encoding="ascii")


def test_what_lio_exports_is_read_with_the_file_that_restores_it(machine: Machine, tmp_path: Path) -> None:
    machine.says("rtslib-fb-targetctl.service", "enabled")
    places = lio(tmp_path, RUNS, OFF)
    saved_by_rtslib(tmp_path / "etc/rtslib-fb-target/saveconfig.json", RUNS, OFF)
    volumes = machine.volumes(places)

    (served,) = volumes.exports(HOST).served

    both = tuple(Target(IQN + v, 0, f"/dev/vg/volume-{v}") for v in (RUNS, OFF))
    file = f"{places.etc}/rtslib-fb-target/saveconfig.json"
    assert served == Served(Software.LIO, both, {file: both}, starts=True)
    assert against_boot(HOST, Exports((served,)), volumes.attached(HOST)) == ()
    said = machine.ssh.ask(
        HOST, LOOK, str(places.control_port), places.tgt_config, places.configfs, places.etc
    )
    assert tgt.PASSWORD not in said


def test_of_two_files_only_one_is_restored(machine: Machine, tmp_path: Path) -> None:
    machine.says("target.service", "enabled")
    places = lio(tmp_path, RUNS, OFF)
    saved_by_rtslib(tmp_path / "etc/rtslib-fb-target/saveconfig.json", RUNS)
    saved_by_rtslib(tmp_path / "etc/target/saveconfig.json", OFF)

    (against,) = against_boot(HOST, machine.volumes(places).exports(HOST), ())

    assert against.repair == "skylift ssh vol1 targetcli saveconfig"


def test_a_unit_is_not_asked_of_lio_where_cinder_restores_it(machine: Machine, tmp_path: Path) -> None:
    places = lio(tmp_path, RUNS)
    saved_by_rtslib(tmp_path / "etc/target/saveconfig.json", RUNS)
    volumes = machine.volumes(places)

    assert against_boot(HOST, volumes.exports(HOST), volumes.attached(HOST)) == ()
    (against,) = against_boot(HOST, volumes.exports(HOST), ())
    assert against.repair == "skylift ssh vol1 systemctl enable rtslib-fb-targetctl"


def test_a_group_that_is_not_enabled_exports_nothing_and_a_broken_file_saves_nothing(
    machine: Machine, tmp_path: Path
) -> None:
    assert machine.volumes(lio(tmp_path, RUNS, enabled="0")).exports(HOST) == Exports()

    places = lio(tmp_path / "other", RUNS)
    saved_by_rtslib(tmp_path / "other/etc/target/saveconfig.json", RUNS)
    (tmp_path / "other/etc/target/saveconfig.json").write_text("{", encoding="ascii")
    (served,) = machine.volumes(places).exports(HOST).served
    assert served.saved == {f"{places.etc}/target/saveconfig.json": ()}


def test_what_nvmet_exports_is_saved_by_nobody_but_its_own_tool(machine: Machine, tmp_path: Path) -> None:
    nqn = f"nqn.nvme-subsystem-1-{RUNS}"
    space = tmp_path / "config/nvmet/subsystems" / nqn / "namespaces/10"
    links = tmp_path / "config/nvmet/ports/1/subsystems"
    space.mkdir(parents=True)
    links.mkdir(parents=True)
    (space / "enable").write_text("1\n", encoding="ascii")
    (space / "device_path").write_text(f"/dev/vg/volume-{RUNS}\n", encoding="ascii")
    (links / nqn).symlink_to(space.parents[1])
    places = Places(control_port=tgt_free(), configfs=str(tmp_path / "config"), etc=str(tmp_path / "etc"))
    volumes = machine.volumes(places)

    exports = volumes.exports(HOST)
    assert exports.targets == (Target(nqn, 10, f"/dev/vg/volume-{RUNS}"),)
    repairs = [against.repair for against in against_boot(HOST, exports, volumes.attached(HOST))]
    assert repairs == ["skylift ssh vol1 nvmetcli save", "skylift ssh vol1 systemctl enable nvmet"]

    machine.says("nvmet.service", "enabled")
    device = {"nguid": "0", "path": f"/dev/vg/volume-{RUNS}"}
    saved = {
        "hosts": [],
        "ports": [{"addr": {"trtype": "tcp"}, "portid": 1, "referrals": [], "subsystems": [nqn]}],
        "subsystems": [{"namespaces": [{"device": device, "enable": 1, "nsid": 10}], "nqn": nqn}],
    }
    (tmp_path / "etc/nvmet").mkdir(parents=True)
    (tmp_path / "etc/nvmet/config.json").write_text(json.dumps(saved, indent=2), encoding="ascii")
    assert against_boot(HOST, volumes.exports(HOST), volumes.attached(HOST)) == ()


def test_a_host_that_exports_nothing_says_so(machine: Machine, tmp_path: Path) -> None:
    places = Places(control_port=tgt_free(), configfs=str(tmp_path), etc=str(tmp_path))

    assert machine.volumes(places).exports(HOST) == Exports()
