"""Hosts: do they answer, is there room, do their clocks agree?"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from skylift.checks.check import Check, Complaint, Question, blocks
from skylift.model.cloud import HostSeen
from skylift.model.ids import HostName

_GIB = 2**30


def _answer(question: Question) -> Iterator[Complaint]:
    for name, entry in question.record.hosts.items():
        seen = question.cloud.hosts.get(name)
        if not isinstance(seen, HostSeen):
            yield blocks(
                seen.why if seen else f"{name} was not asked",
                f"try it as Skylift does: skylift ssh {name} true",
                f"see whether it is on the network: ping -c 3 {entry.address}",
            )


def _disk(question: Question) -> Iterator[Complaint]:
    wanted = question.record.policy.disk_free_min_gib
    for name in question.serving:
        seen = question.cloud.hosts.get(name)
        if not isinstance(seen, HostSeen):
            yield _not_seen(name, "its free disk space")
        elif seen.disk_free_bytes < wanted * _GIB:
            free = f"{seen.disk_free_bytes / _GIB:.1f} GiB"
            yield blocks(
                f"{name} has {free} free where artifacts lie; the policy wants {wanted} GiB",
                f"see what fills it: skylift ssh {name} "
                "'df -h; du -xhd2 / /opt/openstack /var | sort -h | tail'",
            )


def _clocks(question: Question) -> Iterator[Complaint]:
    allowed = question.record.policy.clock_skew_max_ms
    seen = {n: h.clock_offset_ms for n, h in question.cloud.hosts.items() if isinstance(h, HostSeen)}
    for name in question.record.hosts.keys() - seen.keys():
        yield _not_seen(name, "its clock")
    middle = median(seen.values()) if seen else 0
    for name, offset in sorted(seen.items()):
        off = round(offset - middle)
        if abs(off) > allowed:
            yield blocks(
                f"the clock of {name} is {abs(off)} ms {'ahead' if off > 0 else 'behind'}; the policy allows "
                f"{allowed} ms, for tokens and Galera rely on time",
                f"see its time service: skylift ssh {name} timedatectl timesync-status",
                f"set it right: skylift ssh {name} systemctl restart systemd-timesyncd",
            )


def _not_seen(name: HostName, what: str) -> Complaint:
    return blocks(f"{name} did not answer, so {what} is not known", "see the check named hosts")


HOSTS = Check("hosts", "every host answers", _answer, needs=())
DISK = Check("disk", "every host has room for another artifact", _disk, needs=(), rows=(87,))
CLOCKS = Check("clocks", "the clocks of all hosts agree", _clocks, needs=())
