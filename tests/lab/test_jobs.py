"""Jobs on real hosts: once, whatever happens to who started them and to their host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from skylift.drivers.jobs import unit_name
from skylift.gate.lab.commands import poll
from skylift.model.ids import HostName
from skylift.model.problem import Transient
from skylift.ports import Command, Ended, NoJob, Ports, Running

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

HOST = HostName("client")

_CALLER = """
import sys
from pathlib import Path
from skylift.app.record_file import load_record
from skylift.app.wiring import ports_for
from skylift.ports import Command
with ports_for(load_record(Path(sys.argv[1]))) as ports:
    print("begun", flush=True)
    ports.under(sys.argv[2]).jobs.start("client", Command(("sh", "-c", "echo once; sleep 3")))
    print("started", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module", autouse=True)
def _leave_no_jobs(ports: Ports) -> Iterator[None]:
    yield
    ports.hosts.ask(HOST, ["sh", "-c", "rm -rf /var/lib/skylift/jobs/test-*"])


@pytest.fixture
def key() -> str:
    return f"test-{uuid4()}"


def ended(ports: Ports, key: str) -> Ended:
    """How the job ends, waiting for it; a host out of reach meanwhile is waited for."""
    found: list[Ended] = []

    def over() -> bool:
        try:
            state = ports.under(key).jobs.state(HOST)
        except Transient:
            return False
        if isinstance(state, Ended):
            found.append(state)
        return bool(found)

    assert poll(over, limit_s=90)
    return found[0]


def starts(ports: Ports, key: str) -> int:
    """How often the host's own log says that the job was started."""
    text = ports.hosts.ask(HOST, ["journalctl", "--no-pager", "--output=cat", "--grep", key]).text
    return sum(line.startswith("Started ") for line in text.splitlines())


def test_a_job_runs_as_its_user_and_says_how_it_ended(ports: Ports, key: str) -> None:
    jobs = ports.under(key).jobs
    assert jobs.state(HOST) == NoJob()

    jobs.start(HOST, Command(("sh", "-c", 'id -un; echo "$X"; exit 3'), user="nobody", env=(("X", "$y z"),)))

    assert ended(ports, key) == Ended(3, "nobody\n$y z\n")


def test_while_it_runs_its_last_line_is_its_progress(ports: Ports, key: str) -> None:
    ports.under(key).jobs.start(HOST, Command(("sh", "-c", "echo one; echo two; sleep 2")))

    assert poll(lambda: ports.under(key).jobs.state(HOST) == Running("two"), limit_s=10)
    assert ended(ports, key).code == 0


def test_twelve_starts_at_once_are_one(ports: Ports, key: str) -> None:
    command = Command(("sh", "-c", "echo once; sleep 1"))
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: ports.under(key).jobs.start(HOST, command), range(12)))

    assert ended(ports, key) == Ended(0, "once\n")
    ports.under(key).jobs.start(HOST, command)
    assert starts(ports, key) == 1


@pytest.mark.parametrize("word", ["begun", "started"])
def test_a_job_outlives_its_caller_and_is_not_started_again(
    ports: Ports, record_path: Path, key: str, word: str
) -> None:
    """Issue 2, crash: the caller is killed in the middle of the call, and after it."""
    caller = subprocess.Popen(
        [sys.executable, "-c", _CALLER, record_path, key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with caller:
        assert caller.stdout is not None
        while caller.stdout.readline().strip() != word:
            assert caller.poll() is None
        os.kill(caller.pid, signal.SIGKILL)

    ports.under(key).jobs.start(HOST, Command(("sh", "-c", "echo once; sleep 3")))

    assert ended(ports, key) == Ended(0, "once\n")
    assert starts(ports, key) == 1


def kill(ports: Ports, key: str) -> None:
    ports.hosts.ask(HOST, ["systemctl", "kill", "--signal=KILL", unit_name(key)])


def reboot(ports: Ports, _key: str) -> None:
    boot_id = ports.hosts.look(HOST).boot_id
    ports.hosts.ask(HOST, ["systemctl", "reboot"])

    def up_again() -> bool:
        try:
            return ports.hosts.look(HOST).boot_id != boot_id
        except Transient:
            return False

    assert poll(up_again, limit_s=90)


@pytest.mark.parametrize("blow", [kill, reboot])
def test_a_job_that_was_cut_short_has_ended_badly_and_is_not_started_again(
    ports: Ports, key: str, blow: Callable[[Ports, str], None]
) -> None:
    """A schema command that a reboot cut in two is for an operator to judge."""
    command = Command(("sh", "-c", "echo half; sleep 100; echo whole"))
    ports.under(key).jobs.start(HOST, command)
    assert poll(lambda: ports.under(key).jobs.state(HOST) == Running("half"), limit_s=10)

    blow(ports, key)

    cut = ended(ports, key)
    assert cut.code == 255
    assert cut.tail.startswith("half\ncut short ")
    ports.under(key).jobs.start(HOST, command)
    assert ended(ports, key) == cut


def test_its_folder_is_for_root_alone(ports: Ports, key: str) -> None:
    ports.under(key).jobs.start(HOST, Command(("true",)))

    folder = Path("/var/lib/skylift/jobs") / key
    assert ports.hosts.ask(HOST, ["stat", "-c", "%a %U", str(folder)]).text == "700 root\n"
