"""What happens to a request before any service sees it: it gets an id, and its body gets a limit.

Plain ASGI: nothing is buffered, and a streamed upload or answer passes through untouched.
"""

import inspect
import re
from http import HTTPStatus
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kcloud_common import log

GLOBAL_ID = re.compile(r"^req-[0-9a-fA-F-]{36}$")
DEFAULT_BODY_KIB = 1024
STREAMED = "application/octet-stream"
"""Bodies of this type are data, where the endpoint reads them in pieces and sets its own limit."""


class RequestIdentity:
    """Names the request: in `request.state`, on every line logged for it, and in its answer. A client's own
    id is kept when it is well-formed, so that one id follows a call through several services."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})
        if scope["type"] != "http" or "request_id" in state:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("X-OpenStack-Request-ID", "")
        identity = state["request_id"] = given if GLOBAL_ID.match(given) else f"req-{uuid4()}"
        token = log.request_id.set(identity)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-OpenStack-Request-ID"] = identity
            await send(message)

        try:
            await self._app(scope, receive, named)
        finally:
            log.request_id.reset(token)


class LimitedBody:
    """Refuses a document larger than `api.max_body_kib` before it is read into memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = _limit_of(scope)
        declared = headers.get("content-length", "")
        read = 0
        streamed: bool | None = None

        async def limited() -> Message:
            # Raised where the body is read, so that the service's own error shape answers it.
            nonlocal read, streamed
            if streamed is None:
                streamed = _is_streamed(scope, headers)
            if streamed:
                return await receive()
            if declared.isdecimal() and int(declared) > limit:
                raise _too_large(limit)
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise _too_large(limit)
            return message

        await self._app(scope, limited, send)


def _is_streamed(scope: Scope, headers: Headers) -> bool:
    """Asked once the route is known: what a client calls its body opens no endpoint that would read it whole,
    as every endpoint does that declares a document or is a plain function."""
    route = scope.get("route")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return (
        kind == STREAMED
        and scope["method"] == "PUT"
        and route is not None
        and getattr(route, "body_field", None) is None
        and inspect.iscoroutinefunction(getattr(route, "endpoint", None))
    )


def _too_large(limit: int) -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The request body exceeds {limit} bytes.")


def _limit_of(scope: Scope) -> int:
    conf = getattr(scope["app"].state, "conf", None)
    api = getattr(conf, "api", None)
    return int(getattr(api, "max_body_kib", DEFAULT_BODY_KIB)) * 1024
