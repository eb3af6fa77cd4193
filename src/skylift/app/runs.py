"""Where runs are kept: a folder beside the record, one folder per run; or a store that machines share.

``.skylift/runs/RUN/plan`` is the approved plan, byte for byte; ``journal`` is its only memory. With a store,
plan, journal, lease and audit trail are there, and the folder has copies of what never changes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from skylift.engine.chain import Chain, Kind
from skylift.engine.journal import Journal
from skylift.engine.journal_problems import JournalUnwritable
from skylift.engine.problems import Holder, Pulse
from skylift.fleet.mandate import is_mandate
from skylift.model.ids import RunId
from skylift.model.problem import Fix, Refused, Remedy
from skylift.model.seal import Signer

_NAMED = 5
"""How many runs a problem names."""
_FORM = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


class RunUnknown(Refused):
    """There is no such run, or none at all."""

    code = "run.unknown"

    def __init__(
        self, wanted: str | None, home: Path, known: Iterable[RunId] = (), *, store: str | None = None
    ) -> None:
        what = f"run {wanted} is not known: it is not in" if wanted else "there is no run yet in"
        newest = sorted(known, reverse=True)[:_NAMED]
        name = Remedy(Fix.RETRY, f"name one that is there, the newest first: {', '.join(newest)}")
        super().__init__(
            f"{what} {store or home}",
            *((name,) if newest else ()),
            Remedy(Fix.RETRY, "name the record the run was made from: skylift --cloud PATH status"),
            Remedy(Fix.REPAIR, "or name the store they are in: skylift --store URL status"),
        )


class Shelf(Protocol):
    """Which runs there are, with their plans."""

    def known(self) -> tuple[RunId, ...]:
        """Every run that was opened, oldest first."""
        ...

    def restless(self) -> tuple[RunId, ...]:
        """The runs whose journal has grown since somebody last saw them at rest."""
        ...

    def due(self) -> tuple[RunId, ...]:
        """The restless ones, but those that are put off and to which nobody said anything since."""
        ...

    def rested(self, run: RunId, events: int) -> None:
        """Keep that the run was at rest when its journal had so many events."""
        ...

    def put_off(self, run: RunId, for_s: int) -> None:
        """Keep that the run cannot be driven now: it is not due for so long, unless its journal grows."""
        ...

    def add(self, run: RunId, plan: bytes, seal: bytes | None) -> None:
        """Keep the plan of a new run, and the seal on it.

        Raises:
            FileExistsError: the run is there already.
        """
        ...

    def plan_of(self, run: RunId) -> tuple[bytes, bytes | None]:
        """The plan of a run that is known, and the seal on it, if there is one."""
        ...


class Lease(Protocol):
    """Who may work on the cloud: one process at a time, and whoever is taken over writes nothing more."""

    def hold(self, holder: Holder) -> AbstractContextManager[None]:
        """Be the only one for as long as the block runs.

        Raises:
            RunHeld: another process works on the cloud; the problem names it.
        """
        ...

    def holder(self) -> Holder | None:
        """Who holds the cloud right now; none if nobody does."""
        ...

    def pulse(self) -> Pulse | None:
        """How the lease stands right now; none if nobody holds it."""
        ...

    def look(self) -> None:
        """See that what is done to the cloud now is still this process's to do; asks nobody.

        Raises:
            LeaseLost, LeaseUnsure: it is not, or may not be.
        """
        ...

    def leave(self) -> None:
        """Let others take the cloud in a moment, if it is held; whoever calls this ends now."""
        ...


class RunStore(Protocol):
    """All that is kept of one cloud's runs where every machine that has its record can reach it.

    Every call, of its parts too, raises ``StoreUnreachable`` or ``StoreRefuses`` if it is not answered.
    """

    @property
    def where(self) -> str:
        """How it is named in words to an operator."""
        ...

    @property
    def cloud(self) -> str:
        """Whose runs these are."""
        ...

    @property
    def shelf(self) -> Shelf:
        """Which runs there are."""
        ...

    @property
    def lease(self) -> Lease:
        """Who may work on the cloud."""
        ...

    def make(self) -> None:
        """Make what it is kept in; no effect if it is there."""
        ...

    def close(self) -> None:
        """Let go of the connection; it is made again when the store is asked next."""
        ...

    def journal(self, run: RunId, signer: Signer | None) -> Journal:
        """The journal of a run, verified row by row."""
        ...

    def chain(self, name: str, kind: Kind, signer: Signer | None) -> Chain:
        """The chain of this name, verified row by row: ``run/RUN`` of a run's journal."""
        ...

    def heads(self) -> dict[RunId, tuple[int, str]]:
        """How many events each journal has, and the chain of the last one in hexadecimal."""
        ...

    def tell(self, body: bytes) -> None:
        """Keep one line more of who was told what."""
        ...

    def told(self) -> tuple[bytes, ...]:
        """All of these lines, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder."""

    id: RunId
    path: Path
    store: RunStore | None = None
    """Where its journal is; none if it is in the folder."""

    @property
    def plan(self) -> Path:
        """The approved plan."""
        return self.path / "plan"

    @property
    def of_fleet(self) -> bool:
        """Whether it is a run over a fleet of compute hosts, and not an upgrade."""
        return is_mandate(self.plan.read_bytes())

    @property
    def journal(self) -> Path:
        """The journal, a SQLite file."""
        return self.path / "journal"

    @property
    def seal(self) -> Path:
        """The seal on the plan, if it was sealed."""
        return self.path / "plan.seal"

    @property
    def samples(self) -> Path:
        """What the probes measured, fetched from the vantage host."""
        return self.path / "samples"


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of one cloud. ``home`` is created with mode 0700 and kept out of version control."""

    home: Path
    store: RunStore | None = None
    """Where they are, if not in ``home``: that has copies of their plans, and what probes measured."""

    @classmethod
    def beside(cls, record: Path) -> Runs:
        """The runs of the cloud that ``record`` declares."""
        return cls(record.resolve().parent / ".skylift")

    @property
    def audit(self) -> Path:
        """The audit trail: every word said to the cloud."""
        return self.home / "audit"

    @property
    def outbox(self) -> Path:
        """Who was told what of the runs."""
        return self.home / "told"

    def make_home(self) -> None:
        """Make what holds them; no effect if it is there.

        Raises:
            JournalUnwritable: the disk does not take it.
        """
        if self.store is not None:
            self.store.make()
        with on_disk(self.home):
            self.home.mkdir(mode=0o700, exist_ok=True)
            _keep(self.home / ".gitignore", b"*\n")
            (self.home / "runs").mkdir(mode=0o700, exist_ok=True)

    def create(self, run: RunId, plan: bytes, seal: bytes | None = None) -> RunFolder:
        """A new run's folder, with its plan in it, and the seal on that.

        Raises:
            FileExistsError: the run is there already.
            JournalUnwritable: the disk does not take it.
        """
        folder = self._folder(run)
        self.make_home()
        if self.store is not None:
            self.store.shelf.add(run, plan, seal)
        with on_disk(folder.path):
            folder.path.mkdir(mode=0o700)
            _write(folder, plan, seal)
        return folder

    def known(self) -> tuple[RunFolder, ...]:
        """Every run whose plan was written whole, oldest first."""
        if self.store is None:
            found = (self._folder(RunId(p.parent.name)) for p in (self.home / "runs").glob("*/journal"))
            return tuple(sorted(found, key=lambda folder: folder.id))
        folders = tuple(self._folder(run) for run in self.store.shelf.known())
        for folder in folders:
            if not folder.plan.exists():
                self._copy(folder)
        return folders

    def find(self, wanted: str | None) -> RunFolder:
        """The run with this id, or the newest.

        Raises:
            RunUnknown: there is none.
        """
        known = self.known()
        chosen = [f for f in known if f.id == wanted] if wanted else known[-1:]
        if not chosen:
            store = self.store.where if self.store else None
            raise RunUnknown(wanted, self.home / "runs", [folder.id for folder in known], store=store)
        if self.store is not None:
            self._copy(chosen[0])
        return chosen[0]

    def rested(self, run: RunId, events: int) -> None:
        """Let workers leave the run alone until its journal has more events than these."""
        if self.store is not None:
            self.store.shelf.rested(run, events)

    def _copy(self, folder: RunFolder) -> None:
        """What the store has of the run's plan: its own copy is nobody's word."""
        assert self.store is not None, "there is nothing to copy from"  # noqa: S101 - see its callers
        self.make_home()
        plan, seal = self.store.shelf.plan_of(folder.id)
        with on_disk(folder.path):
            folder.path.mkdir(mode=0o700, exist_ok=True)
            _write(folder, plan, seal)

    def _folder(self, run: RunId) -> RunFolder:
        if not _FORM.fullmatch(run):
            msg = f"{run!r} cannot name a run"
            raise ValueError(msg)
        return RunFolder(run, self.home / "runs" / run, self.store)


@contextmanager
def on_disk(where: Path) -> Iterator[None]:
    """What this machine's disk refuses to what is kept at ``where``, as a problem.

    Raises:
        JournalUnwritable: it is full, read-only, or errs.
    """
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise JournalUnwritable(str(where), error.strerror or "no reason given") from error


def _write(folder: RunFolder, plan: bytes, seal: bytes | None) -> None:
    _keep(folder.plan, plan)
    if seal is None:
        folder.seal.unlink(missing_ok=True)
    else:
        _keep(folder.seal, seal)


def _keep(file: Path, text: bytes) -> None:
    """Whole or not at all: another process may read it meanwhile."""
    if file.exists() and file.read_bytes() == text:
        return
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.touch(mode=0o600)
    new.write_bytes(text)
    new.replace(file)
