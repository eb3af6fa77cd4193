"""The stages that make a cloud of hosts that answer ssh, and what is written about it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from skylift.gate.lab import backup, bus, furnish, guest, openstack, written
from skylift.gate.lab.cluster import Cluster
from skylift.gate.lab.configure import configure, configured
from skylift.gate.lab.stages import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from skylift.gate.lab.artifacts import Artifact
    from skylift.gate.lab.components import Component
    from skylift.gate.lab.host import Lab, LabHost

_CONFIGURED = "configuration"
_DATABASE = "database cluster"
_BALANCERS = "balancers"
_DATABASES = "databases"
_BUS = "message bus"
_BOOTSTRAP = "first user"
_METADEFS = "metadata definitions"
_APIS = "APIs"
_CATALOG = "catalog"
_CONTROL = "control plane"
_HOSTED = "computes and agents"
_REGISTERED = "computes and agents answer"
_GUEST = "image of a guest"
_FURNISHED = "network, image and flavor"
_ANSWERS = "cloud answers"
_BACKUPS = "backups"


def cloud_stages(
    lab: Lab, present: Artifact, made: Mapping[str, Artifact], *, hosts: str, published: Sequence[str]
) -> tuple[Stage, ...]:
    """From hosts that answer to a cloud that does, running ``present``.

    Args:
        lab: where.
        present: the artifact of the release to start with, on every host that needs it already.
        made: the artifacts the record shall name, by release; ``present`` among them.
        hosts: the stage after which the hosts answer.
        published: the stages after which those artifacts are in the depot.
    """
    cluster = Cluster(lab.controllers)
    base = ("glance schema", "placement schema")
    beyond = _beyond_stages(lab, present) if lab.profile.bus else ()
    return (
        _stage(_CONFIGURED, partial(configured, lab), partial(configure, lab, present), hosts),
        _stage(_DATABASE, cluster.whole, cluster.gather, _CONFIGURED),
        _stage(_BALANCERS, partial(openstack.balanced, lab), partial(openstack.balance, lab), _DATABASE),
        _stage(
            _DATABASES,
            partial(openstack.databases_made, lab),
            partial(openstack.make_databases, lab),
            _BALANCERS,
        ),
        *(_schema_stage(lab, component) for component in lab.profile.components if component.schema),
        _stage(
            _BOOTSTRAP,
            partial(openstack.bootstrapped, lab),
            partial(openstack.bootstrap, lab),
            "keystone schema",
        ),
        _stage(
            _METADEFS,
            partial(openstack.metadefs_loaded, lab),
            partial(openstack.load_metadefs, lab),
            "glance schema",
        ),
        _serve_stage(_APIS, lab.controllers, present, _BOOTSTRAP, *base, base=True),
        _stage(_CATALOG, partial(openstack.catalogued, lab), partial(openstack.make_catalog, lab), _APIS),
        *beyond,
        _stage(
            _ANSWERS,
            partial(openstack.answers, lab),
            partial(openstack.await_answers, lab),
            *(_CATALOG, _METADEFS, *(stage.name for stage in beyond)),
        ),
        _stage(_BACKUPS, partial(backup.backed_up, lab), partial(backup.back_up, lab), _ANSWERS),
        _record_stage(lab, partial(written.write, lab, present, made), _BACKUPS, *published),
    )


def _beyond_stages(lab: Lab, present: Artifact) -> tuple[Stage, ...]:
    """What a cloud has beyond the APIs that need no message bus."""
    schemas = [f"{one.name} schema" for one in lab.profile.components if one.schema]
    return (
        _stage(_BUS, partial(bus.whole, lab), partial(bus.gather, lab), _CONFIGURED),
        _serve_stage(_CONTROL, lab.controllers, present, *(_CATALOG, _BUS, *schemas), base=False),
        # After it: an agent that calls before anyone listens waits a minute before it calls again.
        _serve_stage(
            _HOSTED, lab.having("network", "compute", "fake-compute", "client"), present, _CONTROL, base=False
        ),
        _stage(_REGISTERED, partial(furnish.registered, lab), partial(furnish.register, lab), _HOSTED),
        _stage(_GUEST, lambda: guest.image().built, guest.build, _CONFIGURED),
        _stage(
            _FURNISHED,
            partial(furnish.furnished, lab),
            partial(furnish.furnish, lab),
            *(_REGISTERED, _GUEST),
        ),
    )


def _record_stage(lab: Lab, write: Callable[[], None], *after: str) -> Stage:
    return _stage("cloud.yaml", partial(written.there, lab), write, *after)


def _serve_stage(name: str, hosts: Sequence[LabHost], present: Artifact, *after: str, base: bool) -> Stage:
    return _stage(
        name,
        partial(openstack.served, hosts, present.release, base=base),
        partial(openstack.serve, hosts, present.release, base=base),
        *after,
    )


def _schema_stage(lab: Lab, component: Component) -> Stage:
    return _stage(
        f"{component.name} schema",
        partial(openstack.schema_made, lab, component),
        partial(openstack.make_schema, lab, component),
        _DATABASES,
    )


def _stage(name: str, done: Callable[[], bool], push: Callable[[], None], *after: str) -> Stage:
    return Stage(name, done, push, after)
