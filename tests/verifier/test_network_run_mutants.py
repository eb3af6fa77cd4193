"""Good runs over network hosts, each broken in one way: the verifier refuses every one, by that rule."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.app.network_run import RUN, mandate_of, run_of, scene

from skylift.engine.fold import Standing
from skylift.model.codec import encode
from skylift.model.ids import HostName
from skylift.testing.fake_ports import ports_of
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.watched_network import WatchedNetwork
from skylift.verifier.network.journal import verify_network_run

NET = tuple(HostName(f"net{n}") for n in (1, 2, 3))
SETTLES_S = 5
NOBODY = "nobody"


@dataclass
class Told:
    """What there is to judge of a run."""

    before: dict[str, Any]
    events: list[dict[str, Any]]
    after: dict[str, Any]

    def judged(self) -> set[str]:
        """The rules that it breaks."""
        return {v.rule for v in verify_network_run(self.before, self.events, self.after)}

    def moves(self, way: str = "") -> list[dict[str, Any]]:
        """What was asked for."""
        asked = [move for event in self.events for move in event.get("moves", ())]
        return [move for move in asked if move["way"] == way or not way]

    def agent(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """One as it was before the run, and after it."""
        one, two = (next(a for a in of["agents"] if a["id"] == name) for of in (self.before, self.after))
        return one, two

    def target(self, move: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The agent that it was given to."""
        kind = {"router": "l3", "network": "dhcp"}[move["way"]]
        return self.agent(f"{kind}-{move['target']}")

    def place(self, kind: str, step: str) -> int:
        """Of the first such event."""
        return next(n for n, e in enumerate(self.events) if (e["kind"], e.get("step")) == (kind, step))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """All three network hosts were rebooted, one after another."""
    at, journal = scene(tmp_path_factory.mktemp("run")), MemoryJournal()
    at.cloud.neutron.network("both", "net1", "net2")
    at.cloud.pass_time(SETTLES_S)
    mandate, eyes = mandate_of(at, *NET), WatchedNetwork(at.cloud, RUN, NET)
    ended = run_of(at, mandate, at.cloud, journal, ports=eyes.ports(ports_of(at.cloud)))
    at.cloud.pass_time(SETTLES_S)
    assert ended.standing is Standing.COMPLETED
    assert eyes.broken == []
    return Told(eyes.before, list(map(encode, journal.events())), eyes.seen())


def a_host_begun_before_the_last_is_through(run: Told) -> None:
    order = [e["step"] for e in run.events if e["kind"] == "step-started" and e["step"].startswith("empty@")]
    second = run.events.pop(run.place("step-started", order[1]))
    run.events.insert(run.place("step-started", order[0]) + 1, second)


def a_reboot_before_the_host_is_empty(run: Told) -> None:
    reboot = run.events.pop(run.place("step-started", "reboot@net1"))
    run.events.insert(run.place("step-started", "empty@net1") + 1, reboot)


def a_host_opened_before_its_reboot_is_over(run: Told) -> None:
    opening = run.events.pop(run.place("step-started", "carry@net1"))
    run.events.insert(run.place("step-started", "reboot@net1") + 1, opening)


def a_router_that_never_left(run: Told) -> None:
    for event in run.events:
        if "moves" in event:
            event["moves"] = [move for move in event["moves"] if move["instance"] != "r1"]


def a_network_that_never_left(run: Told) -> None:
    for event in run.events:
        if "moves" in event:
            event["moves"] = [move for move in event["moves"] if move["instance"] != "n2"]


def a_standby_that_never_reported(run: Told) -> None:
    for seen in (run.before, run.after):
        next(a for a in seen["agents"] if a["id"] == "l3-net2")["alive"] = False


def a_move_off_a_host_whose_turn_it_is_not(run: Told) -> None:
    asked = next(n for n, e in enumerate(run.events) if e.get("moves"))
    run.events.insert(run.place("step-started", f"empty@{run.moves()[0]['source']}"), run.events.pop(asked))


def a_move_of_what_is_not_there(run: Told) -> None:
    move = run.moves("router")[0]
    move["instance"] = next(t["id"] for t in run.before["things"] if t["id"] == "ha")
    for seen in (run.before, run.after):
        next(t for t in seen["things"] if t["id"] == "ha")["on"] = {"l3-elsewhere": True}


def a_router_moved_as_a_network(run: Told) -> None:
    run.moves("router")[0]["way"] = "network"


def a_target_that_is_being_worked_on(run: Told) -> None:
    """The one host that was begun before keeps its agents closed, for an operator to look at."""
    order = [e["step"] for e in run.events if e["kind"] == "step-started" and e["step"].startswith("empty@")]
    first = order[0].partition("@")[2]
    done = run.events[run.place("step-done", f"carry@{first}")]
    done |= {"kind": "step-failed", "problem": {}, "ended": True}
    for move in run.moves():
        if move["source"] != first:
            move["target"] = first


