"""Reads and answers placement's microversion header: which version of each answer the client understands."""

import re
from http import HTTPStatus

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kcloud_api.placement.faults import UNDEFINED, Speaking, shape, speaking, unversioned
from kcloud_api.placement.gate import JSON, accepts, refused

HEADER = "OpenStack-API-Version"
SHAPE = re.compile(r"^([0-9]{1,6})\.([0-9]{1,6})$")
MAJOR = 1
OLDEST = 0
NEWEST = 39
"""Minor versions; the major one is always 1."""
HTML = "text/html"
ASK_KEYSTONE = 'Keystone uri="/identity"'


class Refused(Exception):
    """The header asks for a version that is none, or not ours."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def asked_for(header: str | None) -> int:
    """The minor version that the header names; the oldest when it names none. Raises Refused."""
    text = _for_placement(header or "")
    if not text:
        return OLDEST
    if text == "latest":
        return NEWEST
    match = SHAPE.match(text)
    if match is None:
        raise Refused(HTTPStatus.BAD_REQUEST, f"invalid version string: {text}")
    major, minor = int(match[1]), int(match[2])
    if major != MAJOR or minor > NEWEST:
        raise Refused(HTTPStatus.NOT_ACCEPTABLE, f"Unacceptable version header: {text}")
    return minor


def _for_placement(header: str) -> str:
    """`placement 1.39` out of a header that may name several services."""
    for part in header.split(","):
        service, _, version = part.strip().partition(" ")
        if service.lower() == "placement":
            return version.strip()
    return ""


def minor_of(request: Request) -> int:
    """The minor version that this request speaks."""
    minor: int = getattr(request.state, "microversion", OLDEST)
    return minor


class Microversions:
    """Plain ASGI: puts the version into `request.state.microversion` and into every answer's headers, and
    answers what the gate (gate.py) refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        identity = str(state.get("request_id", ""))
        html = not accepts(headers.get("accept", ""), JSON) and accepts(headers.get("accept", ""), HTML)
        token = speaking.set(Speaking(html=html))
        try:
            minor = asked_for(headers.get(HEADER))
            state["microversion"] = minor
            speaking.set(Speaking(minor, html))
            refusal = refused(scope["method"], _inner_path(scope), minor, headers)
            if refusal is None:
                await self._app(scope, receive, _with_version(send, minor))
                return
            answer = shape(refusal.status, UNDEFINED, refusal.message, identity)
            answer.headers.update(refusal.headers)
            if refusal.status is HTTPStatus.UNAUTHORIZED:
                answer.headers["WWW-Authenticate"] = ASK_KEYSTONE
            await answer(scope, receive, _with_version(send, minor))
        except Refused as error:
            versions = (f"{MAJOR}.{OLDEST}", f"{MAJOR}.{NEWEST}")
            answer = unversioned(error.status, error.message, identity, versions)
            await answer(scope, receive, _with_version(send, NEWEST))
        finally:
            speaking.reset(token)


def _inner_path(scope: Scope) -> str:
    """Without the prefix that the service is mounted under."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


def _with_version(send: Send, minor: int) -> Send:
    async def versioned(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers[HEADER] = f"placement {MAJOR}.{minor}"
            headers.add_vary_header(HEADER.lower())
        await send(message)

    return versioned
