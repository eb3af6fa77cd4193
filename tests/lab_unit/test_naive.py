"""The control run of a core does what an administrator does who takes no care."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest

from skylift.catalog.catalog import load
from skylift.drivers.ssh import Said
from skylift.gate.lab.host import LabProblem
from skylift.gate.naive import ByHand, rolling
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, Epoch, HostName
from skylift.model.record import Policy
from skylift.model.release import Release
from skylift.planning.upgrade import plan_upgrade
from skylift.testing.whole_clouds import Shape, whole_cloud

CATALOG = load()
SHAPE = Shape(source=Release(2024, 1), goal=Release(2025, 1), computes=2)


class Written:
    """Shells that write down what is run where; a host that is down answers nothing well."""

    def __init__(self, down: str = "") -> None:
        self.ran: list[tuple[str, str]] = []
        self._down = down

    def run(self, host: HostName, argv: Sequence[str], *, changes: bool, limit_s: float) -> Said:
        assert changes
        assert limit_s
        self.ran.append((str(host), " ".join(argv)))
        return Said(1 if host == self._down else 0, b"", b"down", Epoch(0.0), Epoch(0.0))

    def on_each(
        self, hosts: Iterable[HostName], argv: Sequence[str], *, changes: bool
    ) -> Mapping[HostName, Said]:
        return {host: self.run(host, argv, changes=changes, limit_s=1) for host in hosts}


def rolled(shells: Written) -> list[str]:
    """What steps a plain rolling restart of nova took."""
    cloud, record = whole_cloud(CATALOG, ("keystone", "placement", "nova"), SHAPE, policy=Policy())
    goal = Upgrade(SHAPE.goal)
    plan = plan_upgrade(cloud, record, goal, CATALOG, record_digest=Digest("sha256:" + "a" * 64))
    artifact = record.artifact_for(SHAPE.goal)
    hand = ByHand(record, shells, lambda _line: None)

    assert artifact is not None
    rolling(lambda: plan)(hand, artifact)
    return [span.step for span in hand.spans]


def test_schemas_come_first_and_each_service_is_restarted_host_by_host() -> None:
    shells = Written()

    steps = rolled(shells)

    nova = steps[steps.index("nova: api-sync") :]
    assert nova[:2] == ["nova: api-sync", "nova: main-sync"]
    assert [step for step in nova if step.startswith("nova-compute")] == [
        "nova-compute: restart on cmp1",
        "nova-compute: restart on cmp2",
    ]
    assert not [step for step in steps if "online" in step or "contract" in step]


def test_a_restart_is_a_switch_and_a_restart_and_nothing_else() -> None:
    shells = Written()

    rolled(shells)

    on_cmp1 = [line.split(" ")[0] for host, line in shells.ran if host == "cmp1"]
    assert on_cmp1 == ["ln", "systemctl"]
    assert not [line for _, line in shells.ran if "drain" in line or "systemctl stop" in line]


def test_a_command_that_fails_ends_it() -> None:
    with pytest.raises(LabProblem, match="on cmp2 failed: down"):
        rolled(Written(down="cmp2"))
