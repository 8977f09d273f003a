"""Lets web pages of the configured origins call placement from a browser. Plain ASGI.

A page of another origin gets the same answers without the headers, and its browser keeps them from it.
"""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

VERBS = "GET, PUT, POST, DELETE"
SHOWN = "OpenStack-API-Version, X-OpenStack-Request-ID, Location"
"""Headers of answers that a page may read."""


class Cors:
    """`origins` may come, and send the headers `allowed`. It reads both from the application's configuration
    at the first request: an application is built before it is configured."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        conf = scope["app"].state.conf.placement if scope["type"] == "http" else None
        headers = Headers(scope=scope) if conf is not None and conf.cors_allowed_origins else Headers()
        origin = headers.get("origin")
        if conf is None or origin is None:
            await self._app(scope, receive, send)
            return
        known = origin in conf.cors_allowed_origins
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            answer = Response(headers=_preflight(headers, origin, conf.cors_allow_headers) if known else {})
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, _with_origin(send, origin) if known else send)


def _preflight(headers: Headers, origin: str, allowed: Collection[str]) -> dict[str, str]:
    """Nothing is allowed to a page that asks for a header or a verb that it may not send."""
    asked = [name.strip() for name in headers.get("access-control-request-headers", "").split(",")]
    known = {name.lower() for name in allowed}
    refused = any(name and name.lower() not in known for name in asked)
    if refused or headers["access-control-request-method"] not in VERBS.split(", "):
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": VERBS,
        "Access-Control-Allow-Headers": ",".join(allowed),
        "Access-Control-Max-Age": "3600",
        "Vary": "Origin",
    }


def _with_origin(send: Send, origin: str) -> Send:
    async def allowed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = SHOWN
            headers.add_vary_header("Origin")
        await send(message)

    return allowed
