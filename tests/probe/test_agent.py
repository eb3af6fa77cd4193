"""The agent as it is shipped: one file, run by a plain Python."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from tests.probe.watching import offer_all, stays_silent

from skylift.drivers.vantage_agent import agent
from skylift.drivers.vantage_line import refusal
from skylift.gate.lab.commands import poll
from skylift.model.sample import OK, TIMEOUT, read_samples
from skylift.probe.folder import Folder
from skylift.testing.api_standin import ApiStandIn, Exchange
from skylift.testing.core_standin import CORE
from skylift.testing.samples import sample_record

OLDEST = (3, 9)
RATES = '--rates={"image-list": 5}'


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    path = tmp_path / "agent.pyz"
    path.write_bytes(agent().content)
    return path


def credentials(apis: ApiStandIn) -> str:
    return json.dumps(
        {
            "auth_url": f"{apis.url}/identity",
            "username": "admin",
            "password": "right",
            "project": "admin",
        }
    )


def command(shipped: Path, *words: str) -> list[str]:
    folders = ["--state", str(shipped.parent / "state"), "--runtime", str(shipped.parent / "run")]
    return ["/usr/bin/python3", "-I", "-B", str(shipped), *folders, *words]


def told(shipped: Path, apis: ApiStandIn, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(shipped, *words),
        input=credentials(apis),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_agent_needs_the_standard_library_of_an_old_python_alone() -> None:
    archive = zipfile.ZipFile(BytesIO(agent().content))

    for name in archive.namelist():
        tree = ast.parse(archive.read(name), feature_version=OLDEST)
        imported = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        imported |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        foreign = {
            module
            for module in imported
            if module.split(".")[0] not in sys.stdlib_module_names
            and not module.startswith("skylift.probe")
            and module != "skylift.model.sample"
        }
        assert not foreign, name


def test_the_agent_is_named_by_its_content() -> None:
    assert agent().sha256[:16] in agent().path.name


def test_the_catalog_is_read_with_a_fresh_token(shipped: Path, apis: ApiStandIn) -> None:
    said = told(shipped, apis, "catalog")

    assert {end["service"] for end in json.loads(said.stdout)} == {"identity", "image", "placement"}


def test_wrong_credentials_are_refused_and_never_repeated(shipped: Path, apis: ApiStandIn) -> None:
    """Row 170."""
    apis.users["admin"]["password"] = "another"

    said = told(shipped, apis, "catalog")

    assert said.returncode == 1
    assert "401" in said.stderr
    assert "right" not in said.stderr
    problem = refusal(sample_record().vantage, said.stderr.splitlines()[-1])
    assert problem.code == "vantage.credentials"
    assert "of cloud " in str(problem)


def test_an_api_that_does_not_answer_is_worth_another_try(shipped: Path, apis: ApiStandIn) -> None:
    apis.fault = lambda _ex: True

    assert told(shipped, apis, "catalog").returncode == 75


def test_credentials_that_are_none_are_not_shown(shipped: Path) -> None:
    said = subprocess.run(
        command(shipped, "catalog"),
        input='{"pass": "planted-secret"}',
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert said.returncode == 2
    assert "planted-secret" not in said.stdout + said.stderr


def test_probes_end_on_sigterm_with_all_written_and_no_credentials_left(
    shipped: Path, apis: ApiStandIn
) -> None:
    runtime = shipped.parent / "run/run-1"
    runtime.mkdir(parents=True)
    (runtime / "credentials.json").write_text(credentials(apis))
    words = ["probe", "--label", "run-1", "--rates", '{"image-list": 20}']
    with subprocess.Popen(command(shipped, *words), stdout=subprocess.PIPE) as probes:
        assert poll(lambda: len(apis.asked) >= 15 or probes.poll() is not None, limit_s=120)
        assert probes.poll() is None
        alive = json.loads(told(shipped, apis, "tally", "--label", "run-1").stdout)["alive"]
        second = told(shipped, apis, *words)
        probes.send_signal(signal.SIGTERM)
        probes.communicate(timeout=120)
    after = json.loads(told(shipped, apis, "tally", "--label", "run-1").stdout)

    written = (shipped.parent / "state/run-1/samples.tsv").read_text().splitlines(keepends=True)
    assert probes.returncode == 0
    assert (alive, after["alive"]) == (True, False)
    assert json.loads(second.stdout) == {"already": True}
    assert after["requests"] == len(list(read_samples(written))) >= 10
    assert not (runtime / "credentials.json").exists()


def test_the_agent_closes_a_service_and_opens_it_again(shipped: Path, apis: ApiStandIn) -> None:
    apis.offered |= CORE
    kept = {
        "id": "u1",
        "host": "cmp1",
        "binary": "nova-compute",
        "status": "enabled",
        "disabled_reason": None,
    }
    apis.services["compute"].append(kept)
    which = ("--kind=nova", "--id=u1", "--binary=nova-compute", "--host=cmp1")

    closing = told(shipped, apis, "intake", "close", *which, "--reason=closed for p1, since now")
    closed = kept["status"]
    opening = told(shipped, apis, "intake", "open", *which, "--mark=closed for p0", "--mark=closed for p1")

    assert (closing.returncode, closed) == (0, "disabled")
    assert (opening.returncode, kept["status"]) == (0, "enabled")


@pytest.mark.parametrize(("patience", "outcomes"), [("0.2", {TIMEOUT}), ("20", {OK})])
def test_a_request_is_given_up_when_its_user_would_wait_no_longer(
    shipped: Path, apis: ApiStandIn, patience: str, outcomes: set[str]
) -> None:
    def late(ex: Exchange) -> bool:
        if outcomes == {TIMEOUT}:
            return stays_silent(ex)
        time.sleep(0.4)
        return False

    apis.fault = lambda ex: "/image" in ex.path and late(ex)
    runtime = shipped.parent / "run/run-1"
    runtime.mkdir(parents=True)
    (runtime / "credentials.json").write_text(credentials(apis))

    told(shipped, apis, "probe", "--label=run-1", f"--patience={patience}", "--seconds=0.5", RATES)

    written = (shipped.parent / "state/run-1/samples.tsv").read_text().splitlines(keepends=True)
    assert {sample.outcome for sample in read_samples(written)} == outcomes


def test_what_is_left_is_swept_up_with_credentials_that_do_not_stay(shipped: Path, apis: ApiStandIn) -> None:
    offer_all(apis)
    left = apis.core.add("servers", name="skylift-probe-run-1-0badcafe-1")
    runtime = shipped.parent / "run/run-1"
    runtime.mkdir(parents=True)
    (runtime / "sweeper.json").write_text(credentials(apis))

    first = told(shipped, apis, "sweep", "--label=run-1")
    second = told(shipped, apis, "sweep", "--label=run-1")

    assert (json.loads(first.stdout), json.loads(second.stdout)) == ({"swept": 1}, {"already": True})
    assert ("DELETE", f"/compute/v2.1/servers/{left}") in apis.asked
    assert list(runtime.glob("*.json")) == []


def test_a_label_that_is_no_file_name_is_refused(shipped: Path, apis: ApiStandIn) -> None:
    said = told(shipped, apis, "tally", "--label", "../etc")

    assert said.returncode == 2
    assert not (shipped.parent / "etc").exists()


def test_two_agents_never_make_the_same_witnesses_at_once(shipped: Path, apis: ApiStandIn) -> None:
    """An operator's machine that gave a slow agent up starts another one beside it."""
    folder = Folder.of("run-1", shipped.parent / "state", shipped.parent / "run")
    lock = folder.lock()
    assert lock is not None

    second = told(shipped, apis, "witness", "create", "--label=run-1")
    os.close(lock)

    assert second.returncode == 75
    assert "the witnesses are being changed already" in second.stderr
    assert told(shipped, apis, "witness", "create", "--label=run-1").returncode == 0
