"""A run is taken up where a dead process left it; what it had still to do at its end is done, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.desk import RUN, desk_at

from skylift.app.approvals import Approval
from skylift.app.conduct import apply
from skylift.app.take_up import take_up
from skylift.engine.fold import Standing
from skylift.ports.watched import watched


class Killed(BaseException):
    """The process is gone."""


def test_the_probes_of_a_run_whose_process_died_after_its_last_event_are_ended(tmp_path: Path) -> None:
    desk = desk_at(tmp_path)

    def dies(call: str) -> None:
        if call == "vantage.stop_probes":
            raise Killed

    site = replace(desk.site, ports=watched(desk.site.ports, dies))
    with pytest.raises(Killed):
        apply(site, RUN, desk.plan(), desk.bench, approval=Approval.ALL)
    left = desk.cloud.probes[RUN].ended

    seen = take_up(desk.site, RUN, desk.bench)

    assert (left, seen.standing) == (None, Standing.COMPLETED)
    assert desk.cloud.probes[RUN].ended is not None
    assert desk.site.runs.find(RUN).samples.exists()
