"""The journal in PostgreSQL: the same promises as in SQLite, and a fence around whoever held the cloud."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import RowMaker, tuple_row
from psycopg.sql import SQL
from tests.store.conftest import Processes

from skylift.drivers.ed25519 import KeyFile
from skylift.drivers.postgres import VERSION
from skylift.drivers.postgres_lease import LASTS_S, Token
from skylift.drivers.postgres_store import PostgresStore
from skylift.engine.journal import Overtaken, RunResumed
from skylift.engine.journal_problems import JournalDamaged, JournalFormat
from skylift.engine.problems import Holder, RunHeld, SignerNeeded
from skylift.engine.store_problems import (
    LeaseLost,
    LeaseUnsure,
    StoreFormat,
    StoreReference,
    StoreRefuses,
    StoreUnreachable,
)
from skylift.gate.lab.commands import poll
from skylift.model.ids import RunId
from skylift.testing.contracts.on_journals import ONE_OF_EACH, JournalContract, OpenJournal
from skylift.testing.crew.postgres_server import PASSWORD, Server
from skylift.testing.keys import key_file

RUN = RunId("r1")
REY = Holder(pid=4711, host="console", user="rey", since_ms=1_764_000_000_000, run=RUN)
ANN = Holder(pid=17, host="laptop", user="ann", since_ms=1_764_000_000_001, run=RUN)
LAST = len(ONE_OF_EACH)
ENTRY = ("row", "body", "chain", "key", "mark")
"""What is read of each row."""


class TestPostgresJournal(JournalContract):
    @pytest.fixture
    def open_journal(self, processes: Processes, store: PostgresStore) -> OpenJournal:
        store.make()
        return lambda: processes.another().journal(RUN, None)


def written(store: PostgresStore) -> None:
    journal = store.journal(RUN, None)
    for number, event in enumerate(ONE_OF_EACH):
        journal.append(event, after=number)


def asked(server: Server, statement: str, *given: object) -> list[tuple[object, ...]]:
    """Done to the database by somebody who may."""
    with psycopg.connect(server.reference, autocommit=True) as connection:
        done = connection.execute(SQL(statement), given)
        return done.fetchall() if done.description else []


def until(server: Server, cloud: str) -> datetime:
    """When the lease on a cloud ends, if nobody renews it."""
    ((ends,),) = asked(server, "SELECT until FROM skylift.lease WHERE cloud = %s", cloud)
    assert isinstance(ends, datetime)
    return ends


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE entry SET body = body || '\\x20' WHERE cloud = %s AND row = 9", "row 9"),
        ("UPDATE entry SET chain = '\\x00' WHERE cloud = %s AND row = 3", "row 3"),
        ("DELETE FROM entry WHERE cloud = %s AND row = 1", "row 1 is missing"),
        ("DELETE FROM entry WHERE cloud = %s AND row = 5", "row 5 is missing"),
        (f"DELETE FROM entry WHERE cloud = %s AND row = {LAST}", f"should not end with row {LAST - 1}"),  # noqa: S608 - ours
        ("DELETE FROM head WHERE cloud = %s", f"should not end with row {LAST}"),
        (
            f"INSERT INTO entry SELECT cloud, name, row + {LAST}, body, chain, key, mark FROM entry"  # noqa: ISC004, S608
            " WHERE cloud = %s AND row = 1",
            f"row {LAST + 1}",
        ),
        ("UPDATE entry SET row = -2 WHERE cloud = %s AND row = 2", "row 1 is missing"),
    ],
)
def test_a_changed_row_is_refused_and_named(
    processes: Processes, server: Server, store: PostgresStore, change: str, named: str
) -> None:
    written(store)
    asked(server, change.replace("entry", "skylift.entry").replace("head ", "skylift.head "), processes.cloud)

    with pytest.raises(JournalDamaged, match=named):
        processes.another().journal(RUN, None)


def test_a_journal_of_another_format_is_refused(
    processes: Processes, server: Server, store: PostgresStore
) -> None:
    written(store)
    asked(server, "UPDATE skylift.head SET version = 3 WHERE cloud = %s", processes.cloud)

    with pytest.raises(JournalFormat, match="its format is 3"):
        processes.another().journal(RUN, None)


def test_a_journal_that_takes_longer_to_be_read_than_a_transaction_may_be_silent_is_read(
    processes: Processes, store: PostgresStore
) -> None:
    """Of half a million events values are made for so long: none is before the transaction is over."""
    written(store)
    slow, within = processes.another(), list[TransactionStatus]()

    def noting(cursor: psycopg.Cursor[Any]) -> RowMaker[tuple[Any, ...]]:
        make = tuple_row(cursor)

        def made(values: Sequence[Any]) -> tuple[Any, ...]:
            if len(values) == len(ENTRY):
                within.append(cursor.connection.info.transaction_status)
            return make(values)

        return made

    slow._database._connected().row_factory = noting  # noqa: SLF001 - as rows are made

    assert slow.journal(RUN, None).events() == ONE_OF_EACH
    assert within == [TransactionStatus.IDLE] * LAST


def test_what_was_put_off_is_due_again_in_time_or_once_somebody_says_a_word(
    store: PostgresStore, server: Server, cloud: str
) -> None:
    """And it rests no more for that: a word is what its journal has more than when it was put off."""
    store.shelf.add(RUN, b"", None)
    journal = store.journal(RUN, None)
    journal.append(ONE_OF_EACH[0], after=0)

    fresh = store.shelf.due()
    store.shelf.put_off(RUN, 3600)
    then = store.shelf.due()
    journal.append(ONE_OF_EACH[1], after=1)
    said = store.shelf.due()
    store.shelf.put_off(RUN, 3600)
    asked(server, "UPDATE skylift.run SET not_before = clock_timestamp() WHERE cloud = %s", cloud)

    assert (fresh, then, said, store.shelf.due()) == ((RUN,), (), (RUN,), (RUN,))
    assert store.shelf.restless() == (RUN,)


def test_of_many_who_append_at_once_each_place_has_one(processes: Processes, store: PostgresStore) -> None:
    def append(name: str) -> None:
        journal = processes.another().journal(RUN, None)
        for _ in range(20):
            while True:
                try:
                    journal.append(RunResumed(name, 0), after=len(journal.events()))
                except Overtaken:
                    continue
                break

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, "abcd"))
    written_by = [event.actor for event in store.journal(RUN, None).events() if isinstance(event, RunResumed)]

    assert sorted(written_by) == sorted("abcd" * 20)


def test_rows_are_sealed_and_nothing_unsealed_follows_them(
    processes: Processes, store: PostgresStore, tmp_path: Path
) -> None:
    signer = KeyFile(key_file(tmp_path / "key", 1))
    journal = store.journal(RUN, signer)
    journal.append(ONE_OF_EACH[0], after=0)

    with pytest.raises(SignerNeeded, match="run/r1"):
        processes.another().journal(RUN, None).append(ONE_OF_EACH[1], after=1)

    assert processes.another().journal(RUN, signer).events() == ONE_OF_EACH[:1]


class TestLease:
    def test_a_second_holder_is_refused_and_told_who_holds_it(
        self, processes: Processes, store: PostgresStore
    ) -> None:
        with store.lease.hold(REY), pytest.raises(RunHeld) as caught, processes.another().lease.hold(ANN):
            pass

        assert caught.value.holder == REY

    def test_one_given_back_can_be_taken_again(self, processes: Processes, store: PostgresStore) -> None:
        with store.lease.hold(REY):
            held_by = processes.another().lease.holder()

        with processes.another().lease.hold(ANN):
            then = store.lease.holder()

        assert (held_by, then, store.lease.holder()) == (REY, ANN, None)

    def test_two_clouds_of_a_store_are_held_apart(self, processes: Processes, store: PostgresStore) -> None:
        with store.lease.hold(REY), processes.another(cloud="quite another").lease.hold(ANN):
            assert store.lease.holder() == REY

    def test_it_lasts_while_its_process_lives(self, processes: Processes, server: Server) -> None:
        store = processes.another(lasts_s=LASTS_S)
        store.make()

        with store.lease.hold(REY):
            first = until(server, processes.cloud)
            assert poll(lambda: until(server, processes.cloud) > first, limit_s=120)
            with pytest.raises(RunHeld), processes.another().lease.hold(ANN):
                pass
            store.lease.look()

    def test_whoever_was_taken_over_writes_nothing_and_touches_nothing(
        self, processes: Processes, server: Server, store: PostgresStore, cloud: str
    ) -> None:
        journal = store.journal(RUN, None)
        journal.append(ONE_OF_EACH[0], after=0)
        with store.lease.hold(REY):
            asked(server, "UPDATE skylift.lease SET until = '-infinity' WHERE cloud = %s", cloud)
            with processes.another().lease.hold(ANN):
                with pytest.raises(LeaseLost, match="ann with process 17 on laptop"):
                    journal.append(ONE_OF_EACH[1], after=1)
                with pytest.raises(LeaseLost):
                    store.shelf.add(RunId("r2"), b"", None)
                with pytest.raises(LeaseLost):
                    store.lease.look()
                still = store.lease.holder()

        assert still == ANN
        assert processes.another().journal(RUN, None).events() == ONE_OF_EACH[:1]

    def test_a_write_that_began_first_ends_before_anybody_takes_over(
        self, processes: Processes, server: Server, store: PostgresStore, cloud: str
    ) -> None:
        """The look at the lease locks it: between it and the end of the write nobody can get in."""
        with store.lease.hold(REY):
            asked(server, "UPDATE skylift.lease SET until = '-infinity' WHERE cloud = %s", cloud)
            with store._database.transaction() as connection:  # noqa: SLF001 - a write, held open half way
                store._token.require(connection)  # noqa: SLF001
                impatient = processes.another()
                impatient._database.conninfo += " options='-c lock_timeout=200'"  # noqa: SLF001
                with pytest.raises(StoreUnreachable, match="lock timeout"), impatient.lease.hold(ANN):
                    pass

    def test_one_that_stands_still_in_the_middle_of_a_write_is_taken_over_all_the_same(
        self, processes: Processes, server: Server, store: PostgresStore
    ) -> None:
        """It holds the lease's row; the server ends the write for it, and nothing of that is kept."""
        with store.lease.hold(REY):
            asked(server, "UPDATE skylift.lease SET until = '-infinity' WHERE cloud = %s", processes.cloud)
            with (  # noqa: PT012 - the whole of a write
                pytest.raises(StoreUnreachable),
                store._database.transaction() as connection,  # noqa: SLF001
            ):
                store._token.require(connection)  # noqa: SLF001 - as an append begins
                # In small what the connection tells the server of every transaction (STILL).
                connection.execute("SET LOCAL idle_in_transaction_session_timeout = '200ms'")
                with processes.another().lease.hold(ANN):
                    held_by = processes.another().lease.holder()
                connection.execute("DELETE FROM skylift.lease")

        assert held_by == ANN

    def test_an_operators_word_needs_no_lease(self, processes: Processes, store: PostgresStore) -> None:
        with store.lease.hold(REY):
            processes.another().journal(RUN, None).append(ONE_OF_EACH[0], after=0)

            assert store.journal(RUN, None).events() == ONE_OF_EACH[:1]

    def test_what_the_store_has_not_confirmed_in_time_may_be_anothers(self) -> None:
        token = Token("a cloud")
        token.begin(1, 0.0)  # a lease that was sure until this machine was started

        with pytest.raises(LeaseUnsure):
            token.look()


