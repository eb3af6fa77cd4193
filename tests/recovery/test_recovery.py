"""Row 157: a recovery procedure comes with each plan, and what it tells to do can be done."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path, PurePosixPath

import pytest
from tests.app.desk import RUN, Desk, desk_at
from tests.house.test_told_commands import of_markdown, understood
from tests.planning.planned import sample_plan
from tests.record.conftest import PINNED, WHOLE
from tests.recovery.documents import (
    EVERY_KIND,
    Made,
    compute_hosts,
    every_service,
    network_hosts,
    of_plan,
    restore,
    shared_and_sealed,
    storage_hosts,
    upgrade,
)
from tests.rollback.operated import GLANCE_OUT, paused_at, run_of

from skylift.actions.closing import OpenService
from skylift.app.conduct import go_on
from skylift.app.propose import Proposal
from skylift.app.propose_rollback import propose_rollback
from skylift.app.record_file import load_record
from skylift.app.recovery import reach_of
from skylift.app.runs import Runs
from skylift.app.wiring import open_journal
from skylift.catalog.catalog import load
from skylift.checks.finding import Finding, Level
from skylift.cli.desk import Desk as TheirDesk
from skylift.cli.exits import Exit
from skylift.cli.main import call
from skylift.cli.plan import tell_proposal
from skylift.cli.recovery import write_beside
from skylift.cli.views.recovery import lines
from skylift.engine.decide import Order
from skylift.engine.fold import Standing
from skylift.engine.operate import Asked, open_run
from skylift.model.cloud import BackendState
from skylift.model.gate import GateEntry, GateKind
from skylift.model.ids import Epoch, HostName, PoolName, StepId
from skylift.planning.refusals import OthersFirst
from skylift.planning.text import digest_of, read_plan, write_plan
from skylift.planning.window import windows
from skylift.testing.samples import GLANCE, KEYSTONE, sample_record

_CATALOG = files("skylift.catalog") / "components" / "placement.toml"
TALLY = _CATALOG.read_text().replace("placement", "tally")
NAMES_FILES = """
catalog: [of-catalog.toml]
gates:
  p: {kind: http, url: "https://health.example.org/ready", token: of-gate}
  c: {kind: command, argv: [/usr/bin/ask, twice]}
notify:
  chat: {kind: webhook, url_file: of-url, token: of-token}
  mail: {kind: email, server: m.example.org, user: u, password: of-password, sender: a@b.org, to: [c@d.org]}
  pager: {kind: command, argv: [/usr/bin/tell]}
