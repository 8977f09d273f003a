"""Use cases of users: the directory that passwords are checked against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from sqlmodel import Session, col, select

from kcloud_api.db.columns import utcnow
from kcloud_api.db.unique import add_unique
from kcloud_api.identity.pages import Page
from kcloud_api.identity.passwords import hash_password
from kcloud_api.identity.users.tables import User
from kcloud_common.errors import AlreadyExists, NotFound

PLAIN = ("name", "enabled", "default_project_id", "description", "email")
"""Attributes that a PATCH sets as they come; the password is hashed and the rest is kept as extra."""


@dataclass(frozen=True, slots=True)
class UserRecord:
    id: str
    name: str
    domain_id: str
    enabled: bool
    default_project_id: str | None = None
    description: str | None = None
    email: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewUser:
    name: str
    domain_id: str
    password: str | None = field(default=None, repr=False)
    enabled: bool = True
    attributes: Mapping[str, object] = field(default_factory=dict)
    """default_project_id, description, email, and anything else."""


def users(
    session: Session, filters: Mapping[str, object], page: Page | None = None
) -> tuple[UserRecord, ...]:
    """`filters` by exact value: name, domain_id, enabled, ids (a collection). For a `page`, one more than
    it holds."""
    query = select(User).order_by(col(User.id))
    for key, value in filters.items():
        if key == "ids" and isinstance(value, frozenset):
            query = query.where(col(User.id).in_(value))
        else:
            query = query.where(getattr(User, key) == value)
    if page is not None:
        query = page.select(query, col(User.id))
    return tuple(_user(row) for row in session.exec(query))


def get_user(session: Session, user_id: str) -> UserRecord:
    return _user(_row(session, user_id))


def create_user(session: Session, new: NewUser, *, rounds: int) -> UserRecord:
    taken = _conflict(new.name, new.domain_id)
    if users(session, {"name": new.name, "domain_id": new.domain_id}):
        raise AlreadyExists(taken)
    row = User(id=uuid4().hex, name=new.name, domain_id=new.domain_id, enabled=new.enabled)
    _assign(row, new.attributes)
    if new.password is not None:
        row.password_hash = hash_password(new.password, rounds)
    add_unique(session, row, taken)
    return _user(row)


def update_user(session: Session, user_id: str, changes: Mapping[str, object], *, rounds: int) -> UserRecord:
    """A new password or `enabled: false` ends every token that the user holds."""
    row = _row(session, user_id)
    rest = dict(changes)
    password = rest.pop("password", None)
    if password is not None:
        row.password_hash = hash_password(str(password), rounds)
    _assign(row, rest)
    if password is not None or rest.get("enabled") is False:
        row.tokens_valid_from = utcnow()
    add_unique(session, row, _conflict(row.name, row.domain_id))
    return _user(row)


def delete_user(session: Session, user_id: str) -> None:
    session.delete(_row(session, user_id))
    session.flush()


def _assign(row: User, attributes: Mapping[str, object]) -> None:
    extra = dict(row.extra)
    for key, value in attributes.items():
        if key in PLAIN:
            setattr(row, key, value)
        else:
            extra[key] = value
    row.extra = extra


def _row(session: Session, user_id: str) -> User:
    row = session.get(User, user_id)
    if row is None:
        raise NotFound(f"Could not find user: {user_id}.")
    return row


def _conflict(name: str, domain_id: str) -> str:
    return (
        "Conflict occurred attempting to store user - "
        f"Duplicate entry found with name {name} at domain ID {domain_id}."
    )


def _user(row: User) -> UserRecord:
    return UserRecord(
        id=row.id,
        name=row.name,
        domain_id=row.domain_id,
        enabled=row.enabled,
        default_project_id=row.default_project_id,
        description=row.description,
        email=row.email,
        password_hash=row.password_hash,
        extra=dict(row.extra),
    )
