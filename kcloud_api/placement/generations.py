"""Locks providers and raises their generations: every write to a provider passes through here."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import update
from sqlmodel import Session, col, select

from kcloud_api.placement.tables import ProviderRow
from kcloud_common.errors import StaleGeneration


def lock(session: Session, provider_ids: Iterable[UUID]) -> None:
    """Hold the trees of these providers until the transaction ends. The root's row stands for its whole
    tree, and roots are taken in one order, so that writers queue and never deadlock.

    SQLite has no row locks and needs none: its writers queue at BEGIN.
    """
    ids = sorted(provider_ids)
    if ids:
        roots = select(ProviderRow.root_id).where(col(ProviderRow.id).in_(ids))
        statement = select(ProviderRow.id).where(col(ProviderRow.id).in_(roots)).order_by(col(ProviderRow.id))
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
