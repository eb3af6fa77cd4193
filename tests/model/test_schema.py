"""What is applied, what is pending and where a phase ends, told from migration files and rows.

The graphs are those of keystone, glance and placement 2024.1, shortened to their ends.
"""

from __future__ import annotations

from skylift.model.cloud import Revision
from skylift.model.schema import applied, branch_of, heads, pending, rows_after, unknown

KEYSTONE = (
    Revision("27e647c0fad4", (), (), ""),
    Revision("29e87d24a316", ("27e647c0fad4",), (), "expand"),
    Revision("b4f8b3f584e0", ("29e87d24a316",), (), ""),
    Revision("47147121", ("b4f8b3f584e0",), (), ""),
    Revision("e25ffa003242", ("27e647c0fad4",), (), "contract"),
    Revision("c88cdce8f248", ("e25ffa003242",), (), ""),
)
GLANCE = (
    Revision("mitaka02", (), (), ""),
    Revision("2023_1_expand01", ("mitaka02",), (), "expand"),
    Revision("2024_1_expand01", ("2023_1_expand01",), (), "expand"),
    Revision("2023_1_contract01", ("mitaka02",), ("2023_1_expand01",), "contract"),
    Revision("2024_1_contract01", ("2023_1_contract01",), ("2024_1_expand01",), "contract"),
)
PLACEMENT = (
    Revision("422ece571366", (), (), ""),
    Revision("a082b8bb98d0", ("422ece571366",), (), ""),
)


def test_the_rows_at_the_head_leave_out_what_another_depends_on() -> None:
    assert heads(KEYSTONE) == {"47147121", "c88cdce8f248"}
    assert heads(GLANCE) == {"2024_1_contract01"}
    assert heads(PLACEMENT) == {"a082b8bb98d0"}


def test_expand_adds_its_row_and_leaves_the_contract_row() -> None:
    assert rows_after(KEYSTONE, {"29e87d24a316", "e25ffa003242"}, "expand") == {"47147121", "e25ffa003242"}
    assert rows_after(GLANCE, {"2023_1_contract01"}, "expand") == {"2023_1_contract01", "2024_1_expand01"}


def test_contract_ends_at_the_head() -> None:
    assert rows_after(KEYSTONE, {"47147121", "e25ffa003242"}, "contract") == heads(KEYSTONE)
    assert rows_after(GLANCE, {"2023_1_contract01", "2024_1_expand01"}, "contract") == heads(GLANCE)


def test_a_schema_without_branches_is_brought_to_its_head_at_once() -> None:
    assert rows_after(PLACEMENT, {"422ece571366"}) == {"a082b8bb98d0"}


def test_a_phase_without_anything_to_apply_leaves_the_rows() -> None:
    assert rows_after(GLANCE, {"2024_1_contract01"}, "expand") == {"2024_1_contract01"}


def test_what_is_pending_is_told_per_branch() -> None:
    rows = {"2023_1_contract01"}

    assert pending(GLANCE, rows) == {"2024_1_expand01", "2024_1_contract01"}
    assert pending(GLANCE, rows, "expand") == {"2024_1_expand01"}


def test_a_row_implies_all_it_follows_and_depends_on() -> None:
    assert applied(GLANCE, {"2023_1_contract01"}) == {"2023_1_contract01", "2023_1_expand01", "mitaka02"}


def test_a_row_of_a_newer_release_is_named_and_kept() -> None:
    assert unknown(PLACEMENT, {"ffffffffffff"}) == {"ffffffffffff"}
    assert "ffffffffffff" in rows_after(PLACEMENT, {"ffffffffffff"})


def test_a_revision_without_a_label_is_of_the_branch_it_descends_from() -> None:
    assert branch_of(KEYSTONE, "47147121") == "expand"
    assert branch_of(KEYSTONE, "c88cdce8f248") == "contract"
    assert branch_of(PLACEMENT, "a082b8bb98d0") == ""
