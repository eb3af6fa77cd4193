from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from skylift.drivers.sqlite_journal import SqliteJournal, read_journal
from skylift.engine.journal import Event, RunResumed, decode_event, encode_event
from skylift.engine.journal_problems import JournalDamaged, JournalFormat, JournalUnwritable
from skylift.model.codec import Malformed
from skylift.testing.contracts.on_journals import ONE_OF_EACH, JournalContract, OpenJournal
from skylift.testing.memory_journal import MemoryJournal

EVENTS = ONE_OF_EACH
LAST = len(EVENTS)


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def open_journal(self, tmp_path: Path) -> OpenJournal:
        return lambda: SqliteJournal(tmp_path / "journal")


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def open_journal(self) -> OpenJournal:
        journal = MemoryJournal()
        return lambda: journal


def written(path: Path) -> Path:
    journal = SqliteJournal(path)
    for number, event in enumerate(EVENTS):
        journal.append(event, after=number)
    journal.close()
    return path


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.kind)
def test_every_event_comes_back_from_its_bytes(event: Event) -> None:
    body = encode_event(event)

    assert b'"kind":"' + event.kind.encode() in body
    assert decode_event(json.loads(body)) == event


@pytest.mark.parametrize("document", [None, [], {}, {"kind": "step-danced"}, {"kind": "step-done"}])
def test_what_is_no_event_is_refused(document: object) -> None:
    with pytest.raises(Malformed):
        decode_event(document)


def test_a_journal_is_read_while_another_process_writes_it(tmp_path: Path) -> None:
    writer = SqliteJournal(tmp_path / "journal")
    writer.append(EVENTS[0], after=0)

    before = read_journal(tmp_path / "journal")
    writer.append(EVENTS[1], after=1)
    after = read_journal(tmp_path / "journal")

    assert (before, after) == (EVENTS[:1], EVENTS[:2])
    writer.close()


def test_only_its_owner_may_read_a_journal_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal = SqliteJournal(tmp_path / "journal")
        journal.append(EVENTS[0], after=0)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        journal.close()
    finally:
        os.umask(before)

    assert modes.keys() >= {"journal", "journal-wal"}
    assert set(modes.values()) == {0o600}


def test_a_power_cut_cannot_take_back_what_was_appended(tmp_path: Path) -> None:
    """WAL with synchronous=FULL: a commit is on the disk when it returns."""
    journal = SqliteJournal(tmp_path / "journal")

    mode = journal._file._db.execute("PRAGMA journal_mode").fetchone()  # noqa: SLF001 - the setting is the claim
    synchronous = journal._file._db.execute("PRAGMA synchronous").fetchone()  # noqa: SLF001

    assert (mode, synchronous) == (("wal",), (2,))
    journal.close()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE entry SET body = replace(body, 'step-done', 'step-gone') WHERE row = 9", "row 9"),
        ("UPDATE entry SET body = CAST(body AS TEXT) WHERE row = 2", "row 2"),
        ("UPDATE entry SET chain = zeroblob(32) WHERE row = 3", "row 3"),
        ("DELETE FROM entry WHERE row = 1", "row 1 is missing"),
        ("DELETE FROM entry WHERE row = 5", "row 5 is missing"),
        (f"DELETE FROM entry WHERE row = {LAST}", f"should not end with row {LAST - 1}"),  # noqa: S608 - ours
        ("DELETE FROM head", f"should not end with row {LAST}"),
        (
            f"INSERT INTO entry SELECT {LAST + 1}, body, chain, key, mark FROM entry WHERE row = {LAST}",  # noqa: S608 - a test's own words
            f"row {LAST + 1}",
        ),
        ("UPDATE entry SET row = -2 WHERE row = 2", "row 1 is missing"),
        ("DROP TABLE entry", "no such table"),
    ],
)
def test_a_changed_row_is_refused_and_named(tmp_path: Path, change: str, named: str) -> None:
    path = written(tmp_path / "journal")
    db = sqlite3.connect(path)
    db.execute(change)
    db.commit()
    db.close()

    with pytest.raises(JournalDamaged, match=named) as caught:
        SqliteJournal(path)

    assert caught.value.code == "journal.damaged"
    assert any("skylift plan" in remedy.how for remedy in caught.value.remedies)


