"""A rolling reboot of the hosts with real guests, killed in the middle of a migration (issue 4, 3.2).

Then one host at a time: with a guest that cannot be moved, with an instance that is created on a closing
host, and with a target that loses its power in the middle.
Everything is told by those who are not the run: Nova's own records, the guests' counters, pings from the
client host, and the hosts' boot ids.
"""

from __future__ import annotations

import calendar
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.lab.core_cloud import NOVA, CoreCloud, console, running_guests
from tests.lab.operating import Ended, Operator, Verb, await_event, events, own_record, standing
from tests.lab.pinged import Away, Pinger

from skylift.app.runs import RunFolder
from skylift.engine.fold import Phase
from skylift.engine.journal import MovesAsked, StepStarted
from skylift.gate.lab.commands import poll
from skylift.gate.lab.faults import boot_id
from skylift.gate.lab.host import Lab
from skylift.gate.lab.supervisor import power_off, power_on
from skylift.model.ids import StepId

pytestmark = [pytest.mark.lab, pytest.mark.matrix, pytest.mark.timeout(5400)]

HOSTS = ("cmp1", "cmp2")
GUESTS = {
    "reboot-1a": ("cmp1", "10.78.11.1"),
    "reboot-1b": ("cmp1", "10.78.11.2"),
    "reboot-2a": ("cmp2", "10.78.12.1"),
}
"""Guests of this test: where each is booted, and its address."""
RUN_S, BASELINE_S = 3600, 30
GAP_MAX_MS = 20_000
SILENT_MAX_S = 20
"""As long as one question to a guest may take."""
BLACKOUT_MAX_S = 10.0
"""Emulated guests on two cores: seconds are what QEMU needs there, and a minute would be a fault."""


@dataclass
class Rolled:
    """A run over both hosts, and what others say of it."""

    operator: Operator
    run: RunFolder
    ended: Ended
    report: dict[str, Any]
    boots: dict[str, tuple[str, str]]
    """By host, its boot id before and after."""
    counts: dict[str, tuple[int, int]]
    """By guest, its count before and after; one that is silent has lost it."""
    consoles: dict[str, str]
    """By guest that is silent, the end of its console."""
    away: dict[str, Away]
    """By guest."""
    migrations: dict[str, list[dict[str, Any]]]
    """By guest, Nova's own records of it, the newest first, since the run began."""
    killed_while: list[str]
    """The instances that were on their way when the process was killed."""

    @property
    def told(self) -> str:
        """All that helps to see what happened."""
        return json.dumps(
            {
                "left": self.report.get("left"),
                "steps": self.report.get("steps"),
                "moved": self.report.get("moved"),
                "migrations": self.migrations,
                "silent": self.consoles,
                "remarks": self.ended.remarks[-4000:],
            },
            indent=1,
            default=str,
        )


@pytest.fixture(scope="module")
def cloud(core_lab: Lab) -> CoreCloud:
    return CoreCloud(core_lab)


@pytest.fixture(scope="module")
def guests(cloud: CoreCloud) -> dict[str, str]:
    """By name, the ids of the guests; each is on its host and counts."""
    return running_guests(cloud, GUESTS)


@pytest.fixture(scope="module")
def operator(core_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    def change(record: dict[str, Any]) -> None:
        # What guests lose is judged here, past the run: neither QEMU's blackouts nor the death of a guest of
        # ours, whose host loses its power, shall pause it.
        record["policy"] |= {"baseline": BASELINE_S, "loss": {"failed_requests": 900, "gap": 900}}
        record["maintenance"] = {
            "settle": 30,
            "look": 10,
            "back": 900,
            "move": 240,
            "failures": 1,
            "limits": {"host_s": 300, "first": ["cmp1"]},
        }

    return own_record(core_lab, tmp_path_factory.mktemp("reboot"), change)


def planned(operator: Operator, folder: Path, *words: str) -> Path:
    file = folder / "reboot.plan"
    operator.does("plan", "--reboot", *words, "-o", str(file))
    assert file.exists(), "a blocked plan is not written"
    return file


def applied(operator: Operator, plan: Path) -> tuple[Verb, RunFolder]:
    known = len(operator.runs.known())
    verb = operator.start("apply", str(plan))
    return verb, operator.new_run(verb, known, limit_s=600)


def on_its_way(cloud: CoreCloud) -> list[str]:
    listed = cloud.ask("GET", f"{NOVA}/servers/detail?all_tenants=1")["servers"]
    return [one["id"] for one in listed if one["OS-EXT-STS:task_state"] == "migrating"]


def migrations(cloud: CoreCloud, server: str, since: float) -> list[dict[str, Any]]:
    asked = cloud.ask("GET", f"{NOVA.removesuffix('/v2.1')}/v2.1/os-migrations?instance_uuid={server}")
    begun = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since))
    keys = ("status", "source_compute", "dest_compute", "created_at", "updated_at")
    return [{key: m[key] for key in keys} for m in asked["migrations"] if m["created_at"] >= begun]


