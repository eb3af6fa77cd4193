"""Workers on a fake cloud that outlives them, and an operator's desk beside it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from skylift.app.approvals import Approval
from skylift.app.conduct import apply
from skylift.app.propose import propose
from skylift.app.site import Site
from skylift.drivers.postgres_store import PostgresStore
from skylift.model.goal import Upgrade
from skylift.model.ids import RunId
from skylift.model.release import Release
from skylift.testing.crew.cloud_server import served
from skylift.testing.crew.shift import Shift
from skylift.testing.crew.worker import bench, record, site_of
from skylift.testing.fake_cloud import FakeCloud

GOAL = Upgrade(Release(2024, 1))
RUN = RunId("20260101-000000-run-0001")
SPEED = 60
"""Seconds of the cloud in one of ours."""
LASTS_S = 2.5
"""For how long a lease lasts, if nothing else is said."""
LIMIT_S = 240


def new_cloud() -> FakeCloud:
    """One at 2023.1, with 2024.1 staged on it."""
    cloud = FakeCloud(record())
    cloud.stage(GOAL.to)
    return cloud


@dataclass(kw_only=True)
class Crew(Shift):
    """A shift on one cloud of ours, an operator's desk, and the cloud itself."""

    cloud: FakeCloud
    alone: threading.Lock
    site: Site

    def begin(self, workers: int) -> None:
        """Open a run of an upgrade, and leave it to ``workers``."""
        text = propose(self.site, GOAL).text
        apply(self.site, self.id, text, bench(), approval=Approval.ALL, detached=True)
        super().begin(workers)


@contextmanager
def crew_at(
    folder: Path,
    reference: str,
    name: str,
    *,
    cloud: FakeCloud | None = None,
    lasts_s: float = LASTS_S,
    speed: int = SPEED,
) -> Iterator[Crew]:
    """A crew without workers yet, on a new ``cloud``; those that live at the end are killed, one by one."""
    cloud, socket = cloud or new_cloud(), folder / "cloud"
    # The desk holds the cloud while it looks, which takes long on a busy machine.
    store = PostgresStore(reference, name, lasts_s=LIMIT_S)
    store.make()
    with served(cloud, socket, speed=speed) as alone, (folder / "said").open("wb") as said:

        def start(number: int) -> subprocess.Popen[bytes]:
            return started(folder / f"machine{number}", reference, {name: socket}, said, lasts_s=lasts_s)

        site = site_of(folder / "desk", store, socket, "rey@console")
        crew = Crew(store=store, id=RUN, start=start, limit_s=LIMIT_S, cloud=cloud, alone=alone, site=site)
        try:
            yield crew
        finally:
            crew.end()
            store.close()


def started(
    home: Path, reference: str, clouds: Mapping[str, Path], said: IO[bytes], *, lasts_s: float
) -> subprocess.Popen[bytes]:
    """A worker process that serves ``clouds``, each at its socket."""
    argv = [sys.executable, "-m", "skylift.testing.crew.worker", reference, str(home), str(lasts_s)]
    return subprocess.Popen([*argv, *(f"{c}={socket}" for c, socket in clouds.items())], stderr=said)
