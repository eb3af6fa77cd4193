"""A disk that is full, read-only or gone is told as that, and never as damage of what lies on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.small_disk import fill, make_read_only, only_root, small_disk

from skylift.drivers.sqlite_journal import SqliteJournal, read_journal
from skylift.engine.journal_problems import JournalUnwritable
from skylift.testing.contracts.on_journals import ONE_OF_EACH as EVENTS

pytestmark = only_root


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as found:
        yield found


def written(disk: Path) -> Path:
    journal = SqliteJournal(disk / "journal")
    journal.append(EVENTS[0], after=0)
    journal.close()
    return disk / "journal"


def test_a_full_disk_is_no_damage_and_the_journal_is_whole_when_there_is_room_again(disk: Path) -> None:
    path = written(disk)
    filler = fill(disk)

    for look in (SqliteJournal, read_journal):
        with pytest.raises(JournalUnwritable) as caught:
            look(path)
        hows = " ".join(remedy.how for remedy in caught.value.remedies)
        assert "df -h" in hows
        assert "free some space" in hows
        assert "skylift resume" in hows
    filler.unlink()

    assert read_journal(path) == EVENTS[:1]


def test_a_journal_that_no_process_has_open_is_read_from_a_read_only_disk(disk: Path) -> None:
    path = written(disk)
    make_read_only(disk)

    journal = SqliteJournal(path)

    assert read_journal(path) == journal.events() == EVENTS[:1]
    with pytest.raises(JournalUnwritable, match=r"could not write .*readonly"):
        journal.append(EVENTS[1], after=1)
    journal.close()


def test_a_disk_that_turns_read_only_under_a_process_keeps_what_was_written_readable(disk: Path) -> None:
    """Its last events are in the write-ahead log alone: they must be seen, too."""
    writer = SqliteJournal(disk / "journal")
    writer.append(EVENTS[0], after=0)
    kept = [file.read_bytes() for file in (disk / "journal", disk / "journal-wal", disk / "journal-shm")]
    writer.close()
    for name, content in zip(("journal", "journal-wal", "journal-shm"), kept, strict=True):
        (disk / name).write_bytes(content)
    make_read_only(disk)

    assert read_journal(disk / "journal") == EVENTS[:1]
    with pytest.raises(JournalUnwritable, match="could not write"):
        SqliteJournal(disk / "journal").append(EVENTS[1], after=1)


def test_a_journal_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()

    with pytest.raises(JournalUnwritable, match=r"could not read .*unable to open"):
        read_journal(tmp_path / "journal")