class TestReference:
    @pytest.mark.parametrize(
        ("reference", "why"),
        [
            ("postgresql://rey:geheim@db/skylift", "password"),
            ("postgresql://rey@db/skylift?password=geheim", "password"),
            ("postgresql://rey@db/skylift#?password=geheim", "password"),
            ("mysql://db/skylift", "postgresql://"),
            ("postgresql://rey@db", "names no database"),
            ("postgresql://rey@[db/skylift", "no URL"),
            ("postgresql://rey@db/skylift?colour=blue", "cannot read it"),
        ],
    )
    def test_one_that_cannot_be_used_is_refused_and_never_told(self, reference: str, why: str) -> None:
        with pytest.raises(StoreReference, match=why) as caught:
            PostgresStore(reference, "a cloud")

        assert "geheim" not in str(caught.value)

    def test_its_password_comes_from_the_passfile_and_is_kept_nowhere_else(
        self, server: Server, store: PostgresStore
    ) -> None:
        asked(server, "SELECT 1")

        assert stat.S_IMODE(server.passfile.stat().st_mode) == 0o600
        assert PASSWORD not in store._database.conninfo  # noqa: SLF001 - what might be logged
        with pytest.raises(StoreUnreachable) as caught:
            PostgresStore(f"postgresql://nobody@/postgres?host={server.folder}", "a cloud").shelf.known()
        assert PASSWORD not in str(caught.value)


