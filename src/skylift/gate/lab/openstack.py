"""OpenStack in the lab: databases, schemas, first users, services that answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from skylift.gate.lab.cloud_files import APIS, PORTS, host_program
from skylift.gate.lab.commands import poll
from skylift.gate.lab.configure import API_UNITS, cloud_facts
from skylift.gate.lab.host import NETWORK, VIP, LabProblem, run

if TYPE_CHECKING:
    from skylift.gate.lab.host import Lab, LabHost

REGION = "RegionOne"
IDENTITY_URL = f"http://{VIP}:{PORTS['keystone']}/v3"

_HALF = "half_made_"
_SCHEMA_S = 180
_START_S = 150
_ANSWER_S = 60
_TYPES = {"glance": "image", "placement": "placement"}
_FROM = ".".join(NETWORK.split(".")[:2]) + ".%"
"""Where the database's clients come from, as a pattern: through the balancers of the controllers."""

_SCHEMAS = {
    "keystone": "keystone-manage db_sync",
    "glance": "glance-manage db_sync",
    "placement": "placement-manage db sync",
}

_BOOTSTRAP = f"""
read -r OS_BOOTSTRAP_PASSWORD
export OS_BOOTSTRAP_PASSWORD
exec runuser -u keystone -- /opt/openstack/current/keystone/bin/keystone-manage bootstrap \\
  --bootstrap-region-id {REGION} --bootstrap-public-url {IDENTITY_URL} \\
  --bootstrap-internal-url {IDENTITY_URL} --bootstrap-admin-url {IDENTITY_URL} 2>&1
"""


def balanced(lab: Lab) -> bool:
    """Whether memcached, HAProxy and keepalived run on every controller, and one has the VIP."""
    return all(
        _active(host, "memcached", "haproxy", "keepalived", "galera-state") for host in lab.controllers
    )


def balance(lab: Lab) -> None:
    """Start them. The first controller starts keepalived first and so takes the VIP of a new cloud."""
    for host in lab.controllers:
        run(host, "systemctl start galera-state memcached haproxy keepalived", timeout_s=_START_S)


def databases_made(lab: Lab) -> bool:
    """Whether each component has its database and a user that may do all in it."""
    granted = _ask(lab, f"SELECT Db FROM mysql.db WHERE Host = '{_FROM}'").split()  # noqa: S608 - our own words
    return set(granted) >= _SCHEMAS.keys()


def make_databases(lab: Lab) -> None:
    """Make what is missing; an existing user gets the password this lab knows."""
    words = cloud_facts(lab).passwords.database
    statements = "".join(
        f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;\n"
        f"CREATE OR REPLACE USER {name}@'{_FROM}' IDENTIFIED BY '{words[name]}';\n"
        f"GRANT ALL PRIVILEGES ON {name}.* TO {name}@'{_FROM}';\n"
        for name in _SCHEMAS
    )
    _tell(lab, statements)


def schema_made(lab: Lab, component: str) -> bool:
    """Whether its database has a schema, whole and of whatever release: one that was upgraded stays so."""
    stamped = _count(lab, f"SELECT COUNT(*) FROM {component}.alembic_version") > 0  # noqa: S608 - our own words
    return stamped and not _half_made(lab, component)


def make_schema(lab: Lab, component: str) -> None:
    """Run the component's own migrations from nothing to the head of its artifact.

    What a killed one left is dropped first: MariaDB takes no schema change back, and the first of the
    migrations trips over its own tables. A database named after the component tells, while it is there,
    that they have not come to their end; nothing else is ever dropped.
    """
    afresh = f"DROP DATABASE {component}; CREATE DATABASE {component} CHARACTER SET utf8mb3; "
    _tell(
        lab,
        (afresh if _half_made(lab, component) else "") + f"CREATE DATABASE IF NOT EXISTS {_HALF}{component};",
    )
    _as(lab.controllers[0], component, _SCHEMAS[component])
    _tell(lab, f"DROP DATABASE {_HALF}{component};")


def _half_made(lab: Lab, component: str) -> bool:
    query = f"SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{_HALF}{component}'"  # noqa: S608 - our own words
    return int(_ask(lab, query)) > 0


def metadefs_loaded(lab: Lab) -> bool:
    """Whether Glance's catalog of metadata definitions was filled."""
    return _count(lab, "SELECT COUNT(*) FROM glance.metadef_namespaces") > 0


def load_metadefs(lab: Lab) -> None:
    """Fill it from the artifact."""
    _as(
        lab.controllers[0],
        "glance",
        "glance-manage db_load_metadefs /opt/openstack/current/glance/etc/glance/metadefs",
    )


