"""Reads and answers microversion headers: which version of each answer a client understands.

One rule for every service; a `Dialect` says what differs. A header may come several times and name several
services; of what is said for one service the last counts, as in OpenStack's own services.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kcloud_api.http.errors import Shape

HEADER = "OpenStack-API-Version"
DIGITS = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})")
LONGEST_ECHO = 64
"""Characters of a client's own words that a refusal repeats."""


class Version(NamedTuple):
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Refused(Exception):
    """The header asks for a version that is none, or not ours."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one service speaks of its versions. `{text}` in its sentences is what was asked for, as it came."""

    names: tuple[str, ...]
    """Of the service, in headers; answers have the first."""
    oldest: Version
    newest: Version
    malformed: tuple[HTTPStatus, str]
    """Answer to what is no version at all."""
    outside: str
    """What is said to a version that there is not: `{text}`, understood as `{version}`, of `{oldest}` to
    `{newest}`."""
    pattern: re.Pattern[str] = DIGITS
    refused_in: Version
    """The version that a refusal says that it is in."""
    vary: str = HEADER
    legacy: str | None = None
    """Older header of this service alone, with nothing but the version in it."""
    lenient: bool = False
    """Takes a version without the service's name, and any case of `latest`."""
    tells_range: bool = False
    """Every answer has headers with the oldest and the newest version."""

    def asked_for(self, headers: Headers) -> Version:
        """The version that the headers name; the oldest when they name none. Raises Refused."""
        text = self._named(headers.getlist(HEADER)) or self._named_by_legacy(headers)
        if not text:
            return self.oldest
        if text == "latest":
            return self.newest
        match = self.pattern.fullmatch(text)
        if match is None:
            status, sentence = self.malformed
            raise Refused(status, sentence.format(text=text[:LONGEST_ECHO]))
        version = Version(int(match[1]), int(match[2]))
        if not self.oldest <= version <= self.newest:
            said = self.outside.format(text=text, version=version, oldest=self.oldest, newest=self.newest)
            raise Refused(HTTPStatus.NOT_ACCEPTABLE, said)
        return version

    def _named(self, lines: list[str]) -> str:
        """`2.87` out of `identity 3, compute 2.87`."""
        for part in reversed(",".join(lines).split(",")):
            words = part.lower().split() if self.lenient else part.split()
            if self.lenient and len(words) == 1:
                return words[0]
            if words and words[0].lower() in self.names:
                return " ".join(words[1:])
        return ""

    def _named_by_legacy(self, headers: Headers) -> str:
        if self.legacy is None:
            return ""
        return ",".join(headers.getlist(self.legacy)).rpartition(",")[2].strip()


class Microversions:
    """Plain ASGI: puts the version into `request.state.microversion` and into every answer's headers."""

    def __init__(self, app: ASGIApp, dialect: Dialect, shape: Shape) -> None:
        self._app = app
        self._dialect = dialect
        self._shape = shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            version = self._dialect.asked_for(Headers(scope=scope))
        except Refused as refused:
            code = refused.status.phrase.lower().replace(" ", "_")
            answer = self._shape(refused.status, code, refused.message, str(state.get("request_id", "")))
            await answer(scope, receive, self._named_in(send, self._dialect.refused_in))
            return
        state["microversion"] = version
        await self._app(scope, receive, self._named_in(send, version))

    def _named_in(self, send: Send, version: Version) -> Send:
        """`send`, with the version in the headers of the answer."""
        dialect = self._dialect

        async def versioned(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = f"{dialect.names[0]} {version}"
                headers.add_vary_header(dialect.vary)
                if dialect.legacy is not None:
                    headers[dialect.legacy] = str(version)
                    headers.add_vary_header(dialect.legacy)
                if dialect.tells_range:
                    headers["OpenStack-API-Minimum-Version"] = str(dialect.oldest)
                    headers["OpenStack-API-Maximum-Version"] = str(dialect.newest)
            await send(message)

        return versioned


def version_of(request: Request) -> Version:
    """The version that this request speaks."""
    version: Version = request.state.microversion
    return version
