"""What must agree across the sections of ``cloud.yaml``, and with the files it names."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from skylift.app.yaml_section import Sheet, meant
from skylift.catalog.component import Front, KnownComponent
from skylift.model.ids import ComponentName
from skylift.model.named_files import secrets
from skylift.model.record import ComponentEntry, Record, ServiceEntry
from skylift.model.window import Freeze, Window

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SSH_PORT = 22


def check_references(sheet: Sheet, record: Record, known: Mapping[ComponentName, KnownComponent]) -> None:
    """Note each name that refers to nothing, each clash, and each file that is not as it must be."""
    _roles(sheet, record)
    _components(sheet, record, known)
    for name, component in record.components.items():
        if name in known:
            _services(sheet, component, known[name])
            _databases(sheet, component, known[name])
    _outages(sheet, record)
    _cells(sheet, record)
    _clashes(sheet, record)
    _second_person(sheet, record)
    _times(sheet, record)
    _sizes(sheet, record)
    _vantage(sheet, record)
    _automation(sheet, record)
    for at, file in secrets(record).items():
        _private(sheet, at, Path(file))
    _pinned(sheet, record)
    _credentials(sheet, record)


def _second_person(sheet: Sheet, record: Record) -> None:
    if record.policy.second_person and len(record.signers) < 2:  # noqa: PLR2004 - one who plans, one who approves
        sheet.wrong("policy.second_person", "needs two signers at least", "name them under 'signers:'")


def _times(sheet: Sheet, record: Record) -> None:
    policy = record.policy
    for key, texts, parse in (
        ("windows", policy.windows, Window.parse),
        ("freezes", policy.freezes, Freeze.parse),
        ("time_zone", (policy.time_zone,), ZoneInfo),
    ):
        for text in texts:
            try:
                parse(text)
            except (ValueError, ZoneInfoNotFoundError):
                sheet.wrong(
                    f"policy.{key}", f"{text} is no time there is", "see docs/how-to/keep-to-windows.md"
                )


def _roles(sheet: Sheet, record: Record) -> None:
    roles = {role for host in record.hosts.values() for role in host.roles}
    told = {f"{_at(service)}.role": service.role for service in record.services.values()}
    told |= {"balancer.role": record.balancer.role, "database.role": record.database.role}
    told |= {"broker.role": record.broker.role} if record.broker else {}
    told |= {"storage.role": record.storage.role} if record.storage else {}
    for at, role in told.items():
        if role and role not in roles:
            sheet.wrong(at, f"no host has the role {role}", meant(role, roles))


def _components(sheet: Sheet, record: Record, known: Mapping[ComponentName, KnownComponent]) -> None:
    for name, component in record.components.items():
        if name not in known:
            sheet.wrong(f"components.{name}", f"{name} is not a component Skylift knows", meant(name, known))
        if component.artifact and component.artifact not in record.artifacts:
            told = f"there is no artifact {component.artifact}"
            sheet.wrong(f"components.{name}.artifact", told, meant(component.artifact, record.artifacts))


def _services(sheet: Sheet, component: ComponentEntry, known: KnownComponent) -> None:
    """Each is one that the component has, and has a pool and a port if, and only if, it is balanced."""
    fronts = {service.name: service.front for service in known.services}
    for name, service in component.services.items():
        at = _at(service)
        if name not in fronts:
            sheet.wrong(at, f"{name} is no service of {component.name}", meant(name, fronts))
            continue
        for key, told in (("port", service.port), ("pool", service.pool)):
            if fronts[name] is Front.BALANCED and not told and f"{at}.{key}" not in sheet.lines:
                sheet.wrong(at, f"{name} is reached through the balancer, and has no {key}", f"add its {key}")
            elif fronts[name] is not Front.BALANCED and told:
                sheet.wrong(f"{at}.{key}", f"{name} is not reached through the balancer", "remove it")
        if service.since and service.until and service.until < service.since:
            backwards = f"{name} would end with {service.until} and begin with {service.since}"
            sheet.wrong(f"{at}.until", backwards, "write the last release that has it, or remove it")


def _databases(sheet: Sheet, component: ComponentEntry, known: KnownComponent) -> None:
    """Each schema that the component has is in a database that is named."""
    at, told = f"components.{component.name}", set(component.databases)
    fixed = {schema.name for schema in known.schemas if not schema.per_cell}
    for name in sorted(fixed - told):
        key = "database" if not name else f"databases.{name}"
        sheet.wrong(at, f"has no {key}", f"add {key}: the name of that database")
    surplus = told - fixed
    if surplus and not any(schema.per_cell for schema in known.schemas):
        words = ", ".join(sorted(surplus - {""})) or "a database"
        sheet.wrong(at, f"names {words}, which {component.name} does not have", "remove it")
    if any(schema.per_cell for schema in known.schemas) and not surplus:
        sheet.wrong(f"{at}.databases", "names no cell", "add one line a cell: its name, and its database")
    for name in sorted(component.config_files.keys() - told):
        sheet.wrong(f"{at}.config_files.{name}", f"there is no database {name}", meant(name, told - {""}))


def _outages(sheet: Sheet, record: Record) -> None:
    for name in sorted(record.policy.outages - record.components.keys()):
        sheet.wrong("policy.outages", f"there is no component {name}", meant(name, record.components))


def _cells(sheet: Sheet, record: Record) -> None:
    """A host's cell is one that a component has a database for."""
    cells = {name for component in record.components.values() for name in component.databases} - {""}
    for name, host in record.hosts.items():
        if host.cell and host.cell not in cells:
            told = f"no component has a database of cell {host.cell}"
            sheet.wrong(f"hosts.{name}.cell", told, meant(host.cell, cells))


