"""``skylift verify``: every edit of plan, seal, journal and audit trail is found."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skylift.app.audit import AuditDamaged, audited
from skylift.app.plan_seal import seal_plan
from skylift.app.runs import RunFolder, Runs
from skylift.app.verify import Proof, verify
from skylift.drivers.ed25519 import KeyFile
from skylift.drivers.sqlite_journal import SqliteJournal
from skylift.engine.operate import Asked, open_run, pause, resume
from skylift.engine.problems import SignerNeeded
from skylift.model.ids import ComponentName, Epoch, RunId
from skylift.model.problem import Refused
from skylift.model.seal import Signers
from skylift.planning.text import digest_of, write_plan
from skylift.testing.keys import key_file
from skylift.testing.plans import planned
from skylift.testing.samples import sample_record

PLAN = planned(sample_record(controllers=2, components=(ComponentName("keystone"),)))
RUN = RunId("run-1")
ASKED = Asked("rey@console", Epoch(1.0))


def written(home: Path, key: KeyFile | None) -> RunFolder:
    """A run that was opened, paused and resumed, and a trail that saw each."""
    runs = Runs(home)
    runs.make_home()
    seal = seal_plan(digest_of(PLAN), key, now=Epoch(0), valid_h=72) if key else None
    folder = runs.create(RUN, write_plan(PLAN), seal)
    words: tuple[Callable[[SqliteJournal], object], ...] = (
        lambda j: open_run(j, RUN, cloud="sample", plan=digest_of(PLAN), approved=(), asked=ASKED),
        lambda j: pause(j, ASKED),
        lambda j: resume(j, ASKED),
    )
    for word in words:
        with audited(runs, "word", {"reason": "a test"}) as ended:
            journal = SqliteJournal(folder.journal, key)
            word(journal)
            journal.close()
            ended(0)
    return folder


@dataclass(frozen=True)
class Sealed:
    """The home of runs in which all is sealed by Rey, and the signers who trust her."""

    home: Path
    signers: Signers

    def copy(self, to: Path) -> Path:
        """The same, to be bent."""
        shutil.rmtree(to, ignore_errors=True)
        return Path(shutil.copytree(self.home, to / ".skylift"))

    def proofs(self, home: Path | None = None) -> dict[str, Proof]:
        return looked_at(home or self.home, self.signers)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    home = tmp_path_factory.mktemp("sealed") / ".skylift"
    rey = key_file(tmp_path_factory.mktemp("keys") / "rey", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYLIFT_KEY", str(rey))
        written(home, KeyFile(rey))
    return Sealed(home, {"rey": KeyFile(rey).key})


def looked_at(home: Path, signers: Signers) -> dict[str, Proof]:
    runs, record = Runs(home), replace(sample_record(), signers=signers)
    return {proof.document: proof for proof in verify(runs, runs.find(RUN), record)}


def test_what_is_whole_holds_and_says_by_whom(sealed: Sealed) -> None:
    proofs = sealed.proofs()

    assert all(proof.holds for proof in proofs.values())
    assert "sealed by rey" in proofs["plan"].says
    assert proofs["journal"].says == "3 events, sealed by rey (3)"
    assert proofs["audit trail"].says == "6 entries, sealed by rey (6)"


def test_what_a_stranger_sealed_does_not_hold(sealed: Sealed, tmp_path: Path) -> None:
    ann = KeyFile(key_file(tmp_path / "ann", 2)).key

    proofs = looked_at(sealed.home, {"ann": ann})

    assert not any(proof.holds for proof in proofs.values())
    assert "that this record does not trust" in proofs["plan"].says
    assert sealed.signers["rey"][:16] in proofs["plan"].says


def test_without_signers_edits_are_found_and_it_says_that_nobody_answers_for_the_whole(
    tmp_path: Path,
) -> None:
    folder = written(tmp_path / ".skylift", None)

    whole = looked_at(tmp_path / ".skylift", {})
    folder.plan.write_bytes(folder.plan.read_bytes().replace(b"sample", b"simple", 1))
    edited = looked_at(tmp_path / ".skylift", {})

    assert whole["journal"].says == "3 events, chained, and this record names no signers"
    assert [document for document, proof in edited.items() if not proof.holds] == ["plan"]


@pytest.mark.parametrize("name", ["plan", "plan.seal"])
@settings(
    max_examples=60,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_every_byte_of_a_plan_and_of_its_seal_counts(
    sealed: Sealed, tmp_path: Path, name: str, place: float, flip: int
) -> None:
    home = sealed.copy(tmp_path / "copy")
    file = home / "runs" / RUN / name
    text = bytearray(file.read_bytes())
    text[int(place * len(text))] ^= flip
    file.write_bytes(text)

    assert not sealed.proofs(home)["plan"].holds


@dataclass(frozen=True)
class Cell:
    """One cell of one file, and the document that it belongs to."""

    file: str
    document: str
    table: str
    column: str
    row: int

    @property
    def edits(self) -> Iterator[str]:
        """Each to near values of its own kind, to nothing, and its row away."""
        where = f"row = {self.row}" if self.table == "entry" else "one = 1"
        for new in _near(self.column):
            yield f"UPDATE {self.table} SET {self.column} = {new} WHERE {where}"  # noqa: S608 - our own words
        yield f"DELETE FROM {self.table} WHERE {where}"  # noqa: S608 - our own words


CELLS = [
    Cell(file, document, table, column, row)
    for file, document, rows in (("runs/run-1/journal", "journal", 3), ("audit", "audit trail", 6))
    for table, columns in (("entry", ("row", "body", "chain", "key", "mark")), ("head", ("rows", "chain")))
    for column in columns
    for row in (range(1, rows + 1) if table == "entry" else (1,))
]


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_every_cell_of_a_journal_and_of_the_trail_counts(sealed: Sealed, tmp_path: Path, cell: Cell) -> None:
    for edit in cell.edits:
        home = sealed.copy(tmp_path / "copy")
        db = sqlite3.connect(home / cell.file)
        changed = db.execute(edit).rowcount
        db.commit()
        db.close()

        assert changed == 1, edit
        assert not sealed.proofs(home)[cell.document].holds, edit


def _near(column: str) -> tuple[str, ...]:
    if column in {"row", "rows"}:
        return (f"{column} + 100", f"-{column}")
    if column in {"key", "mark"}:
        return ("''", f"upper({column}) || 'a'", f"substr({column}, 2) || 'f'")
    last = f"CASE substr({column}, -1) WHEN x'07' THEN x'08' ELSE x'07' END"
    return (
        "x''",
        f"CAST(substr({column}, 1, length({column}) - 1) || {last} AS BLOB)",
        f"CAST({column} AS TEXT)",
    )


def test_no_byte_of_a_journals_file_changes_what_is_proved(sealed: Sealed, tmp_path: Path) -> None:
    """Byte after byte over the whole file: the same is proved, or it does not hold."""
    expected = sealed.proofs()["journal"]
    whole = (sealed.home / "runs" / RUN / "journal").read_bytes()
    home = sealed.copy(tmp_path / "copy")
    found = 0

    for at in range(0, len(whole), 113):
        for leftover in (home / "runs" / RUN).glob("journal*"):
            leftover.unlink()
        bent = whole[:at] + bytes([whole[at] ^ 0x21]) + whole[at + 1 :]
        (home / "runs" / RUN / "journal").write_bytes(bent)
        proof = sealed.proofs(home)["journal"]
        assert proof == expected or not proof.holds, f"byte {at}"
        found += not proof.holds

    assert found > 10


def cut(home: Path, rows: int) -> None:
    """As somebody would who knows how heads are kept, and may write the file."""
    db = sqlite3.connect(home / "runs" / RUN / "journal")
    db.execute("DELETE FROM entry WHERE row > ?", (rows,))
    db.execute("UPDATE head SET rows = ?, chain = (SELECT chain FROM entry WHERE row = ?)", (rows, rows))
    db.commit()
    db.close()


def test_a_journal_whose_end_was_cut_off_with_skill_does_not_agree_with_the_trail(
    sealed: Sealed, tmp_path: Path
) -> None:
    home = sealed.copy(tmp_path / "copy")
    cut(home, 2)

    proofs = sealed.proofs(home)

    assert proofs["journal"].holds
    assert (
        "it saw 3 events in the journal of run run-1, which are not there now" in proofs["audit trail"].says
    )


def test_a_journal_written_anew_by_whoever_has_no_key_does_not_hold(sealed: Sealed, tmp_path: Path) -> None:
    home = sealed.copy(tmp_path / "copy")
    (home / "runs" / RUN / "journal").unlink()
    forged = SqliteJournal(home / "runs" / RUN / "journal")
    open_run(forged, RUN, cloud="sample", plan=digest_of(PLAN), approved=(), asked=ASKED)
    forged.close()

    proofs = sealed.proofs(home)

    assert proofs["journal"].says == "row 1 was sealed by nobody whom the record trusts"
    assert not proofs["audit trail"].holds


def test_a_sealed_journal_takes_no_word_without_a_seal(sealed: Sealed, tmp_path: Path) -> None:
    home = sealed.copy(tmp_path / "copy")
    journal = SqliteJournal(home / "runs" / RUN / "journal")

    with pytest.raises(SignerNeeded, match="there is no key here to seal it with") as caught:
        pause(journal, ASKED)

    journal.close()
    assert "SKYLIFT_KEY" in caught.value.remedies[0].how


WRITER = """
    import sys
    from pathlib import Path
    from skylift.drivers.ed25519 import KeyFile
    from skylift.drivers.sqlite_journal import SqliteJournal
    from skylift.engine.journal import RunResumed

    journal = SqliteJournal(Path(sys.argv[1]), KeyFile(Path(sys.argv[2])))
    for at in range(len(journal.events()), 10**6):
        journal.append(RunResumed("rey", at), after=at)
        print(at, flush=True)
