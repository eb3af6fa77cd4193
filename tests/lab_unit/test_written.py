"""Claims about the record and the clouds.yaml of a lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from skylift.app.record_file import load_record
from skylift.gate.lab.artifacts import Artifact, artifact
from skylift.gate.lab.host import Lab
from skylift.gate.lab.manifest import write_manifest
from skylift.gate.lab.profiles import API
from skylift.gate.lab.written import there, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Artifact]:
    monkeypatch.setenv("SKYLIFT_CACHE_DIR", str(tmp_path / "cache"))
    both = {release: artifact(release) for release in ("2023.1", "2024.1")}
    for one in both.values():
        one.tree.mkdir(parents=True)
        (one.tree / "release").write_text(one.release)
        write_manifest(one.tree)
    return both


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    lab.folder.mkdir()
    lab.key.touch(0o600)
    lab.known_hosts.write_text("".join(f"{host.address} ssh-ed25519 AAAA\n" for host in lab.hosts))
    return lab


def test_the_record_is_one_the_product_reads(lab: Lab, made: dict[str, Artifact]) -> None:
    write(lab, made["2023.1"], made)

    record = load_record(lab.folder / "cloud.yaml", [one.name for one in API.components])

    assert sorted(record.hosts) == ["client", "ctl1", "ctl2", "ctl3"]
    assert {str(entry.artifact) for entry in record.components.values()} == {"openstack-2023.1"}
    assert {str(one.digest) for one in record.artifacts.values()} == {one.digest for one in made.values()}


def test_the_password_stands_in_the_owners_file_alone(lab: Lab, made: dict[str, Artifact]) -> None:
    write(lab, made["2023.1"], made)

    clouds = YAML(typ="safe").load(lab.folder / "clouds.yaml")
    password = clouds["clouds"]["lab"]["auth"]["password"]
    assert (lab.folder / "clouds.yaml").stat().st_mode & 0o777 == 0o600
    assert password not in (lab.folder / "cloud.yaml").read_text()


def test_what_is_there_is_known(lab: Lab, made: dict[str, Artifact]) -> None:
    before = there(lab)

    write(lab, made["2023.1"], made)

    assert (before, there(lab)) == (False, True)
