"""Clouds with services that no lab of ours runs: planned by what the catalog says, judged by the verifier."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skylift.actions.migrate_schema import MigrateSchema
from skylift.catalog.catalog import documents, load
from skylift.cli.views import problem as problem_view
from skylift.cli.views.plan import lines
from skylift.model.goal import Upgrade
from skylift.model.ids import ComponentName, Digest, Epoch, ServiceName
from skylift.model.problem import Fix
from skylift.model.record import Policy
from skylift.model.release import Release
from skylift.planning.plan import Notice, Plan
from skylift.planning.refusals import NoPath, NotRolling
from skylift.planning.text import plan_document, write_plan
from skylift.planning.upgrade import plan_upgrade
from skylift.planning.why import why
from skylift.testing.samples import NOW
from skylift.testing.whole_clouds import Shape, whole_cloud
from skylift.verifier.verify import verify

CATALOG = load()
DIGEST = Digest("sha256:" + "a" * 64)
EVERY = tuple(CATALOG.components)
R2023_1, R2024_1, R2024_2, R2025_1, R2026_1 = (
    Release(2023, 1),
    Release(2024, 1),
    Release(2024, 2),
    Release(2025, 1),
    Release(2026, 1),
)
HOPS = ((R2023_1, R2024_1), (R2024_1, R2024_2), (R2024_2, R2025_1), (R2024_1, R2025_1), (R2025_1, R2026_1))


def plan_of(
    components: Collection[str], shape: Shape, *, accepted: Collection[str] = (), batch: int = 1
) -> Plan:
    policy = Policy(batch=batch, outages=frozenset(accepted))
    cloud, record = whole_cloud(CATALOG, components, shape, policy=policy)
    return plan_upgrade(cloud, record, Upgrade(shape.goal), CATALOG, record_digest=DIGEST)


def every_service_of_the_catalog() -> Plan:
    """Three controllers, as kolla deploys them."""
    return plan_of(EVERY, Shape(source=R2024_1, goal=R2024_2), accepted=EVERY)


def nova_in_two_cells() -> Plan:
    shape = Shape(source=R2024_1, goal=R2025_1, computes=4, cells=("cell1", "cell2"))
    return plan_of(("keystone", "placement", "nova"), shape)


def a_stale_compute_row() -> Plan:
    """A compute host was taken out of the cloud, and its row was not."""
    shape = Shape(source=R2024_1, goal=R2025_1)
    cloud, record = whole_cloud(CATALOG, ("keystone", "placement", "nova"), shape, policy=Policy())
    like = next(row for row in cloud.reports if row.service == "nova-compute")
    gone = replace(like, host="cmp9", id="row-of-cmp9", version=61, seen_at=Epoch(NOW - 9_000_000))
    cloud = replace(cloud, reports=(*cloud.reports, gone))
    return plan_upgrade(cloud, record, Upgrade(R2025_1), CATALOG, record_digest=DIGEST)


def manila_is_stopped_as_a_whole() -> Plan:
    shape = Shape(source=R2024_1, goal=R2024_2)
    return plan_of(("keystone", "manila"), shape, accepted=("manila",))


def heat_is_switched_together() -> Plan:
    return plan_of(("keystone", "heat"), Shape(source=R2025_1, goal=R2026_1))


@pytest.mark.parametrize(
    "case",
    [
        every_service_of_the_catalog,
        nova_in_two_cells,
        a_stale_compute_row,
        manila_is_stopped_as_a_whole,
        heat_is_switched_together,
    ],
)
def test_a_plan_reads_as_it_was_reviewed(
    case: Callable[[], Plan], golden: Callable[[str, bytes], None]
) -> None:
    """Rows 11, 15: every service has its place, whether or not a lab of ours runs it."""
    plan = case()

    text = "\n".join(lines(plan)) + "\n"

    assert verify(plan_document(write_plan(plan)), documents()) == ()
    golden(f"{case.__name__}/plan.txt", text.encode())


def test_an_outage_that_the_record_does_not_accept_is_refused_with_its_reason_and_a_way_out() -> None:
    with pytest.raises(NotRolling) as caught:
        plan_of(("keystone", "manila"), Shape(source=R2024_1, goal=R2024_2))

    assert "manila:sync may not run beside its services" in str(caught.value)
    accept = [remedy.how for remedy in caught.value.remedies if remedy.fix is Fix.ACCEPT]
    assert accept == ["accept that manila does not answer meanwhile: add manila to policy.outages"]


def test_a_pin_that_is_an_option_of_its_configuration_cannot_be_rolled() -> None:
    """Row 90: Skylift writes no configuration, so Ironic's pin would neither be set nor taken off in time."""
    with pytest.raises(NotRolling, match="pin_release_version holds the new one back") as caught:
        plan_of(("keystone", "ironic"), Shape(source=R2024_1, goal=R2024_2))

    assert not [remedy for remedy in caught.value.remedies if "in hops" in remedy.how]


