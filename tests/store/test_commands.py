"""The command line with a store: every machine that has the record says and sees the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL
from tests.record.conftest import PINNED, WHOLE
from tests.store.conftest import Processes

from skylift.app.record_file import RecordInvalid, load_record
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.drivers.postgres_store import PostgresStore
from skylift.drivers.procrastinate_queue import ProcrastinateQueue
from skylift.engine.fold import fold
from skylift.engine.journal import Reported, StepFailed, StepStarted
from skylift.engine.operate import Asked, open_run
from skylift.engine.problems import Holder
from skylift.gate.lab.commands import poll
from skylift.model.ids import Epoch, RunId
from skylift.planning.text import digest_of, write_plan
from skylift.testing.crew.postgres_server import PASSWORD, Server
from skylift.testing.plans import planned
from skylift.testing.samples import sample_record

PLAN = planned(sample_record())
FIRST = PLAN.steps[0].id
RUN, OTHER = RunId("run-1"), RunId("run-2")
LIMIT_S = 200
"""For what is waited for: on a busy machine, a worker takes half a minute to start."""
PROBLEM = Reported("witness.hurt", "it is not as it was made", ())


@dataclass
class Machine:
    """A machine that has the record, and nothing else."""

    record: Path

    def types(self, *words: str) -> int:
        return call(["--cloud", str(self.record), *words])

    def asks(self, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
        capsys.readouterr()
        self.types(*words, "--json")
        told: dict[str, object] = json.loads(capsys.readouterr().out)
        return told


def machine(folder: Path, cloud: str, store: str) -> Machine:
    folder.mkdir()
    files = {"id_ed25519": "key", "known_hosts": PINNED, "clouds.yaml": "clouds: {lab: {auth: {}}}\n"}
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    record = folder / "cloud.yaml"
    record.write_text(WHOLE.replace("name: lab", f"name: {cloud}", 1) + f"store: {store}\n")
    return Machine(record)


@pytest.fixture
def machines(tmp_path: Path, processes: Processes, store: PostgresStore) -> tuple[Machine, Machine]:
    """Two, and a run that a third one began."""
    store.shelf.add(RUN, write_plan(PLAN), None)
    journal, asked = store.journal(RUN, None), Asked("rey@console", Epoch(0))
    open_run(journal, RUN, cloud="sample", plan=digest_of(PLAN), approved=(), asked=asked)
    journal.append(StepStarted(FIRST, 1, 1), after=1)
    journal.append(StepFailed(FIRST, 1, PROBLEM, ended=True, at_ms=2), after=2)
    here, there = (machine(tmp_path / name, processes.cloud, processes.reference) for name in ("a", "b"))
    return here, there


def test_what_is_said_on_one_machine_is_seen_on_the_other(
    machines: tuple[Machine, Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = machines

    codes = (here.types("pause"), there.types("skip", FIRST, "--reason", "its owner deleted it"))
    seen, own = there.asks(capsys, "status"), here.asks(capsys, "status")

    assert codes == (Exit.OK, Exit.OK)
    assert seen == own
    assert seen["run"] == RUN
    assert "its owner deleted it" in json.dumps(seen)
    assert here.types("status", "no-such-run") == Exit.BLOCKED


def test_who_holds_the_cloud_is_told_on_every_machine(
    machines: tuple[Machine, Machine], store: PostgresStore, capsys: pytest.CaptureFixture[str]
) -> None:
    with store.lease.hold(Holder(4711, "console", "rey", 0, RUN)):
        told = machines[1].asks(capsys, "status")

    assert "4711" in json.dumps(told)


@pytest.mark.parametrize(
    ("document", "change"),
    [
        ("plan", "UPDATE skylift.run SET plan = plan || '\\x20' WHERE cloud = %s"),
        (
            "journal",
            "UPDATE skylift.entry SET mark = 'x' WHERE cloud = %s AND name = 'run/run-1' AND row = 2",
        ),
        (
            "journal",
            "UPDATE skylift.entry SET body = '{}' WHERE cloud = %s AND name = 'run/run-1' AND row = 2",
        ),
        (
            "audit trail",
            "UPDATE skylift.entry SET body = '{}' WHERE cloud = %s AND name = 'audit' AND row = 1",
        ),
    ],
)
def test_any_edit_in_the_store_is_found(
    machines: tuple[Machine, Machine],
    processes: Processes,
    capsys: pytest.CaptureFixture[str],
    document: str,
    change: str,
) -> None:
    machines[0].types("pause")
    whole = machines[1].types("verify")
    with psycopg.connect(processes.reference) as connection:
        connection.execute(SQL(change), (processes.cloud,))

    proofs = machines[1].asks(capsys, "verify")["proofs"]

    assert whole == Exit.OK
    assert isinstance(proofs, list)
    assert document in {p["document"] for p in proofs if not p["holds"]}


def test_no_file_beside_the_record_and_no_row_has_the_password(
    machines: tuple[Machine, Machine], processes: Processes, tmp_path: Path
) -> None:
    machines[0].types("pause")
    machines[1].types("resume", "no-such-run")
    with psycopg.connect(processes.reference) as connection:
        rows = connection.execute("SELECT body FROM skylift.entry").fetchall()

    files = [f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()]
    assert all(PASSWORD.encode() not in said for said in (*files, *(bytes(row[0]) for row in rows)))
    assert (machines[0].record.parent / ".skylift").stat().st_mode & 0o777 == 0o700


def test_a_reference_with_a_password_is_refused_and_not_told(
    machines: tuple[Machine, Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = "postgresql://rey:geheim@db/skylift"
    code = machines[0].types("--store", bad, "status")
    told = capsys.readouterr()

    assert code == Exit.BLOCKED
    assert "geheim" not in told.out + told.err
    assert "~/.pgpass" in told.err


def test_a_record_that_holds_a_password_is_a_mistake(tmp_path: Path) -> None:
    bad = machine(tmp_path / "a", "lab", "postgresql://rey:geheim@db/skylift")

    with pytest.raises(RecordInvalid, match="it has a password in it") as caught:
        load_record(bad.record)

    assert "geheim" not in str(caught.value)


def test_the_remedy_for_a_damaged_trail_begins_another_one_for_that_cloud_alone(
    machines: tuple[Machine, Machine], processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    machines[0].types("pause")
    with psycopg.connect(processes.reference) as connection:
        connection.execute("UPDATE skylift.entry SET body = '{}' WHERE name = 'audit' AND row = 1")
        connection.execute(
            "INSERT INTO skylift.head SELECT 'other', name, version, rows, chain FROM skylift.head"
            " WHERE cloud = %s AND name = 'audit'",
            (processes.cloud,),
        )
    capsys.readouterr()

    refused = machines[0].types("resume")
    said = capsys.readouterr().err
    command = next(line for line in said.splitlines() if "psql " in line).partition(' -c "')[2].rstrip('"')
    with psycopg.connect(processes.reference, autocommit=True) as connection:
        connection.execute(command.encode())
        trails = connection.execute("SELECT cloud FROM skylift.head WHERE name = 'audit'").fetchall()

    assert refused == Exit.BLOCKED
    assert (processes.cloud,) not in trails
    assert ("other",) in trails
    machines[0].types("pause")
    assert "audit.damaged" not in capsys.readouterr().err


def test_a_record_with_a_mistake_does_not_lead_to_runs_beside_it(
    machines: tuple[Machine, Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    record = machines[0].record
    record.write_text(record.read_text() + "polcy: {}\n")

    assert machines[0].types("status") == Exit.BLOCKED
    assert "polcy" in capsys.readouterr().err


def test_a_worker_serves_each_cloud_once_from_the_store_that_its_record_names(
    machines: tuple[Machine, Machine], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = machine(tmp_path / "c", "west", "x").record
    alone.write_text(alone.read_text().replace("store: x\n", ""))

    assert call(["worker", str(machines[0].record), str(alone)]) == Exit.USAGE
    assert "name one store" in capsys.readouterr().err
    assert call(["worker", *(str(m.record) for m in machines)]) == Exit.USAGE
    assert "of the same cloud" in capsys.readouterr().err


def test_detach_needs_workers_and_so_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone = machine(tmp_path / "a", "lab", "")
    (tmp_path / "up.plan").write_bytes(write_plan(PLAN))

    assert alone.types("apply", str(tmp_path / "up.plan"), "--detach") == Exit.USAGE
    assert "--store" in capsys.readouterr().err


NEWEST = "SELECT id FROM procrastinate_workers ORDER BY id DESC LIMIT 1"


def in_queue(processes: Processes, statement: LiteralString, *given: object) -> list[tuple[Any, ...]]:
    """Done to the queue by somebody who may; nothing while it has no tables yet."""
    with (
        psycopg.connect(ProcrastinateQueue(processes.reference).conninfo) as connection,
        suppress(psycopg.errors.UndefinedTable),
    ):
        return connection.execute(statement, given).fetchall()
    return []


def asked_to_look(processes: Processes) -> int:
    """When a worker was asked to look at the cloud last: it is not before the look before has begun."""
    asked = "SELECT max(defer_timestamp) FROM procrastinate_periodic_defers WHERE periodic_id = %s"
    return max((latest or 0 for (latest,) in in_queue(processes, asked, processes.cloud)), default=0)


def several_looks(processes: Processes) -> bool:
    """Whether they come."""
    asked = set[int]()

    def more_than_three() -> bool:
        asked.add(asked_to_look(processes))
        return len(asked) > 3

    return poll(more_than_three, limit_s=LIMIT_S)


class TestWorker:
    """``skylift worker`` itself, as a supervisor starts it."""

    def start(self, at: Machine) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "skylift.cli.main", "--cloud", str(at.record), "worker"]
        return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)

    def test_it_says_what_it_serves_and_ends_at_once_when_it_is_told_to(
        self, machines: tuple[Machine, Machine], processes: Processes
    ) -> None:
        with self.start(machines[0]) as worker:
            assert worker.stderr is not None
            said = worker.stderr.readline()
            worker.send_signal(signal.SIGTERM)
            rest = worker.stderr.read()

        assert said == f"serves {processes.cloud}\n"
        assert (worker.returncode, rest) == (Exit.OK, "")

    def test_it_tells_what_it_cannot_drive_and_touches_no_journal_for_it(
        self, machines: tuple[Machine, Machine], store: PostgresStore
    ) -> None:
        """The run waits for somebody (a step has failed), so it is at rest: seen once, and left alone."""
        with self.start(machines[0]) as worker:
            try:
                poll(lambda: not store.shelf.restless(), limit_s=LIMIT_S)
            finally:
                worker.kill()

        assert store.shelf.restless() == ()
        assert len(store.journal(RUN, None).events()) == 3
        assert fold(store.journal(RUN, None).events()).closed is None

    def test_what_it_cannot_drive_is_told_and_tried_once_until_it_is_due_again(
        self, machines: tuple[Machine, Machine], store: PostgresStore, processes: Processes
    ) -> None:
        """Its users' cloud cannot be asked; several looks pass, and the journal grows by one attempt."""
        store.shelf.add(OTHER, write_plan(PLAN), None)
        journal, asked = store.journal(OTHER, None), Asked("rey@console", Epoch(0))
        open_run(journal, OTHER, cloud="sample", plan=digest_of(PLAN), approved=(), asked=asked)
        journal.append(StepStarted(PLAN.steps[0].id, 1, 1), after=1)
        with self.start(machines[0]) as worker:
            try:
                assert poll(lambda: OTHER not in store.shelf.due(), limit_s=LIMIT_S)
                with psycopg.connect(processes.reference) as connection:
                    connection.execute(
                        "UPDATE skylift.run SET not_before = 'infinity' WHERE cloud = %s", (processes.cloud,)
                    )
                assert several_looks(processes)
            finally:
                worker.kill()
            assert worker.stderr is not None
            said = worker.stderr.read()

        assert said.count("could not be used: there is no 'auth_url'") == 1
        assert [type(event).__name__ for event in journal.events()] == [
            "RunOpened",
            "StepStarted",
            "RunTakenUp",
        ]
        assert OTHER in store.shelf.restless()

    def test_one_that_others_took_for_dead_serves_on(
        self, machines: tuple[Machine, Machine], processes: Processes
    ) -> None:
        """It had stood still for a quarter of a minute when another started, which struck it out."""
        with self.start(machines[0]) as worker:
            try:
                assert poll(lambda: asked_to_look(processes) > 0, limit_s=LIMIT_S)
                ((first,),) = in_queue(processes, NEWEST)
                in_queue(processes, "DELETE FROM procrastinate_workers WHERE id = %s RETURNING id", first)
                assert poll(lambda: in_queue(processes, NEWEST) > [(first,)], limit_s=LIMIT_S)
                looks = several_looks(processes)
                ended = worker.poll()
            finally:
                worker.kill()

        assert (looks, ended) == (True, None)

    def test_without_the_store_it_ends_with_a_failure_for_its_supervisor(
        self, tmp_path: Path, server: Server
    ) -> None:
        away = machine(tmp_path / "a", "lab", f"postgresql:///nowhere?host={server.folder}/nowhere")
        with self.start(away) as worker:
            assert worker.stderr is not None
            said = worker.stderr.read()

        assert worker.returncode == Exit.FAILED
        assert "could not reach the store postgresql:///nowhere" in said

    def test_a_worker_without_a_store_is_not_understood(self, tmp_path: Path) -> None:
        assert machine(tmp_path / "a", "lab", "").types("worker") == Exit.USAGE


def test_without_the_extra_its_name_is_told_and_all_else_works(tmp_path: Path) -> None:
    """As on a machine where only Skylift itself is installed."""
    at = machine(tmp_path / "a", "lab", "")
    bar = "import sys; sys.modules['psycopg'] = None; from skylift.cli.main import main; main()"
    argv = [sys.executable, "-c", bar, "--cloud", str(at.record)]
    env = {**os.environ, "SKYLIFT_STORE": "postgresql://rey@db/skylift"}

    without = subprocess.run([*argv, "status"], capture_output=True, text=True, check=False)
    named = subprocess.run([*argv, "status"], capture_output=True, text=True, check=False, env=env)

    assert "there is no run yet" in without.stderr
    assert named.returncode == Exit.BLOCKED
    assert "psycopg is not installed" in named.stderr
    assert "pip install 'skylift[store]'" in named.stderr
