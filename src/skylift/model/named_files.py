"""The files that a record names on the machine that runs Skylift: another machine needs them, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from skylift.model.record import Record


def secrets(record: Record) -> Mapping[str, PurePosixPath]:
    """Those that only their owner may read, by the place in the record that names each."""
    named = {"ssh.key": record.ssh.key, "vantage.clouds_yaml": record.vantage.clouds_yaml}
    named |= {f"gates.{name}.token": gate.token for name, gate in record.gates.items() if gate.token}
    for name, told in record.notify.items():
        of = {"url_file": told.url_file, "token": told.token, "password": told.password}
        named |= {f"notify.{name}.{key}": file for key, file in of.items() if file}
    return named


def named_files(record: Record) -> tuple[PurePosixPath, ...]:
    """All of them, each once; what others name in turn, such as a certificate in clouds.yaml, is not."""
    known_hosts = record.ssh.known_hosts
    return tuple(dict.fromkeys((record.ssh.key, known_hosts, *secrets(record).values(), *record.catalog)))


def programs(record: Record) -> tuple[str, ...]:
    """What gates and those who are told run on that machine: the first word of each command."""
    every = (
        *(gate.argv for gate in record.gates.values()),
        *(told.argv for told in record.notify.values()),
    )
    return tuple(dict.fromkeys(argv[0] for argv in every if argv))
