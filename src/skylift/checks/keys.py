"""Are the keys that all hosts must share the same on all of them?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns
from skylift.model.cloud import HostSeen
from skylift.model.ids import HostName

_REPOSITORIES = ("fernet", "credential")
_HOLDER = "identity"


def _ask(question: Question) -> Iterator[Complaint]:
    for name in question.record.components:
        if question.catalog.components[name].type != _HOLDER:
            continue
        for repository in _REPOSITORIES:
            yield from _one(question, repository, question.hosts_of(name))


def _one(question: Question, repository: str, hosts: tuple[HostName, ...]) -> Iterator[Complaint]:
    found: dict[HostName, str] = {}
    for host in hosts:
        seen = question.cloud.hosts.get(host)
        if isinstance(seen, HostSeen):
            found[host] = seen.key_digests.get(repository, "")
        else:
            yield blocks(f"the {repository} keys of {host} were not read", "see the check named hosts")
    first = next((host for host in found if found[host]), None)
    if first is None:
        yield warns(
            f"no host has {repository} keys",
            f"create them: skylift ssh {hosts[0]} "
            f"keystone-manage {repository}_setup --keystone-user keystone",
        )
        return
    other = [host for host in found if found[host] != found[first]]
    if other:
        folder = f"/etc/keystone/{repository}-keys/"
        yield blocks(
            f"the {repository} keys of {listed(other)} differ from those of {first}: a token of one host "
            "is worth nothing on another",
            *(f"copy them: skylift ssh {first} rsync -a --delete {folder} {host}:{folder}" for host in other),
        )


KEYS = Check("keys", "fernet and credential keys are the same on all hosts", _ask, needs=())
