"""Who is asking: the caller of one request, as routes and services see it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel import Session

from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class Caller:
    """The token's holder. `roles` include implied ones; `system` is true for a system-scoped token."""

    user_id: str
    project_id: str | None
    roles: frozenset[str] = field(default_factory=frozenset)
    domain_id: str | None = None
    system: bool = False
    request_id: str = ""

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


Authenticate = Callable[[Session, Request], Caller]
"""Set by the composition root on `app.state.authenticate`: keystone tokens, or noauth2. Raises Unauthenticated."""


def caller(request: Request, session: SessionDep) -> Caller:
    """Validate the request's token. FastAPI caches this within one request."""
    authenticate: Authenticate | None = getattr(request.app.state, "authenticate", None)
    if authenticate is None:
        raise Unauthenticated("The request you have made requires authentication.")
    return authenticate(session, request)


CallerDep = Annotated[Caller, Depends(caller)]
