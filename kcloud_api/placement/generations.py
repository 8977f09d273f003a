"""Locks providers and raises their generations: every write to a provider passes through here."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import update
from sqlmodel import Session, col, select

from kcloud_api.placement.tables import ProviderRow
from kcloud_common.errors import StaleGeneration


def lock(session: Session, provider_ids: Iterable[UUID]) -> None:
    """Hold these rows until the transaction ends, taken in one order so that writers never deadlock.

    SQLite has no row locks and needs none: its writers queue at BEGIN.
    """
    ids = sorted(provider_ids)
    if ids:
        statement = select(ProviderRow.id).where(col(ProviderRow.id).in_(ids)).order_by(col(ProviderRow.id))
        session.exec(statement.with_for_update()).all()


def lock_tree(session: Session, root_id: UUID) -> None:
    """The same for a root and all below it."""
    statement = select(ProviderRow.id).where(ProviderRow.root_id == root_id).order_by(col(ProviderRow.id))
    session.exec(statement.with_for_update()).all()


def advance(session: Session, provider_id: UUID, read: int) -> None:
    """Raise the generation from the one that was read, or StaleGeneration: one row must change."""
    changed = session.exec(
        update(ProviderRow)
        .where(col(ProviderRow.id) == provider_id, col(ProviderRow.generation) == read)
        .values(generation=ProviderRow.generation + 1)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:
        raise StaleGeneration(
            "resource provider generation conflict: read it again, then retry", provider=str(provider_id)
        )


def bump(session: Session, provider_ids: Iterable[UUID]) -> int:
    """Raise the generations whatever they are (call `lock` first); how many there were."""
    changed = session.exec(
        update(ProviderRow)
        .where(col(ProviderRow.id).in_(sorted(provider_ids)))
        .values(generation=ProviderRow.generation + 1)
        .execution_options(synchronize_session=False)
    )
    return changed.rowcount
