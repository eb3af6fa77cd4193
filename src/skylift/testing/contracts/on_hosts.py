"""The contracts of the ports that work on one host: hosts, jobs, services, artifacts."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from skylift.catalog.catalog import load
from skylift.model.cloud import UnitState
from skylift.model.ids import UnitName
from skylift.model.problem import Refused, Transient
from skylift.model.schema import heads
from skylift.ports import Ended, NoJob
from skylift.testing.contracts.scene import Scene

NOWHERE = PurePosixPath("/no/such/place")


class HostsContract:
    """Machines that are looked at and asked, and never changed."""

    def test_a_host_says_the_same_of_itself_twice(self, scene: Scene) -> None:
        first, second = scene.ports.hosts.look(scene.host), scene.ports.hosts.look(scene.host)

        assert first.host == scene.host
        assert (first.boot_id, first.key_digests) == (second.boot_id, second.key_digests)
        assert first.disk_free_bytes > 0

    def test_a_question_is_answered_with_its_code(self, scene: Scene) -> None:
        assert scene.ports.hosts.ask(scene.host, ["true"]).code == 0
        assert scene.ports.hosts.ask(scene.host, ["/no/such/program"]).code == 127

    def test_a_file_that_is_not_there_has_no_bytes(self, scene: Scene) -> None:
        assert scene.ports.hosts.tail(scene.host, NOWHERE, offset=0) == b""

    def test_a_host_out_of_reach_is_a_transient_problem(self, scene: Scene) -> None:
        with pytest.raises(Transient, match=scene.gone):
            scene.ports.hosts.look(scene.gone)


class JobsContract:
    """Commands that run once per key and host, whoever asks how often."""

    def test_a_key_that_was_never_used_has_no_job(self, scene: Scene) -> None:
        assert scene.ports.under(scene.key()).jobs.state(scene.host) == NoJob()

    def test_a_job_is_seen_as_soon_as_it_was_started(self, scene: Scene) -> None:
        jobs = scene.ports.under(scene.key()).jobs

        jobs.start(scene.host, scene.good)

        assert jobs.state(scene.host) != NoJob()

    def test_a_job_ends_with_the_code_of_its_command(self, scene: Scene) -> None:
        good, bad = scene.run(scene.good), scene.run(scene.bad)

        assert good.code == 0
        assert bad.code not in {0, 255}
        assert bad.tail.strip()

    def test_a_second_start_under_the_same_key_changes_nothing(self, scene: Scene) -> None:
        key = scene.key()
        ended = scene.run(scene.good, key)

        scene.ports.under(key).jobs.start(scene.host, scene.bad)

        assert scene.ports.under(key).jobs.state(scene.host) == ended

    def test_another_key_has_another_job(self, scene: Scene) -> None:
        scene.run(scene.good)

        assert scene.run(scene.bad).code != 0

    def test_another_host_has_another_job_under_the_same_key(self, scene: Scene) -> None:
        key = scene.key()
        scene.run(scene.good, key)
        other = next(h.name for h in scene.record.hosts_in(scene.entry.role) if h.name != scene.host)

        assert scene.ports.under(key).jobs.state(other) == NoJob()

    def test_an_ended_job_is_known_until_it_is_forgotten(self, scene: Scene) -> None:
        jobs, keys = scene.ports.jobs, [scene.key() for _ in range(2)]
        for key in keys:
            scene.run(scene.good, key)
        both = jobs.known(scene.host)

        for _ in range(2):
            jobs.forget(scene.host, (keys[0], scene.key()))

        assert [both[key] for key in keys] == [False, False]
        assert jobs.known(scene.host).keys() & set(keys) == {keys[1]}
        assert scene.ports.under(keys[0]).jobs.state(scene.host) == NoJob()
        assert scene.ports.under(keys[1]).jobs.state(scene.host) != NoJob()

    def test_a_host_out_of_reach_starts_nothing(self, scene: Scene) -> None:
        jobs = scene.ports.under(scene.key()).jobs

        with pytest.raises(Transient):
            jobs.start(scene.gone, scene.good)
        with pytest.raises(Transient):
            jobs.state(scene.gone)
        with pytest.raises(Transient):
            jobs.known(scene.gone)


class ServicesContract:
    """Units, and the links that say what their next start runs."""

    def test_a_service_that_runs_shows_the_artifact_it_runs(self, scene: Scene) -> None:
        seen = scene.ports.services.unit(scene.host, scene.entry.unit, scene.entry.link)

        assert seen.state is UnitState.ACTIVE
        assert seen.running == seen.linked == str(scene.artifact.path)
        assert seen.pid is not None
        assert seen.started_at is not None
        assert scene.ports.services.answers(scene.host, scene.entry.port, "/") is not None

    def test_a_service_is_stopped_and_started_however_often_it_is_asked(self, scene: Scene) -> None:
        services, entry = scene.ports.services, scene.entry
        scene.ports.balancer.set_state(entry.pool, scene.host, "drain")

        services.stop(scene.host, entry.unit)
        services.stop(scene.host, entry.unit)
        stopped = scene.until(
            lambda: services.unit(scene.host, entry.unit, entry.link).state is UnitState.INACTIVE
        )
        services.stop(scene.host, entry.unit)
        seen = services.unit(scene.host, entry.unit, entry.link)
        answered = services.answers(scene.host, entry.port, "/")
        started = scene.run(services.start_command(entry.unit))
        again = scene.run(services.start_command(entry.unit))
        answers = scene.until(lambda: services.answers(scene.host, entry.port, "/") is not None)
        scene.ports.balancer.set_state(entry.pool, scene.host, "ready")

        assert stopped
        assert (seen.state, seen.running, seen.pid) == (UnitState.INACTIVE, None, None)
        assert answered is None
        assert (started.code, again.code) == (0, 0)
        assert answers

    def test_a_unit_is_kept_from_its_hosts_next_start_and_what_runs_is_left_alone(self, scene: Scene) -> None:
        services, entry = scene.ports.services, scene.entry
        before = services.unit(scene.host, entry.unit, entry.link)

        for _ in range(2):
            services.let_start_with_host(scene.host, entry.unit, wanted=False)
        kept = services.starts_with_host(scene.host, entry.unit)
        for _ in range(2):
            services.let_start_with_host(scene.host, entry.unit, wanted=True)
        let = services.starts_with_host(scene.host, entry.unit)

        assert (kept, let) == (False, True)
        assert services.unit(scene.host, entry.unit, entry.link) == before

    def test_a_unit_that_is_not_there_starts_with_no_host_and_cannot_be_let(self, scene: Scene) -> None:
        nothing = UnitName("no-such-unit.service")

        with pytest.raises(Refused):
            scene.ports.services.let_start_with_host(scene.host, nothing, wanted=True)

        assert scene.ports.services.starts_with_host(scene.host, nothing) is False

    def test_a_unit_that_is_not_there_is_absent_and_cannot_be_started(self, scene: Scene) -> None:
        nothing = UnitName("no-such-unit.service")

        assert scene.ports.services.unit(scene.host, nothing, NOWHERE).state is UnitState.ABSENT
        assert scene.ports.services.last_words(scene.host, nothing) == ""
        assert scene.run(scene.ports.services.start_command(nothing)).code != 0

    def test_a_link_is_never_pointed_to_nothing(self, scene: Scene) -> None:
        services, link = scene.ports.services, scene.entry.link

        with pytest.raises(Refused):
            services.point(scene.host, link, NOWHERE)

        assert services.linked(scene.host, link) == scene.artifact.path

    def test_pointing_a_link_to_where_it_points_changes_nothing(self, scene: Scene) -> None:
        services, link = scene.ports.services, scene.entry.link

        services.point(scene.host, link, scene.artifact.path)

        assert services.linked(scene.host, link) == scene.artifact.path

    def test_a_link_that_is_not_there_points_nowhere(self, scene: Scene) -> None:
        assert scene.ports.services.linked(scene.host, NOWHERE) is None

    def test_nothing_answers_where_nothing_listens(self, scene: Scene) -> None:
        assert scene.ports.services.answers(scene.host, 9, "/") is None


class ArtifactsContract:
    """Environments side by side, told apart by digest."""

    def test_a_staged_artifact_shows_the_digest_it_was_declared_with(self, scene: Scene) -> None:
        assert scene.ports.artifacts.staged(scene.host, scene.artifact.path) == scene.artifact.digest

    def test_where_nothing_was_staged_there_is_no_digest(self, scene: Scene) -> None:
        assert scene.ports.artifacts.staged(scene.host, NOWHERE) is None

    def test_staging_what_is_staged_verifies_it_and_changes_nothing(self, scene: Scene) -> None:
        ended = scene.run(scene.ports.artifacts.stage_command(scene.artifact))

        assert ended == Ended(0, ended.tail)
        assert scene.ports.artifacts.staged(scene.host, scene.artifact.path) == scene.artifact.digest

    def test_a_whole_schema_is_at_the_heads_of_the_migrations_of_what_runs(self, scene: Scene) -> None:
        folder = load().components[scene.entry.component].schemas[0].migrations

        found = scene.ports.artifacts.migrations(scene.host, scene.artifact.path / folder)

        assert heads(found) == scene.ports.database.rows(scene.database)

    def test_where_there_are_no_migrations_reading_them_is_refused(self, scene: Scene) -> None:
        with pytest.raises(Refused):
            scene.ports.artifacts.migrations(scene.host, NOWHERE)
