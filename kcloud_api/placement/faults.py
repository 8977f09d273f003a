"""The body of an error as placement's clients parse it, in the version and the type that the client takes."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape
from http import HTTPStatus

import orjson
from starlette.responses import HTMLResponse, Response

CODES = {
    "already_exists": "placement.duplicate_name",
    "stale_generation": "placement.concurrent_update",
}
"""The codes that placement's clients know, by ours."""
UNDEFINED = "placement.undefined_code"
CODES_SINCE = 23

EXPLAINED = {
    HTTPStatus.BAD_REQUEST: (
        "The server could not comply with the request since it is either malformed or otherwise incorrect."
    ),
    HTTPStatus.UNAUTHORIZED: (
        "This server could not verify that you are authorized to access the document you requested.  Either "
        "you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to "
        "supply the credentials required."
    ),
    HTTPStatus.FORBIDDEN: "Access was denied to this resource.",
    HTTPStatus.NOT_FOUND: "The resource could not be found.",
    HTTPStatus.NOT_ACCEPTABLE: (
        "The resource could not be generated that was acceptable to your browser (content of type)."
    ),
    HTTPStatus.CONFLICT: "There was a conflict when trying to complete your request.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The request media type is not supported by this server.",
}
"""The sentence that every error of a status begins with, by which some clients know it."""


@dataclass(frozen=True, slots=True)
class Speaking:
    """How the client of the request at hand is spoken to. `minor` is None while its version is not known."""

    minor: int | None = None
    html: bool = False


PLAIN = Speaking()
speaking: ContextVar[Speaking] = ContextVar("placement.speaking", default=PLAIN)
"""Set by Microversions for the time of one request: an error may arise where nobody has the request."""


def shape(status: HTTPStatus, code: str, message: str, request_id: str) -> Response:
    """`code` in our words or in placement's."""
    minor = speaking.get().minor
    more: dict[str, object] = {}
    if minor is not None and minor >= CODES_SINCE:
        more["code"] = code if code.startswith("placement.") else CODES.get(code, UNDEFINED)
    return _error(status, message, request_id, more)


def unversioned(status: HTTPStatus, message: str, request_id: str, versions: tuple[str, str]) -> Response:
    """The refusal of a version, with the oldest and the newest that there are."""
    oldest, newest = versions
    more = {"min_version": oldest, "max_version": newest} if status is HTTPStatus.NOT_ACCEPTABLE else {}
    return _error(status, message, request_id, more)


def _error(status: HTTPStatus, message: str, request_id: str, more: Mapping[str, object]) -> Response:
    detail = "\n\n".join(part for part in (EXPLAINED.get(status, ""), message) if part)
    title = status.phrase
    if speaking.get().html:
        return _page(f"{status.value} {title}", detail)
    error: dict[str, object] = {
        "status": status.value,
        "title": title,
        "detail": f"{detail}\n\n",
        "request_id": request_id,
    }
    return Response(
        orjson.dumps({"errors": [{**error, **more}]}), status.value, media_type="application/json"
    )


def _page(title: str, detail: str) -> Response:
    text = escape(detail).replace("\n", "<br />")
    return HTMLResponse(
        f"<html>\n<head>\n<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n{text}\n</body>\n</html>",
        int(title.partition(" ")[0]),
    )
