"""Let a service start with its host from now on, or no longer: for one that begins or ends with a release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skylift.actions.action import Action, Done, Pending, Progress, Reversal, Undo
from skylift.model.ids import HostName, UnitName
from skylift.model.record import Record
from skylift.ports import Ports


@dataclass(frozen=True, slots=True)
class EnableUnit(Action):
    """Let ``unit`` start whenever ``host`` does, so that a reboot does not end it."""

    kind: ClassVar[str] = "enable-unit"

    host: HostName
    unit: UnitName

    @property
    def title(self) -> str:
        return f"let {self.unit} start with {self.host}"

    def observe(self, ports: Ports) -> Progress:
        """Done, too, if it is for another unit to start it."""
        starts = ports.services.starts_with_host(self.host, self.unit)
        return Pending(f"{self.unit} would not come back with its host") if starts is False else Done()

    def advance(self, ports: Ports) -> None:
        ports.services.let_start_with_host(self.host, self.unit, wanted=True)

    def by_hand(self, record: Record) -> tuple[str, ...]:
        """It starts with its host from then on, and not before."""
        del record
        return (f"skylift ssh {self.host} systemctl enable {self.unit}",)

    def reversal(self) -> Reversal:
        return Undo(DisableUnit(self.host, self.unit))


@dataclass(frozen=True, slots=True)
class DisableUnit(Action):
    """Let ``unit`` no longer start when ``host`` does; what runs goes on until it is stopped."""

    kind: ClassVar[str] = "disable-unit"

    host: HostName
    unit: UnitName

    @property
    def title(self) -> str:
        return f"let {self.unit} no longer start with {self.host}"

    def observe(self, ports: Ports) -> Progress:
        """Done, too, if it is for another unit to start it."""
        starts = ports.services.starts_with_host(self.host, self.unit)
        return Pending(f"{self.unit} would come back with its host") if starts else Done()

    def advance(self, ports: Ports) -> None:
        ports.services.let_start_with_host(self.host, self.unit, wanted=False)

    def reversal(self) -> Reversal:
        return Undo(EnableUnit(self.host, self.unit))
