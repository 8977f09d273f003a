"""Makes the reason ledger of a request from all hosts as they stand."""

from collections.abc import Iterator
from uuid import UUID

from sqlmodel import Session, col, select

from kcloud_api.placement import reading
from kcloud_api.placement.ledger import MISSES, Ledger, of_trees
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.placement.tables import ProviderRow
from kcloud_api.placement.tree import Tree

BATCH = 500
"""Hosts whose trees are read at once."""


def ledger(
    session: Session, request: ResourceRequest, *, limit: int = MISSES, keeper: Keeper | None = None
) -> Ledger:
    """Looks at every host; at most `limit` of them are described. With `keeper` in its snapshot, which takes
    a fraction of a second for any number of hosts; without, host by host from the database."""
    if keeper is None:
        return of_trees(_all_trees(session), request, limit=limit)
    # numpy comes with the first question, as everywhere.
    from kcloud_api.placement.snapshot.counting import count

    return count(keeper.current(session), request, limit=limit)


def _all_trees(session: Session) -> Iterator[Tree]:
    """In the order of trees."""
    lending = reading.lending_trees(session)
    for batch in _batches(session):
        for tree in reading.trees(session, batch):
            yield reading.attached(tree, lending)


def _batches(session: Session) -> Iterator[list[UUID]]:
    statement = (
        select(ProviderRow.id)
        .where(col(ProviderRow.parent_id).is_(None))
        .order_by(col(ProviderRow.created_at), col(ProviderRow.id))
    )
    root_ids = list(session.exec(statement))
    for start in range(0, len(root_ids), BATCH):
        yield root_ids[start : start + BATCH]
