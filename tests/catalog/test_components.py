"""Each component's file is whole: what it says has a source, and what it names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from skylift.catalog.catalog import load
from skylift.catalog.component import Constraint, Ends, Front, KnownComponent
from skylift.model.ids import ComponentName, ServiceName
from skylift.model.release import Release

CATALOG = load()
SERVICES = {
    service.name: component for component in CATALOG.components.values() for service in component.services
}
EXPECTED = (
    *("aodh", "barbican", "blazar", "ceilometer", "cinder", "cloudkitty", "cyborg", "designate", "glance"),
    *("gnocchi", "heat", "horizon", "ironic", "keystone", "magnum", "manila", "masakari", "mistral"),
    *("neutron", "nova", "octavia", "placement", "swift", "tacker", "trove", "watcher", "zun"),
)
ENDING = {"run", "unpin", "start"}
"""What a way back may end with."""
VERBS = {"stop", "start", "upgrade", "close", "open", "run", "pin", "unpin"}
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "add-a-service.md"

every_component = pytest.mark.parametrize("component", CATALOG.components.values(), ids=lambda c: c.name)


def statements(component: KnownComponent) -> Iterator[tuple[str, str]]:
    """Each statement of a component with its source, and a name for the pair."""
    yield "tag", component.tag_source
    yield "data plane", component.data_plane_source
    yield "way back", component.way_back.source
    yield from ((s.name, s.ends_source) for s in component.services)
    yield from ((s.name, s.health_source) for s in component.services if s.health)
    yield from ((s.name, s.ask_source) for s in component.services if s.ask)
    yield from ((str(s.migrations), s.privileges_source) for s in component.schemas)
    yield from ((p.name, p.source) for p in component.phases)
    yield from ((step.name, step.source) for step in component.after)
    yield from ((rule.after, rule.source) for rule in component.order)
    yield from ((str(jump.goal), jump.source) for jump in component.rolling.jumps)
    yield from ((rule.service, rule.source) for rule in component.rolling.together)
    if component.pin:
        yield "pin", component.pin.source


def commands(component: KnownComponent) -> Iterator[tuple[str, ...]]:
    yield from (each for each in (component.commands.upgrade_check, component.commands.doctor) if each)
    yield from (phase.argv for phase in component.phases)
    yield from (step.argv for step in component.after)


def known(event: str) -> bool:
    """Whether an event's verb exists, and its subject in the catalog."""
    verb, _, subject = event.partition(" ")
    if verb == "run":
        name, _, phase = subject.partition(":")
        component = CATALOG.components.get(ComponentName(name))
        return component is not None and phase in {p.name for p in component.phases}
    if verb in {"pin", "unpin"}:
        return subject in CATALOG.components
    return verb in VERBS and (subject in CATALOG.components or subject in SERVICES)


def waits(rule: Constraint) -> ComponentName | None:
    """The component that has to wait by this rule."""
    subject = rule.after.partition(" ")[2].partition(":")[0]
    owner = SERVICES.get(ServiceName(subject))
    return owner.name if owner else ComponentName(subject)


def test_every_component_that_the_order_speaks_of_ships() -> None:
    assert set(CATALOG.components) == {ComponentName(name) for name in EXPECTED}


@every_component
def test_every_statement_has_a_source(component: KnownComponent) -> None:
    bare = [name for name, source in statements(component) if len(source.split()) < 2]

    assert bare == []


@every_component
def test_every_command_is_the_artifacts_own(component: KnownComponent) -> None:
    strange = [argv for argv in commands(component) if not argv[0].startswith("{artifact}/bin/")]

    assert strange == []


@every_component
def test_rows_moved_in_batches_say_where_their_number_goes(component: KnownComponent) -> None:
    for phase in component.phases:
        assert (phase.again is not None) == ("{batch}" in phase.argv), phase.name


@every_component
def test_every_phase_that_moves_a_schema_moves_one_of_its_own(component: KnownComponent) -> None:
    names = [schema.name for schema in component.schemas]

    strange = [phase.name for phase in component.phases if phase.branch and phase.schema not in names]

    assert strange == []


@every_component
def test_every_schema_is_moved_by_a_phase(component: KnownComponent) -> None:
    moved = {phase.schema for phase in component.phases if phase.branch}

    assert {schema.name for schema in component.schemas} == moved


@every_component
def test_what_old_code_cannot_bear_waits_until_none_runs(component: KnownComponent) -> None:
    early = [phase.name for phase in component.phases if phase.destructive and phase.stage == "expand"]

    assert early == []


@every_component
def test_a_way_back_ends_with_events_that_happen_and_with_all_that_old_code_cannot_bear(
    component: KnownComponent,
) -> None:
    """Issue 5, 2: contract, first new-only data and online migrations, unpinning."""
    ends = set(component.way_back.ends)
    late = [phase for phase in component.phases if phase.destructive or phase.stage == "converge"]
    wanted = {f"run {component.name}:{phase.name}" for phase in late}
    named = {f"run {component.name}:{phase.name}" for phase in component.phases if phase.destructive}
    if component.pin and component.pin.mechanism == "services-table":
        wanted.add(f"unpin {component.name}")

    assert wanted <= ends
    # Whoever approves a plan is asked for each of them by its name (row 94).
    assert named == {event for event in ends if event.startswith("run ")}
    assert [event for event in ends if not known(event) or event.split(" ")[0] not in ENDING] == []
    assert component.way_back.because


