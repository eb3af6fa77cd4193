"""Plans of compute hosts are rehearsed, too: on a twin of the fleet in a file, with faults."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fleet import small_fleets
from tests.record.conftest import PINNED, WHOLE

from skylift.app.fleet_as_planned import FleetDrifted, as_it_is
from skylift.app.propose_fleet import accepted
from skylift.app.record_file import load_record
from skylift.app.site import digest_of_record
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.drainbench.clouds import Cloud, generate
from skylift.fleet.afterwards import Wanted
from skylift.fleet.conductor import Conductor, Pace
from skylift.fleet.document import document_of, plan_document
from skylift.fleet.fleet import Fleet
from skylift.fleet.mandate import Mandate, Purpose, digest_of_fleet, write_mandate, zones_of
from skylift.fleet.plan import FORMAT, Kind
from skylift.model.fleet_policy import FleetPolicy
from skylift.model.ids import Digest, HostName, Seconds
from skylift.testing.twin.cloud import Faults, Twin
from skylift.testing.twin.rehearsal import FAULTS, FleetRehearsal, FleetScene
from skylift.testing.twin.run import conducted

FLEET = generate(Cloud(24, 60, 1))
HARD = Faults(dies=150, appears=2000)
QUIET = Faults(timeout=0, lost=0, failed=0, blind=0, slow=0, dies=0, appears=0)


def mandate_of(
    fleet: Fleet,
    policy: FleetPolicy,
    purpose: Purpose = Purpose.REBOOT,
    record: Digest = Digest("sha256:0"),  # noqa: B008 - a value
    *,
    then: Wanted | None = None,
) -> Mandate:
    plan = accepted(fleet, policy, again="", then=then)
    return Mandate(
        FORMAT,
        purpose,
        "lab",
        record,
        policy,
        digest_of_fleet(fleet, policy),
        plan_document(plan),
        zones_of(fleet, policy),
    )


def scene_of(policy: FleetPolicy, purpose: Purpose = Purpose.REBOOT) -> FleetScene:
    # The mandate of a drain is made for the fleet with the hosts closed for good.
    fleet = FLEET
    if purpose is Purpose.DRAIN:
        closed = {name: replace(fleet.hosts[name], closed=True) for name in policy.only}
        fleet = replace(fleet, hosts={**fleet.hosts, **closed})
    mandate = mandate_of(fleet, policy, purpose)
    return FleetScene(mandate, as_it_is(FLEET, mandate)[0], Pace(orders=1), Seconds(10))


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_done_when_every_host_is_through_is_rehearsed_too(kind: Kind) -> None:
    mandate = mandate_of(FLEET, FleetPolicy(), then=Wanted(kind))

    ran = FleetScene(mandate, FLEET, Pace(orders=1), Seconds(10)).night(2)

    assert ran.broken == ()
    assert ran.afterwards.startswith(kind.value)
    assert not ran.afterwards.endswith(" 0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's folder: her record, a plan of her compute hosts, and the fleet as she wrote it down."""
    files = {"id_ed25519": "key", "known_hosts": PINNED, "clouds.yaml": "clouds: {lab: {auth: {}}}\n"}
    for name, text in {**files, "cloud.yaml": WHOLE}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    record = load_record(tmp_path / "cloud.yaml")
    policy = record.maintenance.limits
    mandate = mandate_of(FLEET, policy, record=digest_of_record(record))
    (tmp_path / "hosts.plan").write_bytes(write_mandate(mandate))
    (tmp_path / "fleet.json").write_text(json.dumps(document_of(FLEET, policy)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_an_operator_is_told_how_the_nights_ended_and_what_was_left(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert call(["simulate", "hosts.plan", "--fleet", "fleet.json", "--seeds", "4"]) == Exit.OK

    told, remarks = capfd.readouterr()
    assert "has changed" not in remarks
    assert told.startswith("22 hosts of lab, for reboot, on a twin of the fleet\n")
    for heading in ("how the runs ended", "which hosts were left, and why", "what a twin cannot know"):
        assert heading in told
    assert "planned for " in told
    assert told.splitlines()[-1].startswith("simulate: 4 seeds, ")
    assert told.endswith(" fault kinds, 0 violations\n")


@pytest.mark.usefixtures("folder")
def test_a_night_is_told_event_by_event_and_is_the_same_every_time(capfd: pytest.CaptureFixture[str]) -> None:
    for seed in ("3", "3", "4"):
        assert call(["simulate", "hosts.plan", "--fleet", "fleet.json", "--seed", seed]) == Exit.OK

    told = capfd.readouterr().out
    assert " s  begins: close " in told
    same = told[: told.index("seed 4: ")].split("seed 3: ")
    assert len(same) == 3
    assert told.startswith(2 * told[: told.index("\n", told.index("seed 3: ")) + 1])


@pytest.mark.usefixtures("folder")
def test_nights_are_told_as_json_with_the_faults_of_each(capfd: pytest.CaptureFixture[str]) -> None:
    call(["simulate", "hosts.plan", "--fleet", "fleet.json", "--seeds", "2", "--first", "7", "--json"])

    found = json.loads(capfd.readouterr().out)
    assert [night["seed"] for night in found["nights"]] == [7, 8]
    assert {kind for night in found["nights"] for kind in night["befell"]} <= set(FAULTS.values())


@pytest.mark.usefixtures("folder")
def test_what_goes_with_another_kind_of_plan_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert call(["simulate", "hosts.plan"]) == Exit.BLOCKED
    assert "skylift simulate FILE --fleet fleet.json" in capfd.readouterr().err
    told = call(["simulate", "hosts.plan", "--fleet", "fleet.json", "--faults", "host-reboots"])
    assert told == Exit.USAGE
    assert call(["simulate", "fleet.json", "--fleet", "fleet.json"]) == Exit.USAGE


def test_a_plan_of_another_record_or_another_fleet_is_refused(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    document = json.loads((folder / "fleet.json").read_text())
    gone = next(iter(document["hosts"]))
    document["hosts"][gone]["up"] = False
    (folder / "fleet.json").write_text(json.dumps(document))

    assert call(["simulate", "hosts.plan", "--fleet", "fleet.json", "--seeds", "1"]) == Exit.BLOCKED
    assert "fleet.drifted" in capfd.readouterr().err

    (folder / "cloud.yaml").write_text(WHOLE.replace("batch: 1", "batch: 2"))
    assert call(["simulate", "hosts.plan", "--fleet", "fleet.json", "--seeds", "1"]) == Exit.BLOCKED
    assert "plan.other-record" in capfd.readouterr().err


def test_a_fleet_that_changed_and_can_still_be_done_is_rehearsed_with_a_remark() -> None:
    mandate = mandate_of(FLEET, FleetPolicy())
    fewer = replace(FLEET, instances=FLEET.instances[:-5])

    fleet, changed = as_it_is(fewer, mandate)

    assert fleet == fewer
    assert "the fleet has changed since this plan was made" in changed
    with pytest.raises(FleetDrifted):
        as_it_is(replace(FLEET, hosts={n: replace(h, up=False) for n, h in FLEET.hosts.items()}), mandate)


def test_hosts_that_are_emptied_are_done_at_once_and_stay_closed() -> None:
    only = tuple(list(FLEET.hosts)[:2])
    scene = scene_of(FleetPolicy(only=only), Purpose.DRAIN)
    found = FleetRehearsal(scene)

    ran = scene.night(1, tells=True)
    found.ran.append(ran)

    assert ran.broken == ()
    assert scene.left(ran) == {}
    assert scene.mandate.hosts == only
    assert not {h.of for h in ran.story if h.what == "is back"} - set(only)


def test_many_hosts_one_after_another_are_given_the_time_they_need() -> None:
    """A fleet that takes days is no run without an end."""
    scene = scene_of(FleetPolicy(host_s=Seconds(20_000), out_percent=1))

    ran = scene.night(1)

    assert ran.took_s > 100_000
    assert ran.broken == ()


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    small_fleets.fleets(),
    small_fleets.policies(),
    st.integers(0, 1000),
    st.sampled_from([QUIET, Faults(), HARD]),
)
def test_no_fleet_and_no_policy_of_any_kind_makes_the_watch_cry_wolf(
    fleet: Fleet, policy: FleetPolicy, seed: int, faults: Faults
) -> None:
    """Owners who want their instances stopped, hosts that are down, windows, zones in turn: all of it."""
    ran = conducted(seed, Twin(fleet, policy, seed, faults=faults), Conductor(fleet, policy, Pace(orders=1)))

    assert ran.broken == (), str(ran)


def test_who_may_not_stay_is_still_seen_on_a_host_that_is_worked_on() -> None:
    policy = FleetPolicy()
    twin = Twin(FLEET, policy, 1, faults=QUIET)
    host = HostName(FLEET.instances[0].host)
    list(twin.watch.closed(host))

    assert [v.rule for v in twin.watch.work_began(host)] == ["empty"]