def services(cloud: CoreCloud) -> dict[str, tuple[str, str, str | None]]:
    """By compute host: whether it takes work, whether it reports, and why it does not take any."""
    listed = cloud.ask("GET", f"{NOVA}/os-services?binary=nova-compute")["services"]
    return {s["host"]: (s["status"], s["state"], s.get("disabled_reason")) for s in listed}


@pytest.fixture(scope="module")
def rolled(
    cloud: CoreCloud,
    guests: dict[str, str],
    operator: Operator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Rolled:
    lab = cloud.lab
    plan = planned(operator, tmp_path_factory.mktemp("plan"), *(f"--host={host}" for host in HOSTS))
    before = {host: boot_id(lab.host(host)) for host in HOSTS}
    counts = {name: cloud.counter(address) for name, (_, address) in GUESTS.items()}
    pinger = Pinger(lab, tuple(address for _, address in GUESTS.values()))
    pinger.begin()
    began = time.time()
    try:
        verb, run = applied(operator, plan)
        await_event(run, verb, lambda event: isinstance(event, MovesAsked))
        moving: list[str] = []

        def moves() -> bool:
            moving[:] = on_its_way(cloud)
            return bool(moving) or verb.over()

        assert poll(moves, limit_s=300, every_s=0.5), f"nobody was seen on its way:\n{verb.said}"
        assert not verb.over(), f"the run ended before it could be killed:\n{verb.said}"
        verb.kill()
        ended = operator.ends("resume", limit_s=RUN_S)
    finally:
        away = pinger.end()
    by_address = {address: name for name, (_, address) in GUESTS.items()}
    silent = {
        name for name, (_, address) in GUESTS.items() if not cloud.counts(address, limit_s=SILENT_MAX_S)
    }
    return Rolled(
        operator,
        run,
        ended,
        json.loads(operator.ends("report", "--json").answer),
        {host: (before[host], boot_id(lab.host(host))) for host in HOSTS},
        {n: (counts[n], 0 if n in silent else cloud.counter(address)) for n, (_, address) in GUESTS.items()},
        {name: console(cloud, guests[name]) for name in silent},
        {by_address[address]: found for address, found in away.items()},
        {name: migrations(cloud, server, began) for name, server in guests.items()},
        moving,
    )


def test_the_run_is_complete_though_it_was_killed_in_the_middle_of_a_migration(rolled: Rolled) -> None:
    assert rolled.killed_while, "nobody was on its way"
    assert rolled.ended.code == 0, rolled.told
    assert rolled.report["left"] == {}, rolled.told
    assert set(rolled.report["done"]) == set(HOSTS)


def test_each_host_was_rebooted_by_its_own_word(rolled: Rolled) -> None:
    same = [host for host, (before, after) in rolled.boots.items() if before == after]

    assert same == [], rolled.told


def test_every_guest_runs_on_and_never_began_anew(rolled: Rolled) -> None:
    """A count that is higher at the end would not tell: one that began anew may have come further by then."""
    assert {n: after > before for n, (before, after) in rolled.counts.items()} == dict.fromkeys(
        GUESTS, True
    ), rolled.told
    assert {n: away.anew for n, away in rolled.away.items() if away.anew} == {}, rolled.told
    assert all(len(away.counts) > 50 for away in rolled.away.values()), rolled.told


def test_each_guest_was_moved_live_at_most_once_more_than_needed(rolled: Rolled) -> None:
    """Two hosts, and none of them empty: those of the first must move twice."""
    arrived = {n: [m["status"] for m in of].count("completed") for n, of in rolled.migrations.items()}

    assert all(1 <= times <= 2 for times in arrived.values()), rolled.told
    assert {m["status"] for of in rolled.migrations.values() for m in of} == {"completed"}, rolled.told


def test_the_blackout_of_each_guest_is_short_and_told(rolled: Rolled, record_property: Any) -> None:
    told = ", ".join(
        f"{name}: {away.longest_s:.2f} s, {away.lost} of {away.pings} pings lost"
        for name, away in sorted(rolled.away.items())
    )
    record_property("figures", f"{rolled.report['summary']}; {told}")

    assert all(away.pings > 500 for away in rolled.away.values()), told
    assert all(away.longest_s < BLACKOUT_MAX_S for away in rolled.away.values()), told


def test_no_request_of_the_apis_users_failed(rolled: Rolled, record_property: Any) -> None:
    record_property("requests", rolled.report["requests"])
    of_apis = [f for f in rolled.report["failures"] if not f["api"].startswith("guest ")]

    assert of_apis == [], rolled.told
    assert rolled.report["requests"] > 500
    apis = [api for api in rolled.report["apis"] if not api["guest"]]
    gaps = {api["api"]: api["gap"]["length_ms"] for api in apis}
    assert {api: gap for api, gap in gaps.items() if gap > GAP_MAX_MS} == {}


def test_the_report_measured_a_guest_of_the_probes(rolled: Rolled) -> None:
    assert [g["restarts"] for g in rolled.report["guests"]] == [0] * len(rolled.report["guests"])
    assert rolled.report["guests"], rolled.ended.remarks


def test_nothing_is_left_closed_and_no_canary_is_left(cloud: CoreCloud, rolled: Rolled) -> None:
    assert {h: services(cloud)[h][:2] for h in HOSTS} == dict.fromkeys(HOSTS, ("enabled", "up")), rolled.told
    assert [name for name in cloud.servers() if name.startswith("skylift-canary-")] == []


def test_no_host_was_told_to_reboot_twice(rolled: Rolled) -> None:
    started = [e.step for e in events(rolled.run) if isinstance(e, StepStarted)]

    assert sorted(s for s in started if s.startswith("reboot@")) == ["reboot@cmp1", "reboot@cmp2"]


def test_a_guest_that_cannot_be_moved_keeps_its_host_and_is_named(
    core_lab: Lab,
    cloud: CoreCloud,
    guests: dict[str, str],
    rolled: Rolled,
    tmp_path: Path,
) -> None:
    """It comes to be in error when its host is closed already: Nova moves no such instance."""
    operator, server = rolled.operator, guests["reboot-2a"]
    host = _host_of(cloud, server)
    before = boot_id(core_lab.host(host))
    plan = planned(operator, tmp_path, f"--host={host}")
    verb, run = applied(operator, plan)
    empties = StepId(f"empty@{host}")

    await_event(run, verb, lambda e: isinstance(e, StepStarted) and e.step == empties)
    _reset(cloud, server, "error")
    now_on = _host_of(cloud, server)
    try:
        assert now_on == host, "it was moved before it came to be in error: the test came too late"
        ended = verb.end(RUN_S)
        failed = standing(run).steps.get(empties)
        told = f"{ended.remarks[-3000:]}\n{ended.answer}"
        here = services(cloud)[host]
    finally:
        _reset(cloud, server, "active")

    assert ended.code == 1, told
    assert failed is not None, told
    assert failed.phase is Phase.FAILED, told
    assert failed.problem is not None
    assert server in failed.problem.sentence, failed.problem.sentence
    assert here[:2] == ("enabled", "up"), f"the host is not given back: {here}\n{told}"
    assert boot_id(core_lab.host(host)) == before, "it was rebooted with a guest on it"

    again = operator.ends("retry", limit_s=RUN_S)
    assert again.code == 0, again.remarks[-3000:]
    assert boot_id(core_lab.host(host)) != before
    assert cloud.counts(GUESTS["reboot-2a"][1])


def test_an_instance_that_is_created_on_a_closing_host_is_moved_as_the_others_are(
    cloud: CoreCloud, guests: dict[str, str], rolled: Rolled, tmp_path: Path
) -> None:
    """Nova has chosen the host, and builds it there, when the host is closed: QEMU takes seconds for it."""
    host = _host_of(cloud, guests["reboot-2a"])
    address = f"10.78.13.{1 + int(time.time()) % 250}"  # a lab that stayed up may have one of before
    port = cloud.port(cloud.network("provider"), address=address)
    plan = planned(rolled.operator, tmp_path, f"--host={host}")
    verb, run = applied(rolled.operator, plan)

    assert poll(lambda: "measuring for" in verb.said or verb.over(), limit_s=600), verb.said
    close_to = time.monotonic() + BASELINE_S + 1
    poll(lambda: time.monotonic() > close_to, limit_s=2 * BASELINE_S)
    late = cloud.boot("reboot-late", zone=f"real:{host}", networks=[{"port": port["id"]}])
    begun = await_event(run, verb, lambda e: isinstance(e, StepStarted) and e.step == f"empty@{host}")
    ended = verb.end(RUN_S)
    launched = str(cloud.ask("GET", f"{NOVA}/servers/{late}")["server"]["OS-SRV-USG:launched_at"])
    launched_s = calendar.timegm(time.strptime(launched[:19], "%Y-%m-%dT%H:%M:%S"))
    moved = [m["source_compute"] for m in migrations(cloud, late, 0.0)]

    assert ended.code == 0, ended.remarks[-3000:]
    assert cloud.settled(f"{NOVA}/servers/{late}", "server") == "ACTIVE"
    assert host in moved, "the host was closed before it came to be there: the test came too late"
    assert launched_s >= begun.at_ms // 1000, (
        "it was there before the host was closed: the test came too early"
    )
    assert _host_of(cloud, late) != host
    assert cloud.counts(address)
    assert services(cloud)[host][:2] == ("enabled", "up")