def _at(service: ServiceEntry) -> str:
    return f"components.{service.component}.services.{service.name}"


def _clashes(sheet: Sheet, record: Record) -> None:
    _unlike(sheet, ((f"hosts.{n}.address", n, h.address) for n, h in record.hosts.items()))
    _unlike(sheet, ((f"artifacts.{n}.path", n, str(a.path)) for n, a in record.artifacts.items()))
    for key, of in _OWN.items():
        services = record.services.items()
        _unlike(sheet, ((f"{_at(s)}.{key}", n, of(s)) for n, s in services if of(s)))
    _unlike(
        sheet,
        (
            (f"components.{n}.{f'databases.{schema}' if schema else 'database'}", n, database)
            for n, c in record.components.items()
            for schema, database in c.databases.items()
        ),
    )


_OWN: dict[str, Callable[[ServiceEntry], str]] = {
    "unit": lambda s: s.unit,
    "link": lambda s: str(s.link),
    "port": lambda s: str(s.port or ""),
    "pool": lambda s: s.pool,
}


def _unlike(sheet: Sheet, values: Iterable[tuple[str, str, str]]) -> None:
    """Note each value that stood before: where it stands, whose it is, and the value."""
    first: dict[str, str] = {}
    for place, name, value in values:
        if _mistaken(sheet, place):
            continue
        if value in first:
            sheet.wrong(place, f"is {value}, as that of {first[value]} is", "give each its own")
        first.setdefault(value, name)


def _sizes(sheet: Sheet, record: Record) -> None:
    servers = len(record.hosts_in(record.database.role))
    if record.database.size < servers and not _mistaken(sheet, "database.size"):
        told = f"is {record.database.size}, but {servers} hosts have the role {record.database.role}"
        sheet.wrong("database.size", told, f"write {servers}, or correct the roles")
    brokers = record.broker and len(record.hosts_in(record.broker.role))
    if record.broker and brokers != record.broker.size and not _mistaken(sheet, "broker.size"):
        told = f"is {record.broker.size}, but {brokers} hosts have the role {record.broker.role}"
        sheet.wrong("broker.size", told, f"write {brokers}, or correct the roles")
    balanced = (service for service in record.services.values() if service.balanced)
    fewest = min((len(record.hosts_in(service.role)) for service in balanced), default=0)
    if 1 < fewest <= record.policy.batch:
        told = f"is {record.policy.batch}, which would take every backend of an API out at once"
        sheet.wrong("policy.batch", told, f"write a whole number from 1 to {fewest - 1}")