def test_where_the_next_release_cannot_be_rolled_to_either_no_hops_are_proposed() -> None:
    """An operator is not sent round in a circle."""
    with pytest.raises(NotRolling, match="nothing proves") as caught:
        plan_of(("keystone", "horizon"), Shape(source=R2025_1, goal=R2025_1.following))

    assert not [remedy for remedy in caught.value.remedies if "in hops" in remedy.how]


def test_a_jump_that_is_not_proved_is_remedied_by_hops_that_are() -> None:
    with pytest.raises(NotRolling) as caught:
        plan_of(("keystone", "cinder"), Shape(source=R2023_1, goal=R2024_1))

    assert [remedy.how for remedy in caught.value.remedies if remedy.fix is Fix.REPAIR] == [
        "go there in hops, the first is: skylift plan --to 2023.2 -o FILE"
    ]


@pytest.mark.parametrize(
    ("goal", "components"),
    [(Release(2025, 2), EVERY), (R2025_1, ("keystone", "manila"))],
    ids=["that upstream does not support", "that the record does not accept"],
)
def test_a_hop_is_refused_in_the_words_that_were_reviewed(
    goal: Release, components: Collection[str], golden: Callable[[str, bytes], None]
) -> None:
    """Rows 22, 91."""
    with pytest.raises((NoPath, NotRolling)) as caught:
        plan_of(components, Shape(source=R2024_2, goal=goal))

    text = "\n".join(problem_view.lines(caught.value)) + "\n"
    golden(f"a_hop_that_must_be_refused/to-{goal}.txt", text.encode())


def test_only_what_is_stopped_as_a_whole_does_not_answer() -> None:
    plan = manila_is_stopped_as_a_whole()

    down = {step.impact.api for step in plan.steps if step.impact.notice is Notice.DOWN}

    assert down == {"manila"}


def test_a_schema_of_every_cell_is_brought_further_in_every_cell() -> None:
    plan = nova_in_two_cells()

    synced = [str(step.id) for step in plan.steps if str(step.id).startswith("nova:main-sync")]

    assert synced == ["nova:main-sync-cell1", "nova:main-sync-cell2"]


def test_each_cell_has_a_command_of_its_own_where_one_host_has_the_configuration_of_them_all() -> None:
    shape = Shape(source=R2024_1, goal=R2025_1)
    cloud, record = whole_cloud(CATALOG, ("keystone", "placement", "nova"), shape, policy=Policy())
    nova = record.components[ComponentName("nova")]
    cells = {name: (PurePosixPath(f"/etc/nova/{name}.conf"),) for name in ("cell1", "cell2")}
    nova = replace(nova, databases={**nova.databases, "cell2": "nova_cell2"}, config_files=cells)
    record = replace(record, components={**record.components, nova.name: nova})
    cloud = replace(cloud, schemas={**cloud.schemas, "nova_cell2": cloud.schemas["nova_cell1"]})

    plan = plan_upgrade(cloud, record, Upgrade(R2025_1), CATALOG, record_digest=DIGEST)

    commands = {str(s.id): s.action for s in plan.steps if isinstance(s.action, MigrateSchema)}
    for cell in cells:
        action = commands[f"nova:main-sync-{cell}"]
        assert action.command.argv[1:3] == ("--config-file", f"/etc/nova/{cell}.conf")
        assert f"nova_{cell}" in {head.database for head in action.heads}


def test_a_service_looks_again_at_the_others_only_when_none_is_old() -> None:
    """Row 90: a pin is taken off by a restart after the last old service is gone."""
    plan = nova_in_two_cells()
    order = [str(step.id) for step in plan.steps]

    assert order.index("nova-compute:healthy@cmp4") < order.index("nova-metadata:unpin-drain@ctl1")


