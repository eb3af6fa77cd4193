"""Every check passes on a cloud that is ready, and fails once for each reason, with its message."""

# ruff: noqa: E501 - the table of failures reads best with a line for each

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.roster.test_agents import FAILURES as AGENT_FAILURES
from tests.roster.test_bus import FAILURES as BUS_FAILURES
from tests.roster.test_work import FAILURES as WORK_FAILURES

from skylift.catalog.catalog import load
from skylift.checks.finding import Finding, Level
from skylift.checks.registry import CHECKS, check_all
from skylift.model.cloud import (
    Answer,
    BackendState,
    Cloud,
    Endpoint,
    GaleraNode,
    HostSeen,
    SchemaSeen,
    UnitState,
    Unreached,
)
from skylift.model.goal import Upgrade
from skylift.model.ids import Digest, Epoch, HostName
from skylift.testing.samples import (
    EXPANDED_2024_1,
    GLANCE_API,
    KEYSTONE,
    NOW,
    PLACEMENT,
    R2024_1,
    artifact_name,
    sample_cloud,
    sample_record,
)

RECORD = sample_record()
CTL1, CTL2, CTL3 = (HostName(f"ctl{n}") for n in (1, 2, 3))
TARGET = artifact_name(R2024_1)
TARGET_DIGEST = RECORD.artifacts[TARGET].digest

Change = Callable[[Cloud], Cloud]


def _ready() -> Cloud:
    """The sample cloud with its target staged where it is asked."""
    cloud = sample_cloud(RECORD)
    return replace(cloud, staged={**cloud.staged, (TARGET, CTL1): TARGET_DIGEST})


def _asked(cloud: Cloud) -> dict[str, list[Finding]]:
    findings: dict[str, list[Finding]] = {check.name: [] for check in CHECKS}
    for finding in check_all(cloud, RECORD, Upgrade(R2024_1), load()):
        findings[finding.check].append(finding)
    return findings


def _host(name: HostName, **changed: object) -> Change:
    def change(cloud: Cloud) -> Cloud:
        seen = cloud.hosts[name]
        assert isinstance(seen, HostSeen)
        fields = {f: getattr(seen, f) for f in HostSeen.__slots__} | changed
        return replace(cloud, hosts={**cloud.hosts, name: HostSeen(**fields)})

    return change


def _unit(**changed: object) -> Change:
    def change(cloud: Cloud) -> Cloud:
        unit = cloud.units[GLANCE_API, CTL2]
        fields = {f: getattr(unit, f) for f in type(unit).__slots__} | changed
        return replace(cloud, units={**cloud.units, (GLANCE_API, CTL2): type(unit)(**fields)})

    return change


def _backends(state: BackendState, *servers: HostName, balancers: tuple[HostName, ...] = (CTL1,)) -> Change:
    def change(cloud: Cloud) -> Cloud:
        def hit(balancer: HostName, pool: str, server: HostName) -> bool:
            return pool == "glance" and server in servers and balancer in balancers

        views = (replace(b, state=state) if hit(b.balancer, b.pool, b.server) else b for b in cloud.backends)
        return replace(cloud, backends=tuple(views))

    return change


def _without_server(cloud: Cloud) -> Cloud:
    kept = (b for b in cloud.backends if (b.pool, b.server, b.balancer) != ("glance", CTL3, CTL2))
    return replace(cloud, backends=tuple(kept))


def _endpoint(service: str, url: str) -> Change:
    return lambda cloud: replace(cloud, endpoints=(*cloud.endpoints, Endpoint(service, "public", url)))


def _galera(node: GaleraNode) -> Change:
    return lambda cloud: replace(cloud, galera={**cloud.galera, node.host: node})


def _grants(*facts: str) -> Change:
    return lambda cloud: replace(cloud, grants={**cloud.grants, KEYSTONE: facts})


def _rows(*rows: str) -> Change:
    seen = SchemaSeen(KEYSTONE, "", frozenset(rows))
    return lambda cloud: replace(cloud, schemas={**cloud.schemas, KEYSTONE: seen})


def _staged(host: HostName, digest: Digest | None, *, obtainable: bool) -> Change:
    return lambda cloud: replace(
        cloud,
        staged={**cloud.staged, (TARGET, host): digest},
        obtainable={**cloud.obtainable, (TARGET, host): obtainable},
    )


