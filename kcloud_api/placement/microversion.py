"""Which versions of the Placement API there are, how placement speaks of them, and what is refused because of
one."""

from http import HTTPStatus

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kcloud_api.http import microversions
from kcloud_api.http.microversions import Dialect, Version
from kcloud_api.placement.faults import UNDEFINED, Speaking, shape, speaking, unversioned
from kcloud_api.placement.gate import JSON, accepts, refused

HEADER = microversions.HEADER
MAJOR = 1
OLDEST = 0
NEWEST = 39
"""Minor versions; the major one is always 1."""
PLACEMENT = Dialect(
    names=("placement",),
    oldest=Version(MAJOR, OLDEST),
    newest=Version(MAJOR, NEWEST),
    malformed=(HTTPStatus.BAD_REQUEST, "invalid version string: {text}"),
    outside="Unacceptable version header: {text}",
    refused_in=Version(MAJOR, NEWEST),
    vary=HEADER.lower(),
)
HTML = "text/html"
ASK_KEYSTONE = 'Keystone uri="/identity"'


def minor_of(request: Request) -> int:
    """The minor version that this request speaks."""
    return microversions.version_of(request).minor


class Microversions:
    """Plain ASGI: what http/microversions.py does; besides, errors are spoken in the version and the type
    that the request asks for, and what the gate (gate.py) refuses is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._versioned = microversions.Microversions(self._gated, PLACEMENT, _unversioned)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accept = Headers(scope=scope).get("accept", "")
        token = speaking.set(Speaking(html=not accepts(accept, JSON) and accepts(accept, HTML)))
        try:
            await self._versioned(scope, receive, send)
        finally:
            speaking.reset(token)

    async def _gated(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        minor = state["microversion"].minor
        speaking.set(Speaking(minor, speaking.get().html))
        refusal = refused(scope["method"], _inner_path(scope), minor, Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
            return
        answer = shape(refusal.status, UNDEFINED, refusal.message, str(state.get("request_id", "")))
        answer.headers.update(refusal.headers)
        if refusal.status is HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = ASK_KEYSTONE
        await answer(scope, receive, send)


def _unversioned(status: HTTPStatus, code: str, message: str, request_id: str) -> Response:
    return unversioned(status, message, request_id, (str(PLACEMENT.oldest), str(PLACEMENT.newest)))


def _inner_path(scope: Scope) -> str:
    """Without the prefix that the service is mounted under."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path
