"""From what was seen to a plan that upgrades it while its APIs serve: mode ``rolling``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from skylift.catalog.catalog import Catalog
from skylift.model.cloud import Cloud
from skylift.model.codec import canonical
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest
from skylift.model.record import Record
from skylift.planning.draft import draft
from skylift.planning.facts import facts_of, relied_on
from skylift.planning.notes import notes, stale_notes
from skylift.planning.order import edges
from skylift.planning.parking import cannot_park
from skylift.planning.plan import FORMAT, Plan
from skylift.planning.survey import survey


def plan_upgrade(
    cloud: Cloud, record: Record, goal: Upgrade, catalog: Catalog, *, record_digest: Digest
) -> Plan:
    """The steps that are left until every component is whole at ``goal``, each with its reasons.

    The same input gives the same plan (row 4). A component that is whole already gets no steps; if
    all are, the plan has none.

    Raises:
        Refused: no plan would keep the APIs serving, or something it needs could not be read; the
            problem says which (``planning.refusals``).
    """
    found = survey(cloud, record, goal, catalog)
    facts = relied_on(facts_of(cloud, record), found.target.name)
    label = f"{found.source}-to-{goal.to}-{mark(record_digest, dict(facts))}"
    parts = draft(found, record, catalog, label) if any(not c.whole for c in found.components) else None
    plan = Plan(
        format=FORMAT,
        cloud=record.name,
        goal=goal,
        source=found.source,
        record=record_digest,
        services={name: service.component for name, service in record.services.items()},
        facts=facts,
        notes=(),
        steps=parts.steps if parts else (),
        edges=edges(parts, catalog) if parts else (),
    )
    told = notes(found, parts, plan, catalog, cannot_park=cannot_park(record, catalog))
    return replace(plan, notes=(*told, *(stale_notes(cloud, record, goal, catalog) if parts else ())))


def mark(*relied_on: str | Mapping[str, str] | tuple[str, ...]) -> str:
    """Tells the witnesses and backups of two different plans apart; no clock, so that plans stay equal."""
    return hashlib.sha256(canonical(list(relied_on))).hexdigest()[:8]