def _vantage(sheet: Sheet, record: Record) -> None:
    host = record.vantage.host
    if not host:
        return
    if host not in record.hosts:
        sheet.wrong("vantage.host", f"there is no host {host}", meant(host, record.hosts))
        return
    serving = {s.role for s in record.services.values()} | {record.balancer.role, record.database.role}
    serving |= {record.broker.role} if record.broker else set()
    if record.hosts[host].roles & serving:
        told = f"{host} is part of the control plane, so it cannot see what users see"
        sheet.wrong("vantage.host", told, "name a host outside of it, with a role of its own")


def _automation(sheet: Sheet, record: Record) -> None:
    for name, entry in record.maintenance.automation.items():
        if entry.host not in record.hosts:
            near = f"one of: {meant(entry.host, record.hosts)}"
            sheet.wrong(f"maintenance.automation.{name}.host", f"there is no host {entry.host}", near)


def _private(sheet: Sheet, at: str, file: Path) -> None:
    if not file.is_file():
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & _OTHERS:
        sheet.wrong(at, f"{file} has mode {mode:04o}, so others may read it", f"run: chmod 0600 {file}")


def _credentials(sheet: Sheet, record: Record) -> None:
    file, cloud = Path(record.vantage.clouds_yaml), record.vantage.cloud
    if not cloud or not file.is_file():
        return
    try:
        clouds = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["clouds"]
        names = [str(name) for name in clouds]
    except (YAMLError, UnicodeDecodeError, KeyError, TypeError):
        sheet.wrong(
            "vantage.clouds_yaml", f"{file} has no mapping 'clouds'", "write it as openstackclient does"
        )
        return
    if cloud not in names:
        sheet.wrong("vantage.cloud", f"{file.name} has no cloud {cloud}", meant(cloud, names))


def _pinned(sheet: Sheet, record: Record) -> None:
    file = Path(record.ssh.known_hosts)
    if not file.is_file():
        return
    pinned = _patterns(file.read_text(encoding="utf-8", errors="replace"))
    for name, host in record.hosts.items():
        port = record.ssh.port
        wanted = host.address if port == _SSH_PORT else f"[{host.address}]:{port}"
        if host.address and not any(_pins(pattern, wanted) for pattern in pinned):
            scan = f"ssh-keyscan -p {port} {host.address}"
            told = f"{file} has no key of {name} ({wanted}), so its identity cannot be proved"
            sheet.wrong(f"hosts.{name}.address", told, f"add its line, compared with the console: {scan}")


def _patterns(text: str) -> list[str]:
    """The host patterns of a known_hosts file; those of revoked keys left out. Source: sshd(8)."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    kept = [
        words[1:] if words[0] == "@cert-authority" else words for words in lines if words[0] != "@revoked"
    ]
    return [pattern for words in kept if words for pattern in words[0].split(",")]


def _pins(pattern: str, wanted: str) -> bool:
    if not pattern.startswith("|1|"):
        return fnmatch.fnmatchcase(wanted, pattern.replace("[", "[[]"))
    salt, _, digest = pattern[3:].partition("|")
    try:
        key, given = base64.b64decode(salt), base64.b64decode(digest)
    except binascii.Error:
        return False
    # SHA-1 is the format of hashed host names, not a choice: it hides names and proves nothing.
    return hmac.compare_digest(hmac.digest(key, wanted.encode(), hashlib.sha1), given)


def _mistaken(sheet: Sheet, at: str) -> bool:
    return at not in sheet.lines or any(m.at == at for m in sheet.mistakes)