def test_every_number_that_a_row_is_lowered_to_is_known() -> None:
    """Else a service that goes back would not start, and no step would say so."""
    for component in CATALOG.components.values():
        roster = component.roster
        if roster is None or not roster.floor:
            continue
        releases = [release for release in CATALOG.releases if _within(component, release)]
        for service in (*roster.services, *(row.service for row in roster.at_start)):
            assert [r for r in releases if roster.version(service, r) is None] == [], service


def _within(component: KnownComponent, release: Release) -> bool:
    first, last = component.releases
    return first <= release <= last


@every_component
def test_what_runs_beside_old_code_says_why_it_may(component: KnownComponent) -> None:
    silent = [phase.name for phase in component.phases if phase.stage == "expand" and not phase.beside_old]

    assert silent == []


@every_component
def test_a_component_with_a_cold_phase_claims_no_two_releases_side_by_side(component: KnownComponent) -> None:
    if any(phase.stage == "cold" for phase in component.phases):
        assert not component.rolling.adjacent
        assert component.rolling.jumps == ()


@every_component
def test_a_balanced_service_can_be_asked_and_no_other_is(component: KnownComponent) -> None:
    for service in component.services:
        balanced = service.front is Front.BALANCED
        assert bool(service.health) == balanced, service.name
        assert bool(service.ask) == balanced, service.name


@every_component
def test_requests_are_parked_only_at_a_balancer_and_only_for_what_loses_work(
    component: KnownComponent,
) -> None:
    for service in component.services:
        for parked in service.park:
            assert service.ends is Ends.LOSES, service.name
            assert SERVICES[parked].service(parked).front is Front.BALANCED, service.name


@every_component
def test_what_is_switched_together_is_given_work_through_a_balancer_and_leaves_a_trace_of_it(
    component: KnownComponent,
) -> None:
    """Else nobody could wait for the end of its work, nor see it."""
    for rule in component.rolling.together:
        assert component.service(rule.service).front is not Front.BALANCED
        assert {component.service(name).front for name in rule.park} == {Front.BALANCED}
        assert component.roster


@every_component
def test_a_pin_is_looked_at_again_by_services_of_its_own(component: KnownComponent) -> None:
    if component.pin:
        assert component.pin.services
        assert set(component.pin.services) <= {service.name for service in component.services}


@pytest.mark.parametrize("component", sorted(EXPECTED))
def test_every_rule_speaks_of_what_is_known_and_stands_with_the_one_that_waits(component: str) -> None:
    rules = CATALOG.components[ComponentName(component)].order

    assert [rule for rule in rules if not (known(rule.before) and known(rule.after))] == []
    assert [rule for rule in rules if waits(rule) != component] == []


def test_no_service_belongs_to_two_components() -> None:
    count = sum(len(component.services) for component in CATALOG.components.values())

    assert len(SERVICES) == count


def test_everything_can_be_put_in_one_order_that_keeps_every_rule() -> None:
    order = CATALOG.sequence(frozenset(CATALOG.components))

    assert order[0] == "keystone"
    assert order[-1] == "horizon"
    for rule in CATALOG.order:
        before, after = rule.before.partition(" ")[2], rule.after.partition(" ")[2]
        if before in order and after in order and rule.after.startswith("upgrade "):
            assert order.index(ComponentName(before)) < order.index(ComponentName(after)), rule


@every_component
def test_services_of_a_component_can_be_put_in_an_order_that_keeps_every_rule(
    component: KnownComponent,
) -> None:
    order = component.sequence(frozenset(service.name for service in component.services))

    for rule in component.order:
        before, after = rule.before.partition(" ")[2], rule.after.partition(" ")[2]
        if before in order and after in order:
            assert order.index(ServiceName(before)) < order.index(ServiceName(after)), rule


@pytest.mark.parametrize(
    ("component", "last"), [("nova", "nova-compute"), ("cinder", "cinder-api"), ("heat", "heat-api-cfn")]
)
def test_the_one_that_waits_for_all_others_is_the_last(component: str, last: str) -> None:
    known = CATALOG.components[ComponentName(component)]

    assert known.sequence(frozenset(service.name for service in known.services))[-1] == last


def test_the_guides_example_is_a_file_that_loads(tmp_path: Path) -> None:
    """Row 66: a third party adds a service by a file of its own."""
    (example,) = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "tally.toml"
    file.write_text(example, encoding="utf-8")

    tally = load((file,)).components[ComponentName("tally")]

    assert [service.name for service in tally.services] == ["tally-worker", "tally-api"]
    assert all(source for _, source in statements(tally))
