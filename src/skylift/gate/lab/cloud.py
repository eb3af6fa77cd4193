"""The stages that make a cloud of three controllers that answer ssh, and what is written about it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from skylift.gate.lab import backup, openstack, written
from skylift.gate.lab.cluster import Cluster
from skylift.gate.lab.configure import configure, configured
from skylift.gate.lab.stages import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from skylift.gate.lab.artifacts import Artifact
    from skylift.gate.lab.host import Lab

_CONFIGURED = "configuration"
_DATABASE = "database cluster"
_BALANCERS = "balancers"
_DATABASES = "databases"
_BOOTSTRAP = "first user"
_METADEFS = "metadata definitions"
_APIS = "APIs"
_CATALOG = "catalog"
_ANSWERS = "cloud answers"
_BACKUPS = "backups"


def cloud_stages(
    lab: Lab, present: Artifact, made: Mapping[str, Artifact], *, hosts: str, published: Sequence[str]
) -> tuple[Stage, ...]:
    """From hosts that answer to a cloud that does, running ``present``.

    Args:
        lab: where.
        present: the artifact of the release to start with, on every controller already.
        made: the artifacts the record shall name, by release; ``present`` among them.
        hosts: the stage after which the hosts answer.
        published: the stages after which those artifacts are in the depot.
    """
    cluster = Cluster(lab.controllers)
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
        *(_schema_stage(lab, component) for component in ("keystone", "glance", "placement")),
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
        _stage(
            _APIS,
            partial(openstack.served, lab),
            partial(openstack.serve, lab),
            *(_BOOTSTRAP, "glance schema", "placement schema"),
        ),
        _stage(_CATALOG, partial(openstack.catalogued, lab), partial(openstack.make_catalog, lab), _APIS),
        _stage(
            _ANSWERS,
            partial(openstack.answers, lab),
            partial(openstack.await_answers, lab),
            _CATALOG,
            _METADEFS,
        ),
        _stage(_BACKUPS, partial(backup.backed_up, lab), partial(backup.back_up, lab), _ANSWERS),
        _record_stage(lab, partial(written.write, lab, present, made), _BACKUPS, *published),
    )


def _record_stage(lab: Lab, write: Callable[[], None], *after: str) -> Stage:
    return _stage("cloud.yaml", partial(written.there, lab), write, *after)


def _schema_stage(lab: Lab, component: str) -> Stage:
    return _stage(
        f"{component} schema",
        partial(openstack.schema_made, lab, component),
        partial(openstack.make_schema, lab, component),
        _DATABASES,
    )


def _stage(name: str, done: Callable[[], bool], push: Callable[[], None], *after: str) -> Stage:
    return Stage(name, done, push, after)
