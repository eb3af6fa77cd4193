"""Claims about artifacts and their launchers, none of which builds one."""

from __future__ import annotations

import subprocess
from py_compile import PycInvalidationMode
from py_compile import compile as compile_file
from typing import TYPE_CHECKING

import pytest

from skylift.gate.lab import artifacts
from skylift.gate.lab.artifacts import HOME, artifact, broken, build_broken, dated_files, releases
from skylift.gate.lab.host import LabProblem
from skylift.gate.lab.launchers import launcher
from skylift.gate.lab.manifest import write_manifest
from skylift.gate.lab.profiles import API, CORE, PROFILES, Profile
from skylift.gate.lab.services import GLANCE, NEUTRON, Service

if TYPE_CHECKING:
    from pathlib import Path


def test_there_are_pins_for_both_hops() -> None:
    assert releases() == ("2023.1", "2024.1", "2025.1")


def test_the_core_cloud_has_pins_from_2024_1_on() -> None:
    assert releases(CORE) == ("2024.1", "2024.2", "2025.1", "2026.1")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_profile_has_an_artifact_of_its_own_or_that_of_one_which_has_all_it_needs(
    profile: Profile,
) -> None:
    own = profile.larger or profile
    others = {artifact("2024.1", other).name for other in PROFILES.values() if (other.larger or other) != own}

    assert all(one in own.components for one in profile.components)
    assert artifact("2024.1", profile) == artifact("2024.1", own)
    assert artifact("2024.1", profile).name not in others


def test_an_unknown_release_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabProblem, match=r"2019\.1: it has pins for 2023\.1, 2024\.1, 2025\.1"):
        artifact("2019.1")


def test_the_name_begins_with_the_release_and_is_the_place_on_the_host() -> None:
    one = artifact("2024.1")

    assert one.name.startswith("2024.1-")
    assert len(one.name) == len("2024.1-") + 16
    assert one.path == f"{HOME}/{one.name}"
    assert one.archive.name == f"{one.name}.tar.zst"


def test_the_name_is_the_same_each_time() -> None:
    assert artifact("2024.1").name == artifact("2024.1").name


def test_a_release_of_its_own_has_a_name_of_its_own() -> None:
    assert len({artifact(release).name[7:] for release in releases()}) == len(releases())


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("_pins", lambda *_: "keystone==0\n"),
        ("launcher", lambda *_, **__: "#!/bin/sh\n"),
        ("_python_version", lambda: "3.99"),
        ("_FORMAT", -1),
    ],
)
def test_whatever_it_is_built_from_changes_the_name(
    monkeypatch: pytest.MonkeyPatch, what: str, changed: object
) -> None:
    before = artifact("2024.1").name

    monkeypatch.setattr(artifacts, what, changed)

    assert artifact("2024.1").name != before


@pytest.mark.parametrize(
    ("mode", "dated"),
    [
        (PycInvalidationMode.TIMESTAMP, ["a.pyc"]),
        (PycInvalidationMode.CHECKED_HASH, ["a.pyc"]),
        (PycInvalidationMode.UNCHECKED_HASH, []),
    ],
)
def test_a_compiled_file_that_python_would_write_again_is_found(
    tmp_path: Path, mode: PycInvalidationMode, dated: list[str]
) -> None:
    """One was: root's helpers of Neutron wrote it, and the artifact could not be staged again."""
    (tmp_path / "a.py").write_text("x = 1\n")
    compile_file(str(tmp_path / "a.py"), cfile=str(tmp_path / "a.pyc"), invalidation_mode=mode)

    assert [file.name for file in dated_files(tmp_path)] == dated


@pytest.mark.parametrize("component", [service.link_name for service in API.services])
def test_a_broken_artifact_has_a_name_of_its_own_of_the_same_length(component: str) -> None:
    """Its files name its path: a name of another length could not take the other's place."""
    whole = artifact("2024.1")

    ill = broken(whole, component=component)

    assert ill.name != whole.name
    assert len(ill.path) == len(whole.path)


def test_a_broken_artifact_differs_in_its_launcher_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLIFT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(artifacts, "run_sealed", lambda *_, **__: "")
    whole = artifact("2024.1")
    (whole.tree / "libexec").mkdir(parents=True)
    (whole.tree / "libexec/serve-keystone").write_text("#!/bin/sh\nexec keystone\n")
    (whole.tree / "libexec/serve-glance").write_text(f"#!{whole.path}/bin/python\n")
    write_manifest(whole.tree)
    ill = broken(whole, component="keystone")

    build_broken(ill, whole, component="keystone")

    assert (ill.tree / "libexec/serve-glance").read_text() == f"#!{ill.path}/bin/python\n"
    ended = subprocess.run([ill.tree / "libexec/serve-keystone"], check=False, capture_output=True)
    assert ended.returncode == 1
    assert b"broken on purpose" in ended.stderr
    assert ill.digest != whole.digest


@pytest.mark.parametrize("module", [True, False])
@pytest.mark.parametrize("service", CORE.services, ids=lambda service: service.name)
def test_a_launcher_is_a_shell_script_that_parses(service: Service, *, module: bool) -> None:
    script = launcher(service.link_name, service.program, module=module).encode()

    ended = subprocess.run(["sh", "-n"], input=script, check=False, capture_output=True)

    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_launcher_serves_the_module_where_there_is_one() -> None:
    assert "--module glance.wsgi.api:application" in launcher("glance", GLANCE.program, module=True)
    assert '--wsgi-file "$artifact/bin/glance-wsgi-api"' in launcher("glance", GLANCE.program, module=False)


def test_a_launcher_stays_with_its_artifact_when_the_link_to_it_moves(tmp_path: Path) -> None:
    """Row 98: what runs is the artifact it was started from."""
    first, current = tmp_path / "first", tmp_path / "current"
    (first / "libexec").mkdir(parents=True)
    (first / "bin").mkdir()
    (first / "bin/python").write_text('#!/bin/sh\necho "$1"\n')
    (first / "libexec/serve-glance").write_text(launcher("glance", GLANCE.program, module=True))
    for program in ("bin/python", "libexec/serve-glance"):
        (first / program).chmod(0o755)
    current.symlink_to(first)

    ended = subprocess.run([current / "libexec/serve-glance"], check=True, capture_output=True, text=True)

    assert ended.stdout.strip() == f"{first}/bin/pyuwsgi"


def test_a_service_that_served_itself_does_so_where_its_release_has_no_module() -> None:
    server = NEUTRON[0]

    old, new = (launcher(server.link_name, server.program, module=kind) for kind in (False, True))

    assert 'exec "$artifact/bin/python" "$artifact/bin/"neutron-server --config-file' in old
    assert "pyuwsgi" not in old
    assert "--module neutron.wsgi.api:application" in new
