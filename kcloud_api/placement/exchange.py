"""What placement's routes take and give besides their own matter: versions, JSON bodies, times of change."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any

import orjson
from fastapi import Depends, HTTPException, Request, Response

from kcloud_api.placement.microversion import minor_of
from kcloud_common.errors import NotFound

JSON = "application/json"
UNSUPPORTED_MEDIA_TYPE = 415
CACHE_HEADERS = 15
"""Minor version from which answers say when what they show has changed."""


def since(minor: int) -> Any:  # noqa: ANN401 - FastAPI's marker has no better type
    """A dependency: NotFound for clients of a version that did not have this yet."""

    def check(request: Request) -> None:
        if minor_of(request) < minor:
            raise NotFound("The resource could not be found.")

    return Depends(check)


def _json_only(request: Request) -> None:
    said = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if said != JSON:
        message = f"The media type {said or 'None'} is not supported, use {JSON}"
        raise HTTPException(UNSUPPORTED_MEDIA_TYPE, message)


async def _raw(request: Request) -> bytes:
    return await request.body()


json_only: Any = Depends(_json_only)
"""A dependency: 415 for a body that does not say that it is JSON."""
RawBody = Annotated[bytes, Depends(_raw)]
"""For a Form of schema_check.py to read."""


def answer(request: Request, content: object, modified: datetime | None = None) -> Response:
    """`content` as JSON; `modified`: when it changed last, if that is not now."""
    response = Response(orjson.dumps(content), media_type=JSON)
    if minor_of(request) >= CACHE_HEADERS:
        at = modified or datetime.now(UTC)
        response.headers["Last-Modified"] = format_datetime(at.astimezone(UTC), usegmt=True)
        response.headers["Cache-Control"] = "no-cache"
    return response
