"""Do users reach every API through the VIP?"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from skylift.checks.check import Check, Complaint, Question, blocks, listed, warns


def _ask(question: Question) -> Iterator[Complaint]:
    vip = question.record.balancer.vip
    known = [question.catalog.components[name] for name in question.record.components]
    ours = {name for component in known for name in (component.type, *component.aliases)} - {""}
    found = {endpoint.service for endpoint in question.cloud.endpoints}
    absent = {c.type for c in known if c.type and found.isdisjoint((c.type, *c.aliases))}
    for service in sorted(absent):
        yield blocks(
            f"the catalog has no endpoint of {service}; it has {listed(found) or 'none at all'}",
            f"create one: openstack endpoint create {service} public http://{vip}:PORT",
        )
    for endpoint in question.cloud.endpoints:
        if urlsplit(endpoint.url).hostname == vip:
            continue
        told = f"the {endpoint.interface} endpoint of {endpoint.service} is {endpoint.url}, not behind {vip}"
        repair = f"openstack endpoint list --service {endpoint.service}; openstack endpoint set --url URL ID"
        if endpoint.service in ours:
            yield blocks(f"{told}: its users would notice each restart", f"point it to the VIP: {repair}")
        else:
            yield warns(told, f"point it to the VIP: {repair}")


ENDPOINTS = Check(
    "endpoints",
    "every endpoint in the catalog is behind the VIP",
    _ask,
    needs=("endpoints",),
    rows=(80, 81, 83),
)
