"""Reads and answers Nova's microversion headers: which version of each answer the client understands."""

import re
from http import HTTPStatus
from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kcloud_api.http.errors import nova_shape

HEADER = "OpenStack-API-Version"
LEGACY_HEADER = "X-OpenStack-Nova-API-Version"
SHAPE = re.compile(r"^([1-9]\d{0,5})\.([1-9]\d{0,5}|0)$")


class Version(NamedTuple):
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST = Version(2, 1)
NEWEST = Version(2, 100)


class Refused(Exception):
    """The header asks for a version that is none, or not ours."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def asked_for(header: str | None, legacy: str | None) -> Version:
    """The version that the headers name; the oldest when they name none. Raises Refused."""
    text = _for_compute(header) or (legacy or "").strip()
    if not text:
        return OLDEST
    if text == "latest":
        return NEWEST
    match = SHAPE.match(text)
    if match is None:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.",
        )
    version = Version(int(match[1]), int(match[2]))
    if not OLDEST <= version <= NEWEST:
        raise Refused(
            HTTPStatus.NOT_ACCEPTABLE,
            f"Version {version} is not supported by the API. Minimum is {OLDEST} and maximum is {NEWEST}.",
        )
    return version


def _for_compute(header: str | None) -> str:
    """`compute 2.87` out of a header that may name several services."""
    for part in (header or "").split(","):
        service, _, version = part.strip().partition(" ")
        if service.lower() in ("compute", "nova"):
            return version.strip()
    return ""


def version_of(request: Request) -> Version:
    """The version that this request speaks."""
    version: Version = getattr(request.state, "microversion", OLDEST)
    return version


class Microversions:
    """Plain ASGI: puts the version into `request.state.microversion` and into every answer's headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        try:
            version = asked_for(headers.get(HEADER), headers.get(LEGACY_HEADER))
        except Refused as refused:
            code = refused.status.phrase.lower().replace(" ", "_")
            answer = nova_shape(refused.status, code, refused.message, str(state.get("request_id", "")))
            await answer(scope, receive, _with_version(send, OLDEST))
            return
        state["microversion"] = version
        await self._app(scope, receive, _with_version(send, version))


def _with_version(send: Send, version: Version) -> Send:
    async def versioned(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers[HEADER] = f"compute {version}"
            headers[LEGACY_HEADER] = str(version)
            headers.add_vary_header(HEADER)
            headers.add_vary_header(LEGACY_HEADER)
        await send(message)

    return versioned
