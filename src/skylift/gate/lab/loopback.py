"""Ports on this machine's own addresses, for servers that live as long as what they are started for."""

from __future__ import annotations

import socket
from pathlib import Path
from random import SystemRandom

_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
"""Well above what services of this machine listen on."""


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on, and that the kernel gives to no client meanwhile.

    One of those that it gives to clients could be taken between this answer and the server's start.
    """
    ours = range(_LOWEST, int(_CLIENTS.read_text(encoding="ascii").split()[0]))
    while True:
        # Not the chance that a seed decides, or two processes with one seed would choose the same ones.
        port = SystemRandom().choice(ours)
        with socket.socket() as listener:
            try:
                listener.bind((address, port))
            except OSError:
                continue
        return port
