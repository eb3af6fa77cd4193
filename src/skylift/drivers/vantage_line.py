"""Tell the agent on the vantage host what to ask: one command over SSH, answered with JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from skylift.drivers.clouds_yaml import CredentialsRefused, credentials
from skylift.drivers.ssh import Said, Ssh, shell
from skylift.drivers.vantage_agent import agent
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Refused, Remedy, Transient
from skylift.model.record import VantageEntry

_ABSENT, _TRY_LATER = 69, 75
_NOT_LET_IN = re.compile(r"/auth/tokens answered 401\b")
"""How the agent says that Keystone gave it no token (Identity API v3, POST /v3/auth/tokens)."""

# One round trip where the agent is there already, as it nearly always is.
_RUN = f'[ -e "$1" ] || exit {_ABSENT}; exec python3 -I -B "$@"'

# A connection that is cut ends the input, and so the copy, as if it were whole: hence the checksum.
_SHIP = """
umask 077
mkdir -p "$(dirname "$1")"
cat > "$1.$$"
if echo "$2  $1.$$" | sha256sum --check --quiet >&2; then mv "$1.$$" "$1"; else rm "$1.$$"; exit 1; fi
"""


class ApiUnanswered(Transient):
    """An API did not answer the vantage host in time, or answered with a server's fault."""

    code = "api.unanswered"

    def __init__(self, host: HostName, why: str) -> None:
        super().__init__(
            f"an API could not be asked from {host}: {why}",
            Remedy(Fix.REPAIR, "see which backends serve: skylift inspect"),
            Remedy(Fix.RETRY, "when the API answers, the run goes on by itself"),
        )


class ApiRefused(Refused):
    """An API answered the vantage host, but not with what was asked for."""

    code = "api.refused"

    def __init__(self, host: HostName, why: str) -> None:
        super().__init__(
            f"an API refused what was asked from {host}: {why}",
            Remedy(Fix.REPAIR, "see whether the credentials in vantage.clouds_yaml are an administrator's"),
            Remedy(Fix.RETRY, "after the repair: skylift retry"),
        )


def refusal(entry: VantageEntry, complaint: str) -> Refused:
    """What it means that the agent ended with this last line."""
    if _NOT_LET_IN.search(complaint):
        why = "Keystone answers 401, so the user, the password, the project or a domain is another"
        return CredentialsRefused(entry, why)
    return ApiRefused(entry.host, complaint)


class VantageLine:
    """The way to the agent; the credentials go by standard input, and come from where the record says."""

    def __init__(self, ssh: Ssh, entry: VantageEntry) -> None:
        self._ssh = ssh
        self._entry = entry
        self._host = entry.host

    def tell(self, *words: str, changes: bool = False) -> Any:
        """Run the agent and return its answer.

        Raises:
            ApiRefused, ApiUnanswered: it did not get what it asked for.
            CredentialsRefused: they cannot be read, or Keystone does not take them.
        """
        path = agent().path
        fed = json.dumps(credentials(self._entry)).encode()
        command = shell(_RUN, str(path), *words)
        said = self._ssh.run(self._host, command, input=fed, changes=changes)
        if said.code == _ABSENT:
            self._ssh.change(self._host, _SHIP, str(path), agent().sha256, input=agent().content)
            said = self._ssh.run(self._host, command, input=fed, changes=changes)
        self._judge(said)
        return json.loads(said.text)

    def _judge(self, said: Said) -> None:
        if said.code == _TRY_LATER:
            raise ApiUnanswered(self._host, said.complaint)
        if said.code != 0:
            raise refusal(self._entry, said.complaint)
