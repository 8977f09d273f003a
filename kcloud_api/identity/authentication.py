"""Turns the X-Auth-Token of any service's request into its caller."""

from fastapi import Request
from sqlmodel import Session

from kcloud_api.caller import Caller
from kcloud_api.identity.tokens.service import REFUSED, TokenRecord, open_token
from kcloud_common.errors import Unauthenticated


def keystone(session: Session, request: Request) -> Caller:
    """The caller, for `app.state.authenticate`. Raises Unauthenticated for no, a wrong, an expired or a
    revoked token, and for one whose user, project or last role is gone."""
    token = request.headers.get("X-Auth-Token", "")
    record = open_token(session, token) if token else None
    if record is None:
        raise Unauthenticated(REFUSED)
    return caller_of(record, request_id=getattr(request.state, "request_id", ""))


def caller_of(record: TokenRecord, *, request_id: str) -> Caller:
    scope = record.payload.scope
    return Caller(
        user_id=record.payload.user_id,
        project_id=scope.id if scope is not None and scope.kind == "project" else None,
        roles=record.standing.names,
        domain_id=scope.id if scope is not None and scope.kind == "domain" else None,
        system=scope is not None and scope.kind == "system",
        request_id=request_id,
    )
