"""Rosters asked of a real MariaDB, from tables as OpenStack's own models declare them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.drivers.galera import program

from skylift.catalog.catalog import load
from skylift.drivers.mariadb_rosters import lower_version_sql, parse_reports, roster_sql
from skylift.drivers.mariadb_work import parse_work, work_of_sql, work_sql
from skylift.gate.lab.commands import poll
from skylift.model.ids import ComponentName, Epoch, ServiceName
from skylift.model.roster import Roster, ServiceReport, pins
from skylift.model.work import InHand, Piece

TABLES = Path(__file__).parent / "tables"
START_LIMIT_S = 180
DAY = "2026-11-25"
SEEN = f"{DAY} 04:00:00"
SEEN_AT = Epoch(1_795_579_200.0)

Sql = Callable[[str], str]


@pytest.fixture(scope="module")
def sql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sql]:
    """A server of its own, without grants and without a network; a call asks it."""
    server, client = program("mariadbd"), program("mariadb")
    folder = tmp_path_factory.mktemp("db")
    socket = folder / "s"
    words = ["--no-defaults", f"--datadir={folder / 'data'}", f"--socket={socket}", "--skip-networking"]
    words += [
        "--skip-grant-tables",
        "--user=root",
        f"--pid-file={folder / 'pid'}",
        "--default-time-zone=+05:00",
    ]
    (folder / "data").mkdir()
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([server, *words], stdout=log, stderr=log)

    def ask(text: str) -> str:
        asking = [client, "--no-defaults", f"--socket={socket}", "--batch", "--skip-column-names", "--raw"]
        said = subprocess.run(asking, input=text, check=False, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        return said.stdout

    try:
        poll(lambda: socket.exists() or running.poll() is not None, limit_s=START_LIMIT_S)
        assert socket.exists(), (folder / "log").read_text(errors="replace")[-2000:]
        for file in sorted(TABLES.glob("*.sql")):
            database = f"{file.stem}-1"
            ask(f"CREATE DATABASE `{database}`; USE `{database}`;\n{file.read_text()}")
        yield ask
    finally:
        running.terminate()
        running.wait(timeout=START_LIMIT_S)


def roster_of(component: str) -> Roster:
    """The roster of a component whose one database with reports is called like no identifier may be."""
    known = load().components[ComponentName(component)]
    names = {"api": "nova_api", "cell1": "nova-1"} if component == "nova" else {"": f"{component}-1"}
    (roster,) = known.rosters(names, [service.name for service in known.services])
    return roster


def reported(sql: Sql, component: str) -> dict[str, ServiceReport]:
    roster = roster_of(component)
    found = parse_reports(roster, sql(roster_sql(roster)).splitlines())
    return {report.host: report for report in found}


def fill(sql: Sql, component: str, table: str, *rows: dict[str, object]) -> None:
    place = f"`{component}-1`.`{table}`"
    sql(f"DELETE FROM {place};")  # noqa: S608 - a test's own words
    for row in rows:
        names = ", ".join(f"`{name}`" for name in row)
        values = ", ".join("NULL" if value is None else repr(value) for value in row.values())
        sql(f"INSERT INTO {place} ({names}) VALUES ({values});")  # noqa: S608 - a test's own words


def test_a_nova_service_says_when_it_was_seen_and_how_new_it_is(sql: Sql) -> None:
    own = {"binary": "nova-compute", "topic": "compute", "report_count": 1, "deleted": 0, "disabled": 0}
    seen = {"created_at": "2020-01-01 00:00:00", "last_seen_up": SEEN, "forced_down": 0, "version": 68}
    fill(
        sql,
        "nova",
        "services",
        own | seen | {"host": "cmp1", "uuid": "u1"},
        own
        | seen
        | {"host": "cmp2", "uuid": "u2", "disabled": 1, "disabled_reason": "it's\tdown\nsince May"},
        own | seen | {"host": "cmp3", "uuid": "u3", "forced_down": 1, "version": 61},
        own | seen | {"host": "cmp4", "uuid": "u4", "deleted": 4, "version": 60},
        own
        | seen
        | {"host": "cmp5", "uuid": "u5", "last_seen_up": None, "created_at": None, "version": None},
        own | seen | {"host": "ctl1", "uuid": "u6", "binary": "nova-conductor", "topic": "c", "version": 50},
        own | seen | {"host": "ctl1", "uuid": "u7", "binary": "nova-osapi_compute", "topic": None},
    )

    rows = reported(sql, "nova")

    assert sorted(rows) == ["cmp1", "cmp2", "cmp3", "cmp5", "ctl1"]
    assert rows["cmp1"].seen_at == SEEN_AT
    assert (rows["cmp1"].id, rows["cmp1"].version, rows["cmp1"].enabled) == ("u1", 68, True)
    assert (rows["cmp2"].enabled, rows["cmp2"].reason) == (False, "it's\tdown\nsince May")
    assert (rows["cmp3"].holds, rows["ctl1"].holds) == (False, False)
    assert (rows["cmp5"].seen_at, rows["cmp5"].version, rows["cmp5"].holds) == (None, 0, True)
    assert pins(rows.values()) == {("nova-1", "nova-compute"): 0}


def test_a_row_of_nova_is_lowered_and_no_other_and_never_raised(sql: Sql) -> None:
    own = {
        "topic": "c",
        "report_count": 1,
        "deleted": 0,
        "disabled": 0,
        "forced_down": 0,
        "last_seen_up": SEEN,
    }
    fill(
        sql,
        "nova",
        "services",
        own | {"binary": "nova-conductor", "host": "ctl1", "uuid": "u1", "version": 68},
        own | {"binary": "nova-conductor", "host": "ctl2", "uuid": "u2", "version": 68},
        own | {"binary": "nova-conductor", "host": "ctl3", "uuid": "u3", "version": 61},
        own | {"binary": "nova-conductor", "host": "ctl4", "uuid": "u1'", "version": 68},
    )
    roster, rows = roster_of("nova"), reported(sql, "nova")

    for host in ("ctl1", "ctl1", "ctl3"):
        sql(lower_version_sql(roster, rows[host], 66))

    assert {host: row.version for host, row in reported(sql, "nova").items()} == {
        "ctl1": 66,
        "ctl2": 68,
        "ctl3": 61,
        "ctl4": 68,
    }
    sql(lower_version_sql(roster, rows["ctl4"], 66))
    assert reported(sql, "nova")["ctl4"].version == 66


def test_where_rows_have_no_one_version_none_is_lowered(sql: Sql) -> None:
    own = {"report_count": 1, "deleted": 0, "disabled": 0, "updated_at": SEEN, "rpc_current_version": "3.19"}
    fill(sql, "cinder", "services", own | {"binary": "cinder-volume", "host": "ctl1@lvm"})

    with pytest.raises(ValueError, match="rows of cinder have no one version"):
        lower_version_sql(roster_of("cinder"), reported(sql, "cinder")["ctl1@lvm"], 3018)


def test_a_cinder_service_counts_its_rpc_version_as_cinder_compares_it(sql: Sql) -> None:
    own = {"report_count": 1, "deleted": 0, "disabled": 0, "updated_at": SEEN}
    fill(
        sql,
        "cinder",
        "services",
        own | {"binary": "cinder-volume", "host": "ctl1@lvm", "rpc_current_version": "3.19"},
        own | {"binary": "cinder-volume", "host": "ctl2@lvm", "rpc_current_version": "3.9"},
        own | {"binary": "cinder-volume", "host": "ctl3@lvm", "rpc_current_version": "3.1", "deleted": 1},
        own | {"binary": "cinder-backup", "host": "ctl1", "rpc_current_version": None, "disabled": 1},
    )

    rows = reported(sql, "cinder")

    assert {host: row.version for host, row in rows.items()} == {
        "ctl1@lvm": 3019,
        "ctl2@lvm": 3009,
        "ctl1": None,
    }
    assert pins(rows.values()) == {("cinder-1", "cinder-backup"): 0, ("cinder-1", "cinder-volume"): 3009}
    assert (
        rows["ctl1@lvm"].removal(roster_of("cinder")) == "cinder-manage service remove cinder-volume ctl1@lvm"
    )
    assert (rows["ctl1"].seen_at, rows["ctl1"].enabled) == (SEEN_AT, False)


def test_an_agent_of_neutron_holds_nothing_back(sql: Sql) -> None:
    own = {
        "agent_type": "L3 agent",
        "binary": "neutron-l3-agent",
        "topic": "l3_agent",
        "configurations": "{}",
    }
    times = {"created_at": SEEN, "started_at": SEEN, "heartbeat_timestamp": SEEN}
    fill(
        sql,
        "neutron",
        "agents",
        own | times | {"id": "a1", "host": "net1", "admin_state_up": 0},
        own | times | {"id": "a2", "host": "net2", "admin_state_up": 1, "binary": "ovn-controller"},
    )

    rows = reported(sql, "neutron")

    assert set(rows) == {"net1"}
    assert (rows["net1"].enabled, rows["net1"].version, rows["net1"].holds) == (False, None, False)
    assert rows["net1"].seen_at == SEEN_AT


def test_an_engine_of_heat_that_was_deleted_is_no_row(sql: Sql) -> None:
    own = {
        "binary": "heat-engine",
        "topic": "engine",
        "report_interval": 60,
        "hostname": "h",
        "engine_id": "e",
    }
    fill(
        sql,
        "heat",
        "service",
        own | {"id": "1", "host": "ctl1", "updated_at": SEEN},
        own | {"id": "2", "host": "ctl2", "deleted_at": SEEN},
    )

    rows = reported(sql, "heat")

    assert set(rows) == {"ctl1"}
    assert rows["ctl1"].seen_at == SEEN_AT


def in_hand(sql: Sql, component: str) -> dict[tuple[str, str], InHand]:
    roster = roster_of(component)
    return {(w.what, w.state): w for w in parse_work(roster, sql(work_sql(roster)).splitlines())}


def test_instances_in_a_task_or_without_a_host_are_in_hand(sql: Sql) -> None:
    own = {"deleted": 0, "vm_state": "active", "task_state": None, "updated_at": SEEN}
    fill(
        sql,
        "nova",
        "instances",
        own | {"uuid": "idle"},
        own | {"uuid": "gone", "deleted": 9, "task_state": "deleting"},
        own | {"uuid": "lost", "vm_state": "building", "updated_at": None, "created_at": SEEN},
        *(
            own | {"uuid": f"vm{n}", "task_state": "spawning", "updated_at": f"{DAY} 0{n}:00:00"}
            for n in range(7)
        ),
    )

    found = in_hand(sql, "nova")

    assert {state: work.count for (_, state), work in found.items()} == {"building": 1, "spawning": 7}
    assert found["server", "building"].oldest == (Piece("lost", SEEN_AT),)
    assert [piece.id for piece in found["server", "spawning"].oldest] == ["vm0", "vm1", "vm2", "vm3", "vm4"]


def test_volumes_snapshots_and_backups_on_their_way_are_in_hand_and_those_that_wait_for_a_user_are_not(
    sql: Sql,
) -> None:
    volume = {"deleted": 0, "updated_at": SEEN, "volume_type_id": "t"}
    fill(
        sql,
        "cinder",
        "volumes",
        *(volume | {"id": s, "status": s} for s in ("in-use", "reserved", "awaiting-transfer", "extending")),
        volume | {"id": "moving", "status": "in-use", "migration_status": "migrating"},
        volume | {"id": "moved", "status": "in-use", "migration_status": "success"},
        volume | {"id": "gone", "status": "creating", "deleted": 1},
    )
    fill(sql, "cinder", "snapshots", volume | {"id": "s1", "status": "creating", "volume_id": "v"})
    fill(sql, "cinder", "backups", {"deleted": 0, "id": "b1", "volume_id": "v", "status": "restoring"})

    found = in_hand(sql, "cinder")

    assert {place: [p.id for p in work.oldest] for place, work in found.items()} == {
        ("volume", "extending"): ["extending"],
        ("volume", "migrating"): ["moving"],
        ("volume snapshot", "creating"): ["s1"],
        ("volume backup", "restoring"): ["b1"],
    }
    assert found["volume backup", "restoring"].oldest[0].since is None


def in_hand_of(sql: Sql, service: str, host: str, before: Epoch | None = None) -> dict[str, int]:
    """What one service has in hand: how many by what and state."""
    component = service.partition("-")[0]
    roster = roster_of(component)
    row = ServiceReport(
        component=roster.component,
        database=roster.database,
        service=ServiceName(service),
        host=host,
        id="1",
        enabled=False,
        reason="",
        seen_at=None,
        version=None,
        holds=False,
    )
    said = sql(work_of_sql(roster, row, before)).splitlines()
    return {f"{work.what} {work.state}": work.count for work in parse_work(roster, said)}


def test_a_nova_compute_has_its_own_instances_in_hand_those_on_their_way_and_those_that_move(
    sql: Sql,
) -> None:
    own = {"deleted": 0, "vm_state": "active", "task_state": None, "created_at": SEEN, "host": "cmp1"}
    new = own | {"host": None, "vm_state": "building", "task_state": "scheduling"}
    moves = {"deleted": 0, "status": "running", "source_compute": "cmp2", "dest_compute": "cmp1"}
    fill(
        sql,
        "nova",
        "instances",
        own | {"uuid": "idle"},
        own | {"uuid": "own", "vm_state": "building", "task_state": "spawning"},
        own | {"uuid": "another's", "host": "cmp2", "task_state": "spawning"},
        new | {"uuid": "sent before"},
        new | {"uuid": "sent after", "created_at": f"{DAY} 04:00:09"},
        own | {"uuid": "comes", "host": "cmp2", "task_state": "migrating"},
        own | {"uuid": "came", "host": "cmp2", "task_state": "powering-off"},
    )
    fill(
        sql,
        "nova",
        "migrations",
        moves | {"instance_uuid": "comes"},
        moves | {"instance_uuid": "came", "status": "completed"},
    )

    closed = in_hand_of(sql, "nova-compute", "cmp1", Epoch(SEEN_AT + 5))
    still_open = in_hand_of(sql, "nova-compute", "cmp1")
    long_closed = in_hand_of(sql, "nova-compute", "cmp1", Epoch(0))
    strange = in_hand_of(sql, "nova-compute", "it's\\", Epoch(0))

    assert closed == {"server migrating": 1, "server scheduling": 1, "server spawning": 1}
    assert still_open == {**closed, "server scheduling": 2}
    assert long_closed == {"server migrating": 1, "server spawning": 1}
    assert strange == {}
    assert in_hand_of(sql, "nova-conductor", "ctl1") == {}


def test_a_cinder_volume_has_in_hand_what_its_backend_does_and_a_cinder_backup_its_backups(sql: Sql) -> None:
    volume = {"deleted": 0, "updated_at": SEEN, "volume_type_id": "t", "status": "creating"}
    fill(
        sql,
        "cinder",
        "volumes",
        volume | {"id": "v1", "host": "ctl1@lvm#pool"},
        volume | {"id": "v2", "host": "ctl1@lvm", "status": "extending"},
        volume | {"id": "v3", "host": "ctl1@lvm2#pool"},
        volume | {"id": "v4", "host": "ctl2@lvm#pool"},
        volume | {"id": "v5", "host": None},
    )
    snapshot = {"deleted": 0, "updated_at": SEEN, "volume_type_id": "t", "status": "deleting"}
    fill(
        sql,
        "cinder",
        "snapshots",
        snapshot | {"id": "s1", "volume_id": "v1"},
        snapshot | {"id": "s2", "volume_id": "v4"},
    )
    backup = {"deleted": 0, "volume_id": "v1", "status": "creating"}
    fill(
        sql, "cinder", "backups", backup | {"id": "b1", "host": "ctl1"}, backup | {"id": "b2", "host": "ctl2"}
    )

    assert in_hand_of(sql, "cinder-volume", "ctl1@lvm") == {
        "volume creating": 1,
        "volume extending": 1,
        "volume snapshot deleting": 1,
    }
    assert in_hand_of(sql, "cinder-backup", "ctl1") == {"volume backup creating": 1}
    assert in_hand_of(sql, "cinder-scheduler", "ctl1") == {}


def test_a_stack_in_progress_is_in_hand_and_its_nested_stacks_are_its_own(sql: Sql) -> None:
    own = {"raw_template_id": 1, "disable_rollback": 0, "action": "UPDATE", "updated_at": SEEN}
    fill(
        sql,
        "heat",
        "stack",
        own | {"id": "st1", "status": "IN_PROGRESS"},
        own | {"id": "st2", "status": "IN_PROGRESS", "owner_id": "st1"},
        own | {"id": "st3", "status": "COMPLETE"},
    )

    found = in_hand(sql, "heat")

    assert {place: work.count for place, work in found.items()} == {("stack", "UPDATE_IN_PROGRESS"): 1}


def test_neutron_leaves_no_trace_of_what_it_has_in_hand() -> None:
    assert work_sql(roster_of("neutron")) == ""
