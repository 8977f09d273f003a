"""Layouts as values, apart from their rows. Pure data."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kcloud_api.hosts.layouts.bodies import Target
from kcloud_common.wire import CardLayoutWant, LayoutWant


@dataclass(frozen=True, slots=True)
class LayoutRecord:
    """One version of a layout."""

    id: UUID
    name: str
    version: int
    target: Target
    cards: tuple[CardLayoutWant, ...]
    user_id: str
    created_at: datetime
    """Of this version."""

    @property
    def want(self) -> LayoutWant:
        return want(self.id, self.version, self.cards)


def want(layout_id: UUID, version: int, cards: tuple[CardLayoutWant, ...]) -> LayoutWant:
    """What hosts are told. Its version is another one for every change of every layout."""
    return LayoutWant(version=f"{layout_id}:{version}", cards=cards)
