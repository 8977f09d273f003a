"""Reads what a token's holder is worth now: enabled, not revoked, with which roles. One query and a half."""

from dataclasses import dataclass

from sqlalchemy import and_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from kcloud_api.identity.projects.tables import Domain, Project
from kcloud_api.identity.roles.service import RoleRecord, implications, roles, with_implied
from kcloud_api.identity.roles.tables import Assignment
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
    granted = _granted_roles(session, payload)
    if granted is None or (payload.scope is not None and not granted):
        return None
    if not granted:
        return Standing(())
    held = with_implied(granted, implications(session))
    return Standing(tuple(role for role in roles(session) if role.id in held))


def _granted_roles(session: Session, payload: Payload) -> frozenset[str] | None:
    """One row for each role granted in the scope, and none at all if anything stands in the way."""
    scope = payload.scope
    home = aliased(Domain)
    query = (
        select(Assignment.role_id)
        .select_from(User)
        .join(home, and_(col(home.id) == col(User.domain_id), col(home.enabled).is_(True)))
        .outerjoin(
            Assignment,
            and_(
                col(Assignment.user_id) == col(User.id),
                col(Assignment.scope_kind) == (scope.kind if scope else ""),
                col(Assignment.scope_id) == (scope.id if scope else ""),
            ),
        )
        .where(
            User.id == payload.user_id,
            col(User.enabled).is_(True),
            col(User.tokens_valid_from) <= payload.issued_at,
            ~select(Revocation.audit_id).where(Revocation.audit_id == payload.audit_ids[0]).exists(),
        )
    )
    if scope is not None and scope.kind == "project":
        owner = aliased(Domain)
        query = query.join(Project, and_(col(Project.id) == scope.id, col(Project.enabled).is_(True))).join(
            owner, and_(col(owner.id) == col(Project.domain_id), col(owner.enabled).is_(True))
        )
    elif scope is not None and scope.kind == "domain":
        target = aliased(Domain)
        query = query.join(target, and_(col(target.id) == scope.id, col(target.enabled).is_(True)))
    rows = session.exec(query).all()
    return frozenset(role_id for role_id in rows if role_id is not None) if rows else None