def a_target_that_nobody_knows(run: Told) -> None:
    run.moves()[0]["target"] = NOBODY


def a_target_that_never_reported(run: Told) -> None:
    for agent in run.target(run.moves()[0]):
        agent["alive"] = False


def a_target_that_was_closed_all_the_while(run: Told) -> None:
    for agent in run.target(run.moves()[0]):
        agent["open"] = False


def a_target_in_another_mode(run: Told) -> None:
    for agent in run.target(run.moves("router")[0]):
        agent["mode"] = "dvr"


def a_target_in_another_zone(run: Told) -> None:
    move = run.moves("router")[0]
    for seen in (run.before, run.after):
        next(t for t in seen["things"] if t["id"] == move["instance"])["zones"] = ["elsewhere"]


def an_agent_left_closed(run: Told) -> None:
    run.agent("l3-net1")[1].update(open=False, description=f"closed by Skylift for {RUN}, since 2026-01-01")


def an_agent_left_closed_without_a_word(run: Told) -> None:
    run.agent("dhcp-net2")[1].update(open=False)


def a_description_that_was_not_given_back(run: Told) -> None:
    run.agent("l3-net1")[0].update(description="rack 7")


def an_opening_of_what_its_operator_had_closed(run: Told) -> None:
    run.agent("l3-net3")[0].update(open=False, description="closed by rey")


def a_router_that_is_on_no_agent(run: Told) -> None:
    next(t for t in run.after["things"] if t["id"] == "r1")["on"] = {}


def a_network_that_is_up_nowhere(run: Told) -> None:
    next(t for t in run.after["things"] if t["id"] == "n1")["served"] = []


def a_host_that_was_forgotten(run: Told) -> None:
    run.events = [e for e in run.events if "net1" not in e.get("step", "")]
    for event in run.events:
        if "moves" in event:
            event["moves"] = [m for m in event["moves"] if "net1" not in {m["source"], m["target"]}]


def an_event_without_its_step(run: Told) -> None:
    del run.events[run.place("step-done", "empty@net1")]["step"]


MUTATIONS: dict[Callable[[Told], None], str] = {
    a_host_begun_before_the_last_is_through: "one",
    a_reboot_before_the_host_is_empty: "work",
    a_host_opened_before_its_reboot_is_over: "work",
    a_router_that_never_left: "missed",
    a_network_that_never_left: "missed",
    a_standby_that_never_reported: "missed",
    a_move_off_a_host_whose_turn_it_is_not: "turn",
    a_move_of_what_is_not_there: "place",
    a_router_moved_as_a_network: "place",
    a_target_that_is_being_worked_on: "out",
    a_target_that_nobody_knows: "target",
    a_target_that_never_reported: "target",
    a_target_that_was_closed_all_the_while: "target",
    a_target_in_another_mode: "mode",
    a_target_in_another_zone: "zone",
    an_agent_left_closed: "closed",
    an_agent_left_closed_without_a_word: "closed",
    a_description_that_was_not_given_back: "description",
    an_opening_of_what_its_operator_had_closed: "not ours",
    a_router_that_is_on_no_agent: "astray",
    a_network_that_is_up_nowhere: "missed",
    a_host_that_was_forgotten: "forgotten",
    an_event_without_its_step: "form",
}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_a_run_broken_in_one_way_is_refused_by_that_rule(run: Told, mutation: Callable[[Told], None]) -> None:
    broken = copy.deepcopy(run)

    mutation(broken)

    assert MUTATIONS[mutation] in broken.judged()


def test_a_good_run_is_accepted(run: Told) -> None:
    assert run.judged() == set()
    assert {move["instance"] for move in run.moves()} == {"r1", "r2", "n1", "n2"}


def test_what_was_deleted_or_made_during_the_run_is_nobodys_fault(run: Told) -> None:
    other = copy.deepcopy(run)
    for seen, gone in ((other.after, "r1"), (other.before, "n2")):
        seen["things"] = [thing for thing in seen["things"] if thing["id"] != gone]

    assert other.judged() == set()


def test_a_run_that_goes_on_may_have_a_host_closed_and_one_given_up_by_an_operator_may_leave_it(
    run: Told,
) -> None:
    """What was closed first is still worked on when the journal ends."""
    order = [e["step"] for e in run.events if e["kind"] == "step-started" and e["step"].startswith("empty@")]
    first = order[0].partition("@")[2]
    going = copy.deepcopy(run)
    del going.events[going.place("step-started", f"carry@{first}") :]
    for agent in (going.agent(f"{kind}-{first}")[1] for kind in ("l3", "dhcp")):
        agent.update(open=False, description=f"closed by Skylift for {RUN}, since 2026-01-01")
    left = copy.deepcopy(going)
    for leave in (True, False):
        left.events = [
            *going.events,
            {"kind": "run-aborting", "leave": leave},
            {"kind": "run-closed", "outcome": "aborted"},
        ]
        assert left.judged() == (set() if leave else {"closed"})

    assert going.judged() == set()