"""
Golden = Callable[[str, bytes], None]
_READY = re.compile(r"set server (\S+)/(\S+) state ready")


def beside(plan: Path) -> Path:
    return plan.with_name("up.plan.recovery.md")


def text_of(made: Made) -> str:
    return "\n".join([*lines(made[0]), ""])


@pytest.mark.parametrize("make", [upgrade, restore, compute_hosts], ids=lambda make: str(make.__name__))
def test_the_procedure_reads_as_it_was_reviewed(
    make: Callable[[Path], Made], tmp_path: Path, golden: Golden
) -> None:
    golden(f"recovery/{make.__name__}.md", text_of(make(tmp_path)).encode())


@pytest.mark.parametrize("kind", sorted(EVERY_KIND))
def test_every_command_in_it_is_taken_by_the_command_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovery, record, _ = EVERY_KIND[kind](tmp_path)
    monkeypatch.chdir(tmp_path)

    told = list(dict.fromkeys(of_markdown("\n".join(lines(recovery)))))

    assert {"status", "resume"} <= set(told)
    assert [f"skylift {each}: {why}" for each in told if (why := understood(each, tmp_path))] == []
    on = {shlex.split(each)[1] for each in told if each.startswith("ssh ") and each != "ssh HOST"}
    assert on <= set(recovery.reach.addresses) <= set(record.hosts)


@pytest.mark.parametrize(
    "kind", ["upgrade", "every_service", "switched_together", "back_by_steps", "restore"]
)
def test_whatever_a_plan_takes_is_given_back_by_hand_or_ends_by_itself(kind: str, tmp_path: Path) -> None:
    recovery, record, plan = EVERY_KIND[kind](tmp_path)
    assert plan is not None
    told = {command for held in recovery.taken for command in held.commands}
    loans = Order.of(plan).loans

    assert loans
    for loan in loans:
        by_hand = plan.step(loan.given_back_by).action.by_hand(record)
        assert by_hand if loan.hold_s is None else plan.step(loan.taken_by).action.title in recovery.lapses
        opens = isinstance(plan.step(loan.given_back_by).action, OpenService)
        assert opens or told.issuperset(by_hand)


def test_nothing_of_what_is_restored_or_migrated_cold_is_started_by_hand_beside_that(tmp_path: Path) -> None:
    beside = {step for held in restore(tmp_path).recovery.taken for step in held.not_beside}

    assert beside == {"placement:restore"}
    assert not any(held.not_beside for held in upgrade(tmp_path).recovery.taken), "it rolls"


def test_of_what_is_switched_as_a_whole_the_links_are_compared_before_it_is_started(tmp_path: Path) -> None:
    recovery = EVERY_KIND["switched_together"](tmp_path).recovery

    compared = {held.what for held in recovery.taken if held.link}
    assert compared == {f"heat-engine on ctl{n}" for n in (1, 2, 3)}


def test_a_backend_that_the_run_before_has_left_out_is_among_what_is_given_back(tmp_path: Path) -> None:
    recovery = EVERY_KIND["back_by_steps"](tmp_path).recovery

    assert "glance-api on ctl2" in {held.what for held in recovery.taken}


def test_what_is_closed_is_opened_by_the_names_of_its_rows(tmp_path: Path) -> None:
    """Cinder knows a volume service by its backend; a host alone it would not find."""
    commands = {command for held in every_service(tmp_path).recovery.taken for command in held.commands}

    opened = sorted(command for command in commands if command.startswith("openstack volume"))
    assert opened == [
        f"openstack volume service set --enable {row}"
        for row in sorted(f"ctl{n}{of}" for n in (1, 2, 3) for of in (" cinder-backup", "@lvm cinder-volume"))
    ]
    advice = "is named as `openstack volume service list` has it"
    assert advice in text_of(EVERY_KIND["volume_hosts"](tmp_path))
    assert advice not in text_of(every_service(tmp_path))


def test_every_step_that_ends_a_way_back_is_named_with_whose(tmp_path: Path) -> None:
    recovery, _, plan = every_service(tmp_path)
    assert plan is not None
    ending = {step for window in windows(plan, load()) for step in window.until}

    assert {point.step for point in recovery.no_returns} == ending | set(plan.no_returns)
    assert all(point.ends for point in recovery.no_returns if point.step in ending)
    assert {step for stage in recovery.stages for step in stage.ends} == ending


def test_it_follows_from_the_file_of_the_plan_alone() -> None:
    """So it need not be sealed: whoever doubts it makes it again."""
    plan = sample_plan()

    again = of_plan(read_plan(write_plan(plan)), sample_record())

    assert text_of(again) == text_of(of_plan(plan, sample_record()))


def test_a_shared_store_and_a_policy_that_goes_back_by_itself_are_told(tmp_path: Path) -> None:
    told = text_of(shared_and_sealed(tmp_path))

    assert "postgresql://skylift@db.example.org/skylift" in told
    assert "skylift resume --forward" in told
    assert "`SKYLIFT_KEY`" in told
    assert "copy the folder" not in told


def test_all_that_the_record_names_on_its_own_machine_is_named_for_another(
    record: Path, tmp_path: Path
) -> None:
    """Its reader resolves such a path against the record's folder, and leaves those of hosts as they are."""
    (tmp_path / "of-catalog.toml").write_text(TALLY)
    for name in ("of-gate", "of-url", "of-token", "of-password"):
        (tmp_path / name).touch(mode=0o600)
    with record.open("a") as file:
        file.write(NAMES_FILES)

    named = reach_of(load_record(record), ())

    assert {file.name for file in named.files} == {
        *("id_ed25519", "known_hosts", "clouds.yaml"),
        *("of-catalog.toml", "of-gate", "of-url", "of-token", "of-password"),
    }
    assert {file.parent for file in named.files} == {PurePosixPath(tmp_path)}
    assert named.programs == ("/usr/bin/ask", "/usr/bin/tell")


