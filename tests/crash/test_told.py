"""Whoever is told of a run is told all of it, whoever dies: die before each touch, the tries among them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field

from tests.crash.worlds import Snapshots, deeds, thawed

from skylift.app.herald import Herald, Post, Try
from skylift.app.outbox import Settled
from skylift.app.story import Story
from skylift.app.subject import Upgrading
from skylift.engine.fold import Standing
from skylift.engine.journal import Journal
from skylift.model.ids import ComponentName
from skylift.model.notification import Notification, NotifyEntry, Occasion, Way
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.fuse import Fuse, FusedJournal, fused
from skylift.testing.memory_journal import MemoryJournal
from skylift.testing.plans import Runner, planned
from skylift.testing.samples import sample_record

RECORD = sample_record(controllers=2, components=(ComponentName("keystone"),))
PLAN = planned(RECORD)
ENTRIES = {
    "ops": NotifyEntry(Way.COMMAND, events=tuple(Occasion)),
    "deaf": NotifyEntry(Way.COMMAND, events=(Occasion.STAGE_BEGUN, Occasion.COMPLETED)),
}


@dataclass
class Office:
    """What lasts of telling: who got what, and what is settled."""

    got: list[tuple[str, str]] = field(default_factory=list)
    kept: list[Settled] = field(default_factory=list)


World = tuple[FakeCloud, MemoryJournal, Office]


class Conductor:
    """One process that conducts the run and tells of it, as long as it lives."""

    def __init__(self, world: World, fuse: Fuse | None = None) -> None:
        self.cloud, kept, self.office = world
        self.fuse = fuse or Fuse(10**9)
        self.journal: Journal = FusedJournal(kept, self.fuse)

    def settled(self) -> tuple[Settled, ...]:
        return tuple(self.office.kept)

    def settle(self, settled: Settled) -> None:
        self.fuse.touch("outbox")
        self.office.kept.append(settled)

    def send(self, entry: NotifyEntry, what: Notification) -> str | None:
        to = next(name for name, known in ENTRIES.items() if known is entry)
        self.fuse.touch("send")
        self.office.got.append((what.key, to))
        return "nobody listens" if to == "deaf" else None

    def run(self) -> Standing:
        story, herald = Story(Upgrading(PLAN)), Herald(self.post)

        def look(*_seen: object) -> None:
            herald.tell(story.goes_on(self.journal.events()))
            herald.go_round()

        ports = fused(ports_of(self.cloud), self.fuse)
        runner = Runner(cloud=self.cloud, journal=self.journal, ports=ports, view=look)
        ended = runner.run(PLAN) if not self.closed else None
        look()
        herald.finish(lambda: self.cloud.pass_time(1))
        return ended.standing if ended else Standing.COMPLETED

    @property
    def closed(self) -> bool:
        events = self.journal.events()
        return bool(events) and events[-1].kind == "run-closed"

    @property
    def post(self) -> Post:
        return Post(
            entries=ENTRIES,
            send=self.send,
            outbox=self,
            clock=lambda: self.cloud.now,
            remark=lambda _words: None,
            begin=at_once,
        )


def at_once(attempt: Try) -> Future[str | None]:
    """A try that has ended when it has begun, so that deaths are the same each time."""
    future: Future[str | None] = Future()
    future.set_result(attempt())
    return future


def told_to_ops(office: Office) -> set[tuple[str, ...]]:
    """Each occasion with its stage; where in the journal it stands is another after a resume."""
    return {tuple(key.split("/")[2:]) for key, to in office.got if to == "ops"}


def test_all_is_told_at_least_once_and_only_what_was_not_settled_again() -> None:
    """Issue 5, 1: a notification is neither lost nor told without end, wherever the process dies."""
    here: World = FakeCloud(RECORD), MemoryJournal(), Office()
    snapshots = Snapshots(here)  # type: ignore[arg-type] # a world is whatever lasts

    assert Conductor(here, snapshots).run() is Standing.COMPLETED

    tries = {to: count for (_, to), count in Counter(here[2].got).items()}
    assert tries == {"ops": 1, "deaf": 3}
    assert {"send", "outbox", "journal run-closed"} <= set(snapshots.touched)
    assert len(snapshots.worlds) > 80
    for frozen, where in snapshots.worlds.items():
        world: World = thawed(frozen)
        before = Counter(world[2].got)
        settled = {(s.key, s.to) for s in world[2].kept}
        world[0].pass_time(7)

        assert Conductor(world).run() is Standing.COMPLETED, where
        assert max(deeds(world[0]).values()) == 1, where
        assert world[0].failed == [], where
        again = Counter(world[2].got) - before
        assert told_to_ops(world[2]) == told_to_ops(here[2]), where
        assert not again.keys() & settled, where
        assert all(count <= tries[to] for (_, to), count in again.items()), where
        kept = Counter((s.key, s.to) for s in world[2].kept)
        assert kept.keys() == set(world[2].got), where
        assert max(kept.values()) == 1, where
