"""What placement's routes take and give besides their own matter: JSON bodies, times of change."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated

import orjson
from fastapi import Depends, Request, Response

from kcloud_api.placement.microversion import minor_of

JSON = "application/json"
CACHE_HEADERS = 15
"""Minor version from which answers say when what they show has changed."""


async def _raw(request: Request) -> bytes:
    return await request.body()


RawBody = Annotated[bytes, Depends(_raw)]
"""For a Form of schema_check.py to read."""


def answer(request: Request, content: object, modified: datetime | None = None) -> Response:
    """`content` as JSON; `modified`: when it changed last, if that is not now."""
    return dated(request, Response(orjson.dumps(content), media_type=JSON), modified)


def dated(request: Request, response: Response, modified: datetime | None = None) -> Response:
    """The response with the headers that say when what it shows has changed, for clients that know them."""
    if minor_of(request) >= CACHE_HEADERS:
        at = modified or datetime.now(UTC)
        response.headers["Last-Modified"] = format_datetime(at.astimezone(UTC), usegmt=True)
        response.headers["Cache-Control"] = "no-cache"
    return response
