"""The report of a run over a fleet as one HTML file that needs nothing else."""

from __future__ import annotations

from collections import defaultdict

from skylift.app.fleet_report import FleetReport, Spell
from skylift.cli.views.fleet_picture import EMPTIED, FAILED, MOVED, WORKED_ON, Row, drawn
from skylift.cli.views.page import pages
from skylift.engine.fold import Phase
from skylift.engine.host_turn import emptying_of
from skylift.engine.settled_places import step_of
from skylift.model.ids import HostName


def html(report: FleetReport) -> str:
    """The page; everything in it that is not ours is escaped."""
    account = report.account
    failed = {step: account.run.steps[step] for step in sorted(account.run.within(Phase.FAILED))}
    return (
        pages()
        .get_template("fleet_report.html.j2")
        .render(
            report=report,
            failed=failed,
            hosts=_hosts(report),
            picture=_picture(report),
            moves=sum(moved.arrivals for moved in report.moved),
        )
    )


def _hosts(report: FleetReport) -> list[dict[str, object]]:
    """Per host of the plan its wave, when it was closed, empty and back, and what became of it."""
    account = report.account
    rows = []
    for name, wave, *planned in account.mandate.plan["turns"]:
        host = HostName(name)
        own = [spell for spell in report.spells if _host_of(spell) == host]
        emptied = [spell for spell in own if spell.step == emptying_of(host)]
        through = host in account.done
        rows.append(
            {
                "name": name,
                "wave": wave,
                "planned": planned,
                "closed": emptied[0].began_ms if emptied else None,
                "empty": emptied[-1].ended_ms if emptied and not emptied[-1].failed else None,
                "back": max((s.ended_ms or 0 for s in own), default=None) if through else None,
                "state": "done" if through else account.left.get(host) or "under way, or yet to begin",
                "through": through,
            }
        )
    return rows


def _picture(report: FleetReport) -> str:
    """What was done when: a row per host, and one for what is done with all of them at the end."""
    run, wanted = report.account.run, report.account.wanted
    lasts_ms = run.last_ms - run.opened_ms
    spans: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
    last = step_of(wanted.kind) if wanted else None
    for spell in report.spells:
        host = _host_of(spell)
        row = host or (last if spell.step == last else "")
        if row:
            kind = EMPTIED if spell.step == emptying_of(HostName(host)) else WORKED_ON
            colour = FAILED if spell.failed else kind if host else MOVED
            ended = run.last_ms if spell.ended_ms is None else spell.ended_ms
            spans[row].append((spell.began_ms - run.opened_ms, ended - run.opened_ms, colour))
    if not spans:
        return ""
    rows = [
        Row(name, _told(name, of), tuple(of)) for name, of in sorted(spans.items(), key=lambda r: r[1][0])
    ]
    return drawn(rows, max(1, -(-lasts_ms // 1000)), "hosts over time; the table below has the same")


def _told(name: str, spans: list[tuple[int, int, str]]) -> str:
    return f"{name}: from {_clock(spans[0][0])} to {_clock(max(end for _, end, _ in spans))}"


def _clock(ms: int) -> str:
    return f"{ms // 60_000:02}:{ms // 1000 % 60:02}"


def _host_of(spell: Spell) -> str:
    return spell.step.partition("@")[2]
