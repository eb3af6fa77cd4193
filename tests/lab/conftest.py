"""The lab that runs, as any cloud: its record, and the ports of its drivers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from skylift.app.record_file import load_record
from skylift.app.wiring import ports_for
from skylift.catalog.catalog import load
from skylift.gate.lab.host import default_folder
from skylift.model.record import Record
from skylift.ports import Ports


@pytest.fixture(scope="module")
def record() -> Record:
    return load_record(default_folder() / "cloud.yaml", load().components)


@pytest.fixture(scope="module")
def ports(record: Record) -> Iterator[Ports]:
    with ports_for(record) as ports:
        yield ports
