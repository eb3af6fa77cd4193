"""Where runs are kept: a folder beside the record, one folder per run.

``.skylift/runs/RUN/plan`` is the approved plan, byte for byte; ``journal`` is its only memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from skylift.fleet.mandate import is_mandate
from skylift.model.ids import RunId
from skylift.model.problem import Fix, Refused, Remedy

_NAMED = 5
"""How many runs a problem names."""
_FORM = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


class RunUnknown(Refused):
    """There is no such run, or none at all."""

    code = "run.unknown"

    def __init__(self, wanted: str | None, home: Path, known: Iterable[RunId] = ()) -> None:
        what = f"run {wanted} is not known" if wanted else "there is no run yet"
        newest = sorted(known, reverse=True)[:_NAMED]
        name = Remedy(Fix.RETRY, f"name one that is there, the newest first: {', '.join(newest)}")
        super().__init__(
            f"{what}: {home} has none",
            *((name,) if newest else ()),
            Remedy(Fix.RETRY, "name the record the run was made from: skylift --cloud PATH status"),
        )


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder."""

    id: RunId
    path: Path

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
        """Make the folder that holds them; no effect if it is there."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        (self.home / ".gitignore").write_text("*\n")
        (self.home / "runs").mkdir(mode=0o700, exist_ok=True)

    def create(self, run: RunId, plan: bytes, seal: bytes | None = None) -> RunFolder:
        """A new run's folder, with its plan in it, and the seal on that.

        Raises:
            FileExistsError: the run is there already.
        """
        folder = self._folder(run)
        self.make_home()
        folder.path.mkdir(mode=0o700)
        for file, text in ((folder.plan, plan), (folder.seal, seal)):
            if text is not None:
                file.touch(mode=0o600)
                file.write_bytes(text)
        return folder

    def known(self) -> tuple[RunFolder, ...]:
        """Every run whose plan was written whole, oldest first."""
        found = (self._folder(RunId(p.parent.name)) for p in (self.home / "runs").glob("*/journal"))
        return tuple(sorted(found, key=lambda folder: folder.id))

    def find(self, wanted: str | None) -> RunFolder:
        """The run with this id, or the newest.

        Raises:
            RunUnknown: there is none.
        """
        known = self.known()
        chosen = [f for f in known if f.id == wanted] if wanted else known[-1:]
        if not chosen:
            raise RunUnknown(wanted, self.home / "runs", [folder.id for folder in known])
        return chosen[0]

    def _folder(self, run: RunId) -> RunFolder:
        if not _FORM.fullmatch(run):
            msg = f"{run!r} cannot name a run"
            raise ValueError(msg)
        return RunFolder(run, self.home / "runs" / run)
