"""OpenStack in the lab: databases, schemas, first users, services that answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from skylift.gate.lab.cloud_files import host_program
from skylift.gate.lab.commands import poll
from skylift.gate.lab.components import GLANCE, PLACEMENT
from skylift.gate.lab.configure import cloud_facts, system_units, units_of
from skylift.gate.lab.host import NETWORK, VIP, LabProblem, run
from skylift.gate.lab.services import KEYSTONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skylift.gate.lab.components import Component
    from skylift.gate.lab.host import Lab, LabHost

REGION = "RegionOne"
IDENTITY_URL = f"http://{VIP}:{KEYSTONE.port}/v3"

_HALF = "half_made_"
_SCHEMA_S = 180
_START_S = 150
_ANSWER_S = 60
_FROM = ".".join(NETWORK.split(".")[:2]) + ".%"
"""Where the database's clients come from, as a pattern: through the balancers of the controllers."""

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
    """Whether each component has its databases and a user that may do all in them."""
    granted = _ask(lab, f"SELECT Db FROM mysql.db WHERE Host = '{_FROM}'").split()  # noqa: S608 - our own words
    wanted = {name for one in lab.profile.components for name in one.databases.values()}
    return set(granted) >= wanted


def make_databases(lab: Lab) -> None:
    """Make what is missing; an existing user gets the password this lab knows."""
    words = cloud_facts(lab).passwords.database
    statements = "".join(
        f"CREATE OR REPLACE USER {one.name}@'{_FROM}' IDENTIFIED BY '{words[one.name]}';\n"
        + "".join(
            f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;\n"
            f"GRANT ALL PRIVILEGES ON {name}.* TO {one.name}@'{_FROM}';\n"
            for name in one.databases.values()
        )
        for one in lab.profile.components
        if one.databases
    )
    _tell(lab, statements)


def schema_made(lab: Lab, component: Component) -> bool:
    """Whether its databases have schemas, whole and of whatever release: one that was upgraded stays so."""
    stamped = (
        count(lab, f"SELECT COUNT(*) FROM {name}.alembic_version") > 0  # noqa: S608 - our own words
        for name in component.databases.values()
    )
    return all(stamped) and not _half_made(lab, component)


def make_schema(lab: Lab, component: Component) -> None:
    """Run the component's own migrations from nothing to the head of its artifact.

    What a killed one left is dropped first: MariaDB takes no schema change back, and the first of the
    migrations trips over its own tables. A database named after the component tells, while it is there,
    that they have not come to their end; nothing else is ever dropped.
    """
    afresh = "".join(
        f"DROP DATABASE {name}; CREATE DATABASE {name} CHARACTER SET utf8mb3; "
        for name in component.databases.values()
    )
    mark = _HALF + component.name
    _tell(lab, (afresh if _half_made(lab, component) else "") + f"CREATE DATABASE IF NOT EXISTS {mark};")
    for command in component.schema:
        run_as(lab.controllers[0], component, command)
    _tell(lab, f"DROP DATABASE {mark};")


def _half_made(lab: Lab, component: Component) -> bool:
    query = f"SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{_HALF}{component.name}'"  # noqa: S608 - our own words
    return int(_ask(lab, query)) > 0


def metadefs_loaded(lab: Lab) -> bool:
    """Whether Glance's catalog of metadata definitions was filled."""
    return count(lab, "SELECT COUNT(*) FROM glance.metadef_namespaces") > 0


def load_metadefs(lab: Lab) -> None:
    """Fill it from the artifact."""
    run_as(
        lab.controllers[0],
        GLANCE,
        "glance-manage db_load_metadefs /opt/openstack/current/glance/etc/glance/metadefs",
    )


def bootstrapped(lab: Lab) -> bool:
    """Whether Keystone has its first user and endpoints."""
    return count(lab, "SELECT COUNT(*) FROM keystone.endpoint") > 0


def bootstrap(lab: Lab) -> None:
    """Make the administrator, and the catalog's own entry on the VIP; safe to repeat."""
    password = cloud_facts(lab).passwords.admin + "\n"
    run(lab.controllers[0], _BOOTSTRAP, input=password.encode(), timeout_s=_SCHEMA_S)


def served(hosts: Sequence[LabHost], release: str, *, base: bool) -> bool:
    """Whether services run on all ``hosts``: those of profile ``api`` alone if ``base``, else the rest."""
    return all(_active(host, *_to_start(host, release, base=base)) for host in hosts)


def serve(hosts: Sequence[LabHost], release: str, *, base: bool) -> None:
    """Start them, on all hosts at once; an API is up when its application is loaded."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(
            pool.map(
                lambda host: run(
                    host,
                    f"systemctl start {' '.join(_to_start(host, release, base=base))}",
                    timeout_s=_START_S,
                ),
                hosts,
            )
        )


def _to_start(host: LabHost, release: str, *, base: bool) -> tuple[str, ...]:
    """On controllers, what the services stand on is started by stages of its own."""
    below = () if host.role == "controller" else system_units(host)
    return (*below, *units_of(host, release, base=base))


def catalogued(lab: Lab) -> bool:
    """Whether the catalog has all services at all interfaces."""
    return count(lab, "SELECT COUNT(*) FROM keystone.endpoint") >= 3 * (1 + len(_endpoints(lab)))


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
        "roles": [role for one in lab.profile.components for role in one.roles],
        "domains": [
            {"name": one.domain[0], "admin": one.domain[1], "password": words.shared["stacks"]}
            for one in lab.profile.components
            if one.domain[0]
        ],
        "services": [
            {"user": name, "password": words.service[name], "type": kind, "url": url}
            for name, kind, url in _endpoints(lab)
        ],
    }
    run_program(lab.controllers[0], "catalog", json.dumps(wanted))


def _endpoints(lab: Lab) -> list[tuple[str, str, str]]:
    """Component, type and address of each but Keystone's own."""
    ports = {service.link_name: service.port for service in lab.profile.balanced}
    return [
        (one.name, place.type, f"http://{VIP}:{ports[place.service]}{place.path}")
        for one in lab.profile.components
        for place in one.endpoints
    ]


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
            f"http://{VIP}:{GLANCE.services[0].port}/v2/images",
            f"http://{VIP}:{PLACEMENT.services[0].port}/resource_providers",
            *(f"http://{VIP}:{service.port}{service.health}" for service in lab.profile.balanced),
        ],
    }
    try:
        run_program(lab.client, "catalog", json.dumps(wanted))
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


def run_program(host: LabHost, name: str, told: str) -> None:
    """Run one of the hosts' programs with ``told`` as its standard input, nothing of it in argv."""
    program = host_program(name)
    script = (
        'program=$(mktemp); trap \'rm -f "$program"\' EXIT; head -c "$SIZE" > "$program"; python3 "$program"'
    )
    size = f"SIZE={len(program.encode())}; "
    run(host, size + script, input=program.encode() + told.encode(), timeout_s=60)


def run_as(host: LabHost, component: Component, command: str) -> None:
    """Run one of the component's own commands on ``host``, as its user."""
    binaries = f"/opt/openstack/current/{component.tools}/bin"
    run(
        host,
        f"exec runuser -u {component.name} -- {binaries}/{command} 2>&1 >/dev/null",
        timeout_s=_SCHEMA_S,
    )


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


def count(lab: Lab, query: str) -> int:
    """What a counting ``query`` says; 0 if its table does not exist."""
    try:
        return int(_ask(lab, query))
    except LabProblem:
        return 0