def _upgrade_check(code: int, text: str = "") -> Change:
    answers = {KEYSTONE: Answer(code, text)}
    return lambda cloud: replace(cloud, upgrade_checks={**cloud.upgrade_checks, **answers})


def _doctor(code: int, text: str = "") -> Change:
    return lambda cloud: replace(cloud, doctor=Answer(code, text))


def _backup(at: Epoch | None) -> Change:
    return lambda cloud: replace(cloud, backups={**cloud.backups, PLACEMENT: at})


def _answers(status: int | None) -> Change:
    return lambda cloud: replace(cloud, answers={**cloud.answers, (GLANCE_API, CTL2): status})


def _without(field: str) -> Change:
    nothing: dict[str, Any] = {field: {}}
    return lambda cloud: replace(cloud, **nothing)


KEYSTONE_GRANT = "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON `keystone`.* TO `keystone`@`%`"
TABLE = """\
+------------------------------+
| Upgrade Check Results        |
+------------------------------+
| Check: Trust Flush           |
| Result: Success              |
| Details: None                |
+------------------------------+
| Check: Policy File JSON      |
| Result: Failure              |
| Details: it is JSON          |
+------------------------------+
"""
NIBBLES = {"fernet": "sha256:" + "0" * 64, "credential": "sha256:" + "c" * 64}
DAMAGED = Digest("sha256:" + "d" * 64)

B, W = Level.BLOCKS, Level.WARNS


def _absent(cloud: Cloud) -> Cloud:
    """No host has the unit that the record names for glance-api."""
    units = {
        key: replace(unit, state=UnitState.ABSENT, running=None) if key[0] == GLANCE_API else unit
        for key, unit in cloud.units.items()
    }
    return replace(cloud, units=units)


