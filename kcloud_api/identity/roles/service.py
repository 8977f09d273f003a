"""Use cases of roles: which there are, which imply which, who holds which role where."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import delete
from sqlmodel import Session, col, select

from kcloud_api.db.unique import add_unique
from kcloud_api.identity.pages import Page
from kcloud_api.identity.roles.tables import Assignment, Implication, Role
from kcloud_common.errors import AlreadyExists, NotFound

SYSTEM = "all"
"""The id of the one system scope."""


@dataclass(frozen=True, slots=True)
class RoleRecord:
    id: str
    name: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a role holds: kind `project`, `domain` or `system`."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class AssignmentRecord:
    user_id: str
    scope: Scope
    role_id: str


def roles(session: Session, name: str | None = None, page: Page | None = None) -> tuple[RoleRecord, ...]:
    """For a `page`, one more than it holds."""
    query = select(Role).order_by(col(Role.id))
    if name is not None:
        query = query.where(Role.name == name)
    if page is not None:
        query = page.select(query, col(Role.id))
    return tuple(_role(row) for row in session.exec(query))


def get_role(session: Session, role_id: str) -> RoleRecord:
    row = session.get(Role, role_id)
    if row is None:
        raise NotFound(f"Could not find role: {role_id}.")
    return _role(row)


def create_role(session: Session, name: str, description: str | None = None) -> RoleRecord:
    taken = f"Conflict occurred attempting to store role - Duplicate entry found with name {name}."
    if roles(session, name):
        raise AlreadyExists(taken)
    row = Role(id=uuid4().hex, name=name, description=description)
    add_unique(session, row, taken)
    return _role(row)


def delete_role(session: Session, role_id: str) -> None:
    get_role(session, role_id)
    session.exec(delete(Assignment).where(col(Assignment.role_id) == role_id))
    session.exec(
        delete(Implication).where(
            (col(Implication.prior_role_id) == role_id) | (col(Implication.implied_role_id) == role_id)
        )
    )
    session.exec(delete(Role).where(col(Role.id) == role_id))


def imply(session: Session, prior_role_id: str, implied_role_id: str) -> None:
    """Safe to repeat."""
    session.merge(Implication(prior_role_id=prior_role_id, implied_role_id=implied_role_id))
    session.flush()


def grant(session: Session, user_id: str, scope: Scope, role_id: str) -> None:
    """Safe to repeat. Raises NotFound for an unknown role; the caller checks user and scope."""
    get_role(session, role_id)
    session.merge(Assignment(user_id=user_id, scope_kind=scope.kind, scope_id=scope.id, role_id=role_id))
    session.flush()


def revoke(session: Session, user_id: str, scope: Scope, role_id: str) -> None:
    row = session.get(Assignment, (user_id, scope.kind, scope.id, role_id))
    if row is None:
        raise NotFound(no_assignment(user_id, scope, role_id))
    session.delete(row)
    session.flush()


def no_assignment(user_id: str, scope: Scope, role_id: str) -> str:
    return (
        f"Could not find role assignment with role: {role_id}, user or group: {user_id}, "
        f"project, domain, or system: {scope.id}."
    )


def held_directly(session: Session, user_id: str, scope: Scope) -> tuple[RoleRecord, ...]:
    """What was granted to the user there, without what follows from it."""
    query = (
        select(Role)
        .join(Assignment, col(Assignment.role_id) == col(Role.id))
        .where(
            Assignment.user_id == user_id,
            Assignment.scope_kind == scope.kind,
            Assignment.scope_id == scope.id,
        )
        .order_by(col(Role.name))
    )
    return tuple(_role(row) for row in session.exec(query))


def assignments(
    session: Session, filters: Mapping[str, object], *, limit: int | None = None
) -> tuple[AssignmentRecord, ...]:
    """`filters` by exact value: user_id, role_id, scope_kind, scope_id."""
    query = (
        select(Assignment)
        .order_by(col(Assignment.user_id), col(Assignment.scope_id), col(Assignment.role_id))
        .limit(limit)
    )
    for key, value in filters.items():
        query = query.where(getattr(Assignment, key) == value)
    return tuple(
        AssignmentRecord(row.user_id, Scope(row.scope_kind, row.scope_id), row.role_id)
        for row in session.exec(query)
    )


def forget_user(session: Session, user_id: str) -> None:
    session.exec(delete(Assignment).where(col(Assignment.user_id) == user_id))


def forget_scope(session: Session, scope: Scope) -> None:
    session.exec(
        delete(Assignment).where(
            col(Assignment.scope_kind) == scope.kind, col(Assignment.scope_id) == scope.id
        )
    )


def _role(row: Role) -> RoleRecord:
    return RoleRecord(row.id, row.name, row.description)
