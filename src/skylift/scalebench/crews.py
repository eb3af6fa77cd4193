"""Workers that share runs in PostgreSQL: what a step costs by their number, and how one is taken over."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from skylift.engine.journal import StepDone
from skylift.testing.crew.crew import LASTS_S, Crew, crew_at, started
from skylift.testing.crew.postgres_server import Server
from skylift.testing.crew.shift import TakeOver, loses_driver

PRODUCT_LEASE_S = 15
CLOUDS = 4


@dataclass(frozen=True, slots=True)
class Spread:
    """What some workers took for an upgrade of each cloud."""

    workers: int
    steps: int
    wall_s: float
    client_ms: float
    """CPU of a step, in the workers."""
    server_ms: float
    """CPU of a step, in PostgreSQL."""


def measured_spread(server: Server, workers: int) -> Spread:
    """Upgrades of all clouds at once; what starting a worker costs is not counted, for it is paid once."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        crews: list[Crew] = []
        for number in range(CLOUDS):
            (folder / str(number)).mkdir()
            name = f"{workers}-{number}"
            crews.append(stack.enter_context(crew_at(folder / str(number), server.reference, name)))
        said = stack.enter_context((folder / "said").open("wb"))
        sockets = {f"{workers}-{n}": folder / str(n) / "cloud" for n in range(CLOUDS)}
        processes = [
            started(folder / f"machine{n}", server.reference, sockets, said, lasts_s=LASTS_S)
            for n in range(workers)
        ]
        stack.callback(end, processes)
        never = time.monotonic() + 5 * workers
        while time.monotonic() < never and not all(p.poll() is None and _cpu_s(p) > 1 for p in processes):
            subprocess.run(["sleep", "0.2"], check=True)
        before, own = server.cpu_s(), sum(_cpu_s(p) for p in processes)
        began = time.monotonic()
        for crew in crews:
            crew.begin(workers=0)
        for crew in crews:
            crew.completes()
        wall = time.monotonic() - began
        steps = sum(isinstance(e, StepDone) for crew in crews for e in crew.events())
        client = sum(_cpu_s(p) for p in processes) - own
        return Spread(workers, steps, wall, 1000 * client / steps, 1000 * (server.cpu_s() - before) / steps)


def _cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Kill them, one by one."""
    for process in processes:
        process.kill()
        process.wait()


def measured_take_overs(server: Server, kills: int) -> list[TakeOver]:
    """From ``kill -9`` of the driver to the lease, and to the first event, of whoever took over."""
    with (
        tempfile.TemporaryDirectory() as folder,
        crew_at(Path(folder), server.reference, "take-over", lasts_s=PRODUCT_LEASE_S) as crew,
    ):
        crew.begin(workers=2)
        starts = (10 + 25 * number for number in range(kills))
        taken_over = [t for start in starts for t in loses_driver(crew, start=start, and_s=0)]
        crew.completes()
    return taken_over
