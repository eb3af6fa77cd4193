"""Which services are closed to new work before they are stopped, and which only waited for.

A host is closed if another one can take its work: the same service, reporting from another host of the
record, for the same backend if it has one, and open. Where nobody else could, closing it would make
schedulers refuse what would otherwise wait in its queue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from skylift.catalog.component import Ends, KnownService
from skylift.model.closing import label_in
from skylift.model.ids import HostName
from skylift.model.release import Release
from skylift.model.roster import ServiceReport


@dataclass(frozen=True, slots=True)
class Closing:
    """What is done about new work for one service on one host around its restart."""

    closes: bool
    """Whether it is closed, and opened again."""
    idles: bool
    """Whether it is waited for until it has nothing in hand."""
    left_by: tuple[str, ...]
    """Labels of earlier plans that closed it and did not open it again: this one does."""
    why_not: str = ""
    """Why it is not closed; empty if it is, or if its whole component is stopped."""

    def opened_by(self, known: KnownService, api: Release) -> Closing:
        """The same, if an API of release ``api`` opens what it closed; otherwise nothing is closed.

        Then only what a stop would lose is waited for: nothing else comes to an end while new work comes.
        """
        if known.closes_in(api):
            return self
        why_not = f"what {api} closes it does not open ({known.openable_source})"
        if self.left_by:
            why_not = f"an earlier plan left it closed, and {why_not}"
        return Closing(
            closes=False,
            idles=self.idles and (not self.closes or known.ends is Ends.LOSES),
            left_by=(),
            why_not=why_not if self.closes or self.left_by else self.why_not,
        )


def closings(
    known: KnownService,
    reports: Iterable[ServiceReport],
    hosts: Collection[HostName],
    *,
    api: Release,
    cold: bool,
) -> Mapping[HostName, Closing]:
    """By host, for a service whose host is to be closed before its stop; empty for any other.

    Of a component that is stopped as a whole nothing is closed, for its users are shut out; but what they
    have in hand is waited for. ``api`` is the release of the API that would open it again.
    """
    if not known.close:
        return {}
    rows = [row for row in reports if row.service == known.name]
    return {host: _closing(known, host, (rows, hosts), cold=cold).opened_by(known, api) for host in hosts}


def room(
    found: Mapping[HostName, Closing], known: KnownService, reports: Iterable[ServiceReport]
) -> int | None:
    """How many hosts may be closed at once so that one is always open; none if none is closed."""
    closed = [host for host, closing in found.items() if closing.closes]
    rows = [row for row in reports if row.service == known.name]
    own = [row for row in rows if any(row.is_from(host) for host in closed)]
    return min((len(set(_takers(rows, found, row))) - 1 for row in own), default=None)


def _closing(
    known: KnownService,
    host: HostName,
    among: tuple[list[ServiceReport], Collection[HostName]],
    *,
    cold: bool,
) -> Closing:
    rows, hosts = among
    own = [row for row in rows if row.is_from(host)]
    left_by = tuple(sorted({label_in(row) for row in own} - {""}))
    foreign = [row for row in own if not row.enabled and not label_in(row)]
    if not own:
        return Closing(
            closes=False, idles=False, left_by=(), why_not="it does not report by this host's name"
        )
    stood_in = bool(left_by) or all(set(_takers(rows, hosts, row)) - {host} for row in own)
    waits = stood_in or known.ends is Ends.LOSES
    if cold:
        return Closing(closes=False, idles=waits, left_by=left_by)
    if foreign:
        why = (
            f"it was closed before this plan ({foreign[0].reason or 'no reason is given'}), and stays closed"
        )
        return Closing(closes=False, idles=True, left_by=left_by, why_not=why)
    if stood_in:
        return Closing(closes=True, idles=True, left_by=left_by)
    why = "no other host that is open could take its new work, so that waits in its queue"
    return Closing(closes=False, idles=waits, left_by=left_by, why_not=why)


def _takers(rows: list[ServiceReport], hosts: Iterable[HostName], of: ServiceReport) -> Iterator[HostName]:
    """The hosts whose service takes the work of one that wrote a row."""
    for host in hosts:
        if any(r.enabled and r.is_from(host) and _backend(r.host) == _backend(of.host) for r in rows):
            yield host


def _backend(name: str) -> str:
    """What a cinder-volume serves, as its row says: ``lvm`` in ``ctl1@lvm``; empty for other services."""
    return name.partition("@")[2].partition("#")[0]
