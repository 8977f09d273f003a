"""Remembers which addresses guests got, and when to look again: asking costs the hypervisor a round trip."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from hypervisor_drivers.driver import Driver, DriverError
from hypervisor_drivers.spec import DomainSeen
from kcloud_compute.planner import LIVE

_FIRST = 1.0
_EAGER, _EAGER_FOR = 2.0, 300.0
"""A guest that boots asks for its lease within minutes, if ever."""
_SETTLED = 60.0


@dataclass(frozen=True, slots=True)
class _Entry:
    since: float
    due: float
    found: tuple[str, ...] = ()


class AddressBook:
    """One thread's. The clock is an argument."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._entries: dict[UUID, _Entry] = {}

    def refresh(self, domains: Mapping[UUID, DomainSeen], now: float) -> None:
        """Ask for those that are due; forget those that no longer run."""
        live = {id for id, seen in domains.items() if seen.state in LIVE and seen.macs}
        entries: dict[UUID, _Entry] = {}
        for id in live:
            entry = self._entries.get(id, _Entry(since=now, due=now + _FIRST))
            entries[id] = self._asked(id, entry, now) if entry.due <= now else entry
        self._entries = entries

    def all(self) -> dict[UUID, tuple[str, ...]]:
        return {id: entry.found for id, entry in self._entries.items()}

    def due(self, now: float) -> float:
        """Seconds until somebody should be asked for; infinity for nobody."""
        return min((max(0.0, entry.due - now) for entry in self._entries.values()), default=math.inf)

    def _asked(self, id: UUID, entry: _Entry, now: float) -> _Entry:
        found = entry.found
        with suppress(DriverError):
            found = self._driver.addresses(id) or entry.found
        eager = not found and now - entry.since < _EAGER_FOR
        return _Entry(entry.since, now + (_EAGER if eager else _SETTLED), found)
