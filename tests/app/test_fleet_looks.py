"""What a run over a fleet reads of its cloud while it goes on: what changed, and never all of it again."""

from __future__ import annotations

from pathlib import Path

from tests.app.maintained import RUN, SiteOf, bench_of, planned, site_of

from skylift.app.maintain import apply_mandate
from skylift.engine.fold import Standing


def together(at: SiteOf) -> None:
    """Somebody starts two instances that must be on one host, while hosts are being emptied."""
    nova = at.cloud.nova
    if at.cloud.roster.closed and not at.said:
        at.said = True
        nova.groups["pair"] = "affinity"
        open_one = next(host for host in nova.rows() if nova.takes(host))
        for name in ("one", "two"):
            nova.boot(name, open_one, group="pair")


def test_of_an_instance_that_appears_the_groups_are_read_and_not_the_whole_cloud(tmp_path: Path) -> None:
    """To read all of a large cloud takes minutes, in which no migration would be watched."""
    at = site_of(tmp_path, computes=4)
    for n in (1, 2, 3):
        at.cloud.nova.boot(f"vm{n}", f"cmp{n}")
    text = planned(at)
    at.cloud.surveys.clear()
    at.meanwhile = lambda: together(at)

    run = apply_mandate(at.site, RUN, text, bench_of(at))

    pair = {at.cloud.nova.servers[name].host for name in ("one", "two")}
    assert run.standing is Standing.COMPLETED
    assert len(pair) == 1, "they were moved to the same host"
    assert at.cloud.surveys["all"] == 2, "before the run, and at its beginning"
    assert 1 <= at.cloud.surveys["groups"] <= 2
