"""Repeats a whole transaction that lost a race which is none of its client's business.

Upstream's clients see 409 for what they can know: a consumer's generation. That a provider was moved, or that
the database broke a deadlock, is ours to try again.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from kcloud_common.errors import StaleGeneration, TemporaryError

T = TypeVar("T")

ATTEMPTS = 10
"""Upstream's own number (allocation_conflict_retry_count)."""
BROKEN_OFF = frozenset({"40001", "40P01"})
"""PostgreSQL ended a transaction for the sake of others: it could not be serialised, or was in a deadlock."""


class Raced(TemporaryError):
    """What was read is not so any more: the transaction must begin again."""

    code = "raced"


def until_won(session: Session, work: Callable[[], T]) -> T:
    """Do `work` in the session's transaction, again from a fresh one each time that it loses a race.

    StaleGeneration when it loses every time. `work` must rest on nothing that was read before it, and the
    session must hold no other work: that would be rolled back too.
    """
    for _ in range(ATTEMPTS):
        try:
            return work()
        except Raced:
            session.rollback()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in BROKEN_OFF:
                raise
            session.rollback()
    raise StaleGeneration(
        "Inventory and/or allocations changed while attempting to allocate: Another thread concurrently "
        "updated the resource provider data. Please retry your update"
    )
