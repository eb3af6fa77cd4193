"""A real RabbitMQ: a cluster of two nodes on loopback, with folders and a port mapper of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.drivers.galera import program
from tests.drivers.loopback import ADDRESS, await_port

from skylift.gate.lab.commands import poll
from skylift.gate.lab.loopback import free_port

START_LIMIT_S = 300
ASK_LIMIT_S = 180
NODES = FIRST, SECOND = "first@localhost", "second@localhost"
_SERVER = Path("/usr/lib/rabbitmq/bin")
"""Beside what Debian puts in the path, which becomes another user first."""
_THRIFTY = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
"""One scheduler, which sleeps when there is nothing to do: else each burns a core in waiting for work."""
_CONFIG = "cluster_formation.peer_discovery_backend = classic_config\n" + "".join(
    f"cluster_formation.classic_config.nodes.{number} = {node}\n" for number, node in enumerate(NODES, 1)
)


@dataclass(frozen=True, slots=True)
class Rabbit:
    """A cluster that runs; ``folder/rabbitmqctl`` asks its first node."""

    folder: Path

    def ctl(self, *words: str) -> str:
        """What the first node answers, or the one that ``words`` name."""
        said = subprocess.run(
            [self.folder / "rabbitmqctl", "--quiet", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=ASK_LIMIT_S,
        )
        assert said.returncode == 0, said.stderr
        return said.stdout

    def lose(self, vhost: str, queue: str) -> None:
        """Make a virtual host with a queue on the second node, and take it down there.

        It goes down so by itself when its processes die again and again. All in one call, for each starts
        a virtual machine of Erlang.
        """
        name, there = f'<<"{vhost}">>', f'list_to_atom("{SECOND}")'
        declared = f'[rabbit_misc:r({name}, queue, <<"{queue}">>), true, false, [], none, <<"test">>]'
        self.ctl(
            "eval",
            f'ok = rabbit_vhost:add({name}, <<"test">>), '
            f"{{new, _}} = rpc:call({there}, rabbit_amqqueue, declare, {declared}), "
            f"ok = rpc:call({there}, rabbit_vhost_sup_sup, stop_and_delete_vhost, [{name}]).",
        )

    def put(self, vhost: str, *queues: str) -> None:
        """Make durable queues, each with a message in it, and nobody who takes it."""
        name = f'<<"{vhost}">>'
        self.ctl(
            "eval",
            f'rabbit_vhost:exists({name}) orelse (ok = rabbit_vhost:add({name}, <<"test">>)), '
            + ", ".join(
                f'{{new, _}} = rabbit_amqqueue:declare(rabbit_misc:r({name}, queue, <<"{queue}">>), '
                'true, false, [], none, <<"test">>), '
                f'rabbit_basic:publish(rabbit_misc:r({name}, exchange, <<>>), <<"{queue}">>, [], <<"test">>)'
                for queue in queues
            )
            + ".",
        )


@contextmanager
def rabbit(folder: Path) -> Iterator[Rabbit]:
    """A cluster of two for as long as the block runs."""
    program("rabbitmqctl")
    mapper = free_port()
    environment = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": ADDRESS,
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbit"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _THRIFTY,
    }
    (folder / "rabbit.conf").write_text(_CONFIG, encoding="ascii")
    (folder / "plugins").write_text("[].\n", encoding="ascii")
    (folder / ".erlang.cookie").write_text("of-a-test", encoding="ascii")
    (folder / ".erlang.cookie").chmod(0o400)
    tool = f"#!/bin/sh\nexport HOME={folder} ERL_EPMD_PORT={mapper} RABBITMQ_CTL_ERL_ARGS='{_THRIFTY}'\n"
    tool += f'exec {_SERVER}/rabbitmqctl -n {FIRST} "$@"\n'
    (folder / "rabbitmqctl").write_text(tool, encoding="ascii")
    (folder / "rabbitmqctl").chmod(0o755)
    found = Rabbit(folder)
    running = [subprocess.Popen(["epmd"], env=environment, start_new_session=True)]
    try:
        await_port(mapper)
        running += [_node(folder, node, environment) for node in NODES]
        assert poll(lambda: all(_serves(folder / node, running) for node in NODES), limit_s=START_LIMIT_S)
        yield found
    finally:
        for each in reversed(running):
            os.killpg(each.pid, signal.SIGKILL)
            each.wait()


def _node(folder: Path, node: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    (folder / node).mkdir()
    of_node = {
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_NODE_IP_ADDRESS": ADDRESS,
        "RABBITMQ_NODE_PORT": str(free_port()),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / node),
        "RABBITMQ_LOG_BASE": str(folder / node),
        "RABBITMQ_LOGS": "-",
    }
    with (folder / node / "log").open("wb") as log:
        return subprocess.Popen(
            [_SERVER / "rabbitmq-server"],
            env=environment | of_node,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _serves(folder: Path, running: list[subprocess.Popen[bytes]]) -> bool:
    log = (folder / "log").read_text(errors="replace")
    assert all(each.poll() is None for each in running), log[-2000:]
    return "Server startup complete" in log