"""


def test_a_writer_that_is_killed_between_any_two_writes_leaves_what_holds(
    sealed: Sealed, tmp_path: Path
) -> None:
    """A row, its seal and the head are one transaction."""
    home = sealed.copy(tmp_path / "copy")
    key = key_file(tmp_path / "rey", 1)
    for _ in range(5):
        argv = [sys.executable, "-c", textwrap.dedent(WRITER), str(home / "runs" / RUN / "journal"), str(key)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            said = [next(writer.stdout) for _ in range(20)]
            writer.kill()
            said += writer.stdout.readlines()

        proofs = sealed.proofs(home)
        events = int(proofs["journal"].says.split()[0])
        assert all(proof.holds for proof in proofs.values())
        assert events - int(said[-1]) in {1, 2}


class TestTheTrail:
    @staticmethod
    def entries(runs: Runs) -> list[tuple[str, str]]:
        db = sqlite3.connect(runs.audit)
        bodies = [json.loads(body) for (body,) in db.execute("SELECT body FROM entry ORDER BY row")]
        db.close()
        return [(body["verb"], body["outcome"]) for body in bodies]

    def test_it_has_what_was_said_before_anything_is_done_and_then_what_came_of_it(
        self, tmp_path: Path
    ) -> None:
        runs = Runs(tmp_path / ".skylift")
        with audited(runs, "pause", {}) as ended:
            seen = self.entries(runs)
            ended(0)

        assert seen == [("pause", "begun")]
        assert self.entries(runs) == [("pause", "begun"), ("pause", "exit 0")]

    def test_it_has_what_was_refused_and_what_was_cut_short(self, tmp_path: Path) -> None:
        runs = Runs(tmp_path / ".skylift")
        for end in (Refused("no"), KeyboardInterrupt()):
            with pytest.raises(type(end)), audited(runs, "skip", {"step": "a"}):
                raise end

        assert [outcome for _, outcome in self.entries(runs)] == ["begun", "refused", "begun", "cut short"]

    def test_a_damaged_one_is_kept_as_evidence_and_another_one_begun(self, tmp_path: Path) -> None:
        runs = Runs(tmp_path / ".skylift")
        with audited(runs, "pause", {}) as ended:
            ended(0)
        db = sqlite3.connect(runs.audit)
        db.execute("UPDATE entry SET body = x'00' WHERE row = 1")
        db.commit()
        db.close()

        with (
            pytest.raises(AuditDamaged, match="row 1 is not what was written") as caught,
            audited(runs, "pause", {}),
        ):
            pass

        assert f"mv {runs.audit} {runs.audit}.damaged" in caught.value.remedies[0].how
