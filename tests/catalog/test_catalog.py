"""What is known of OpenStack is whole, and its order does not contradict itself."""

from __future__ import annotations

import dataclasses

import pytest

from skylift.actions.registry import KINDS
from skylift.catalog.catalog import KnownComponent, OrderRule, filled, load
from skylift.model.ids import ComponentName
from skylift.model.release import Release
from skylift.testing.samples import COMPONENTS, GLANCE, KEYSTONE, PLACEMENT, R2023_1, R2024_1, R2025_1

CATALOG = load()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_step_has_an_estimate_with_its_origin(kind: str) -> None:
    figure = CATALOG.duration(kind)

    assert 0 <= figure.low <= figure.likely <= figure.high
    assert figure.origin.startswith(("measured: ", "default: "))


@pytest.mark.parametrize("component", CATALOG.components.values(), ids=lambda c: c.name)
def test_every_phase_of_a_component_has_its_own_figure_and_its_source(component: KnownComponent) -> None:
    for phase in component.phases:
        assert f"{component.name}:{phase.name}" in CATALOG.durations
        assert phase.source
        assert phase.because
        assert phase.argv[0].startswith("{artifact}/bin/")
        assert phase.destructive == (phase.name == "contract")


def test_keystone_goes_first_and_one_component_at_a_time() -> None:
    assert CATALOG.sequence(frozenset(COMPONENTS)) == (KEYSTONE, GLANCE, PLACEMENT)
    assert CATALOG.sequence(frozenset({PLACEMENT, KEYSTONE})) == (KEYSTONE, PLACEMENT)


def test_an_order_that_contradicts_itself_is_noticed() -> None:
    back = OrderRule(PLACEMENT, KEYSTONE, "a test", "a test")
    catalog = dataclasses.replace(CATALOG, order=(*CATALOG.order, back))

    with pytest.raises(ValueError, match="contradicts itself"):
        catalog.sequence(frozenset(COMPONENTS))


@pytest.mark.parametrize("component", COMPONENTS)
def test_side_by_side_is_proved_for_the_next_release_and_for_measured_jumps(component: ComponentName) -> None:
    known = CATALOG.components[component]

    assert known.rolling_proof(R2024_1, R2024_1.following)
    assert (known.rolling_proof(R2023_1, R2024_1) or "").startswith("measured: ")
    assert (known.rolling_proof(R2024_1, R2025_1) or "").startswith("measured: ")


def test_side_by_side_is_not_proved_for_a_jump_that_nobody_tried() -> None:
    assert CATALOG.components[KEYSTONE].rolling_proof(R2025_1, Release(2026, 1)) is None


def test_a_command_is_the_artifacts_own() -> None:
    path = CATALOG.components[KEYSTONE].migrations.parent

    assert filled(("{artifact}/bin/x", "--y"), path) == (f"{path}/bin/x", "--y")


def test_releases_are_known_by_name() -> None:
    assert CATALOG.releases[R2024_1] == "Caracal"
