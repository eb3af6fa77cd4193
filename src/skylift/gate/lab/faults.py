"""Breaking the lab on purpose, as the world does."""

from __future__ import annotations

from skylift.gate.lab.host import LabHost, run
from skylift.gate.lab.supervisor import power_off, power_on

__all__ = ["boot_id", "power_off", "power_on"]


def boot_id(host: LabHost) -> str:
    """What the host calls its present boot: another word after each reboot.

    Raises:
        LabProblem: it does not answer.
    """
    return run(host, "cat /proc/sys/kernel/random/boot_id", timeout_s=15).strip()