@given(
    components=st.sets(st.sampled_from(EVERY), min_size=1, max_size=6),
    hop=st.sampled_from(HOPS),
    controllers=st.integers(2, 4),
    batch=st.integers(1, 2),
)
@settings(max_examples=60)
def test_whatever_a_cloud_is_made_of_its_plan_has_nothing_against_it(
    components: set[str], hop: tuple[Release, Release], controllers: int, batch: int
) -> None:
    source, goal = hop
    shape = Shape(source=source, goal=goal, controllers=controllers)

    plan = plan_of(sorted(components), shape, accepted=EVERY, batch=batch)

    assert verify(plan_document(write_plan(plan)), documents()) == ()


@pytest.mark.parametrize(("codes", "ended", "runs"), [("1 1 0", 0, 3), ("0", 0, 1), ("1 2 0", 2, 2)])
def test_an_online_migration_is_run_again_while_it_says_that_rows_are_left(
    tmp_path: Path, codes: str, ended: int, runs: int
) -> None:
    """The plan's own words for the shell, around a command that ends with each of these codes in turn."""
    (step,) = [s for s in nova_in_one_cell().steps if s.id == "nova:online-migrations"]
    assert isinstance(step.action, MigrateSchema)
    command = step.action.command
    program = tmp_path / "migrate"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/runs\nset -- {codes}\n'
        f"shift $(($(wc -l < {tmp_path}/runs) - 1))\nexit $1\n"
    )
    program.chmod(0o755)
    at = next(n for n, word in enumerate(command.argv) if word.endswith("/nova-manage"))

    came = subprocess.run(
        [*command.argv[:at], str(program), *command.argv[at + 1 :]],
        env=dict(command.env) | {"PATH": "/usr/bin:/bin"},
        check=False,
        timeout=120,
    )

    asked = (tmp_path / "runs").read_text().splitlines()
    assert came.returncode == ended
    assert asked == ["db online_data_migrations --max-count 1000"] * runs


def looks_right_before(plan: Plan, step: str) -> set[str]:
    return {str(e.before) for e in plan.edges if e.after == step and e.before.startswith("witnesses:look-")}


def test_after_each_batch_of_computes_someone_looks_at_what_users_have() -> None:
    plan = plan_of(
        ("keystone", "placement", "nova"), Shape(source=R2024_1, goal=R2025_1, computes=6), batch=2
    )
    order = [str(step.id) for step in plan.steps]

    batches = [("cmp1",), ("cmp2", "cmp3"), ("cmp4", "cmp5"), ("cmp6",)]
    looks = [
        {look for h in batch for look in looks_right_before(plan, f"nova-compute:close@{h}")}
        for batch in batches
    ]

    assert [len(found) for found in looks] == [1, 1, 1, 1]
    for (look,), before, after in zip(looks[1:], batches, batches[1:], strict=False):
        assert all(order.index(f"nova-compute:open@{host}") < order.index(look) for host in before)
        assert all(order.index(look) < order.index(f"nova-compute:close@{host}") for host in after)


@pytest.mark.parametrize("number", range(1, 7))
def test_a_plan_without_one_of_its_looks_is_refused(number: int) -> None:
    plan = plan_document(write_plan(nova_in_two_cells()))
    name = f"witnesses:look-{number}"
    around = {end: [e for e in plan["edges"] if e[end] == name] for end in ("before", "after")}

    plan["steps"] = [step for step in plan["steps"] if step["id"] != name]
    plan["edges"] = [e for e in plan["edges"] if name not in {e["before"], e["after"]}] + [
        {**first, "after": then["after"]} for first in around["after"] for then in around["before"]
    ]

    assert any("no step looks at the witnesses in between" in told for told in verify(plan, documents()))


def nova_in_one_cell() -> Plan:
    return plan_of(("keystone", "placement", "nova"), Shape(source=R2024_1, goal=R2025_1))


def test_a_restart_that_unpins_says_that_the_way_back_ends_with_it() -> None:
    """It can be stopped again like any service: what it has said by then is what old ones cannot read."""
    plan = every_service_of_the_catalog()
    unpins, other = (
        next(step.id for step in plan.steps if verb in step.id) for verb in (":unpin-start@", ":start@")
    )

    told = why(plan, unpins, CATALOG)

    assert told.ends[0].component == plan.services[ServiceName(unpins.partition(":")[0])]
    assert told.ends[0].source
    assert why(plan, other, CATALOG).ends == ()
