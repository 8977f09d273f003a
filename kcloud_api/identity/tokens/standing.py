"""Reads what a token's holder is worth now: enabled, not revoked, with which roles. One query, asked on every
request of every service, and nothing remembered: what is taken away is away for the next request."""

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Executable, Select, and_, bindparam, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from kcloud_api.identity.projects.tables import Domain, Project
from kcloud_api.identity.roles.service import RoleRecord
from kcloud_api.identity.roles.tables import Assignment, Implication, Role
from kcloud_api.identity.tokens.format import Payload
from kcloud_api.identity.tokens.tables import Revocation
from kcloud_api.identity.users.tables import User


@dataclass(frozen=True, slots=True)
class Standing:
    """The roles that hold now, implied ones included."""

    roles: tuple[RoleRecord, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(role.name for role in self.roles)


def standing(session: Session, payload: Payload) -> Standing | None:
    """None where the token is worth nothing: revoked, or its user, project or domain is gone or disabled,
    or no role is left in its scope. Expiry is the caller's business."""
    scope = payload.scope
    kind = scope.kind if scope is not None else ""
    facts = {
        "user_id": payload.user_id,
        "issued_at": payload.issued_at,
        "audit_id": payload.audit_ids[0],
        "scope_kind": kind,
        "scope_id": scope.id if scope is not None else "",
    }
    # Past the session's objects: finding out that there are none to write costs as much as the query.
    rows = session.connection().execute(_asked(kind), facts).all()
    if not rows:
        return None
    if scope is None:
        return Standing(())
    return Standing(tuple(sorted((RoleRecord(*row) for row in rows), key=lambda role: role.name)))


@lru_cache(maxsize=8)
def _asked(scope_kind: str) -> Executable:
    """The roles granted in the scope and all that follows from them; no row if anything stands in the way.
    Built once for each kind of scope: building a statement costs more than running it."""
    granted = _granted(scope_kind)
    if not scope_kind:
        return granted
    held = granted.where(col(Assignment.role_id).is_not(None)).cte("held", recursive=True)
    implied = select(col(Implication.implied_role_id)).join(
        held, col(Implication.prior_role_id) == held.c.role_id
    )
    held = held.union(implied)
    return select(col(Role.id), col(Role.name), col(Role.description)).join(
        held, held.c.role_id == col(Role.id)
    )


def _granted(scope_kind: str) -> Select[str]:
    """A row for each role granted in the scope (null for none), and no row if anything stands in the way."""
    home = aliased(Domain)
    query = (
        select(col(Assignment.role_id))
        .select_from(User)
        .join(home, and_(col(home.id) == col(User.domain_id), col(home.enabled).is_(True)))
        .outerjoin(
            Assignment,
            and_(
                col(Assignment.user_id) == col(User.id),
                col(Assignment.scope_kind) == bindparam("scope_kind"),
                col(Assignment.scope_id) == bindparam("scope_id"),
            ),
        )
        .where(
            col(User.id) == bindparam("user_id"),
            col(User.enabled).is_(True),
            col(User.tokens_valid_from) <= bindparam("issued_at"),
            ~select(col(Revocation.audit_id))
            .where(col(Revocation.audit_id) == bindparam("audit_id"))
            .exists(),
        )
    )
    target = aliased(Domain)
    if scope_kind == "project":
        scope = and_(col(Project.id) == bindparam("scope_id"), col(Project.enabled).is_(True))
        owner = and_(col(target.id) == col(Project.domain_id), col(target.enabled).is_(True))
        query = query.join(Project, scope).join(target, owner)
    elif scope_kind == "domain":
        query = query.join(
            target, and_(col(target.id) == bindparam("scope_id"), col(target.enabled).is_(True))
        )
    return query
