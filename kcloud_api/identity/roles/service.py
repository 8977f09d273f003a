"""Use cases of roles: which there are, which imply which, who holds which role where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from uuid import uuid4

from sqlalchemy import Select, delete
from sqlalchemy import select as sqlalchemy_select
from sqlmodel import Session, col, select

from kcloud_api.db.unique import add_unique
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


def roles(session: Session, name: str | None = None) -> tuple[RoleRecord, ...]:
    query = select(Role).order_by(col(Role.id))
    if name is not None:
        query = query.where(Role.name == name)
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


@dataclass(frozen=True, slots=True)
class RoleGraph:
    """All roles by id, and which each implies directly."""

    roles: Mapping[str, RoleRecord]
    implied: Mapping[str, frozenset[str]]

    def closure(self, role_ids: Iterable[str]) -> tuple[RoleRecord, ...]:
        """These roles and all that follows from them, by name."""
        held: set[str] = set()
        waiting = list(role_ids)
        while waiting:
            role_id = waiting.pop()
            if role_id not in held and role_id in self.roles:
                held.add(role_id)
                waiting.extend(self.implied.get(role_id, ()))
        return tuple(sorted((self.roles[role_id] for role_id in held), key=lambda role: role.name))


def role_graph(session: Session) -> RoleGraph:
    """One cheap query: it is asked on every request of every service."""
    found: dict[str, RoleRecord] = {}
    implied: dict[str, set[str]] = {}
    for role_id, name, description, implied_id in session.execute(_graph_statement()):
        found[role_id] = RoleRecord(role_id, name, description)
        if implied_id is not None:
            implied.setdefault(role_id, set()).add(implied_id)
    return RoleGraph(found, {role_id: frozenset(ids) for role_id, ids in implied.items()})


@lru_cache(maxsize=1)
def _graph_statement() -> Select[str, str, str | None, str]:
    """Built once: building a statement costs more than running it."""
    return sqlalchemy_select(
        col(Role.id), col(Role.name), col(Role.description), col(Implication.implied_role_id)
    ).outerjoin(Implication, col(Implication.prior_role_id) == col(Role.id))


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


def assignments(session: Session, filters: Mapping[str, object]) -> tuple[AssignmentRecord, ...]:
    """`filters` by exact value: user_id, role_id, scope_kind, scope_id."""
    query = select(Assignment).order_by(
        col(Assignment.user_id), col(Assignment.scope_id), col(Assignment.role_id)
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
