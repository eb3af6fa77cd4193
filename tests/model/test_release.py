"""Releases and the hops between them (rows 21, 22, 44)."""

from __future__ import annotations

import itertools
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.model.release import Release, hops

_HALVES: list[Literal[1, 2]] = [1, 2]
releases = st.builds(Release, st.integers(2015, 2030), st.sampled_from(_HALVES))


@given(releases, releases)
def test_every_hop_is_one_release_or_a_slurp_jump(a: Release, b: Release) -> None:
    start, goal = sorted([a, b])

    path = [start, *hops(start, goal)]

    assert path[-1] == goal
    assert all(here.may_hop_to(there) for here, there in itertools.pairwise(path))


@given(releases)
def test_a_release_prints_as_people_write_it_and_reads_back(release: Release) -> None:
    assert Release.parse(str(release)) == release


def test_a_slurp_to_slurp_jump_skips_the_release_between() -> None:
    """Row 22."""
    path = hops(Release.parse("2023.1"), Release.parse("2025.1"))

    assert [str(r) for r in path] == ["2024.1", "2025.1"]


def test_a_release_between_slurps_may_only_go_to_its_next() -> None:
    assert not Release(2023, 2).may_hop_to(Release(2024, 2))
    assert Release(2023, 2).may_hop_to(Release(2024, 1))


def test_no_jump_before_upstream_began_to_test_them() -> None:
    assert not Release(2022, 1).may_hop_to(Release(2023, 1))


def test_a_path_to_an_older_release_is_refused_as_a_rollback() -> None:
    with pytest.raises(ValueError, match="rollback"):
        hops(Release(2024, 1), Release(2023, 1))


@pytest.mark.parametrize("text", ["2024", "2024.3", "24.1", "caracal", "2024.1 ", ""])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a release"):
        Release.parse(text)
