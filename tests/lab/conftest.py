"""One lab for all tests of a session, and the order in which they take it from release to release."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab.hop import Hop
from tests.lab.logged import logged

from skylift.app.record_file import load_record
from skylift.app.wiring import ports_for
from skylift.gate.lab.host import Lab
from skylift.model.record import Record
from skylift.ports import Ports

_ORDER = (
    "test_tutorial",
    "test_core_brief",
    "test_core_rollback",
    "test_core_restore",
    "test_core_workers",
    "test_core",
    "test_core_contracts",
    "test_core_reboot",
    "test_core_upgrade",
    "test_core_onward",
    "test_core_single",
    "test_core_control",
    "test_core_network",
    "test_jobs",
    "test_ports",
    "test_contracts",
    "test_upgrade",
    "test_faults",
    "test_lifecycle",
)
"""Those that share the cloud follow one another, each finding it as the one before left it. The tutorial
and the core cloud are over before that one is built: they have their own, and a small machine carries one
at a time."""

_UP_S = 1500
_STANDS: list[Lab] = []
"""The lab that was brought up last, if it was not taken down since."""
_TOLD: set[Path] = set()
"""The modules of which a failure was told with the hosts' logs."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lab tests run last and in the order they are written: an upgrade cannot be shuffled."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> tuple[int, int]:
    if item.path.parent != Path(__file__).parent or item.path.stem not in _ORDER:
        return (-1, 0)
    return (_ORDER.index(item.path.stem), item.reportinfo()[1] or 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The first failure of each module comes with what hosts had logged; later ones may follow from it."""
    report = yield
    if report.failed and item.path.parent == Path(__file__).parent and item.path not in _TOLD and _STANDS:
        _TOLD.add(item.path)
        report.sections.append(("what the hosts of the lab had logged", logged(_STANDS[-1])))
    return report


class OneLab:
    """The lab that stands: a small machine carries one at a time, so a new one takes the other's place."""

    def __init__(self) -> None:
        self._stands: Lab | None = None

    def bring_up(self, place: Lab, *words: str) -> None:
        """Bring up the lab in ``place``; the one that stands is taken down first."""
        self.take_down()
        self._stands = place
        _lab(place, "up", *words)

    def take_down(self) -> None:
        """Take down the one that stands, if any does."""
        if self._stands is not None:
            _lab(self._stands, "down")
            self._stands = None


@pytest.fixture(scope="session")
def one_lab() -> Iterator[OneLab]:
    standing = OneLab()
    yield standing
    standing.take_down()


@pytest.fixture(scope="session")
def lab(one_lab: OneLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A new lab at 2023.1, taken down at the end; ``SKYLIFT_TEST_LAB`` names one to use and to leave up."""
    words = ("--release", "2023.1")
    if told := os.environ.get("SKYLIFT_TEST_LAB"):
        _lab(place := Lab(Path(told).absolute()), "up", *words)
        return place
    place = Lab(tmp_path_factory.mktemp("cloud") / "lab")
    one_lab.bring_up(place, *words)
    return place


@pytest.fixture(scope="session")
def core_lab(one_lab: OneLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A new core cloud of 2024.1; ``SKYLIFT_TEST_CORE_LAB`` names one to use and to leave up."""
    return _told_or_new(one_lab, tmp_path_factory, "2024.1", "2025.1", "2026.1")


@pytest.fixture(scope="module")
def onward_lab(one_lab: OneLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The core cloud of 2025.1 that ``SKYLIFT_TEST_CORE_LAB`` names, as an upgrade left it, or a new one."""
    return _told_or_new(one_lab, tmp_path_factory, "2025.1", "2026.1")


@pytest.fixture(scope="module")
def brief_lab(one_lab: OneLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A new core cloud of 2024.1, for a single upgrade."""
    return _brought_up(one_lab, tmp_path_factory, "2024.1", "2025.1")


@pytest.fixture(scope="module")
def back_lab(one_lab: OneLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The core cloud of 2024.1 that ``SKYLIFT_TEST_CORE_LAB`` names, or a new one: left as it was found."""
    return _told_or_new(one_lab, tmp_path_factory, "2024.1", "2025.1")


@pytest.fixture(scope="module")
def workers_lab(one_lab: OneLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The core cloud of 2024.1 that ``SKYLIFT_TEST_CORE_LAB`` names, or a new one."""
    return _told_or_new(one_lab, tmp_path_factory, "2024.1", "2025.1")


@pytest.fixture(scope="module")
def single_lab(one_lab: OneLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A new core cloud of 2024.2."""
    return _brought_up(one_lab, tmp_path_factory, "2024.2", "2025.1")


@pytest.fixture(scope="module")
def control_lab(one_lab: OneLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A new core cloud of 2024.1, for an upgrade that is not ours."""
    return _brought_up(one_lab, tmp_path_factory, "2024.1", "2025.1")


@pytest.fixture(scope="session")
def network_lab(one_lab: OneLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A new network cloud of 2024.1; ``SKYLIFT_TEST_NETWORK_LAB`` names one to use and to leave up."""
    words = ("--profile", "network", "--release", "2024.1", "--artifacts", "2024.1")
    if told := os.environ.get("SKYLIFT_TEST_NETWORK_LAB"):
        place = Lab(Path(told).absolute())
        if not (place.folder / "cloud.yaml").exists():
            _lab(place, "up", *words)
        return place
    place = Lab(tmp_path_factory.mktemp("network") / "lab")
    one_lab.bring_up(place, *words)
    return place


def _told_or_new(one: OneLab, folders: pytest.TempPathFactory, release: str, *later: str) -> Lab:
    told = os.environ.get("SKYLIFT_TEST_CORE_LAB")
    if not told:
        return _brought_up(one, folders, release, *later)
    place = Lab(Path(told).absolute())
    if not (place.folder / "cloud.yaml").exists():
        _lab(place, "up", *_core(release, *later))
    return place


def _brought_up(one: OneLab, folders: pytest.TempPathFactory, release: str, *later: str) -> Lab:
    place = Lab(folders.mktemp(f"core-{release}") / "lab")
    one.bring_up(place, *_core(release, *later))
    return place


def _core(release: str, *later: str) -> tuple[str, ...]:
    return ("--profile", "core", "--release", release, "--artifacts", ",".join((release, *later)))


@pytest.fixture(scope="module")
def report(hop: Hop) -> dict[str, Any]:
    """What is told of the upgrade that a module is about."""
    return hop.ordeal.operator.report()


@pytest.fixture(scope="session")
def record_path(lab: Lab) -> Path:
    return lab.folder / "cloud.yaml"


@pytest.fixture(scope="session")
def record(record_path: Path) -> Record:
    return load_record(record_path)


@pytest.fixture(scope="module")
def ports(record: Record) -> Iterator[Ports]:
    with ports_for(record) as ports:
        yield ports


def _lab(place: Lab, verb: str, *words: str) -> None:
    command = [sys.executable, "-m", "skylift.cli.main", "lab", verb, "--dir", str(place.folder), *words]
    subprocess.run(command, check=True, timeout=_UP_S)
    _STANDS[:] = [place] if verb == "up" else []
