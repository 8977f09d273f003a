"""The caller of one request, as routes get it. The word itself is kcloud_api.caller's, for services too."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel import Session

from kcloud_api.caller import Caller
from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import Unauthenticated

Authenticate = Callable[[Session, Request], Caller]
"""Set by the composition root on `app.state.authenticate`: keystone tokens, or noauth2. Raises
Unauthenticated."""


def caller(request: Request, session: SessionDep) -> Caller:
    """Validate the request's token. FastAPI caches this within one request."""
    authenticate: Authenticate | None = getattr(request.app.state, "authenticate", None)
    if authenticate is None:
        raise Unauthenticated("The request you have made requires authentication.")
    return authenticate(session, request)


CallerDep = Annotated[Caller, Depends(caller)]

__all__ = ["Authenticate", "Caller", "CallerDep", "caller"]
