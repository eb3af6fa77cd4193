"""Ceph, asked through its own tool as root on the first of its hosts that answers.

Source: ceph(8): ``quorum_status``, ``node ls``, ``osd dump``, ``osd tree``, ``pg stat``,
``osd ok-to-stop``, ``mon ok-to-stop``, ``osd set-group``. The keyring is the tool's own: it is read there,
and by nothing of ours.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from skylift.drivers.ssh import Said, Ssh, shell
from skylift.model.ids import HostName
from skylift.model.problem import Fix, Refused, Remedy, Transient, Uncertain
from skylift.model.storage import Monitor, Osd, Stopping, StorageSeen

# All at once: each loads Python and the cluster's maps, and on a busy host one after another took longer than
# any call may. Given all on its standard input, the tool waits for a monitor that is down (16.2.15).
# ``pg stat`` is answered by the manager itself, and by none if it is gone; ``status`` has what the last one
# left with the monitors, which may be older than a reboot.
_LOOK = r"""
answers=$(mktemp -d); trap 'rm -rf "$answers"' EXIT
running=; n=0
for asked in quorum_status "node ls" "osd tree" "osd dump" "pg stat"; do
    n=$((n + 1))
    # shellcheck disable=SC2086 # the words of one question
    timeout 25 "$@" $asked </dev/null >"$answers/$n" 2>"$answers/why.$n" &
    running="$running $!"
done
n=0
for each in $running; do
    n=$((n + 1))
    wait "$each" || { code=$?; cat "$answers/why.$n" >&2; exit "$code"; }
done
cat "$answers"/[1-5]
"""
_ASKED = 5
"""Questions of a look."""
_ASK = 'timeout 25 "$@" </dev/null'
Document = Mapping[str, Any]
_OK, _BUSY, _INVALID = 0, 16, 22
"""0, EBUSY and EINVAL of Linux: what the tool ends with for yes, not now, and never."""


class StorageSilent(Transient):
    """No host answers on which the storage cluster may be asked, so nobody knows how it stands."""

    code = "storage.silent"

    def __init__(self, why: Mapping[HostName, str]) -> None:
        named = "; ".join(f"{host}: {each}" for host, each in sorted(why.items()))
        super().__init__(
            f"the storage cluster could not be asked ({named})",
            Remedy(Fix.REPAIR, f"see what it says there: skylift ssh {min(why)} ceph status"),
            Remedy(Fix.RETRY, "when it answers, and a manager runs, ask again"),
        )


class StorageRefuses(Refused):
    """The storage cluster does not do what it was asked for."""

    code = "storage.refuses"

    def __init__(self, host: HostName, asked: Sequence[str], said: str) -> None:
        told = " ".join(asked)
        super().__init__(
            f"the storage cluster refuses '{told}': {said}",
            Remedy(Fix.REPAIR, f"see why, on {host}: ceph {told}"),
            Remedy(Fix.RETRY, "after the repair: skylift retry"),
        )


class CephStorage:
    """``Storage`` on the first of ``hosts`` that answers; ``tool`` is how it is called there."""

    def __init__(self, ssh: Ssh, hosts: Iterable[HostName], tool: Sequence[str]) -> None:
        self._ssh, self._hosts, self._tool = ssh, tuple(hosts), tuple(tool)

    def look(self) -> StorageSeen:
        if not self._hosts:
            return StorageSeen()
        host, said = self._asked(("--format", "json"), answers={_OK}, script=_LOOK)
        documents = tuple(_documents(said.text))
        if len(documents) != _ASKED:
            raise StorageSilent({host: "its tool gives no JSON"})
        return parse_storage(documents)

    def stopping(self, osds: Collection[int], monitors: Collection[str]) -> Stopping:
        against, lacking = [], 0
        if osds:
            asked = ("--format", "json", "osd", "ok-to-stop", *map(str, sorted(osds)))
            _, said = self._asked(asked, answers={_OK, _BUSY})
            found: Document = next(_documents(said.text), {})
            lacking = len(found.get("ok_become_degraded", ()))
            against += [said.complaint] * (said.code == _BUSY)
        for name in sorted(monitors):
            _, said = self._asked(("mon", "ok-to-stop", name), answers={_OK, _BUSY})
            against += [said.complaint] * (said.code == _BUSY)
        return Stopping("; ".join(against), lacking)

    def keep_in(self, bucket: str) -> None:
        self._change("osd", "set-group", "noout", bucket)

    def let_out(self, bucket: str) -> None:
        self._change("osd", "unset-group", "noout", bucket)

    def _change(self, *asked: str) -> None:
        host, said = self._asked(asked, answers={_OK, _INVALID}, changes=True)
        if said.code == _INVALID:
            raise StorageRefuses(host, asked, said.complaint)

    def _asked(
        self, asked: Sequence[str], *, answers: Collection[int], changes: bool = False, script: str = _ASK
    ) -> tuple[HostName, Said]:
        """What the first host said that ended with one of ``answers``, and which it was."""
        argv = shell(script, *self._tool, "--connect-timeout", "8", *asked)
        why: dict[HostName, str] = {}
        for host in self._hosts:
            try:
                said = self._ssh.run(host, argv, changes=changes)
            except (Transient, Uncertain) as silent:
                why[host] = str(silent)
                continue
            if said.code in answers:
                return host, said
            why[host] = said.complaint
        raise StorageSilent(why)


def parse_storage(documents: Sequence[Document]) -> StorageSeen:
    """The cluster from what each question of a look is answered with, in their order."""
    quorum, nodes, tree, dump, groups = documents
    parents = {
        child: node["name"] for node in tree["nodes"] if node["type"] == "host" for child in node["children"]
    }
    state = {osd["osd"]: osd for osd in dump["osds"]}
    osds = (
        Osd(
            number,
            host,
            parents.get(number, ""),
            up=bool(of["up"]),
            within=bool(of["in"]),
            since=of["up_from"],
        )
        for host, numbers in nodes["osd"].items()
        for number in numbers
        if (of := state.get(number)) is not None
    )
    host_of = {name: host for host, names in nodes["mon"].items() for name in names}
    names = sorted(monitor["name"] for monitor in quorum["monmap"]["mons"])
    here = quorum["quorum_names"]
    summary = groups["pg_summary"]
    return StorageSeen(
        osds=tuple(sorted(osds, key=lambda osd: osd.id)),
        monitors=tuple(Monitor(n, host_of.get(n, n), in_quorum=n in here) for n in names),
        groups={each["name"]: each["num"] for each in summary["num_pg_by_state"]},
        kept_in=frozenset(b for b, flags in dump.get("crush_node_flags", {}).items() if "noout" in flags),
        epoch=dump["epoch"],
        elections=quorum["election_epoch"],
    )


def _documents(text: str) -> Iterator[Document]:
    """JSON documents that stand one behind another, up to what is none: older tools answer some in words."""
    rest, reader = text.strip(), json.JSONDecoder()
    while rest.startswith("{"):
        try:
            found, end = reader.raw_decode(rest)
        except json.JSONDecodeError:
            return
        yield found
        rest = rest[end:].strip()
