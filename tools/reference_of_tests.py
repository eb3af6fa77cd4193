"""The generated pages about what is tried: crash points, and what a simulated run meets."""

from __future__ import annotations

from tests.crash.boundaries import page_of_crash_points as crash_points
from tools.told import paragraphs, table, texts_below

from skylift.testing.simulation import users
from skylift.testing.simulation.kinds import FaultKind
from skylift.testing.simulation.rules import RULES
from skylift.testing.simulation.site import SITES, Site


def page_of_crash_points() -> list[str]:
    """Where a process may die, and how often the tests let it."""
    return list(crash_points())


def _hop(site: Site) -> str:
    hop = f"{site.shape.source} to {site.shape.goal}"
    return f"{hop}, and back after `{site.back_after}`" if site.back_after else hop


def page_of_the_simulation() -> list[str]:
    """Clouds, faults and invariants of simulated runs."""
    says = texts_below(FaultKind)
    return [
        "# Simulated runs",
        "",
        "`make simulate SEEDS=10000 FIRST=0` plays one whole run for each seed and prints a table.",
        "It ends with 1 if an invariant was broken, or, of 400 seeds or more, a kind of fault never befell.",
        "`make simulate SEED=7` plays one of them again, to the same bytes, and tells its story.",
        "`make simulate KEEP=yes` writes [the page of what came of them](simulation-results.md), of what is",
        "committed alone, after each 500 seeds: interrupted, the same command goes on from there.",
        "",
        "## Clouds",
        "",
        *table(
            ("cloud", "components", "controllers", "hop", "seeds of a thousand"),
            (
                (
                    site.name,
                    ", ".join(site.components),
                    str(site.shape.controllers),
                    _hop(site),
                    str(site.share),
                )
                for site in SITES
            ),
        ),
        "",
        "## Faults",
        "",
        "`skylift simulate PLAN --faults NAME` takes those of some names only.",
        "",
        *table(
            ("name", "fault", "what it is"),
            ((f"`{k.word}`", k.value, says.get(k.name, "")) for k in FaultKind),
        ),
        "",
        "## Invariants",
        "",
        *table(("invariant", "what must hold"), RULES.items()),
        "",
        "## What users may lose",
        "",
        *(line for p in paragraphs((users.__doc__ or "").partition("\n\n")[2]) for line in (p, "")),
    ][:-1]
