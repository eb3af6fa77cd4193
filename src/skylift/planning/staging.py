"""A plan that only stages an artifact: nothing that serves is touched, so it needs no facts."""

from __future__ import annotations

from skylift.actions.prepare import StageArtifact
from skylift.catalog.catalog import Catalog
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, StepId
from skylift.model.record import Artifact, Record
from skylift.planning.plan import FORMAT, Estimate, Impact, Notice, Plan, Stage, Step


def plan_staging(record: Record, artifact: Artifact, catalog: Catalog, record_digest: Digest) -> Plan:
    """Fetch ``artifact`` to every host with a service, all side by side, and verify it there (row 68)."""
    roles = {service.role for service in record.services.values()}
    hosts = sorted({host.name for role in roles for host in record.hosts_in(role)})
    known = catalog.duration(StageArtifact.kind)
    steps = tuple(
        Step(
            StepId(f"stage:{artifact.name}@{host}"),
            Stage.PREPARE,
            StageArtifact(host, artifact),
            Impact(Notice.NONE),
            Estimate(known.low, known.likely, known.high, known.origin),
            record.policy.timeouts.stage,
        )
        for host in hosts
    )
    return Plan(
        format=FORMAT,
        cloud=record.name,
        goal=Upgrade(artifact.release),
        source=artifact.release,
        record=record_digest,
        services={},
        facts={},
        notes=("stages an artifact; no service is touched",),
        steps=steps,
        edges=(),
    )
