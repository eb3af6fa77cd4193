"""What is known of OpenStack is whole, and its order does not contradict itself."""

from __future__ import annotations

import dataclasses
from importlib.resources import files
from pathlib import Path

import pytest

from skylift.actions.registry import KINDS
from skylift.catalog.catalog import CatalogInvalid, filled, load
from skylift.catalog.component import Constraint
from skylift.model.ids import ComponentName
from skylift.testing.samples import COMPONENTS, GLANCE, KEYSTONE, PLACEMENT, R2023_1, R2024_1, R2025_1

CATALOG = load()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_step_has_an_estimate_with_its_origin(kind: str) -> None:
    figure = CATALOG.duration(kind)

    assert 0 <= figure.low <= figure.likely <= figure.high
    assert figure.origin.startswith(("measured: ", "default: "))


def test_a_figure_for_a_phase_is_for_one_that_exists() -> None:
    known = {
        f"{component.name}:{phase.name}"
        for component in CATALOG.components.values()
        for phase in component.phases
    }

    assert {subject for subject in CATALOG.durations if ":" in subject} <= known


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_phase_that_ran_in_the_lab_has_its_own_measured_figure(component: ComponentName) -> None:
    figures = [
        CATALOG.durations[f"{component}:{phase.name}"] for phase in CATALOG.components[component].phases
    ]

    assert figures
    assert all(figure.origin.startswith("measured: ") for figure in figures)


def test_a_phase_without_a_figure_takes_that_of_its_kind() -> None:
    assert CATALOG.duration("migrate-schema", "keystone:expand") != CATALOG.duration("migrate-schema")
    assert CATALOG.duration("migrate-schema", "nova:api-sync") == CATALOG.duration("migrate-schema")


def test_keystone_goes_first_and_one_component_at_a_time() -> None:
    assert CATALOG.sequence(frozenset(COMPONENTS)) == (KEYSTONE, GLANCE, PLACEMENT)
    assert CATALOG.sequence(frozenset({PLACEMENT, KEYSTONE})) == (KEYSTONE, PLACEMENT)


def test_an_order_that_contradicts_itself_is_noticed() -> None:
    back = Constraint("upgrade placement", "upgrade keystone", "a test", "a test")
    keystone = dataclasses.replace(CATALOG.components[KEYSTONE], order=(back,))
    catalog = dataclasses.replace(CATALOG, components={**CATALOG.components, KEYSTONE: keystone})

    with pytest.raises(ValueError, match="contradicts itself"):
        catalog.sequence(frozenset(COMPONENTS))


@pytest.mark.parametrize("component", COMPONENTS)
def test_side_by_side_is_proved_for_the_next_release_and_for_measured_jumps(component: ComponentName) -> None:
    known = CATALOG.components[component]

    assert known.rolling_proof(R2024_1, R2024_1.following)
    assert (known.rolling_proof(R2023_1, R2024_1) or "").startswith("measured: ")
    assert (known.rolling_proof(R2024_1, R2025_1) or "").startswith("measured: ")


def test_side_by_side_is_not_proved_for_a_jump_that_nobody_tried() -> None:
    assert CATALOG.components[KEYSTONE].rolling_proof(R2023_1, R2025_1) is None


def test_a_command_is_the_artifacts_own() -> None:
    path = CATALOG.components[KEYSTONE].schemas[0].migrations.parent

    assert filled(("{artifact}/bin/x", "--y"), path) == (f"{path}/bin/x", "--y")


def test_releases_are_known_by_name() -> None:
    assert CATALOG.releases[R2024_1] == "Caracal"


def test_a_third_party_adds_a_component_by_a_file_of_its_own(tmp_path: Path) -> None:
    """Row 66."""
    file = tmp_path / "tally.toml"
    text = Path(str(files("skylift.catalog") / "components" / "placement.toml")).read_text(encoding="utf-8")
    file.write_text(text.replace('name = "placement"', 'name = "tally"'), encoding="utf-8")

    catalog = load((file,))

    assert set(catalog.components) == {*CATALOG.components, ComponentName("tally")}


def test_a_file_with_a_misspelt_key_is_refused_by_name_and_place(tmp_path: Path) -> None:
    file = tmp_path / "tally.toml"
    file.write_text('name = "tally"\ntipe = "tally"\n', encoding="utf-8")

    with pytest.raises(CatalogInvalid, match=r"tally.toml cannot be read as a component: \$: .*tipe"):
        load((file,))


def test_a_service_is_there_only_in_its_releases() -> None:
    service = dataclasses.replace(
        CATALOG.components[KEYSTONE].services[0], since=R2024_1, until=R2024_1.following
    )

    found = [release for release in (R2023_1, R2024_1, R2025_1) if service.is_in(release)]

    assert found == [R2024_1]
