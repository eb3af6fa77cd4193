"""A small catalog: what the verifier is told of three components, and what ships of the others."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skylift.catalog.catalog import documents
from skylift.verifier.audit import Audit, audit

_TOML = Path(__file__).with_name("small_catalog.toml").read_text(encoding="utf-8")
SMALL: tuple[Mapping[str, Any], ...] = tuple(tomllib.loads(_TOML)["components"])
_BASIC = {"keystone", "glance", "placement"}
DOCUMENTS = (*(d for d in documents() if d["name"] in _BASIC), *SMALL)


def judged(*items: Any, start: str = "2024.1", goal: str = "2025.1") -> Audit:
    """What the verifier says of an order of these items, by the small catalog."""
    return audit({"hop": {"from": start, "to": goal}, "order": list(items)}, DOCUMENTS)
