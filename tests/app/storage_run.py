"""A site with a storage cluster, and what tests of runs over its hosts look at and say."""

from __future__ import annotations

from collections.abc import Callable

from tests.app.maintained import SiteOf, at_desk, bench_of, folder

from skylift.app.fleet_account import fleet_account
from skylift.app.maintain import go_on
from skylift.app.wiring import open_journal
from skylift.engine.fold import Run
from skylift.engine.journal import StepStarted
from skylift.engine.operate import abort, retry
from skylift.model.ids import HostName, StepId

STO = [HostName(f"sto{n}") for n in range(1, 4)]


def clustered(at: SiteOf, *hosts: str) -> SiteOf:
    """Two OSDs and a monitor on each host, and a copy of everything on each of three."""
    for place, host in enumerate(hosts):
        at.cloud.ceph.add(host, 2 * place, 2 * place + 1, monitor=True)
    for n in range(8):
        at.cloud.ceph.groups[f"1.{n}"] = tuple(2 * place + (n >> place) % 2 for place in range(3))
    return at


def events(at: SiteOf) -> list[str]:
    account = fleet_account(at.site.runs, folder(at))
    return [e.step for e in account.events if isinstance(e, StepStarted)]


def rebooted(at: SiteOf, hosts: list[HostName] = STO) -> list[int]:
    return [at.cloud.hosts[host].boots - 1 for host in hosts]


def is_unharmed(at: SiteOf) -> bool:
    """Nothing was out, could not be written or had no quorum, and nothing of ours is left."""
    ceph = at.cloud.ceph
    return not (ceph.taken_out or ceph.stalled_s or ceph.headless_s or ceph.kept_in)


def problem_of(run: Run, step: str) -> str:
    problem = run.steps[StepId(step)].problem
    assert problem is not None
    return problem.sentence


def after(at: SiteOf, holds: Callable[[], bool], then: Callable[[], object]) -> None:
    def look() -> None:
        if not at.said and holds():
            at.said = True
            then()

    at.meanwhile = look


def is_under_way(at: SiteOf, step: str) -> Callable[[], bool]:
    return lambda: StepId(step) in fleet_account(at.site.runs, folder(at)).run.steps


def give_up(at: SiteOf) -> None:
    with open_journal(folder(at)) as journal:
        abort(journal, at_desk(at), reason="not tonight", leave=False)


def retried(at: SiteOf, step: str) -> Run:
    at.meanwhile = lambda: None
    return go_on(
        at.site, folder(at), bench_of(at), lambda journal, asked: retry(journal, asked, StepId(step))
    )
