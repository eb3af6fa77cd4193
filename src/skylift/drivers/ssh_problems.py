"""What can go wrong on the way to a host, each with the way out."""

from __future__ import annotations

from skylift.model.ids import HostName
from skylift.model.problem import Fix, Refused, Remedy, Transient, Uncertain
from skylift.model.record import SshAccess


class AnswerLost(Transient):
    """A question was sent, and its answer did not come."""

    code = "host.answer-lost"

    def __init__(self, host: HostName, why: str) -> None:
        super().__init__(
            f"host {host} did not answer: {why}",
            Remedy(Fix.REPAIR, f"see whether it is overloaded or restarting: skylift ssh {host} uptime"),
            Remedy(Fix.RETRY, "when it answers, the run goes on by itself"),
        )


class ChangeUncertain(Uncertain):
    """A change was sent, and its answer did not come."""

    code = "host.change-uncertain"

    def __init__(self, host: HostName, why: str) -> None:
        super().__init__(
            f"a change on host {host} may or may not have happened: {why}",
            Remedy(Fix.RETRY, "the host is looked at before anything is repeated: skylift resume"),
        )


class HostKeyRefused(Refused):
    """A host did not show the key that is pinned for it."""

    code = "ssh.host-key"

    def __init__(self, host: HostName, address: str, access: SshAccess) -> None:
        port = "" if access.port == 22 else f"-p {access.port} "  # noqa: PLR2004 - SSH's own port
        named = address if access.port == 22 else f"'[{address}]:{access.port}'"  # noqa: PLR2004
        super().__init__(
            f"host {host} at {address} could not be trusted: it does not show the host key pinned for it in "
            f"{access.known_hosts}; either it was reinstalled or somebody stands in between",
            Remedy(
                Fix.REPAIR,
                f"compare its key out of band: ssh-keyscan {port}{address} | ssh-keygen -lf - here, and "
                "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on its console",
            ),
            Remedy(
                Fix.RETRY,
                f"if both agree: ssh-keygen -R {named} -f {access.known_hosts}; "
                f"ssh-keyscan {port}{address} >> {access.known_hosts}",
            ),
        )


class NotLetIn(Refused):
    """A host does not accept our key."""

    code = "ssh.not-let-in"

    def __init__(self, host: HostName, address: str, access: SshAccess) -> None:
        super().__init__(
            f"host {host} at {address} could not be entered: it does not accept {access.key} "
            f"for user {access.user}",
            Remedy(
                Fix.REPAIR,
                f"let the key in: ssh-copy-id -i {access.key}.pub -p {access.port} {access.user}@{address}",
            ),
        )


class KeyFileRefused(Refused):
    """The private key or the file of pinned host keys cannot be used."""

    code = "ssh.key-file"

    def __init__(self, file: object, why: str, how: str) -> None:
        super().__init__(f"{file} could not be used: {why}", Remedy(Fix.REPAIR, how))
