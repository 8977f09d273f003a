"""Finds the trees that may serve a request: in the snapshot, or, without one, in the database."""

from collections.abc import Iterator

from sqlmodel import Session

from kcloud_api.placement import narrowing, reading
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.placement.tree import Tree

CREATED, RANDOM = "created", narrowing.RANDOM


def trees(
    session: Session, request: ResourceRequest, *, order: str = CREATED, keeper: Keeper | None = None
) -> Iterator[Tree]:
    """One by one, with those that share with each, as far as they are taken: the search decides. `created`:
    in the order of trees; `random`: in another one each time; orders.ORDERS has the others."""
    if keeper is not None:
        yield from keeper.current(session).matching(request, order=order)
        return
    lending = reading.lending_trees(session)
    for root_ids in narrowing.fitting_roots(session, request, order, narrowing.lent(lending)):
        for tree in reading.trees(session, root_ids):
            yield reading.attached(tree, lending)
