"""The message bus of the lab: three RabbitMQ members that find each other, and what services call it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from skylift.gate.lab.commands import poll
from skylift.gate.lab.host import LabProblem, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skylift.gate.lab.host import Lab, LabHost
    from skylift.gate.lab.passwords import Passwords
    from skylift.gate.lab.profiles import Profile

PORT = 5672

_START_S = 180
_GATHER_S = 180
_SALT_BYTES = 4
# One virtual machine of Erlang for one question: some seconds of CPU, so ask one member about all. It is not
# asked while the member is down, for it would start Erlang's port mapper, which would be our child for good.
_ASK = """
systemctl is-active --quiet rabbitmq-server
exec timeout 90 rabbitmqctl --quiet --formatter json cluster_status
"""


def definitions(profile: Profile, passwords: Passwords) -> str:
    """What every member loads when it starts: a user per component, and its virtual hosts."""
    users = [(one.name, one.vhosts) for one in profile.components if one.vhosts]
    told = {
        "users": [
            {
                "name": user,
                "password_hash": _hashed(passwords.bus[user]),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
            for user, _ in users
        ],
        "vhosts": [{"name": vhost} for _, vhosts in users for vhost in vhosts],
        "permissions": [
            {"user": user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
            for user, vhosts in users
            for vhost in vhosts
        ],
    }
    return json.dumps(told, indent=2) + "\n"


def url(host: LabHost, members: Sequence[LabHost], password: str, called: tuple[str, str]) -> str:
    """The ``transport_url`` of a user and virtual host; services ask the first member first.

    A member asks itself first; the others begin each at another one, so that all get their share.
    """
    user, vhost = called
    first = members.index(host) if host in members else sum(host.address.encode()) % len(members)
    order = (*members[first:], *members[:first])
    places = ",".join(f"{user}:{password}@{member.address}:{PORT}" for member in order)
    return f"rabbit://{places}/{vhost}"


def whole(lab: Lab) -> bool:
    """Whether all members are in one cluster and run."""
    try:
        told = json.loads(run(lab.controllers[0], _ASK, timeout_s=100))
    except LabProblem:
        return False
    return len(told["running_nodes"]) == len(lab.controllers)


def gather(lab: Lab) -> None:
    """Start all members; new ones find each other, old ones know each other.

    Raises:
        LabProblem: a member did not start, or did not join.
    """
    # Those that ran before wait for the one that stopped last: so none is waited for alone.
    for host in lab.controllers:
        run(host, "systemctl start --no-block rabbitmq-server", timeout_s=30)
    for host in lab.controllers:
        run(host, "systemctl start rabbitmq-server", timeout_s=_START_S)
    if not poll(lambda: whole(lab), limit_s=_GATHER_S, every_s=2):
        raise LabProblem(f"the message bus did not become whole within {_GATHER_S} s")


def _hashed(password: str) -> str:
    """As RabbitMQ keeps it; the salt follows from the password, so that the file stays the same."""
    salt = hashlib.sha256(f"salt of {password}".encode()).digest()[:_SALT_BYTES]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
