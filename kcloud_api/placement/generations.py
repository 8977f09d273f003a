"""Locks providers and raises their generations: every write to a provider passes through here.

The order in which rows are locked is one for all writers, so that they queue and never deadlock: consumers
first (consumers.py), by id; then the roots of trees, by id. A root's row stands for its whole tree.
"""

from collections.abc import Iterable, Mapping
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, update
from sqlmodel import Session, col

from kcloud_api.db.columns import utcnow
from kcloud_api.placement.claim_statements import LOCK_TREES, RAISE_PROVIDERS
from kcloud_api.placement.tables import ProviderRow
from kcloud_common.errors import StaleGeneration


def lock(session: Session, provider_ids: Iterable[UUID]) -> Mapping[UUID, UUID]:
    """Hold the trees of these providers until the transaction ends; each one's root, as far as they exist.

    A provider that another transaction moves into a different tree meanwhile is answered with the root that
    it had: who cares reads `root_id` again under the lock. SQLite has no row locks and needs none: its
    writers queue at BEGIN.
    """
    ids = sorted(provider_ids)
    if not ids:
        return {}
    return dict(session.connection().execute(LOCK_TREES, {"ids": ids}).all())


def advance(session: Session, provider_id: UUID, read: int) -> None:
    """Raise the generation from the one that was read, or StaleGeneration: one row must change."""
    changed = session.connection().execute(
        update(ProviderRow)
        .where(col(ProviderRow.id) == provider_id, col(ProviderRow.generation) == read)
        .values(generation=ProviderRow.generation + 1, updated_at=utcnow())
    )
    if changed.rowcount != 1:
        raise StaleGeneration(
            "resource provider generation conflict: read it again, then retry", provider=str(provider_id)
        )


def bump(session: Session, provider_ids: Iterable[UUID], by: int = 1) -> int:
    """Raise the generations whatever they are (call `lock` first); how many there were."""
    ids = sorted(provider_ids)
    if not ids:
        return 0
    values = {"ids": ids, "by": by, "now": utcnow()}
    changed = cast("CursorResult[object]", session.connection().execute(RAISE_PROVIDERS, values))
    return changed.rowcount