def without_runs(made: Made) -> str:
    """What is told for the case that the runs are lost."""
    _, _, rest = text_of(made).partition("## If the runs are lost\n")
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize("kind", ["upgrade", "every_service", "restore", "shared_and_sealed"])
def test_where_the_runs_are_lost_no_command_is_told_to_lead_back(kind: str, tmp_path: Path) -> None:
    told = without_runs(EVERY_KIND[kind](tmp_path))

    assert "**No command of Skylift leads back then**" in told
    assert not re.search(r"skylift (rollback|apply)", told)
    assert "skylift plan --to " in told


def test_where_the_runs_are_lost_the_rehearsed_backups_are_what_is_left(tmp_path: Path) -> None:
    """And nothing starts while one of them is read in."""
    of_upgrade, of_restore = without_runs(upgrade(tmp_path)), restore(tmp_path)

    for kept in upgrade(tmp_path).recovery.backups:
        assert f"`{kept.backup}`" in of_upgrade
    assert re.search(r"1\. Stop every service of it on every host first", of_upgrade)
    saved, restored = (kept.backup for kept in of_restore.recovery.backups)
    assert f"`{restored}`" in without_runs(of_restore)
    assert f"`{saved}`" not in without_runs(of_restore), "nobody has tried to restore it"


@pytest.mark.parametrize("kind", ["staging", "compute_hosts"])
def test_what_has_no_way_back_by_a_run_loses_none_with_it(kind: str, tmp_path: Path) -> None:
    told = without_runs(EVERY_KIND[kind](tmp_path))

    assert told
    assert "leads back" not in told


def test_what_must_be_copied_is_to_be_copied_before_the_night(tmp_path: Path) -> None:
    assert "**now, before the night**" in text_of(upgrade(tmp_path))
    assert "Have that database backed up" in without_runs(shared_and_sealed(tmp_path))


def test_a_restored_machine_is_told_which_credentials_and_programs_it_needs() -> None:
    gates = {"ask": GateEntry(GateKind.COMMAND, argv=("/usr/bin/ask", "twice"))}

    told = text_of(of_plan(sample_plan(), replace(sample_record(), gates=gates)))

    assert "- `/etc/skylift/clouds.yaml`" in told
    assert "- the program `/usr/bin/ask`" in told


def test_what_hosts_are_closed_by_is_given_back_by_the_commands_of_its_own_service(tmp_path: Path) -> None:
    storage, network = storage_hosts(tmp_path / "s").recovery, network_hosts(tmp_path / "n").recovery

    assert ("ceph osd unset-group noout sto1",) in [held.commands for held in storage.taken]
    assert "openstack network agent list --host net1" in network.taken[0].commands


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path)


def test_the_backups_that_it_names_are_those_that_a_run_has_made(desk: Desk) -> None:
    text = desk.plan()
    recovery = of_plan(read_plan(text), desk.site.record).recovery

    desk.apply(text)

    assert {str(kept.component) for kept in recovery.backups} == {"keystone", "glance", "placement"}
    assert all(desk.cloud.stores.dumps.get((k.backup.host, k.backup.file)) for k in recovery.backups)
    assert all(desk.site.ports.backups.rehearsed(kept.backup) for kept in recovery.backups)


def test_each_component_goes_back_by_its_backup_with_those_that_it_goes_back_after(desk: Desk) -> None:
    """As the procedure has it, once a run is complete and no step leads back."""
    text = desk.plan()
    recovery = of_plan(read_plan(text), desk.site.record).recovery
    desk.apply(text)
    folder, after = desk.site.runs.find(RUN), {way.component: way.after for way in recovery.back}

    for kept in recovery.backups:
        assert kept.restore == f"skylift rollback --component {kept.component} --restore -o back.plan"
        together = (kept.component, *after[kept.component])
        assert not propose_rollback(desk.site, folder, together, restore=True).blocked
        if after[kept.component]:
            with pytest.raises(OthersFirst):
                propose_rollback(desk.site, folder, (kept.component,), restore=True)


