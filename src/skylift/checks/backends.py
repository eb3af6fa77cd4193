"""Can every balancer do without the backends that an upgrade takes out?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.actions.backend_traffic import use_again
from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns
from skylift.model.cloud import Backend, BackendState
from skylift.model.ids import HostName
from skylift.model.record import ServiceEntry

_LEAST = 2


def _ask(question: Question) -> Iterator[Complaint]:
    for service in question.record.services.values():
        asked = service.balanced and question.is_due(service)
        for balancer in question.record.hosts_in(question.record.balancer.role) if asked else ():
            if balancer.name not in question.cloud.silent_balancers:
                yield from _one(question, service, balancer.name)


def _one(question: Question, service: ServiceEntry, balancer: HostName) -> Iterator[Complaint]:
    pool, hosts = service.pool, tuple(host.name for host in question.record.hosts_in(service.role))
    views = {b.server: b for b in question.cloud.backends_of(pool) if b.balancer == balancer}
    up = [host for host in hosts if host in views and views[host].state is BackendState.UP]
    show = (
        f"see it: skylift ssh {balancer} \"echo 'show servers state {pool}' | socat - {_socket(question)}\""
    )
    wanted = max(_LEAST, question.record.policy.batch + 1)
    if len(up) < wanted:
        yield blocks(
            f"the balancer on {balancer} has {len(up)} of {len(hosts)} backends of {service.name} up; "
            f"an upgrade needs {wanted}, for it takes {question.record.policy.batch} out at a time",
            show,
            *(_ready(question, view) for view in views.values() if view.state is not BackendState.UP),
        )
        return
    for host in hosts:
        if host not in views:
            yield blocks(
                f"the balancer on {balancer} has no server {host} in pool {pool}, so it could not be drained",
                f"add it to pool {pool}; it knows {listed(views)}",
            )
        elif views[host].state is not BackendState.UP:
            yield warns(
                f"{host} in pool {pool} is {views[host].state.value} in the balancer on {balancer}; "
                "an upgrade ends with it up",
                _ready(question, views[host]),
            )


def _ready(question: Question, view: Backend) -> str:
    if view.state is BackendState.DOWN:
        return f"find out why its health check fails: curl -si {_asked(question, view)}"
    return f"use it again: {use_again(question.record, view.balancer, view.pool, view.server)}"


def _asked(question: Question, view: Backend) -> str:
    """What shows whether the service behind a backend is well."""
    record = question.record
    entry = next(s for s in record.services.values() if s.pool == view.pool)
    health = question.catalog.components[entry.component].service(entry.name).health
    return f"http://{record.hosts[view.server].address}:{entry.port}{health}"


def _socket(question: Question) -> str:
    return str(question.record.balancer.socket)


BACKENDS = Check(
    "backends",
    "every balancer has enough backends of each API up",
    _ask,
    needs=("backends",),
    rows=(80, 87, 103),
)
