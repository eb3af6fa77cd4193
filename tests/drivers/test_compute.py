"""What the agent is told of instances and canaries, and how its answers are read."""

from __future__ import annotations

from typing import Any

from skylift.drivers.compute import ApiCanaries, ApiCompute
from skylift.model.ids import Epoch, HostName
from skylift.ports import CanarySeen, MigrationSeen, Tell
from skylift.ports.compute import UNDER_WAY
from skylift.probe.fleet import GOING
from skylift.testing.samples import sample_record

CMP2 = HostName("cmp2")
SAID = {
    "id": "7",
    "instance": "i",
    "source": "cmp1",
    "target": None,
    "migration_type": "live-migration",
    "status": "queued",
    "created_at": "2026-11-25T09:05:30.000000",
    "left_mib": None,
}


class Line:
    """The way to the agent: what it is told is kept, what it answers is given."""

    def __init__(self, *answers: Any) -> None:
        self.told: list[tuple[tuple[str, ...], bool]] = []
        self.answers = list(answers)

    def tell(self, *words: str, changes: bool = False) -> Any:
        self.told.append((words, changes))
        return self.answers.pop(0) if self.answers else {}


def test_a_list_is_read_until_nothing_is_left() -> None:
    provider = {"uuid": "u", "name": "cmp1", "inventories": {"VCPU": {}}, "traits": ["T"]}
    line = Line(
        {"things": [provider], "after": ""},
        {"things": [{"id": "a"}], "after": "a"},
        {"things": [{"id": "b"}], "after": ""},
        *({"things": [], "after": ""} for _ in range(3)),
    )

    seen = ApiCompute(line).survey()

    assert [s["id"] for s in seen.servers] == ["a", "b"]
    assert (seen.inventories, seen.traits) == ({"u": {"VCPU": {}}}, {"u": ("T",)})
    assert [words for words, _ in line.told][1:3] == [
        ("fleet", "servers", "--after="),
        ("fleet", "servers", "--after=a"),
    ]


def test_changes_are_asked_for_by_a_moment_that_nova_reads() -> None:
    line = Line({"services": [], "servers": [{"id": "s"}], "migrations": [SAID]})

    seen = ApiCompute(line).changes(Epoch(1_795_597_530.7))

    assert line.told == [(("fleet", "changes", "--since=2026-11-25T09:05:30Z"), False)]
    assert seen.migrations == (
        MigrationSeen(
            "7",
            "i",
            HostName("cmp1"),
            None,
            live=True,
            resize=False,
            status="queued",
            began_at=Epoch(1_795_597_530.0),
        ),
    )
    assert seen.migrations[0].under_way


def test_driver_and_agent_agree_on_what_goes_on() -> None:
    assert set(GOING) == UNDER_WAY


def test_what_changes_something_is_told_as_such() -> None:
    line = Line()
    compute = ApiCompute(line)

    compute.migrate("i", CMP2, live=False)
    compute.abort("i", "7")
    compute.tell("i", Tell.CONFIRM)

    assert line.told == [
        (("move", "migrate", "--instance=i", "--target=cmp2", "--live=no"), True),
        (("move", "abort", "--instance=i", "--migration=7"), True),
        (("move", "confirm", "--instance=i"), True),
    ]


def test_a_canary_bears_its_label_and_host_in_its_name() -> None:
    line = Line({"left": "", "answered": True}, None)
    canaries = ApiCanaries(line, sample_record().vantage)

    placed, seen = canaries.place("r", CMP2), canaries.look("r", CMP2)

    which = ("--name=skylift-canary-r-cmp2", "--host=cmp2", "--image=", "--network=")
    assert line.told == [(("canary", "place", *which), True), (("canary", "look", *which), False)]
    assert (placed, seen) == (CanarySeen("", answered=True), None)
