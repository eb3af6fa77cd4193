"""The contracts of the ports that work on a whole cloud: balancer, database, vantage."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from skylift.catalog.catalog import load
from skylift.model.backup import Backup
from skylift.model.closing import closed_at, label_in
from skylift.model.cloud import BackendState
from skylift.model.ids import Epoch, HostName, PoolName, Seconds
from skylift.model.problem import Refused, Transient
from skylift.model.roster import Roster, RosterKind, ServiceReport
from skylift.model.work import EXAMPLES
from skylift.ports.broker import QUEUES_MAX
from skylift.testing.contracts.scene import Scene


def seen(scene: Scene) -> set[BackendState]:
    """How all balancers see the backend that may be touched."""
    place = scene.entry.pool, scene.host
    return {b.state for b in scene.ports.balancer.backends() if (b.pool, b.server) == place}


def parked(scene: Scene) -> set[int]:
    """For how long still the balancers hold requests to the pool that may be touched."""
    seen = scene.ports.balancer.parked()
    balancers = {host.name for host in scene.record.hosts_in(scene.record.balancer.role)}
    return {seen[host][scene.entry.pool] for host in balancers}


class BalancerContract:
    """All balancers at once, for any of them may get the VIP."""

    def test_every_balancer_sees_every_backend(self, scene: Scene) -> None:
        balancers = {host.name for host in scene.record.hosts_in(scene.record.balancer.role)}
        servers = {host.name for host in scene.record.hosts_in(scene.entry.role)}

        pairs = {
            (b.balancer, b.server) for b in scene.ports.balancer.backends() if b.pool == scene.entry.pool
        }

        assert pairs == {(balancer, server) for balancer in balancers for server in servers}

    def test_one_balancer_is_asked_alone(self, scene: Scene) -> None:
        one = scene.record.hosts_in(scene.record.balancer.role)[-1].name

        own = scene.ports.balancer.backends(one)

        assert {b.balancer for b in own} == {one}
        assert {(b.pool, b.server) for b in own} == {
            (b.pool, b.server) for b in scene.ports.balancer.backends()
        }

    def test_a_drain_is_seen_at_once_everywhere_and_may_be_repeated(self, scene: Scene) -> None:
        scene.ports.balancer.set_state(scene.entry.pool, scene.host, "drain")
        scene.ports.balancer.set_state(scene.entry.pool, scene.host, "drain")
        drained = seen(scene)
        quiet = scene.until(lambda: _in_flight(scene) == 0)

        scene.ports.balancer.set_state(scene.entry.pool, scene.host, "ready")
        scene.ports.balancer.set_state(scene.entry.pool, scene.host, "ready")

        assert drained == {BackendState.DRAIN}
        assert quiet
        assert scene.until(lambda: seen(scene) == {BackendState.UP})

    def test_a_pool_is_parked_everywhere_for_a_time_that_may_be_prolonged(self, scene: Scene) -> None:
        balancer, pool = scene.ports.balancer, scene.entry.pool
        before = parked(scene)

        balancer.park(pool, Seconds(3), limit=Seconds(10))
        balancer.park(pool, Seconds(9), limit=Seconds(10))
        held = parked(scene)
        quiet = scene.until(lambda: _in_flight(scene) == 0)
        balancer.unpark(pool)
        balancer.unpark(pool)

        assert before == {0}
        assert min(held) > 3
        assert quiet
        assert parked(scene) == {0}

    def test_parking_ends_by_itself(self, scene: Scene) -> None:
        scene.ports.balancer.park(scene.entry.pool, Seconds(2), limit=Seconds(10))

        assert parked(scene) != {0}
        assert scene.until(lambda: parked(scene) == {0})

    def test_a_pool_that_cannot_be_parked_is_refused_and_not_told(self, scene: Scene) -> None:
        unknown = PoolName("no-such-pool")

        with pytest.raises(Refused):
            scene.ports.balancer.park(unknown, Seconds(3), limit=Seconds(10))

        assert all(unknown not in pools for pools in scene.ports.balancer.parked().values())


class DatabaseContract:
    """Reads of the cluster, and a dump."""

    def test_each_schema_has_rows_and_an_unknown_one_has_none(self, scene: Scene) -> None:
        database = scene.ports.database

        assert all(database.rows(name) for name in scene.record.databases)
        assert database.rows("no_such_database") == frozenset()

    def test_every_server_of_a_whole_cluster_is_primary_synced_and_sees_all(self, scene: Scene) -> None:
        nodes = scene.ports.database.nodes()

        assert len(nodes) == scene.record.database.size
        assert {(n.status, n.state, n.size) for n in nodes} == {("Primary", "Synced", len(nodes))}

    def test_grants_are_sql_and_variables_follow(self, scene: Scene) -> None:
        facts = scene.ports.database.grants(scene.database)

        assert facts[0].startswith("GRANT ")
        assert any(fact.startswith("log_bin_trust_function_creators=") for fact in facts)
        assert not any("IDENTIFIED" in fact for fact in facts)


class BackupsContract:
    """Files on a host of the database cluster."""

    def test_a_dump_is_found_once_it_is_whole_and_only_where_it_is(self, scene: Scene) -> None:
        backups, name = scene.ports.backups, scene.database
        folder = PurePosixPath("/var/tmp") / scene.key()  # noqa: S108 - on a host of the cloud, as a dump's place
        before = backups.newest(scene.host, folder, name)

        backup = Backup(scene.host, folder, name, "contract")

        ended = scene.run(backups.dump_command(backup))

        assert before is None
        assert ended.code == 0
        assert backups.newest(scene.host, folder, name) is not None
        assert backups.newest(scene.host, folder, "no_such_database") is None
        assert backups.newest(scene.host, folder / "elsewhere", name) is None

    def test_only_a_dump_that_was_rehearsed_says_what_was_written_since(self, scene: Scene) -> None:
        backups, name = scene.ports.backups, scene.database
        folder = PurePosixPath("/var/tmp") / scene.key()  # noqa: S108 - on a host of the cloud, as a dump's place
        backup = Backup(scene.host, folder, name, "contract")

        missing = scene.run(backups.rehearse_command(backup))
        scene.run(backups.dump_command(backup))
        before = backups.rehearsed(backup)
        rehearsed = scene.run(backups.rehearse_command(backup))
        finished = backups.newest(scene.host, folder, name)

        assert missing.code != 0
        assert before is None
        assert rehearsed.code == 0, rehearsed.tail
        assert finished is not None
        assert backups.rehearsed(backup) == Epoch(float(int(finished)))
        assert all(w.created + w.changed + w.removed for w in backups.written_since(backup, finished))


class BrokerContract:
    """The message bus, of a cloud that has one."""

    def test_a_whole_bus_runs_in_one_part_on_every_host_of_it(self, scene: Scene) -> None:
        entry = scene.record.broker
        assert entry is not None, "this cloud has no message bus"

        seen = scene.ports.broker.look()

        assert seen.members == seen.running
        assert len(seen.members) == entry.size == len(scene.record.hosts_in(entry.role))
        assert (seen.partitions, seen.alarms, seen.stopped) == ({}, (), {})
        assert len(seen.queues) <= QUEUES_MAX
        assert all(queue.messages != 0 or queue.consumers == 0 for queue in seen.queues)


class RosterContract:
    """Who reports to work, of each component that has a roster; the cloud must have one."""

    def test_every_service_of_a_whole_cloud_reports_from_each_of_its_hosts(self, scene: Scene) -> None:
        rows, wanted = _reports(scene), set[tuple[str, str]]()
        for name, entry in scene.record.components.items():
            roster = load().components[name].roster
            for service in entry.services.values() if roster else ():
                if roster and service.name in roster.services:
                    hosts = scene.record.hosts_in(service.role)
                    wanted |= {(service.name, host.name) for host in hosts}

        found = {(service, host) for service, host in wanted if _of(rows, service, host)}

        assert found == wanted

    def test_a_service_that_works_reports_again(self, scene: Scene) -> None:
        last = {(r.database, r.id): r.seen_at or 0 for r in _reports(scene)}

        def all_again() -> bool:
            return all((r.seen_at or 0) > last.get((r.database, r.id), 0) for r in _reports(scene))

        assert last
        assert scene.until(all_again)

    def test_work_in_hand_is_counted_whole_and_the_oldest_of_it_is_named(self, scene: Scene) -> None:
        for roster in _rosters(scene):
            for work in scene.ports.database.work(roster):
                assert work.database == roster.database
                assert len(work.oldest) == min(work.count, EXAMPLES)

    def test_what_one_service_has_in_hand_is_part_of_what_all_have(self, scene: Scene) -> None:
        database = scene.ports.database
        for roster in _rosters(scene):
            for row in database.reports(roster):
                own = database.work_of(roster, row, promised_before=None)
                whole = {(w.what, w.state): w.count for w in database.work(roster)}

                assert all(work.database == roster.database for work in own)
                assert all(w.count <= whole.get((w.what, w.state), w.count) for w in own)

    def test_a_row_that_is_as_old_already_is_not_lowered_and_none_is_raised(self, scene: Scene) -> None:
        """What would be lower is left out here: on a real cloud a service lives on it."""
        database = scene.ports.database
        for roster in _rosters(scene):
            for row in database.reports(roster):
                if roster.kind is RosterKind.NOVA:
                    database.lower_version(roster, row, (row.version or 0) + 1)
                    assert _again(scene, (roster, row)).version == row.version
                else:
                    with pytest.raises(ValueError, match="no one version"):
                        database.lower_version(roster, row, 0)


class IntakeContract:
    """Whether services are given new work, where any of them can be closed to it."""

    def test_a_service_is_closed_once_for_one_label_and_opened_for_that_alone(self, scene: Scene) -> None:
        intake = scene.ports.intake
        mine, other = f"{scene.label}-mine", f"{scene.label}-other"
        for place in _closable(scene):
            roster, row = place

            intake.close(roster, row, label=mine)
            closed = _again(scene, place)
            intake.close(roster, row, label=other)
            intake.open(roster, row, labels=[other])
            still = _again(scene, place)
            intake.open(roster, row, labels=[other, mine])
            intake.open(roster, row, labels=[mine])
            opened = _again(scene, place)

            assert row.enabled
            assert (closed.enabled, label_in(closed), closed_at(closed) is None) == (False, mine, False)
            assert (still.enabled, still.reason) == (closed.enabled, closed.reason)
            assert opened.enabled
            assert opened.id == row.id

    def test_a_service_that_nobody_chooses_for_work_cannot_be_closed(self, scene: Scene) -> None:
        rosters = [r for r in _rosters(scene) if r.kind is RosterKind.NOVA]
        rows = [(roster, row) for roster in rosters for row in scene.ports.database.reports(roster)]

        for roster, row in rows:
            if row.service == "nova-conductor":
                with pytest.raises(Refused):
                    scene.ports.intake.close(roster, row, label=scene.label)
                assert _again(scene, (roster, row)).enabled


class VantageContract:
    """The APIs as users reach them."""

    def test_the_catalog_has_the_identity_service(self, scene: Scene) -> None:
        assert "identity" in {endpoint.service for endpoint in scene.ports.vantage.endpoints()}

    def test_witnesses_are_made_once_found_again_and_removed(self, scene: Scene) -> None:
        vantage, label = scene.ports.vantage, scene.label
        before = vantage.witnesses(label)

        def made() -> bool:
            vantage.create_witnesses(label)
            return vantage.witnesses(label) != ()

        whole = scene.until(made)
        first = vantage.witnesses(label)
        vantage.create_witnesses(label)
        second = vantage.witnesses(label)
        vantage.destroy_witnesses(label)
        vantage.destroy_witnesses(label)

        assert before == ()
        assert whole
        assert {"user", "project", "image", "resource provider"} <= {w.name for w in first}
        assert all(w.intact for w in first)
        assert [w.name for w in second] == [w.name for w in first]
        assert not [w for w in vantage.witnesses(label) if w.intact]

    def test_probes_count_from_their_start_to_their_end(self, scene: Scene) -> None:
        vantage, label = scene.ports.vantage, scene.label

        vantage.start_probes(label)
        vantage.start_probes(label)
        counted = scene.until(lambda: vantage.tally(label).requests > 0)
        alive = vantage.tally(label).alive
        vantage.stop_probes(label)
        vantage.stop_probes(label)
        ended = scene.until(lambda: not vantage.tally(label).alive)
        after = vantage.tally(label)

        assert counted
        assert alive
        assert ended
        assert after.requests > 0
        assert after.failed == 0
        assert vantage.tally(label) == after

    def test_a_backend_that_serves_answers_a_users_request(self, scene: Scene) -> None:
        entry = scene.entry

        def served() -> bool:
            return scene.ports.vantage.ask_backend(entry.component, scene.host, entry.port, "/") == ""

        assert scene.until(served)

    def test_a_backend_out_of_reach_does_not(self, scene: Scene) -> None:
        try:
            said = scene.ports.vantage.ask_backend(scene.entry.component, scene.gone, scene.entry.port, "/")
        except Transient:
            return
        assert said


def _closable(scene: Scene) -> list[tuple[Roster, ServiceReport]]:
    """One row of each service that can be closed; a cloud without any proves nothing."""
    known = load().components
    found: dict[str, tuple[Roster, ServiceReport]] = {}
    for roster in _rosters(scene):
        for row in scene.ports.database.reports(roster):
            if known[row.component].service(row.service).close:
                found.setdefault(row.service, (roster, row))
    assert found, "no service of this cloud can be closed to new work"
    return list(found.values())


def _again(scene: Scene, place: tuple[Roster, ServiceReport]) -> ServiceReport:
    """A row as it is now."""
    roster, row = place
    return next(r for r in scene.ports.database.reports(roster) if (r.id, r.service) == (row.id, row.service))


def _rosters(scene: Scene) -> list[Roster]:
    """Every roster; a cloud without one proves nothing."""
    known = load().components
    rosters = [
        roster
        for name, entry in scene.record.components.items()
        for roster in known[name].rosters(entry.databases, entry.services)
    ]
    assert rosters, "no component of this cloud has services that report"
    return rosters


def _reports(scene: Scene) -> list[ServiceReport]:
    """Every row of every roster."""
    return [report for roster in _rosters(scene) for report in scene.ports.database.reports(roster)]


def _of(rows: list[ServiceReport], service: str, host: str) -> bool:
    return any(row.service == service and row.is_from(HostName(host)) for row in rows)


def _in_flight(scene: Scene) -> int:
    place = scene.entry.pool, scene.host
    return sum(b.sessions for b in scene.ports.balancer.backends() if (b.pool, b.server) == place)
