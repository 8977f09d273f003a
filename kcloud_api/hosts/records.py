"""What the use cases of hosts give: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class HostState(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class HostRecord:
    """One host as operators see it. `report` holds the facts of its last report."""

    id: UUID
    name: str
    state: HostState
    enabled: bool
    disabled_reason: str | None
    epoch: int
    boot_id: UUID | None
    last_seen: datetime
    report: Mapping[str, object]
    problems: tuple[str, ...]
    created_at: datetime
    updated_at: datetime

    def fact(self, name: str) -> int:
        """A number of the report; 0 before the first one."""
        value = self.report.get(name, 0)
        return value if isinstance(value, int) else 0

    def text(self, name: str) -> str:
        return str(self.report.get(name, ""))


@dataclass(frozen=True, slots=True)
class EnrolmentRecord:
    """A new one-time token, told once: only its digest is kept."""

    token: str
    host: str
    expires_at: datetime
