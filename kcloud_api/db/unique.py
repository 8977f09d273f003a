"""Adds a row whose uniqueness the database decides, so that two writers cannot both be told yes."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel

from kcloud_common.errors import AlreadyExists


def add_unique(session: Session, row: SQLModel, taken: str) -> None:
    """Add and flush. Raises AlreadyExists(taken) where a unique key is in use; the transaction is lost."""
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise AlreadyExists(taken) from error
