"""What the agent is told of Neutron's agents, and how its answers are read."""

from __future__ import annotations

from typing import Any

from skylift.drivers.network import ApiNetwork
from skylift.model.closing import mark_of, reason_of
from skylift.model.ids import Epoch, HostName
from skylift.model.network_agent import KEPT, AgentKind, Carried, NetworkAgent
from skylift.testing.samples import NOW

AGENT = {
    "id": "a",
    "kind": "L3 agent",
    "host": "net1",
    "alive": True,
    "open": False,
    "description": "d",
    "mode": "legacy",
    "zone": "az1",
    "load": 3,
    "started_at": "2026-11-25 09:05:30",
    "heartbeat_at": None,
}
ROUTER = {
    "id": "r",
    "kind": "L3 agent",
    "ha": True,
    "distributed": False,
    "zones": ["az1"],
    "on": [{"id": "a", "active": True}, {"id": "b", "active": False}],
    "served": ["net1"],
    "quiet": False,
}
L3_AGENT = NetworkAgent("a", AgentKind.L3, HostName("net1"), alive=True, open=True, mode="legacy")


class Line:
    """The way to the agent: what it is told is kept, what it answers is given."""

    def __init__(self, *answers: Any) -> None:
        self.told: list[tuple[tuple[str, ...], bool]] = []
        self.answers = list(answers)

    def tell(self, *words: str, changes: bool = False) -> Any:
        self.told.append((words, changes))
        return self.answers.pop(0) if self.answers else {}


def network(line: Line) -> ApiNetwork:
    return ApiNetwork(line, lambda: NOW)


def test_an_agent_is_read_with_times_in_utc() -> None:
    (found,) = network(Line([AGENT])).agents()

    assert (found.kind, found.host, found.open, found.load) == (AgentKind.L3, "net1", False, 3)
    assert (found.started_at, found.heartbeat_at) == (Epoch(1_795_597_530.0), None)


def test_what_an_agent_carries_is_read_until_nothing_is_left() -> None:
    line = Line({"things": [ROUTER], "after": "r"}, {"things": [], "after": ""})

    (found,) = network(line).carried(L3_AGENT)

    assert found == Carried(
        "r",
        AgentKind.L3,
        {"a": True, "b": False},
        frozenset({HostName("net1")}),
        ha=True,
        zones=frozenset({"az1"}),
    )
    assert [words[-1] for words, _ in line.told] == ["--after=", "--after=r"]


def test_a_gateway_of_ovn_is_asked_nothing() -> None:
    line = Line()
    gateway = NetworkAgent("g", AgentKind.GATEWAY, HostName("net1"), alive=True, open=True)

    assert network(line).carried(gateway) == ()
    assert line.told == []


def test_each_word_says_whose_and_what_and_that_it_changes_something() -> None:
    line, which = Line(), ("--kind=L3 agent", "--agent=a")
    port = network(line)

    assert port.find(AgentKind.DHCP, "n") is None
    port.assign(L3_AGENT, "r")
    port.release(L3_AGENT, "r")
    port.close(L3_AGENT, label="p1")
    port.open(L3_AGENT, labels=["p1", "p0"])

    assert line.told == [
        (("network", "find", "--kind=DHCP agent", "--name=n"), False),
        (("network", "assign", *which, "--name=r"), True),
        (("network", "release", *which, "--name=r"), True),
        (("network", "close", *which, f"--reason={reason_of('p1', NOW)}", f"--keep={KEPT}"), True),
        (
            (
                "network",
                "open",
                *which,
                f"--mark={mark_of('p1')}",
                f"--mark={mark_of('p0')}",
                f"--keep={KEPT}",
            ),
            True,
        ),
    ]
