"""Nova's fake hypervisor, but its instances are kept: put into an artifact as ``nova.virt.kept_fake``.

Upstream's own forgets them when nova-compute restarts, so that nobody could tell whether an upgrade
lost one. Here they are lines of a file in Nova's state folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nova.conf  # type: ignore[import-not-found] # it is there where this runs
from nova.virt import fake  # type: ignore[import-not-found]

CONF = nova.conf.CONF


class KeptFakeDriver(fake.FakeDriverWithoutFakeNodes):  # type: ignore[misc] # Nova is not here
    """A host with room for a hundred small instances, which outlive the service."""

    vcpus = 64
    memory_mb = 16384
    local_gb = 256

    def init_host(self, host: str) -> None:
        """Take up what was kept."""
        super().init_host(host)
        if _file().exists():
            for uuid, (name, state) in json.loads(_file().read_text()).items():
                self.instances[uuid] = fake.FakeInstance(name, state, uuid)

    def spawn(self, *args: Any, **kwargs: Any) -> None:
        """As the fake does, and keep it."""
        super().spawn(*args, **kwargs)
        self._keep()

    def destroy(self, *args: Any, **kwargs: Any) -> None:
        """As the fake does, and forget it."""
        super().destroy(*args, **kwargs)
        self._keep()

    def power_off(self, *args: Any, **kwargs: Any) -> None:
        """As the fake does, and keep it."""
        super().power_off(*args, **kwargs)
        self._keep()

    def power_on(self, *args: Any, **kwargs: Any) -> None:
        """As the fake does, and keep it."""
        super().power_on(*args, **kwargs)
        self._keep()

    def _keep(self) -> None:
        kept = {uuid: (one.name, one.state) for uuid, one in self.instances.items()}
        unfinished = _file().with_suffix(".unfinished")
        unfinished.write_text(json.dumps(kept))
        unfinished.rename(_file())


def _file() -> Path:
    return Path(CONF.state_path) / "kept-instances.json"
