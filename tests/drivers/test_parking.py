"""A real HAProxy holds requests and lets them go: nothing fails, and nothing lasts that nobody renews."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from threading import Event
from time import monotonic

import pytest
from tests.drivers.balancing import (
    LONGEST_S,
    OTHER,
    POOL,
    Client,
    Haproxy,
    asked,
    await_waiting,
    once,
    with_clients,
)
from tests.drivers.loopback import ADDRESS, HOST, START_LIMIT_S

from skylift.drivers.haproxy import BalancerCannotPark, HaproxyBalancer, parse_parked
from skylift.drivers.ssh import Ssh
from skylift.gate.lab.commands import poll
from skylift.model.ids import HostName, Seconds
from skylift.ports import Command
from skylift.testing.contracts import BalancerContract, Scene
from skylift.testing.fake_cloud import FakeCloud
from skylift.testing.fake_ports import ports_of
from skylift.testing.samples import PLACEMENT, sample_record, service_name

LONGEST = Seconds(LONGEST_S)


def test_requests_on_kept_connections_wait_while_their_pool_is_parked_and_none_fails(
    haproxy: Haproxy, balancer: HaproxyBalancer
) -> None:
    times: list[float] = []

    def park_for_a_while(clients: list[Client]) -> None:
        balancer.park(POOL, LONGEST, limit=LONGEST)
        times.append(monotonic())
        await_waiting(clients)
        Event().wait(0.5)
        times.append(monotonic())
        balancer.unpark(POOL)

    clients = with_clients(haproxy.parks, 8, park_for_a_while)

    parked_at, until = times
    answers = [answer for client in clients for answer in client.answers]
    assert [failure for client in clients for failure in client.failed] == []
    # An answer may be on its way when parking is told, but none comes to what is asked for after.
    assert [came for at, came in answers if parked_at < at and came < until] == []
    assert all(client.answers[-1][1] > until for client in clients)


def test_parking_that_nobody_renews_ends_by_itself(haproxy: Haproxy, balancer: HaproxyBalancer) -> None:
    balancer.park(POOL, Seconds(1), limit=LONGEST)

    took_s = once(haproxy.parks)

    assert took_s < LONGEST_S / 2
    assert balancer.parked() == {HOST: {POOL: 0}}


def test_a_request_waits_no_longer_than_the_limit_however_often_parking_is_renewed(
    haproxy: Haproxy, balancer: HaproxyBalancer
) -> None:
    balancer.park(POOL, LONGEST, limit=Seconds(1))

    took_s = once(haproxy.parks)

    assert 0.9 < took_s < LONGEST_S / 2


@pytest.mark.parametrize("value", ["0", "3/60", "soon", "99999999999/60", "/", "-5/60"])
def test_a_value_that_is_past_or_not_understood_or_too_far_ahead_holds_nothing(
    haproxy: Haproxy, balancer: HaproxyBalancer, value: str
) -> None:
    told = f"set map {haproxy.map} {POOL} {value}\n"
    subprocess.run(
        ["socat", "-", f"UNIX-CONNECT:{haproxy.socket}"], input=told.encode(), check=True, capture_output=True
    )

    assert balancer.parked() == {HOST: {POOL: 0}}
    assert once(haproxy.parks) < LONGEST_S / 2


def test_other_pools_are_served_while_one_is_parked_and_no_server_counts_what_waits(
    haproxy: Haproxy, balancer: HaproxyBalancer
) -> None:
    counted: list[bool] = []

    def counts_nothing() -> bool:
        return [b.sessions for b in balancer.backends() if b.pool == POOL] == [0]

    def look(clients: list[Client]) -> None:
        balancer.park(POOL, LONGEST, limit=LONGEST)
        await_waiting(clients)
        # What was on its way is answered in a moment; what waits would be counted until the end.
        counted.append(poll(counts_nothing, limit_s=LONGEST_S / 4))
        assert once(haproxy.plain) < LONGEST_S / 2
        balancer.unpark(POOL)

    clients = with_clients(haproxy.parks, 2, look)

    assert counted == [True]
    assert [failure for client in clients for failure in client.failed] == []


def test_a_pool_without_a_line_in_the_map_is_refused(balancer: HaproxyBalancer) -> None:
    with pytest.raises(BalancerCannotPark, match=r"plain .* on ctl1: entry not found"):
        balancer.park(OTHER, Seconds(1), limit=Seconds(1))


def test_a_map_that_haproxy_did_not_load_is_refused_and_shows_nothing(haproxy: Haproxy, ssh: Ssh) -> None:
    balancer = HaproxyBalancer(ssh, [HOST], haproxy.socket, parking=PurePosixPath("/etc/no.map"))

    with pytest.raises(BalancerCannotPark, match="Unknown map identifier"):
        balancer.park(POOL, Seconds(1), limit=Seconds(1))
    assert balancer.parked() == {HOST: {}}


def test_without_a_map_in_the_record_nothing_can_be_parked(ssh: Ssh) -> None:
    balancer = HaproxyBalancer(ssh, [HOST], PurePosixPath("/does/not/exist.sock"))

    with pytest.raises(BalancerCannotPark, match=r"balancer\.parking"):
        balancer.park(POOL, Seconds(1), limit=Seconds(1))
    assert balancer.parked() == {HOST: {}}


def test_the_map_is_read_by_the_clock_of_its_own_host() -> None:
    text = "1700000000\n0x55 placement 1700000007/20\n0x56 glance 0\n0x57 keystone 1600000000/20\n\n"

    assert parse_parked(text) == {"placement": 7, "glance": 0, "keystone": 0}


def test_a_look_into_the_map_is_little_beside_the_shortest_answer_there_is(haproxy: Haproxy) -> None:
    """HAProxy answers itself, on loopback: measured at rest, 65 microseconds with the look and 61 without."""
    lines = [http.client.HTTPConnection(ADDRESS, port) for port in (haproxy.parks, haproxy.plain)]

    # By turns, and the shortest of each: whatever else the machine does makes some longer, and none shorter.
    times = [[asked(line) or LONGEST_S for line in lines] for _ in range(500)]

    looking, plain = map(min, zip(*times, strict=True))
    for line in lines:
        line.close()
    assert looking / plain < 1.4


class TestHaproxyBalancer(BalancerContract):
    """The whole contract, on one real instance; the lab plays it on three."""

    @pytest.fixture
    def scene(self, balancer: HaproxyBalancer) -> Scene:
        cloud = FakeCloud(sample_record(controllers=1))

        def until(holds: Callable[[], bool]) -> bool:
            return poll(holds, limit_s=START_LIMIT_S)

        return Scene(
            ports=replace(ports_of(cloud), balancer=balancer),
            record=cloud.record,
            entry=cloud.record.services[service_name(PLACEMENT)],
            database=PLACEMENT,
            host=HOST,
            gone=HostName("ctl9"),
            until=until,
            good=Command(("true",)),
            bad=Command(("false",)),
            label="contract",
        )
