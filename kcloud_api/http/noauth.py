"""Authentication for trials and tests: the token is `user[:project]`, and everybody is believed.

Upstream placement's `noauth2`: `X-Roles` replaces the roles, `X-Project-Id` the project, a non-empty
`OpenStack-System-Scope` makes the token system-scoped. The user `admin` has the role admin. kcloud_api.main
refuses to serve it on anything but loopback.
"""

import ipaddress

from fastapi import Request
from sqlmodel import Session

from kcloud_api.http.context import Caller
from kcloud_common.errors import BadRequest, Unauthenticated

ADMIN_ROLES = frozenset({"admin", "manager", "member", "reader"})
"""Admin with what it implies, as Keystone would put it into a token."""


def authenticate(_session: Session, request: Request) -> Caller:
    """Believe the headers. Raises Unauthenticated without a token."""
    headers = request.headers
    user, _, project = headers.get("X-Auth-Token", "").partition(":")
    if not user:
        raise Unauthenticated("The request you have made requires authentication.")
    given = headers.get("X-Roles")
    if given is not None:
        roles = frozenset(role.strip() for role in given.split(",") if role.strip())
    else:
        roles = ADMIN_ROLES if user == "admin" else frozenset()
    system = bool(headers.get("OpenStack-System-Scope"))
    return Caller(
        user_id=user,
        project_id=None if system else headers.get("X-Project-Id") or project or user,
        roles=roles,
        system=system,
        request_id=request.state.request_id,
    )


def require_loopback(host: str) -> None:
    """Raise BadRequest unless nobody outside this machine can reach `host`."""
    try:
        inside = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise BadRequest(
            f"auth_strategy=noauth2 believes every caller: it serves only loopback, not {host!r}."
        )
