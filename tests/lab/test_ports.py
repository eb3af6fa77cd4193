"""The drivers on a real cloud: what the ports' contracts, which fakes keep as well, cannot say."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from skylift.drivers.haproxy import BalancerSilent, HaproxyBalancer
from skylift.drivers.mariadb import MariadbDatabase
from skylift.drivers.ssh import Ssh
from skylift.gate.lab.commands import poll
from skylift.model.cloud import BackendState, UnitState
from skylift.model.ids import HostName, ServiceName, UnitName
from skylift.model.record import Record, ServiceEntry
from skylift.ports import Command, Ended, Ports

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

HOST = HostName("ctl2")
NOBODY = HostName("ctl9")
LIMIT_S = 60


@pytest.fixture(scope="module", autouse=True)
def _leave_no_jobs(ports: Ports) -> Iterator[None]:
    yield
    ports.hosts.ask(HOST, ["sh", "-c", "rm -rf /var/lib/skylift/jobs/test-*"])


@pytest.fixture
def placement(record: Record, ports: Ports) -> Iterator[ServiceEntry]:
    entry = record.services[ServiceName("placement-api")]
    yield entry
    run(ports, ports.services.start_command(entry.unit))
    ports.balancer.set_state(entry.pool, HOST, "ready")
    assert poll(lambda: states(ports, entry) == {BackendState.UP}, limit_s=LIMIT_S)


@pytest.fixture
def ssh(record: Record) -> Iterator[Ssh]:
    """A way to the cloud's hosts, and to one that is not there."""
    addresses = {name: host.address for name, host in record.hosts.items()}
    with Ssh(record.ssh, addresses | {NOBODY: "10.77.0.99"}) as ssh:
        yield ssh


def run(ports: Ports, command: Command) -> Ended:
    """Run a command as a job on ``HOST`` to its end."""
    jobs = ports.under(f"test-{uuid4()}").jobs
    jobs.start(HOST, command)
    assert poll(lambda: isinstance(jobs.state(HOST), Ended), limit_s=LIMIT_S)
    ended = jobs.state(HOST)
    assert isinstance(ended, Ended)
    return ended


def states(ports: Ports, entry: ServiceEntry) -> set[BackendState]:
    """How all balancers see the backend on ``HOST``."""
    return {b.state for b in ports.balancer.backends() if (b.pool, b.server) == (entry.pool, HOST)}


def test_controllers_have_equal_keys_and_the_client_none(record: Record, ports: Ports) -> None:
    digests = [ports.hosts.look(host.name).key_digests for host in record.hosts_in("controller")]

    assert set(digests[0]) == {"fernet", "credential"}
    assert digests[0] == digests[1] == digests[2]
    assert ports.hosts.look(record.vantage.host).key_digests == {}


def test_a_backend_is_drained_stopped_started_and_used_again(ports: Ports, placement: ServiceEntry) -> None:
    def unit_state() -> UnitState:
        return ports.services.unit(HOST, placement.unit, placement.link).state

    ports.balancer.set_state(placement.pool, HOST, "drain")
    assert states(ports, placement) == {BackendState.DRAIN}

    ports.services.stop(HOST, placement.unit)
    ports.services.stop(HOST, placement.unit)
    assert poll(lambda: unit_state() is UnitState.INACTIVE, limit_s=LIMIT_S)
    stopped = ports.services.unit(HOST, placement.unit, placement.link)
    assert (stopped.pid, stopped.running) == (None, None)
    assert ports.services.answers(HOST, placement.port, "/") is None
    assert states(ports, placement) == {BackendState.DRAIN}

    assert run(ports, ports.services.start_command(placement.unit)).code == 0
    started = ports.services.unit(HOST, placement.unit, placement.link)
    assert started.state is UnitState.ACTIVE
    assert started.running == started.linked == str(ports.services.linked(HOST, placement.link))
    assert poll(lambda: ports.services.answers(HOST, placement.port, "/") == 200, limit_s=LIMIT_S)

    ports.balancer.set_state(placement.pool, HOST, "ready")
    assert poll(lambda: states(ports, placement) == {BackendState.UP}, limit_s=LIMIT_S)


