"""A cloud of the lab as the ports' contracts want it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

from skylift.app.wiring import ports_for
from skylift.gate.lab.commands import poll
from skylift.model.ids import ArtifactName, ComponentName, HostName, ServiceName
from skylift.model.record import HostEntry, Record
from skylift.ports import Command, Ports
from skylift.testing.contracts import Scene

HOST, GONE = HostName("ctl2"), HostName("ctl9")
PLACEMENT, PLACEMENT_API = ComponentName("placement"), ServiceName("placement-api")
LIMIT_S = 60


def as_it_runs(record: Record, ports: Ports) -> Record:
    """The record with the artifact that placement's link shows, for a lab may have been upgraded since."""
    entry = record.components[PLACEMENT]
    path = ports.services.linked(HOST, record.services[PLACEMENT_API].link)
    names = [ArtifactName(name) for name, artifact in record.artifacts.items() if artifact.path == path]
    lost = HostEntry(GONE, "10.77.0.99", frozenset({"spare"}))
    return replace(
        record,
        hosts={**record.hosts, GONE: lost},
        components={**record.components, PLACEMENT: replace(entry, artifact=names[0])},
    )


@contextmanager
def scene_of(record: Record, *, guest: str = "", limit_s: int = LIMIT_S) -> Iterator[Scene]:
    """Its ports and what they are tried on; jobs and files of the tests are removed at the end.

    ``guest`` is an instance that may be moved.
    """
    with ports_for(record) as ports:
        known = as_it_runs(record, ports)
    with ports_for(known) as ports:
        yield Scene(
            ports=ports,
            record=known,
            entry=known.services[PLACEMENT_API],
            database="placement",
            host=HOST,
            gone=GONE,
            until=lambda holds: poll(holds, limit_s=limit_s, every_s=0.5),
            good=Command(("true",)),
            bad=Command(("ls", "/no/such/place")),
            guest=guest,
            label=f"test-{uuid4()}",
        )
        ports.hosts.ask(HOST, ["sh", "-c", "rm -rf /var/lib/skylift/jobs/test-* /var/tmp/test-*"])
