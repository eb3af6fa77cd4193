"""Tempest's smoke tests on the lab's cloud: what a client that is not ours finds in it.

``python -m skylift.gate.smoke`` asks the lab at its usual place. It ends with a line such as
``smoke: 61 passed, 0 failed, 25 skipped``, and with 0 if nothing failed and something passed.
"""

from __future__ import annotations

import argparse
import configparser
import io
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from ruamel.yaml import YAML

from skylift.cli.views import problem as problem_view
from skylift.gate.lab.clients import as_user
from skylift.gate.lab.host import VIP, Lab, LabProblem, default_folder
from skylift.gate.matrix import outcome_of
from skylift.model.problem import Fix, Problem, Remedy

_LIMIT_S = 2400
_ASK_S = 120
_BUILD_S = "600"
"""How long a server or a volume may take: the lab's computes are emulated."""
_FLAVORS = {"smoke": "128", "smoke-alt": "160"}
"""By name, the memory in MB. Only administrators may boot an image with a flavor of no disk, as ``tiny`` is.
Source: nova, os_compute_api:servers:create:zero_disk_flavor."""
_OFFERED = {
    "nova": "compute",
    "neutron": "network",
    "cinder": "block-storage",
    "glance": "image",
}
"""What tempest calls a component, and what Keystone's catalog calls it."""
_BEYOND: Mapping[str, str] = {
    "tempest.scenario.test_network_basic_ops.TestNetworkBasicOps.test_network_basic_ops": (
        "signs in to its servers over SSH; the lab's guest is one program that counts"
    ),
}
"""Tests that ask for what no lab has, and what that is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one of tempest's tests ended."""

    name: str
    """With its module and class."""
    ended: str
    """``passed``, ``failed`` or ``skipped``."""
    why: str
    """What it said of a skip or a failure; empty if it passed."""


def settings(auth: Mapping[str, str], region: str, offered: Mapping[str, Any]) -> str:
    """A ``tempest.conf``: ``auth`` as in ``clouds.yaml``, and what :func:`offer` found."""
    told = configparser.ConfigParser(interpolation=None)
    told["auth"] = {
        "use_dynamic_credentials": "true",
        "admin_username": auth["username"],
        "admin_password": auth["password"],
        "admin_project_name": auth["project_name"],
        "admin_domain_name": auth["user_domain_name"],
    }
    told["identity"] = {"uri_v3": auth["auth_url"], "auth_version": "v3", "region": region}
    told["identity-feature-enabled"] = {"api_v2": "false"}
    told["service_available"] = {
        "swift": "false",
        **{name: str(kind in offered["types"]).lower() for name, kind in _OFFERED.items()},
        "horizon": str(bool(offered["dashboard"])).lower(),
    }
    told["validation"] = {"run_validation": "false"}
    told["oslo_concurrency"] = {"lock_path": "."}
    told["volume"] = {"catalog_type": "block-storage", "build_timeout": _BUILD_S}
    told["dashboard"] = {"dashboard_url": offered["dashboard"]}
    if offered["image"]:
        told["compute"] = {
            "image_ref": offered["image"],
            "image_ref_alt": offered["image"],
            "flavor_ref": offered["flavors"][0],
            "flavor_ref_alt": offered["flavors"][1],
            "build_timeout": _BUILD_S,
        }
        told["network-feature-enabled"] = {"api_extensions": ",".join(offered["extensions"])}
        told["network"] = {
            "public_network_id": offered["network"],
            "floating_network_name": "provider",
        }
    text = io.StringIO()
    told.write(text)
    return text.getvalue()


def offer(lab: Lab, folder: Path) -> dict[str, Any]:
    """What the cloud has for users, as they find it: types of services, an image, a network, two flavors.

    The flavors are made if they are not there.

    Raises:
        LabProblem: the cloud refused.
    """
    types = {service["Type"] for service in _ask(lab, folder, "service list")}
    found: dict[str, Any] = {
        "types": sorted(types),
        "dashboard": "",
        "image": "",
        "network": "",
        "extensions": [],
        "flavors": [],
    }
    if "compute" not in types:
        return found
    known = {flavor["Name"]: flavor["ID"] for flavor in _ask(lab, folder, "flavor list --all")}
    for name, memory in _FLAVORS.items():
        made = f"flavor create --ram {memory} --disk 1 --vcpus 1 {name}"
        found["flavors"].append(known.get(name) or _ask(lab, folder, made)["id"])
    found["image"] = _ask(lab, folder, "image show guest")["id"]
    found["network"] = _ask(lab, folder, "network show provider")["id"]
    found["extensions"] = [known["Alias"] for known in _ask(lab, folder, "extension list --network")]
    ports = {service.name: service.port for service in lab.profile.balanced}
    found["dashboard"] = f"http://{VIP}:{ports['horizon']}/" if "horizon" in ports else ""
    return found


