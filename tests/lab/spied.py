"""What whoever looks at this machine and its hosts can read of a run, and whether secrets stand in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

from skylift.gate.lab.host import Lab
from skylift.gate.lab.host import run as on_host

EVERY_S = 0.5
_LONG = 20
"""Shorter lines of a key file are none of its body."""


def secrets_of(lab: Lab) -> Mapping[str, str]:
    """Every password, token and key that the lab was made with, and the SSH key: by where it is from."""
    found = dict(_leaves("passwords", json.loads((lab.folder / "passwords.json").read_text())))
    body = (line for line in lab.key.read_text().splitlines() if len(line) > _LONG and line[0] != "-")
    return found | {f"SSH key, row {number}": line for number, line in enumerate(body)}


class Spy:
    """Looks at all processes of this machine, those of the hosts among them: their words and environment."""

    def __init__(self, secrets: Mapping[str, str], processes: Path = Path("/proc")) -> None:
        self._secrets = secrets
        self._any = re.compile(b"|".join(re.escape(secret.encode()) for secret in secrets.values()))
        self._processes = processes
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self.looks = 0
        self.seen: set[str] = set()
        """Whose secret was seen where."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def look(self) -> None:
        """One look at what lives now."""
        for process in self._processes.glob("[0-9]*"):
            for what in ("cmdline", "environ"):
                # It may have ended meanwhile.
                with suppress(OSError):
                    self.seen |= {
                        f"{secret} in {what}" for secret in self.told((process / what).read_bytes())
                    }
        self.looks += 1

    def told(self, text: bytes) -> Iterable[str]:
        """Whose secrets stand in a text."""
        if not self._any.search(text):
            return ()
        return [where for where, secret in self._secrets.items() if secret.encode() in text]

    def left(self, lab: Lab, own: Path, since: float) -> Iterator[str]:
        """Where secrets stand in an operator's folder, in Skylift's own on the hosts, and in their logs.

        The logs are those of each host's first process, which writes down what it starts.
        """
        folders = [own, *(host.root / "var/lib/skylift" for host in lab.hosts)]
        for file in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
            yield from (f"{secret} in {file}" for secret in self.told(file.read_bytes()))
        for host in lab.hosts:
            said = on_host(
                host, f"journalctl --no-pager -o export --since=@{int(since)} _PID=1", timeout_s=60
            )
            yield from (f"{secret} in the log of {host.name}" for secret in self.told(said.encode()))

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            self.look()


def _leaves(name: str, of: Any) -> Iterator[tuple[str, str]]:
    if isinstance(of, str):
        yield name, of
        return
    for key, value in of.items() if isinstance(of, dict) else enumerate(of):
        yield from _leaves(f"{name}.{key}", value)