def test_a_target_that_loses_its_power_costs_no_guest_of_the_host_that_is_emptied(
    core_lab: Lab, cloud: CoreCloud, guests: dict[str, str], rolled: Rolled, tmp_path: Path
) -> None:
    """There is no other target, so the host is given back; once there is one again, a retry is enough."""
    operator, host = rolled.operator, _host_of(cloud, guests["reboot-2a"])
    (target,) = set(HOSTS) - {host}
    before = boot_id(core_lab.host(host))
    on_target = {name for name, server in guests.items() if _host_of(cloud, server) == target}
    plan = planned(operator, tmp_path, f"--host={host}")
    pinger = Pinger(core_lab, tuple(address for _, address in GUESTS.values()))
    pinger.begin()
    try:
        verb, run = applied(operator, plan)
        await_event(run, verb, lambda event: isinstance(event, MovesAsked))
        assert poll(lambda: bool(on_its_way(cloud)) or verb.over(), limit_s=300, every_s=0.5), verb.said
        power_off(core_lab.host(target))
        ended = verb.end(RUN_S)
        here = services(cloud)[host]
        power_on(core_lab.host(target))
        assert poll(lambda: services(cloud)[target][1] == "up", limit_s=300, every_s=3)
        again = operator.ends("retry", limit_s=RUN_S)
    finally:
        power_on(core_lab.host(target))
        away = pinger.end()

    assert on_target == set(), "guests of the target would be lost with it: the test is set up wrong"
    assert ended.code == 1, ended.remarks[-3000:]
    assert here[:2] == ("enabled", "up"), f"the host is not given back: {here}\n{ended.remarks[-3000:]}"
    assert again.code == 0, again.remarks[-3000:]
    assert boot_id(core_lab.host(host)) != before
    assert {name: one.anew for name, one in away.items() if one.anew} == {}
    assert all(cloud.counts(address) for _, address in GUESTS.values())
    assert {services(cloud)[h][:2] for h in HOSTS} == {("enabled", "up")}


def _host_of(cloud: CoreCloud, server: str) -> str:
    return str(cloud.ask("GET", f"{NOVA}/servers/{server}")["server"]["OS-EXT-SRV-ATTR:host"])


def _reset(cloud: CoreCloud, server: str, state: str) -> None:
    cloud.ask("POST", f"{NOVA}/servers/{server}/action", {"os-resetState": {"state": state}})
