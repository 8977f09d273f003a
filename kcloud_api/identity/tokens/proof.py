"""Decides who somebody is from what he shows: a password, or a token that he already has."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from kcloud_api.identity.passwords import password_matches
from kcloud_api.identity.projects.service import domains
from kcloud_api.identity.tokens.format import Payload
from kcloud_api.identity.users.service import UserRecord, get_user, users
from kcloud_common.errors import NotFound


@dataclass(frozen=True, slots=True)
class Named:
    """A user, project or domain as a client writes it: by id, or by name in a domain."""

    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything shown must hold. At least one of the two is given."""

    user: Named | None = None
    password: str = field(default="", repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Proven:
    user_id: str
    default_project_id: str | None
    methods: tuple[str, ...]
    until: datetime | None = None
    first_audit_id: tuple[str, ...] = ()


class Opened(Protocol):
    @property
    def payload(self) -> Payload: ...


Opener = Callable[[str], Opened | None]


def prove(session: Session, proof: Proof, open_token: Opener, *, rounds: int) -> Proven | None:
    """None for any failure: who asks must not learn which part was wrong, nor guess it from the time."""
    by_password = _by_password(session, proof, rounds) if proof.user is not None else None
    if proof.user is not None and by_password is None:
        return None
    if proof.token is None:
        return by_password
    by_token = _by_token(session, proof.token, open_token)
    if by_token is None or by_password is None:
        return by_token
    if by_password.user_id != by_token.user_id:
        return None
    methods = tuple(dict.fromkeys((*by_password.methods, *by_token.methods)))
    return Proven(
        by_token.user_id, by_token.default_project_id, methods, by_token.until, by_token.first_audit_id
    )


def _by_password(session: Session, proof: Proof, rounds: int) -> Proven | None:
    user = _find_user(session, proof.user or Named())
    if not password_matches(proof.password, user.password_hash if user else None, rounds):
        return None
    if user is None or not user.enabled:
        return None
    return Proven(user.id, user.default_project_id, ("password",))


def _by_token(session: Session, token: str, open_token: Opener) -> Proven | None:
    opened = open_token(token)
    if opened is None:
        return None
    payload = opened.payload
    return Proven(
        user_id=payload.user_id,
        default_project_id=None,
        methods=tuple(dict.fromkeys(("token", *payload.methods))),
        until=payload.expires_at,
        first_audit_id=payload.audit_ids[-1:],
    )


def _find_user(session: Session, named: Named) -> UserRecord | None:
    if named.id is not None:
        try:
            return get_user(session, named.id)
        except NotFound:
            return None
    domain_id = named.domain_id or next((d.id for d in domains(session, named.domain_name or "")), None)
    return next(iter(users(session, {"name": named.name, "domain_id": domain_id})), None)
