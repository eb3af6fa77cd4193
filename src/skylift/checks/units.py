"""Is every service up, on an artifact that the record knows?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns
from skylift.model.cloud import UnitSeen, UnitState
from skylift.model.record import ServiceEntry

_HTTP_SERVER_ERROR = 500


def _ask(question: Question) -> Iterator[Complaint]:
    for component, entry in question.record.components.items():
        nowhere = [s for s in entry.services.values() if question.is_nowhere(s) and question.is_due(s)]
        yield from (_misnamed(question, service) for service in nowhere)
        for service, host in question.places_of(component):
            if service in nowhere:
                continue
            unit = question.cloud.units.get((service.name, host))
            if unit is None and question.unread("unit", service.name, host):
                continue
            if unit is None:
                yield blocks(f"{service.name} on {host} was not seen", f"look again: skylift ssh {host} true")
            elif not question.is_due(service):
                yield from _out_of_its_time(question, service, unit)
            elif unit.state is not UnitState.ACTIVE:
                yield blocks(
                    f"{unit.unit} on {host} is {unit.state.value}",
                    f"see why: skylift ssh {host} journalctl -u {unit.unit} -n 50 --no-pager",
                    f"start it: skylift ssh {host} systemctl start {unit.unit}",
                )
            else:
                yield from _active(question, service, unit)


def _misnamed(question: Question, service: ServiceEntry) -> Complaint:
    """A unit that no host has is more likely another name than a service that is missing everywhere."""
    hosts = [host.name for host in question.record.hosts_in(service.role)]
    return blocks(
        f"none of {listed(hosts)} has a unit {service.unit}, which the record names for {service.name}",
        f"correct 'unit' of {service.name}, under {service.component} in the record; what a host has: "
        f"skylift ssh {hosts[0]} \"systemctl list-unit-files '*{service.component}*'\"",
    )


def _out_of_its_time(question: Question, service: ServiceEntry, unit: UnitSeen) -> Iterator[Complaint]:
    """One that its component's release does not have: it may be missing, but for what is to begin with it."""
    begins = question.is_due(service, question.goal.to)
    if begins and unit.state is UnitState.ABSENT:
        yield blocks(
            f"{service.name} begins with {question.goal.to}, and {unit.host} has no unit {unit.unit} for it",
            f"install its unit, and leave it stopped: skylift ssh {unit.host} systemctl cat {unit.unit}",
        )
    elif not begins and unit.state is UnitState.ACTIVE:
        yield warns(
            f"{unit.unit} on {unit.host} runs, and its component has had no {service.name} for a while",
            f"stop it for good: skylift ssh {unit.host} systemctl disable --now {unit.unit}",
        )


def _active(question: Question, service: ServiceEntry, unit: UnitSeen) -> Iterator[Complaint]:
    restart = f"skylift ssh {unit.host} systemctl restart {unit.unit}"
    status = question.cloud.answers.get((service.name, unit.host))
    silent = service.balanced and (status is None or status >= _HTTP_SERVER_ERROR)
    if silent and not question.unread("answer", service.name, unit.host):
        yield blocks(
            f"{service.name} on {unit.host} is up but answers {status or 'nothing'} on its own address",
            f"see why: skylift ssh {unit.host} journalctl -u {unit.unit} -n 50 --no-pager",
        )
    if question.record.artifact_at(unit.running) is None:
        yield blocks(
            f"{unit.unit} on {unit.host} runs {unit.running or 'from no path that is known'}, "
            "which is no artifact of the record",
            "declare it under 'artifacts:' in the record",
            f"or let it run what its link names: {restart}",
        )
    elif unit.linked != unit.running:
        yield warns(
            f"{unit.unit} on {unit.host} runs {unit.running}, but its next start would run "
            f"{unit.linked or 'nothing'}",
            f"let it run what its link names: {restart}",
        )


UNITS = Check(
    "units",
    "every service is up, answers, and runs an artifact of the record",
    _ask,
    needs=("unit", "answer"),
)
