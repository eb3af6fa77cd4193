"""``make bench-scale``: what sharing runs costs, measured on this machine, and the page that says so."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from skylift.drivers.chain_journal import JOURNAL
from skylift.drivers.postgres_store import PostgresStore
from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.engine.chain import Row
from skylift.engine.fold import fold
from skylift.engine.journal import (
    FORMAT,
    Event,
    Journal,
    RunOpened,
    RunResumed,
    StepDone,
    StepStarted,
    encode_event,
)
from skylift.engine.problems import Holder
from skylift.model.ids import Digest, StepId
from skylift.testing.crew.crew import LASTS_S, RUN, Crew, crew_at, started
from skylift.testing.crew.postgres_server import Server, postgres_server
from skylift.testing.crew.shift import loses_driver

PRODUCT_LEASE_S = 15
WORKERS = (1, 2, 4)
CLOUDS = 4
KILLS = 3
APPENDS = 1000
STEPS_A_HOST = 50
BEGIN, END = "<!-- bench-scale:begin -->", "<!-- bench-scale:end -->"
HOLDER = Holder(os.getpid(), "bench", "bench", 0, RUN)


def main() -> None:
    """Measure all of it, and write the page or print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--hosts", type=int, default=10_000)
    asked = parser.parse_args()
    with postgres_server() as server:
        os.environ["PGPASSFILE"] = str(server.passfile)
        load = os.getloadavg()[0]
        spread = [measured_spread(server, n) for n in WORKERS]
        lines = [
            f"{os.cpu_count()} cores, load {load:.0f} from others when it began.",
            "",
            *spread_table(spread),
            "",
            *take_over_table(server),
            "",
            *journal_table(server, spread[0].client_ms),
            "",
            *resume_table(server, asked.hosts),
        ]
    if asked.page is None:
        sys.stdout.write("\n".join(lines) + "\n")
        return
    before, _, rest = asked.page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    asked.page.write_text("\n".join((before + BEGIN, *lines, END + after)))


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


def spread_table(spread: list[Spread]) -> Iterator[str]:
    """Steps and CPU, by the number of workers."""
    yield f"| workers, {CLOUDS} clouds | steps | steps/s | worker CPU, ms/step | PostgreSQL CPU, ms/step |"
    yield "| --: | --: | --: | --: | --: |"
    for s in spread:
        rate = s.steps / s.wall_s
        yield f"| {s.workers} | {s.steps} | {rate:.0f} | {s.client_ms:.1f} | {s.server_ms:.1f} |"


def take_over_table(server: Server) -> Iterator[str]:
    """From ``kill -9`` of the driver to the lease, and to the first event, of whoever took over."""
    yield f"| take-over (lease {PRODUCT_LEASE_S} s) | held, s after kill -9 | went on, s after kill -9 |"
    yield "| --- | --: | --: |"
    with (
        tempfile.TemporaryDirectory() as folder,
        crew_at(Path(folder), server.reference, "take-over", lasts_s=PRODUCT_LEASE_S) as crew,
    ):
        crew.begin(workers=2)
        starts = (10 + 25 * number for number in range(KILLS))
        taken_over = [t for start in starts for t in loses_driver(crew, start=start, and_s=0)]
        for number, t in enumerate(taken_over, start=1):
            yield f"| kill {number} | {t.held_after_s:.1f} | {t.written_after_s:.1f} |"
        crew.completes()


def journal_table(server: Server, step_ms: float) -> Iterator[str]:
    """What an event costs, and what share of a step's CPU its two events are."""
    yield "| journal | writer CPU, ms/event | PostgreSQL CPU, ms/event | share of worker CPU |"
    yield "| --- | --: | --: | --: |"
    with tempfile.TemporaryDirectory() as folder:
        own, _ = appended(SqliteJournal(Path(folder) / "journal"), server)
        yield f"| SQLite | {own:.2f} | | {200 * own / step_ms:.0f} % |"
    store = PostgresStore(server.reference, "journal")
    with store.lease.hold(HOLDER):
        own, theirs = appended(store.journal(RUN, None), server)
    store.close()
    yield f"| PostgreSQL, fenced | {own:.2f} | {theirs:.2f} | {200 * own / step_ms:.0f} % |"


def appended(journal: Journal, server: Server) -> tuple[float, float]:
    """CPU of one append, here and in the server, in ms."""
    before, theirs = _own_cpu_s(), server.cpu_s()
    for number in range(APPENDS):
        journal.append(RunResumed("bench", number), after=number)
    own = _own_cpu_s() - before
    journal.close()
    return 1000 * own / APPENDS, 1000 * (server.cpu_s() - theirs) / APPENDS


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resume_table(server: Server, hosts: int) -> Iterator[str]:
    """How long a journal that is half through takes to be read, verified and folded."""
    yield f"| {hosts:,} hosts, {STEPS_A_HOST} steps each, half of them done | events | CPU, s | wall, s |"
    yield "| --- | --: | --: | --: |"
    events = fill(server, "resume", hosts)
    store = PostgresStore(server.reference, "resume")
    cpu, wall = _own_cpu_s(), time.monotonic()
    journal = store.journal(RUN, None)
    read_cpu, read_wall = _own_cpu_s() - cpu, time.monotonic() - wall
    run = fold(journal.events())
    cpu, wall = _own_cpu_s() - cpu, time.monotonic() - wall
    store.close()
    assert run.length == events, "the journal lost something"  # noqa: S101 - a bench that must not lie
    yield f"| read and verified | {events:,} | {read_cpu:.1f} | {read_wall:.1f} |"
    yield f"| and folded | {events:,} | {cpu:.1f} | {wall:.1f} |"


def half_done(hosts: int) -> Iterator[Event]:
    """The events of such a run: every step of the first half of the hosts began and ended."""
    yield RunOpened(FORMAT, RUN, "bench", Digest("sha256:" + "0" * 64), (), "bench", 0)
    for number in range(hosts * STEPS_A_HOST // 2):
        step = StepId(f"step{number % STEPS_A_HOST}@cmp{number // STEPS_A_HOST}")
        yield StepStarted(step, 1, number)
        yield StepDone(step, 1, number)


def fill(server: Server, cloud: str, hosts: int) -> int:
    """Put such a journal into the store, all at once: how many events it has."""
    store = PostgresStore(server.reference, cloud)
    store.make()
    store.close()
    name, rows = f"run/{RUN}", 0
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        tail: list[Row] = []
        for rows, event in enumerate(half_done(hosts), start=1):
            tail = [JOURNAL.next_row(tail, encode_event(event), None, cloud)]
            body, chain, *_ = tail[0].stored
            file.write(f"{cloud}\t{name}\t{rows}\t\\\\x{body.hex()}\t\\\\x{chain.hex()}\t\t\n")
        file.flush()
        end_of = JOURNAL.end_of(tail).hex()
        file_of_head = Path(file.name).with_suffix(".head")
        file_of_head.write_text(f"{cloud}\t{name}\t{JOURNAL.version}\t{rows}\t\\\\x{end_of}\n")
        for table, source in (("entry", file.name), ("head", file_of_head)):
            psql = [str(server.programs / "psql"), "-q", "-d", server.reference]
            subprocess.run([*psql, "-c", f"\\copy skylift.{table} from '{source}'"], check=True)
        file_of_head.unlink()
    return rows


if __name__ == "__main__":
    main()