def smoke(lab: Lab, only: Sequence[str] = ()) -> tuple[Outcome, ...]:
    """Run the tests, those whose names match one of ``only`` or all; their users are gone afterwards.

    Raises:
        LabProblem: there is no cloud, it refused to say what it offers, or tempest did not come to its
            tests, or not to their end within 40 minutes.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _tempest(lab, folder, "init", "work")
        work = folder / "work"
        cloud = YAML(typ="safe").load(lab.folder / "clouds.yaml")["clouds"]["lab"]
        configured = work / "etc/tempest.conf"
        configured.touch(mode=0o600)
        configured.write_text(settings(cloud["auth"], cloud["region_name"], offer(lab, work)))
        chosen = ("--regex", "|".join(only)) if only else ("--smoke", "--exclude-regex", "|".join(_BEYOND))
        ran = as_user(
            lab,
            "tempest.cmd.main",
            ("run", *chosen, "--serial", "--subunit"),
            folder=work,
            timeout_s=_LIMIT_S,
        )
        stream = folder / "stream"
        stream.write_bytes(ran.stdout)
        report = folder / "report.xml"
        as_user(
            lab,
            "subunit.filter_scripts.subunit2junitxml",
            ("--output-to", str(report), str(stream)),
            folder=work,
            timeout_s=_ASK_S,
        )
        if not report.exists():
            said = ran.stderr.decode(errors="replace").strip()[-1000:]
            raise LabProblem(f"tempest did not come to its tests: {said}", _LOOK)
        left_out = () if only else tuple(Outcome(name, "skipped", why) for name, why in _BEYOND.items())
        return (*read_outcomes(report.read_text(encoding="utf-8")), *left_out)


def read_outcomes(report: str) -> tuple[Outcome, ...]:
    """The tests of a JUnit report, by name."""
    cases = ET.fromstring(report).iter("testcase")  # noqa: S314 - written by a program that we started
    return tuple(sorted(map(_outcome, cases), key=lambda outcome: outcome.name))


def summary(outcomes: Sequence[Outcome]) -> str:
    """The last line."""
    count = {ended: sum(o.ended == ended for o in outcomes) for ended in ("passed", "failed", "skipped")}
    return "smoke: " + ", ".join(f"{number} {ended}" for ended, number in count.items())


def main(words: Iterable[str] | None = None) -> int:
    """Run them, and say how it went."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("only", nargs="*", help="regular expressions of tests; all smoke tests without one")
    options = parser.parse_args(list(sys.argv[1:] if words is None else words))
    try:
        outcomes = smoke(Lab(default_folder()), options.only)
    except Problem as problem:
        sys.stderr.write("\n".join(problem_view.lines(problem)) + "\n")
        return 1
    for outcome in outcomes:
        sys.stdout.write(f"{outcome.ended}  {outcome.name}  {outcome.why}\n")
    sys.stdout.write(f"{summary(outcomes)}\n")
    endings = {outcome.ended for outcome in outcomes}
    return 0 if "passed" in endings and "failed" not in endings else 1


_LOOK = Remedy(Fix.REPAIR, "see whether its services run: skylift lab status")


def _outcome(case: ET.Element) -> Outcome:
    told = case.find("skipped")
    if told is None:
        told = case.find("failure")
    if told is None:
        told = case.find("error")
    why = "" if told is None else (told.text or "").strip().rpartition("\n")[2].strip()
    module = case.get("classname", "")
    name = case.get("name", "").partition("[")[0]
    return Outcome(f"{module}.{name}" if module else name, outcome_of(case), why)


def _ask(lab: Lab, folder: Path, command: str) -> Any:
    said = as_user(
        lab, "openstackclient.shell", (*command.split(), "-f", "json"), folder=folder, timeout_s=_ASK_S
    )
    if said.returncode != 0:
        raise LabProblem(f"openstack {command} failed: {said.stderr.decode(errors='replace')[-500:]}", _LOOK)
    return json.loads(said.stdout)


def _tempest(lab: Lab, folder: Path, *words: str) -> None:
    ended = as_user(lab, "tempest.cmd.main", words, folder=folder, timeout_s=_ASK_S)
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace")[-500:]
        raise LabProblem(f"tempest {' '.join(words)} failed: {said}", _LOOK)


if __name__ == "__main__":
    sys.exit(main())
