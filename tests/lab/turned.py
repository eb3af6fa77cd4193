"""What an upgrade turns over in a core cloud, told by its hosts and its databases: one word for all of it.

Nothing of Skylift is asked: hosts say which artifact each process has in its memory and what each link, unit
and file is, balancers whom they send requests to and what they hold back, databases what services write of
themselves there.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from skylift.gate.lab.artifacts import HOME
from skylift.gate.lab.cloud_files import PARKED_MAP
from skylift.gate.lab.host import Lab, LabHost, run

_ASK_S = 120

_PROGRAM = r"""
import hashlib, json, os, pathlib, re, subprocess, sys, time

asked = json.loads(sys.argv[1])

def said(*words, told=""):
    return subprocess.run(words, input=told, capture_output=True, text=True, check=True).stdout

parents = dict(map(int, line.split()) for line in said("ps", "-eo", "pid=,ppid=").splitlines())

def of(main, pid):
    while pid > 1 and pid != main:
        pid = parents.get(pid, 0)
    return pid == main

def mapped(pid):
    try:
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
        return set(re.findall(re.escape(asked["home"]) + "/([^/]+)/", maps))
    except OSError:
        return set()  # it has just ended

def told():
    for unit in asked["units"]:
        shown = said("systemctl", "show", "-p", "ActiveState,UnitFileState,MainPID", unit)
        seen = dict(line.split("=", 1) for line in shown.splitlines())
        yield f"unit {unit}", seen["ActiveState"] + " " + seen["UnitFileState"]
        main = int(seen["MainPID"])
        own = [pid for pid in parents if main and of(main, pid)]
        yield f"runs {unit}", " ".join(sorted(set().union(*map(mapped, own)))) or "nothing"
    for link in asked["links"]:
        place = "/opt/openstack/current/" + link
        yield f"link {link}", os.readlink(place) if os.path.islink(place) else "nothing"
    for folder in asked["folders"]:
        for file in sorted(pathlib.Path(folder).rglob("*")):
            if file.is_symlink():
                yield f"file {file}", os.readlink(file)
            elif file.is_file() and file.suffix != ".pyc":
                yield f"file {file}", hashlib.sha256(file.read_bytes()).hexdigest()
    if asked["balances"]:
        yield from balanced()

def balanced():
    tell = ("socat", "-t", "10", "-", "UNIX-CONNECT:/run/haproxy/admin.sock")
    _, head, *rows = said(*tell, told="show servers state\n").splitlines()
    for row in filter(None, rows):
        seen = dict(zip(head.lstrip("# ").split(), row.split()))
        how = (seen["srv_op_state"], seen["srv_admin_state"], seen["srv_uweight"])
        yield f"backend {seen['be_name']}/{seen['srv_name']}", " ".join(how)
    for row in said(*tell, told="show map " + asked["parking"] + "\n").splitlines():
        _, pool, value = (*row.split(), "", "", "")[:3]
        if pool:
            until = value.partition("/")[0]
            yield f"parked {pool}", "yes" if until.isdecimal() and int(until) > time.time() else "no"

print(json.dumps(dict(told())))
"""

_ROWS = """
SELECT CONCAT_WS(' ', '{name}', id, `binary`, host), CONCAT_WS(' ', {columns})
FROM {name} WHERE {which};
"""
_REPORTS = (
    *(
        _ROWS.format(
            name=f"{database}.services",
            columns="version, disabled, IFNULL(disabled_reason, '-'), IFNULL(forced_down, 0)",
            which="deleted = 0",
        )
        for database in ("nova", "nova_cell0")
    ),
    _ROWS.format(
        name="cinder.services",
        columns="rpc_current_version, object_current_version, disabled",
        which="deleted = 0",
    ),
    _ROWS.format(
        name="neutron.agents",
        columns="agent_type, admin_state_up, CAST(IFNULL(JSON_NORMALIZE(resource_versions), '-') AS BINARY)",
        which="TRUE",
    ),
)
"""What services write of themselves: how new they are, and whether they are given work."""

_THINGS = {
    "user": ("id", "keystone.user"),
    "project": ("id", "keystone.project"),
    "image": ("id", "glance.images WHERE deleted = 0"),
    "resource provider": ("uuid", "placement.resource_providers"),
    "flavor": ("flavorid", "nova_api.flavors"),
    "server": ("uuid", "nova.instances WHERE deleted = 0"),
    "network": ("id", "neutron.networks"),
}


def turned(lab: Lab) -> dict[str, str]:
    """All that a run turns over, fact by fact, as it is now; schemas stand by themselves."""
    hosts = [host for host in lab.hosts if host != lab.client]
    with ThreadPoolExecutor(len(hosts)) as pool:
        told = list(pool.map(_of_host, hosts))
    found = {f"{host.name}: {name}": what for host, of in zip(hosts, told, strict=True) for name, what in of}
    return {**found, **dict(_pairs(lab, "".join(_REPORTS)))}


def schemas(lab: Lab) -> dict[str, str]:
    """By database, what its table of versions has."""
    names = sorted(name for one in lab.profile.components for name in one.databases.values())
    rows = "GROUP_CONCAT(version_num ORDER BY version_num SEPARATOR ' ')"
    asked = "".join(f"SELECT '{name}', {rows} FROM {name}.alembic_version;\n" for name in names)  # noqa: S608 - our own words
    return dict(_pairs(lab, asked))


def things(lab: Lab) -> dict[str, frozenset[str]]:
    """By kind, the ids of what users have."""
    asked = "".join(
        f"SELECT '{kind}', {name} FROM {table};\n"  # noqa: S608 - our own words
        for kind, (name, table) in _THINGS.items()
    )
    found: dict[str, set[str]] = {kind: set() for kind in _THINGS}
    for kind, name in _pairs(lab, asked):
        found[kind].add(name)
    return {kind: frozenset(names) for kind, names in found.items()}


def hash_of(state: Mapping[str, str]) -> str:
    """One word that changes with any of it."""
    return hashlib.sha256(json.dumps(dict(state), sort_keys=True).encode()).hexdigest()[:16]


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What is not as it was, fact by fact."""
    return [
        f"{name} was {before.get(name, 'not there')}, and is {after.get(name, 'not there')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _of_host(host: LabHost) -> list[tuple[str, str]]:
    profile = host.lab.profile
    services = profile.on(host.role)
    balances = host.role == "controller"
    asked = {
        "home": HOME,
        "units": [f"{service.unit_name}.service" for service in services],
        # The link of what begins with the release that was left again stays, and leads nowhere.
        "links": [service.link_name for service in services if not service.since],
        "folders": [f"/etc/{one.name}" for one in profile.components]
        + ["/etc/haproxy", "/etc/systemd/system"],
        "balances": balances,
        "parking": PARKED_MAP,
    }
    script = shlex.join(["python3", "-", json.dumps(asked)])
    answer: dict[str, str] = json.loads(run(host, script, input=_PROGRAM.encode(), timeout_s=_ASK_S))
    return list(answer.items())


def _pairs(lab: Lab, queries: str) -> Iterator[tuple[str, str]]:
    script = "exec mariadb --batch --skip-column-names --raw"
    for line in run(lab.controllers[0], script, input=queries.encode(), timeout_s=_ASK_S).splitlines():
        name, _, what = line.partition("\t")
        yield name, what