def bootstrapped(lab: Lab) -> bool:
    """Whether Keystone has its first user and endpoints."""
    return _count(lab, "SELECT COUNT(*) FROM keystone.endpoint") > 0


def bootstrap(lab: Lab) -> None:
    """Make the administrator, and the catalog's own entry on the VIP; safe to repeat."""
    password = cloud_facts(lab).passwords.admin + "\n"
    run(lab.controllers[0], _BOOTSTRAP, input=password.encode(), timeout_s=_SCHEMA_S)


def served(lab: Lab) -> bool:
    """Whether the units of the APIs run on every controller."""
    return all(_active(host, *API_UNITS, "leave-cloud") for host in lab.controllers)


def serve(lab: Lab) -> None:
    """Start them, on all controllers at once; each is up when its application is loaded."""
    with ThreadPoolExecutor(len(lab.controllers)) as pool:
        list(
            pool.map(
                lambda host: run(
                    host, f"systemctl start {' '.join(API_UNITS)} leave-cloud", timeout_s=_START_S
                ),
                lab.controllers,
            )
        )


def catalogued(lab: Lab) -> bool:
    """Whether the catalog has all services at all interfaces."""
    return _count(lab, "SELECT COUNT(*) FROM keystone.endpoint") >= 3 * len(APIS)


def make_catalog(lab: Lab) -> None:
    """Make the services' users, roles and endpoints, over Keystone's API through the VIP.

    Raises:
        LabProblem: no balancer has found Keystone healthy within a minute of its start.
    """
    if not poll(lambda: _asks_keystone(lab), limit_s=_ANSWER_S, every_s=0.5):
        raise LabProblem(f"keystone did not answer through {VIP} within {_ANSWER_S} s of its start")
    words = cloud_facts(lab).passwords
    wanted = {
        "url": IDENTITY_URL,
        "password": words.admin,
        "region": REGION,
        "services": [
            {
                "user": name,
                "password": words.service[name],
                "type": kind,
                "url": f"http://{VIP}:{PORTS[name]}",
            }
            for name, kind in _TYPES.items()
        ],
    }
    _run_program(lab.controllers[0], "catalog", json.dumps(wanted))


def _asks_keystone(lab: Lab) -> bool:
    """Whether the balancer that has the VIP has found Keystone healthy already."""
    try:
        run(lab.controllers[0], f"curl --silent --fail --max-time 5 {IDENTITY_URL} >/dev/null", timeout_s=15)
    except LabProblem:
        return False
    return True


def answers(lab: Lab) -> bool:
    """Whether, from the client, all APIs answer through the VIP and a token can be had and used."""
    wanted = {
        "url": IDENTITY_URL,
        "password": cloud_facts(lab).passwords.admin,
        "ask": [
            f"http://{VIP}:{PORTS['glance']}/v2/images",
            f"http://{VIP}:{PORTS['placement']}/resource_providers",
        ],
    }
    try:
        _run_program(lab.client, "catalog", json.dumps(wanted))
    except LabProblem:
        return False
    return True


def await_answers(lab: Lab) -> None:
    """Wait until they do.

    Raises:
        LabProblem: they do not within a minute.
    """
    if not poll(lambda: answers(lab), limit_s=_ANSWER_S, every_s=1):
        raise LabProblem(f"the cloud did not answer through {VIP} within {_ANSWER_S} s of its start")


def _run_program(host: LabHost, name: str, told: str) -> None:
    """Run one of the hosts' programs with ``told`` as its standard input, nothing of it in argv."""
    program = host_program(name)
    script = (
        'program=$(mktemp); trap \'rm -f "$program"\' EXIT; head -c "$SIZE" > "$program"; python3 "$program"'
    )
    size = f"SIZE={len(program.encode())}; "
    run(host, size + script, input=program.encode() + told.encode(), timeout_s=60)


def _as(host: LabHost, component: str, command: str) -> None:
    binaries = f"/opt/openstack/current/{component}/bin"
    run(host, f"exec runuser -u {component} -- {binaries}/{command} 2>&1 >/dev/null", timeout_s=_SCHEMA_S)


def _active(host: LabHost, *units: str) -> bool:
    try:
        run(host, f"systemctl is-active --quiet {' '.join(units)}", timeout_s=15)
    except LabProblem:
        return False
    return True


def _tell(lab: Lab, statements: str) -> None:
    run(lab.controllers[0], "mariadb --batch", input=statements.encode(), timeout_s=60)


def _ask(lab: Lab, query: str) -> str:
    return run(lab.controllers[0], "mariadb --batch --skip-column-names", input=query.encode(), timeout_s=30)


def _count(lab: Lab, query: str) -> int:
    """What a counting ``query`` says; 0 if its table does not exist."""
    try:
        return int(_ask(lab, query))
    except LabProblem:
        return 0
