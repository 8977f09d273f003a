"""Use cases of tokens: prove who you are, get one, look at one, hand one back."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlmodel import Session, col

from kcloud_api.db.columns import utcnow
from kcloud_api.identity.projects.service import domains, projects
from kcloud_api.identity.roles.service import SYSTEM, Scope
from kcloud_api.identity.tokens import keys
from kcloud_api.identity.tokens.format import Payload, Unreadable, pack, unpack
from kcloud_api.identity.tokens.proof import Named, Proof, Proven, prove
from kcloud_api.identity.tokens.standing import Standing, standing
from kcloud_api.identity.tokens.tables import Revocation
from kcloud_common.errors import NotFound, Unauthenticated

REFUSED = "The request you have made requires authentication."


@dataclass(frozen=True, slots=True)
class ScopeWish:
    """What a login asks for. `kind` is project, domain, system, or unscoped; None leaves it to the user."""

    kind: str | None = None
    target: Named | None = None


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """An open token and what it is worth now."""

    payload: Payload
    standing: Standing


@dataclass(frozen=True, slots=True)
class Lifetime:
    """`seconds` of a new token, and bcrypt's cost of a login."""

    seconds: int
    rounds: int


def issue(session: Session, proof: Proof, wish: ScopeWish, lifetime: Lifetime) -> tuple[str, TokenRecord]:
    """A sealed token and what it says. Raises Unauthenticated, always with the same words."""
    proven = prove(session, proof, lambda token: open_token(session, token), rounds=lifetime.rounds)
    if proven is None:
        raise Unauthenticated(REFUSED)
    for scope in _scopes_to_try(session, proven, wish):
        payload = _payload(proven, scope, lifetime.seconds)
        worth = standing(session, payload)
        if worth is not None:
            return keys.seal(session, pack(payload)), TokenRecord(payload, worth)
    raise Unauthenticated(REFUSED)


def open_token(session: Session, token: str, *, grace: timedelta = timedelta(0)) -> TokenRecord | None:
    """What the token says, or None if it is not ours, expired longer ago than `grace`, or worth nothing."""
    data = keys.unseal(session, token)
    if data is None:
        return None
    try:
        payload = unpack(data)
    except Unreadable:
        return None
    if payload.expires_at + grace <= utcnow():
        return None
    worth = standing(session, payload)
    return TokenRecord(payload, worth) if worth is not None else None


def subject(session: Session, token: str, *, grace: timedelta = timedelta(0)) -> TokenRecord:
    """The token that a request is about. Raises NotFound in Keystone's words."""
    record = open_token(session, token, grace=grace) if token else None
    if record is None:
        raise NotFound("Could not find token: Failed to validate token.")
    return record


def revoke(session: Session, record: TokenRecord) -> None:
    """Void this token for every worker. Safe to repeat."""
    payload = record.payload
    session.exec(delete(Revocation).where(col(Revocation.expires_at) < utcnow() - timedelta(days=2)))
    session.merge(Revocation(audit_id=payload.audit_ids[0], expires_at=payload.expires_at))
    session.flush()


def _scopes_to_try(session: Session, proven: Proven, wish: ScopeWish) -> tuple[Scope | None, ...]:
    """With no wish, the user's default project if it still holds, else no scope."""
    if wish.kind == "unscoped":
        return (None,)
    if wish.kind is None:
        default = proven.default_project_id
        return (Scope("project", default), None) if default is not None else (None,)
    if wish.kind == "system":
        return (Scope("system", SYSTEM),)
    found = _find_target(session, wish.kind, wish.target or Named())
    return (Scope(wish.kind, found),) if found is not None else ()


def _find_target(session: Session, kind: str, target: Named) -> str | None:
    if target.id is not None:
        return target.id
    if kind == "domain":
        return next((domain.id for domain in domains(session, target.name)), None)
    domain_id = target.domain_id or next((d.id for d in domains(session, target.domain_name or "")), None)
    found = projects(session, {"name": target.name, "domain_id": domain_id})
    return found[0].id if found else None


def _payload(proven: Proven, scope: Scope | None, seconds: int) -> Payload:
    now = utcnow()
    audit_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    return Payload(
        user_id=proven.user_id,
        scope=scope,
        methods=proven.methods,
        issued_at=now,
        # A token got for a token ends when the first one would have.
        expires_at=proven.until or _whole_seconds(now + timedelta(seconds=seconds)),
        audit_ids=(audit_id, *proven.first_audit_id),
    )


def _whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
