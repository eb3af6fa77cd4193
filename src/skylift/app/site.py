"""What every use case is given: one cloud's record, its ports, its runs, and the time."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from skylift.app.runs import Runs
from skylift.catalog.catalog import Catalog
from skylift.model.codec import canonical, encode
from skylift.model.gate import Answer, GateEntry, Verdict
from skylift.model.ids import Digest, Epoch, RunId
from skylift.model.notification import Notification, NotifyEntry, Send
from skylift.model.record import Record
from skylift.model.seal import Signer
from skylift.ports import Ports


def _nobody(_gate: GateEntry) -> Answer:
    return Answer(Verdict.INCONCLUSIVE, "nobody here asks gates")


def _nowhere(_entry: NotifyEntry, _notification: Notification) -> str | None:
    return "nobody here sends notifications"


def digest_of_record(record: Record) -> Digest:
    """Of what a record says; comments and order in its file do not change it."""
    return Digest(f"sha256:{hashlib.sha256(canonical(encode(record))).hexdigest()}")


@dataclass(frozen=True, slots=True)
class Site:
    """One cloud, within reach."""

    record: Record
    catalog: Catalog
    ports: Ports
    runs: Runs
    clock: Callable[[], Epoch]
    actor: str
    """Who works here, as ``user@host``."""
    signer: Signer | None = None
    """Whose key is here, if one is."""
    ask: Callable[[GateEntry], Answer] = _nobody
    """Asks a gate of the record."""
    send: Send = _nowhere
    """Tells somebody whom the record names of a run."""

    @property
    def digest(self) -> Digest:
        """Of what the record says."""
        return digest_of_record(self.record)


def run_id(site: Site, kind: str) -> RunId:
    """A name for a run that sorts by time and is never given twice."""
    at = datetime.fromtimestamp(site.clock(), UTC)
    return RunId(f"{at:%Y%m%d-%H%M%S}-{kind}-{secrets.token_hex(2)}")
