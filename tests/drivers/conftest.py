"""One real sshd for the session and a way to it for each test; one real HAProxy for those that want it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib import resources

import pytest
from tests.drivers import balancing
from tests.drivers.loopback import ADDRESS, HOST, START_LIMIT_S, Sshd, await_port, serving

from skylift.drivers.haproxy import HaproxyBalancer
from skylift.drivers.ssh import Ssh
from skylift.gate.lab.loopback import free_port


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with serving(tmp_path_factory.mktemp("sshd")) as sshd:
        yield sshd


@pytest.fixture
def ssh(sshd: Sshd) -> Iterator[Ssh]:
    with Ssh(sshd.access, {HOST: ADDRESS}, connect_limit_s=60) as ssh:
        yield ssh


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[balancing.Haproxy]:
    folder = tmp_path_factory.mktemp("haproxy")
    found = balancing.Haproxy(folder, free_port(), free_port())
    (folder / "parked.map").write_text(f"{balancing.POOL} 0\n", encoding="ascii")
    script = resources.files("skylift.drivers") / "park.lua"
    config = balancing.CONFIG.format(
        folder=folder, script=script, parks=found.parks, plain=found.plain, answers=free_port()
    )
    (folder / "haproxy.cfg").write_text(config, encoding="ascii")
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(["haproxy", "-db", "-f", folder / "haproxy.cfg"], stderr=log)
    try:
        await_port(found.plain)
        yield found
    finally:
        running.terminate()
        running.wait(timeout=START_LIMIT_S)


@pytest.fixture
def balancer(haproxy: balancing.Haproxy, ssh: Ssh) -> Iterator[HaproxyBalancer]:
    balancer = HaproxyBalancer(ssh, [HOST], haproxy.socket, parking=haproxy.map)
    yield balancer
    balancer.unpark(balancing.POOL)