def test_what_is_given_back_by_hand_is_seen_so_by_a_run_that_goes_on(desk: Desk) -> None:
    """As she would at night, of the one backend that is out, by the commands of its place."""
    recovery = of_plan(read_plan(desk.plan()), desk.site.record).recovery
    paused_at(desk, GLANCE_OUT)
    assert BackendState.DRAIN in {b.state for b in desk.site.ports.balancer.backends()}

    (held,) = [held for held in recovery.taken if held.what == "glance-api on ctl2"]
    for told in filter(None, map(_READY.search, held.commands)):
        desk.site.ports.balancer.set_state(PoolName(told[1]), HostName(told[2]), "ready")

    assert BackendState.DRAIN not in {b.state for b in desk.site.ports.balancer.backends()}
    go_on(desk.site, desk.site.runs.find(RUN), desk.bench)
    assert run_of(desk).standing is Standing.COMPLETED
    assert StepId("glance-api:undrain@ctl2") in run_of(desk).steps


def test_the_file_beside_a_plan_is_for_its_owner_alone_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, plan = upgrade(tmp_path), tmp_path / "up.plan"
    beside(plan).write_text("of an older plan, and for all to read\n" * 1000)

    write_beside(plan, made.recovery)

    assert beside(plan).stat().st_mode & 0o777 == 0o600
    assert beside(plan).read_text() == text_of(made)
    assert f"wrote {beside(plan)}" in capsys.readouterr().err


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record with the files that it names."""
    files = {"id_ed25519": "key", "known_hosts": PINNED, "clouds.yaml": "clouds: {lab: {auth: {}}}\n"}
    for name, text in {**files, "cloud.yaml": WHOLE}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path / "cloud.yaml"


def test_a_plan_that_is_written_has_its_procedure_beside_it_and_one_that_is_blocked_has_none(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, made = tmp_path / "up.plan", sample_plan(components=(KEYSTONE, GLANCE))
    against = Finding("disk", Level.BLOCKS, "there is no room", ())

    def propose(*findings: Finding) -> Exit:
        proposal = Proposal(findings, made, write_plan(made))
        return tell_proposal(TheirDesk(record), lambda _site: proposal, plan, as_json=False)

    assert propose(against) == Exit.BLOCKED
    assert not plan.exists()
    assert not beside(plan).exists()
    assert propose() == Exit.OK

    assert plan.read_bytes() == write_plan(made)
    assert "`keystone:contract`" in beside(plan).read_text()
    assert f"wrote {beside(plan)}: what to do if the night goes wrong" in capsys.readouterr().err


def test_it_is_printed_again_from_a_plan_that_exists_and_says_if_the_record_is_another(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "up.plan"
    plan.write_bytes(write_plan(sample_plan(components=(GLANCE,))))

    assert call(["--cloud", str(record), "recovery", "--plan", str(plan)]) == Exit.OK

    told = capsys.readouterr()
    assert told.out.startswith("# Recovery: sample, 2023.1 to 2024.1\n")
    assert "## Points of no return" in told.out
    assert f"{record} is not as it was when the plan was made" in told.err


def test_it_is_printed_of_the_newest_run_where_no_plan_is_named(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on another machine, which has the runs and not the file that was planned."""
    plan = sample_plan(components=(GLANCE,))
    with open_journal(Runs.beside(record).create(RUN, write_plan(plan))) as journal:
        asked = Asked("rey@console", Epoch(0))
        open_run(journal, RUN, cloud="sample", plan=digest_of(plan), approved=(), asked=asked)

    assert call(["--cloud", str(record), "recovery", "--json"]) == Exit.OK

    told = json.loads(capsys.readouterr().out)
    assert [kept["component"] for kept in told["backups"]] == ["glance"]
    assert call(["--cloud", str(record), "recovery", RUN]) == Exit.OK
    assert call(["--cloud", str(record), "recovery", "no-such-run"]) == Exit.BLOCKED
    assert call(["--cloud", str(record), "recovery", RUN, "--plan", str(record)]) == Exit.USAGE
