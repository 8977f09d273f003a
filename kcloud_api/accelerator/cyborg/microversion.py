"""Reads and answers Cyborg's microversion headers."""

import re
from http import HTTPStatus
from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kcloud_api.accelerator.cyborg.faults import cyborg_shape

HEADER = "OpenStack-API-Version"
SERVICE = "accelerator"
SHAPE = re.compile(r"^(\d{1,6})\.(\d{1,6})$")


class Version(NamedTuple):
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST = Version(2, 0)
PROFILE_BY_NAME = Version(2, 2)
DEVICE_STATUS = Version(2, 3)
NEWEST = DEVICE_STATUS


class Refused(Exception):
    """The header asks for a version that is none, or not ours."""


def asked_for(header: str | None) -> Version:
    """The version that the header names; the oldest when it names none. Raises Refused."""
    text = _of_service(header or "")
    if not text:
        return OLDEST
    if text == "latest":
        return NEWEST
    match = SHAPE.match(text)
    if match is None:
        raise Refused(f"Invalid value for {HEADER} header")
    version = Version(int(match[1]), int(match[2]))
    if not OLDEST <= version <= NEWEST:
        raise Refused(
            f"Version {version} was requested but the minor version is not supported by this service. "
            f"The supported version range is: [{OLDEST}, {NEWEST}]."
        )
    return version


def _of_service(header: str) -> str:
    """`2.3` out of `accelerator 2.3`. Old clients leave out the service."""
    for part in header.split(","):
        words = part.strip().lower().split()
        if len(words) == 1:
            return words[0]
        if words[:1] == [SERVICE]:
            return " ".join(words[1:])
    return ""


def version_of(request: Request) -> Version:
    """The version that this request speaks."""
    version: Version = getattr(request.state, "accelerator_version", OLDEST)
    return version


class Microversions:
    """Plain ASGI: puts the version into the request's state and into every answer's headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            version = asked_for(Headers(scope=scope).get(HEADER))
        except Refused as refused:
            identity = str(state.get("request_id", ""))
            answer = cyborg_shape(HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", str(refused), identity)
            await answer(scope, receive, _with_version(send, OLDEST))
            return
        state["accelerator_version"] = version
        await self._app(scope, receive, _with_version(send, version))


def _with_version(send: Send, version: Version) -> Send:
    async def versioned(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers[HEADER] = f"{SERVICE} {version}"
            headers["OpenStack-API-Minimum-Version"] = str(OLDEST)
            headers["OpenStack-API-Maximum-Version"] = str(NEWEST)
            headers.add_vary_header(HEADER)
        await send(message)

    return versioned
