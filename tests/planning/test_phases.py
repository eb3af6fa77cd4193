"""Which phases are left, told from migrations, rows and the code that runs."""

from __future__ import annotations

from skylift.catalog.catalog import load
from skylift.model.goal import Upgrade
from skylift.model.ids import ArtifactName, ComponentName
from skylift.planning.schema import Databases, phases_left
from skylift.testing.samples import (
    EXPANDED_2024_1,
    GLANCE,
    KEYSTONE,
    MIGRATIONS,
    PLACEMENT,
    R2023_1,
    R2024_1,
    ROWS,
)


def left(
    component: ComponentName, rows: frozenset[str], *, old_code: bool = True, new_code: bool = False
) -> dict[str, frozenset[str]]:
    databases = Databases(
        known=load().components[component],
        artifact=ArtifactName("openstack-2024.1"),
        named={"": component},
        rows={component: rows},
        revisions={"": MIGRATIONS[R2024_1][component]},
        goal=Upgrade(R2024_1),
    )
    found = phases_left(databases, old_code=old_code, new_code=new_code)
    return {item.phase.name: head.rows for item in found for head in item.heads}


def test_keystone_expands_then_contracts_each_branch_on_its_own() -> None:
    assert left(KEYSTONE, ROWS[R2023_1][KEYSTONE]) == {
        "expand": EXPANDED_2024_1[KEYSTONE],
        "contract": ROWS[R2024_1][KEYSTONE],
    }


def test_glances_contract_hides_the_row_of_the_expand_that_it_depends_on() -> None:
    assert left(GLANCE, ROWS[R2023_1][GLANCE]) == {
        "expand": EXPANDED_2024_1[GLANCE],
        "migrate": EXPANDED_2024_1[GLANCE],
        "contract": ROWS[R2024_1][GLANCE],
    }


def test_placement_syncs_before_new_code_and_moves_rows_after_it() -> None:
    assert left(PLACEMENT, ROWS[R2023_1][PLACEMENT]) == {
        "sync": ROWS[R2024_1][PLACEMENT],
        "online-migrations": ROWS[R2024_1][PLACEMENT],
    }


def test_an_expanded_schema_is_not_expanded_again() -> None:
    assert list(left(GLANCE, EXPANDED_2024_1[GLANCE])) == ["migrate", "contract"]


def test_rows_that_new_code_reads_already_are_not_migrated_again() -> None:
    assert list(left(GLANCE, EXPANDED_2024_1[GLANCE], new_code=True)) == ["contract"]


def test_a_schema_at_its_head_is_left_alone() -> None:
    assert left(KEYSTONE, ROWS[R2024_1][KEYSTONE], old_code=False, new_code=True) == {}