DYING = UnitName("test-dying.service")
_UNIT = f"""
printf '%s\\n' '[Unit]' StartLimitIntervalSec=0 '[Service]' "ExecStart=/bin/sh -c '$1'" \\
    Restart=on-failure RestartSec=0.3 >/run/systemd/system/{DYING}
exec systemctl daemon-reload
"""
_NO_UNIT = f"systemctl stop {DYING}; rm -f /run/systemd/system/{DYING}; exec systemctl daemon-reload"


@pytest.fixture
def dying(ports: Ports) -> Iterator[Callable[[str], None]]:
    """Starts a unit that runs some words of the shell, and again by itself when they have failed."""

    def starts(words: str) -> None:
        ports.hosts.ask(HOST, ["sh", "-c", f"systemctl stop {DYING}; {_UNIT}", "sh", words])
        run(ports, ports.services.start_command(DYING))

    yield starts
    ports.hosts.ask(HOST, ["sh", "-c", _NO_UNIT])


def test_the_last_words_of_a_unit_that_starts_again_are_there_at_any_moment(
    ports: Ports, dying: Callable[[str], None]
) -> None:
    dying("echo of an earlier start; exit 1")
    assert poll(lambda: ports.services.last_words(HOST, DYING) != "", limit_s=LIMIT_S)

    dying("echo broken; exit 1")
    assert poll(lambda: ports.services.last_words(HOST, DYING) == "broken", limit_s=LIMIT_S)
    heard = {ports.services.last_words(HOST, DYING) for _ in range(20)}

    dying("exit 1")
    assert heard == {"broken"}
    assert ports.services.last_words(HOST, DYING) == ""


def test_a_balancer_that_is_out_of_reach_is_named_and_the_others_are_set(
    record: Record, ports: Ports, ssh: Ssh, placement: ServiceEntry
) -> None:
    controllers = [host.name for host in record.hosts_in("controller")]
    balancer = HaproxyBalancer(ssh, [*controllers, NOBODY], record.balancer.socket)

    with pytest.raises(BalancerSilent, match="ctl9"):
        balancer.set_state(placement.pool, HOST, "drain")

    assert states(ports, placement) == {BackendState.DRAIN}


def test_a_database_host_that_is_gone_is_passed_over(ssh: Ssh) -> None:
    database = MariadbDatabase(ssh, [NOBODY, HOST])

    assert database.rows("keystone")
    assert [node.host for node in database.nodes()] == [HOST]


def test_grants_come_without_password_hashes(ports: Ports) -> None:
    facts = ports.database.grants("keystone")

    assert any(fact.startswith("GRANT ALL PRIVILEGES ON `keystone`.*") for fact in facts)
    assert any(fact.startswith("log_bin_trust_function_creators=") for fact in facts)
    assert not [fact for fact in facts if "IDENTIFIED" in fact or "*" in fact.partition(" TO ")[2]]


@pytest.mark.parametrize(
    "question",
    [
        lambda ports, _entry: ports.balancer.backends(),
        lambda ports, entry: ports.services.unit(HOST, entry.unit, entry.link),
        lambda ports, entry: ports.database.rows(entry.component),
        lambda ports, _entry: ports.under("test-none").jobs.state(HOST),
    ],
    ids=["backends", "unit", "rows", "job"],
)
def test_a_poll_costs_little_cpu(
    record: Record, ports: Ports, question: Callable[[Ports, ServiceEntry], object]
) -> None:
    """The engine's own CPU stays below 3 % of a run; three balancers are asked by three commands."""
    entry = record.services[ServiceName("placement-api")]
    question(ports, entry)
    before = resource.getrusage(resource.RUSAGE_SELF)

    for _ in range(30):
        question(ports, entry)

    after = resource.getrusage(resource.RUSAGE_SELF)
    spent_ms = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 30 * 1000
    print(f"{spent_ms:.1f} ms of CPU each")  # noqa: T201 - shown with -s
    assert spent_ms < 15