FAILURES: dict[str, tuple[str, Level, Change, str, str]] = {
    "host out of reach": (
        "hosts", B, lambda c: replace(c, hosts={**c.hosts, CTL2: Unreached(CTL2, "ctl2 could not be reached: no route")}),
        "ctl2 could not be reached: no route", "skylift ssh ctl2 true",
    ),
    "host not asked": (
        "hosts", B, lambda c: replace(c, hosts={h: s for h, s in c.hosts.items() if h != CTL3}),
        "ctl3 was not asked", "ping -c 3 10.77.0.13",
    ),
    "failed unit": (
        "units", B, _unit(state=UnitState.FAILED),
        "glance-api.service on ctl2 is failed", "journalctl -u glance-api.service",
    ),
    "unit not seen": (
        "units", B, lambda c: replace(c, units={k: u for k, u in c.units.items() if k != (GLANCE_API, CTL2)}),
        "glance-api on ctl2 was not seen", "ssh ctl2",
    ),
    "service that answers nothing": (
        "units", B, _answers(None), "glance-api on ctl2 is up but answers nothing", "journalctl",
    ),
    "service that answers an error": (
        "units", B, _answers(503), "glance-api on ctl2 is up but answers 503", "journalctl",
    ),
    "unknown artifact": (
        "units", B, _unit(running="/srv/by-hand"),
        "runs /srv/by-hand, which is no artifact of the record", "declare it under 'artifacts:'",
    ),
    "another artifact at the next start": (
        "units", W, _unit(linked="/opt/openstack/artifacts/2024.1"),
        "but its next start would run /opt/openstack/artifacts/2024.1", "systemctl restart glance-api.service",
    ),
    "one backend left": (
        "backends", B, _backends(BackendState.DOWN, CTL2, CTL3),
        "the balancer on ctl1 has 1 of 3 backends of glance-api up; an upgrade needs 2", "curl -si http://10.77.0.12:9292/healthcheck",
    ),
    "backend in maintenance": (
        "backends", W, _backends(BackendState.MAINT, CTL3, balancers=(CTL2,)),
        "ctl3 in pool glance is maint in the balancer on ctl2", "set server glance/ctl3 state ready",
    ),
    "server that a balancer lacks": (
        "backends", B, _without_server, "the balancer on ctl2 has no server ctl3 in pool glance", "it knows ctl1, ctl2",
    ),
    "endpoint of a host": (
        "endpoints", B, _endpoint("image", "http://10.77.0.12:9292"),
        "the public endpoint of image is http://10.77.0.12:9292, not behind 10.77.0.10", "openstack endpoint set --url",
    ),
    "endpoint of something else elsewhere": (
        "endpoints", W, _endpoint("object-store", "http://10.9.9.9:8080/v1"),
        "the public endpoint of object-store is http://10.9.9.9:8080/v1", "point it to the VIP",
    ),
    "endpoint missing": (
        "endpoints", B, lambda c: replace(c, endpoints=tuple(e for e in c.endpoints if e.service != "image")),
        "the catalog has no endpoint of image; it has identity", "openstack endpoint create image",
    ),
    "galera without quorum": (
        "galera", B, _galera(GaleraNode(CTL2, "non-Primary", "Synced", 3)),
        "the database on ctl2 is non-Primary, not Primary: it has no quorum", "wsrep_",
    ),
    "galera that catches up": (
        "galera", B, _galera(GaleraNode(CTL2, "Primary", "Joined", 3)), "is Joined, not Synced", "wait, then",
    ),
    "galera too small": (
        "galera", B, _galera(GaleraNode(CTL2, "Primary", "Synced", 2)),
        "the database on ctl2 sees a cluster of 2; the record says 3", "database.size",
    ),
    "galera node missing": (
        "galera", B, lambda c: replace(c, galera={h: n for h, n in c.galera.items() if h != CTL3}),
        "the database on ctl3 did not answer", "systemctl start mariadb",
    ),
    "privileges missing": (
        "privileges", B, _grants(KEYSTONE_GRANT),
        "the database user keystone lacks ALTER, INDEX, REFERENCES on keystone", "GRANT ALTER, INDEX, REFERENCES ON keystone.* TO 'keystone'@'%'",
    ),
    "triggers and the binary log": (
        "privileges", W,
        _grants("GRANT ALL PRIVILEGES ON `keystone`.* TO `keystone`@`%`", "log_bin=ON", "log_bin_trust_function_creators=OFF"),
        "asks for log_bin_trust_function_creators=1", "SET GLOBAL log_bin_trust_function_creators=1",
    ),
    "privileges not read": ("privileges", B, _without("grants"), "the grants of glance were not read", "skylift inspect"),
    "schema behind": (
        "schema", B, _rows("27e647c0fad4"),
        "the schema of keystone is not at the head of 2023.1: it lacks 29e87d24a316, e25ffa003242 and is at 27e647c0fad4",
        "runuser -u keystone -- /opt/openstack/artifacts/2023.1/bin/keystone-manage db_sync --expand",
    ),
    "schema empty": ("schema", B, _rows(), "and is at nothing", "db_sync --contract"),
    "schema foreign": (
        "schema", B, _rows("29e87d24a316", "e25ffa003242", "abcdef"),
        "the schema of keystone has abcdef, which no artifact at hand declares", "find out who migrated it",
    ),
    "schema expanded already": (
        "schema", W, _rows(*EXPANDED_2024_1[KEYSTONE]), "the schema of keystone is already on its way to 2024.1", "go on",
    ),
    "schema not read": (
        "schema", B, lambda c: replace(c, schemas={}, unread={"schema glance": "no server answers"}),
        "the schema of glance could not be judged: no server answers", "skylift inspect",
    ),
    "migrations not read": (
        "schema", B, _without("migrations"), "the schema of keystone could not be judged: nobody looked", "skylift inspect",
    ),
    "artifact not staged on the bootstrap host": (
        "artifacts", B, _staged(CTL1, None, obtainable=True), "is not staged on ctl1, where its questions are asked", "skylift stage --to 2024.1",
    ),
    "artifact out of reach": (
        "artifacts", B, _staged(CTL3, None, obtainable=False), "ctl3 cannot fetch http://10.77.0.1:8099/2024.1.tar.zst", "curl -fsSI",
    ),
    "artifact altered": (
        "artifacts", B, _staged(CTL2, DAMAGED, obtainable=True), "on ctl2 is not artifact openstack-2024.1: its digest is sha256:ddd", "mv /opt/openstack",
    ),
    "upgrade check warns": (
        "upgrade-check", W, _upgrade_check(1, TABLE), "keystone's own upgrade check warns: Policy File JSON (Failure) it is JSON", "keystone-status upgrade check",
    ),
    "upgrade check fails": (
        "upgrade-check", B, _upgrade_check(2, TABLE), "keystone's own upgrade check fails: Policy File JSON", "/opt/openstack/artifacts/2024.1/bin/",
    ),
    "upgrade check broken": (
        "upgrade-check", B, _upgrade_check(255, "Traceback\nKeyError: 'x'\n"), "could not run: KeyError: 'x'", "runuser -u keystone",
    ),
    "upgrade check of an unknown code": (
        "upgrade-check", B, _upgrade_check(3), "ended with 3, a code it does not document", "see its table",
    ),
    "upgrade check not asked": (
        "upgrade-check", B, _without("upgrade_checks"), "keystone was not asked whether it is ready", "skylift inspect",
    ),
    "doctor's symptom": ("doctor", W, _doctor(1, "WARNING: cache is off"), "a symptom: WARNING: cache is off", "keystone-manage doctor"),
    "doctor broken": ("doctor", B, _doctor(126, ""), "keystone's doctor ended with 126: it printed nothing", "ask again"),
    "doctor not asked": ("doctor", B, lambda c: replace(c, doctor=None), "keystone's doctor was not asked", "ask again"),
    "keys differ": (
        "keys", B, _host(CTL2, key_digests=NIBBLES), "the fernet keys of ctl2 differ from those of ctl1", "rsync -a --delete /etc/keystone/fernet-keys/ ctl2:",
    ),
    "keys missing on one host": (
        "keys", B, _host(CTL3, key_digests={"fernet": "sha256:" + "f" * 64}), "the credential keys of ctl3 differ", "credential-keys/",
    ),
    "keys of a host that did not answer": (
        "keys", B, lambda c: replace(c, hosts={**c.hosts, CTL2: Unreached(CTL2, "x")}), "the fernet keys of ctl2 were not read", "hosts",
    ),
    "disk full": (
        "disk", B, _host(CTL2, disk_free_bytes=2**30), "ctl2 has 1.0 GiB free where artifacts lie; the policy wants 2 GiB", "df -h",
    ),
    "disk of a host that did not answer": (
        "disk", B, lambda c: replace(c, hosts={**c.hosts, CTL2: Unreached(CTL2, "x")}), "ctl2 did not answer, so its free disk", "hosts",
    ),
    "clock ahead": ("clocks", B, _host(CTL2, clock_offset_ms=5003), "the clock of ctl2 is 5000 ms ahead", "timedatectl"),
    "clock behind": ("clocks", B, _host(CTL2, clock_offset_ms=-5000), "the clock of ctl2 is 5003 ms behind", "systemd-timesyncd"),
    "clock of a host that did not answer": (
        "clocks", B, lambda c: replace(c, hosts={**c.hosts, CTL2: Unreached(CTL2, "x")}), "so its clock is not known", "hosts",
    ),
    "backup too old": (
        "backup", B, _backup(Epoch(NOW - 25 * 3600)), "the newest backup of database placement is 25 hours old; the policy allows 24", "mariadb-dump",
    ),
    "no backup": (
        "backup", B, _backup(None), "there is no backup of database placement in /var/backups/skylift", "make one: skylift ssh ctl1",
    ),
    "a unit that no host has": (
        "units", B, _absent, "none of ctl1, ctl2, ctl3 has a unit glance-api.service, which the record names for glance-api", "correct 'unit' of glance-api, under glance in the record",
    ),
    "release unknown where its unit is misnamed": (
        "release-path", B, _absent, "the release of glance is not known", "see the check named units",
    ),
    "release unknown where nothing of the record runs": (
        "release-path", B, _without("units"), "the release of keystone is not known", "skylift inspect",
    ),
}  # fmt: skip


@pytest.mark.parametrize("check", [check.name for check in CHECKS])
def test_each_check_passes_on_a_cloud_that_is_ready(check: str) -> None:
    (finding,) = _asked(_ready())[check]

    assert finding.level is Level.PASSED
    assert not finding.blocks
    assert finding.remedies == ()


@pytest.mark.parametrize("case", FAILURES)
def test_each_check_fails_for_its_reason_with_its_message_and_a_way_out(case: str) -> None:
    """Row 10: every finding carries what to do."""
    check, level, change, told, remedy = FAILURES[case]

    findings = [f for f in _asked(change(_ready()))[check] if told in f.sentence]

    assert findings, _asked(change(_ready()))[check]
    assert {f.level for f in findings} == {level}
    assert any(remedy in r.how for f in findings for r in f.remedies), findings
    assert all(not f.sentence.endswith(".") for f in findings)


def test_every_check_is_seen_to_fail() -> None:
    failing = {
        check
        for check, *_ in (
            *FAILURES.values(),
            *AGENT_FAILURES.values(),
            *WORK_FAILURES.values(),
            *BUS_FAILURES.values(),
        )
    }

    assert failing == {check.name for check in CHECKS}
