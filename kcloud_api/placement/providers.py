"""Reads single providers, and hosts' names."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, or_, select
from sqlmodel import Session, col

from kcloud_api.placement.tables import ProviderRow
from kcloud_common.errors import NotFound


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    id: UUID
    name: str
    generation: int
    parent_id: UUID | None
    root_id: UUID
    updated_at: datetime


COLUMNS = (
    col(ProviderRow.id), col(ProviderRow.name), col(ProviderRow.generation), col(ProviderRow.parent_id),
    col(ProviderRow.root_id), col(ProviderRow.updated_at),
)  # fmt: skip
"""In the order of ProviderRecord's fields."""
ONE = select(*COLUMNS).where(col(ProviderRow.id) == bindparam("provider_id"))
"""Built once: building a statement and fitting its answer to it cost more than the question."""


def get_provider(session: Session, provider_id: UUID) -> ProviderRecord:
    """NotFound when there is none."""
    row = session.connection().execute(ONE, {"provider_id": provider_id}).first()
    if row is None:
        raise unknown(provider_id)
    return ProviderRecord(*row)


def unknown(provider_id: UUID) -> NotFound:
    return NotFound(f"No resource provider with uuid {provider_id} found")


def root_names(session: Session, provider_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """The names of these root providers: of hosts, by host id."""
    statement = select(col(ProviderRow.id), col(ProviderRow.name)).where(
        col(ProviderRow.id).in_(list(provider_ids))
    )
    return {id_: name for id_, name in session.connection().execute(statement)}  # noqa: C416 - a Row is no pair


def roots_called(session: Session, name: str) -> frozenset[UUID]:
    """The root providers of that name: hosts. An id is as good as a name."""
    called = [col(ProviderRow.name) == name]
    with suppress(ValueError):
        called.append(col(ProviderRow.id) == UUID(name))
    roots = select(col(ProviderRow.id)).where(or_(*called), col(ProviderRow.parent_id).is_(None))
    return frozenset(session.connection().execute(roots).scalars())
