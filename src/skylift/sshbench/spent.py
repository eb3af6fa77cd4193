"""CPU time that some tasks took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """On how many tasks, by whoever asked, and by the hosts."""

    tasks: int
    asking_s: float
    hosts_s: float

    def __add__(self, more: Spent) -> Spent:
        return Spent(self.tasks + more.tasks, self.asking_s + more.asking_s, self.hosts_s + more.hosts_s)

    @property
    def asking_ms(self) -> float:
        """For one task."""
        return 1000 * self.asking_s / self.tasks

    @property
    def hosts_ms(self) -> float:
        """For one task."""
        return 1000 * self.hosts_s / self.tasks