def test_a_chain_that_was_forged_around_a_row_that_is_no_event_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = SqliteJournal(path)
    journal.append(EVENTS[0], after=0)
    journal.append(_Foreign(), after=1)  # type: ignore[arg-type]
    journal.close()

    with pytest.raises(JournalDamaged, match="row 2 is no event of format 2"):
        SqliteJournal(path)


@dataclass(frozen=True)
class _Foreign:
    kind: ClassVar[str] = "step-danced"


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("once upon a time\n" * 100)

    with pytest.raises(JournalDamaged, match="not a database"):
        SqliteJournal(path)
    with pytest.raises(JournalDamaged, match="not a database"):
        read_journal(path)


def test_a_journal_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(JournalDamaged, match="no such file"):
        read_journal(tmp_path / "journal")


def test_no_byte_of_the_file_can_change_what_the_journal_says_unnoticed(tmp_path: Path) -> None:
    """Each region of the file, byte after byte: the same events, or a refusal; never other events."""
    whole = written(tmp_path / "journal").read_bytes()
    path = tmp_path / "bent"
    refused = 0

    for at in range(0, len(whole), 17):
        for leftover in tmp_path.glob("bent*"):
            leftover.unlink()
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x21]) + whole[at + 1 :])
        try:
            assert read_journal(path) == EVENTS, f"byte {at} went unnoticed"
        except (JournalDamaged, JournalFormat):
            refused += 1

    assert refused > 50


def test_an_event_that_finds_no_room_is_not_half_written_and_the_run_can_go_on_later(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    journal.append(EVENTS[0], after=0)
    (pages,) = journal._file._db.execute("PRAGMA page_count").fetchone()  # noqa: SLF001 - a full disk in small
    journal._file._db.execute(f"PRAGMA max_page_count = {pages}")  # noqa: SLF001

    def fill() -> None:
        for at in range(1, 1000):
            journal.append(RunResumed("rey" * 100, at), after=at)

    with pytest.raises(JournalUnwritable, match="full") as caught:
        fill()
    kept = journal.events()
    journal._file._db.execute(f"PRAGMA max_page_count = {pages + 100}")  # noqa: SLF001
    journal.append(EVENTS[1], after=len(kept))
    journal.close()

    assert any("skylift resume" in remedy.how for remedy in caught.value.remedies)
    assert read_journal(tmp_path / "journal") == (*kept, EVENTS[1])


def test_a_journal_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(JournalUnwritable, match="No such file or directory"):
        SqliteJournal(tmp_path / "nowhere" / "journal")


WRITER = """
    import sys
    from pathlib import Path
    from skylift.drivers.sqlite_journal import SqliteJournal
    from skylift.engine.journal import FORMAT, RunOpened, RunResumed

    journal = SqliteJournal(Path(sys.argv[1]))
    journal.append(RunOpened(FORMAT, "r1", "lab", "sha256:0", (), "rey", 0), after=0)
    for at in range(1, 10**6):
        journal.append(RunResumed("rey", at), after=at)
        print(at, flush=True)
"""


def test_what_a_writer_said_was_written_is_there_after_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    argv = [sys.executable, "-c", textwrap.dedent(WRITER), str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [int(next(writer.stdout)) for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().splitlines()]
        writer.wait(timeout=60)

    journal = SqliteJournal(path)

    kept = [event.at_ms for event in journal.events()[1:]]
    assert kept[: len(said)] == said
    assert len(kept) <= len(said) + 1
    journal.append(RunResumed("rey", 7), after=len(journal.events()))
    journal.close()
    assert read_journal(path)[-1] == RunResumed("rey", 7)