def test_a_store_that_is_not_there_is_a_problem_that_waiting_may_help(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="could not reach the store postgresql:///nowhere"):
        PostgresStore(f"postgresql:///nowhere?host={tmp_path}", "a cloud").shelf.known()


def test_a_database_without_tables_has_no_runs_and_is_left_as_it_is(
    processes: Processes, server: Server
) -> None:
    asked(server, "CREATE DATABASE bare")
    bare = processes.another(reference=server.reference_to("bare"))

    assert (bare.shelf.known(), bare.shelf.restless(), bare.lease.holder()) == ((), (), None)
    with psycopg.connect(server.reference_to("bare")) as connection:
        assert connection.execute("SELECT to_regnamespace('skylift')").fetchone() == (None,)


@pytest.mark.parametrize(("version", "who"), [(VERSION + 1, "older"), (0, "newer")])
def test_tables_of_another_version_are_refused_by_name(
    processes: Processes, server: Server, version: int, who: str
) -> None:
    asked(server, f"CREATE DATABASE version{version}")
    reference = server.reference_to(f"version{version}")
    processes.another(reference=reference).make()
    with psycopg.connect(reference) as connection:
        connection.execute("UPDATE skylift.store SET version = %s", (version,))

    with pytest.raises(StoreFormat, match=f"version {version}, and this Skylift, which is {who}"):
        processes.another(reference=reference).shelf.known()


def test_a_store_that_takes_nothing_says_why(processes: Processes, store: PostgresStore) -> None:
    read_only = processes.another()
    read_only._database.conninfo = store._database.conninfo.replace(  # noqa: SLF001 - as on a standby
        "-c synchronous_commit=on", "-c default_transaction_read_only=on"
    )

    with pytest.raises(StoreRefuses, match="read-only transaction"):
        read_only.journal(RUN, None).append(ONE_OF_EACH[0], after=0)


def test_the_connection_is_made_again_after_a_loss(server: Server, store: PostgresStore) -> None:
    journal = store.journal(RUN, None)
    journal.append(ONE_OF_EACH[0], after=0)
    asked(
        server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND application_name = 'skylift'",
    )

    with pytest.raises(StoreUnreachable, match="terminating connection"):
        journal.append(ONE_OF_EACH[1], after=1)
    journal.append(ONE_OF_EACH[1], after=len(journal.events()))

    assert journal.events() == ONE_OF_EACH[:2]
