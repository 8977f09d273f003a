"""Turns errors into HTTP answers: one table from class to status, one body shape per service."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from kcloud_api.http.invalid import first_fault, nova_sentence
from kcloud_common import errors

log = logging.getLogger(__name__)

STATUS: dict[type[errors.KcloudError], HTTPStatus] = {
    errors.BadRequest: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NoCandidates: HTTPStatus.CONFLICT,
    errors.TemporaryError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.KcloudError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

Shape = Callable[[HTTPStatus, str, str, str], Response]
"""(status, code, message, request id) -> the body that this service's clients parse."""


def status_of(error: errors.KcloudError) -> HTTPStatus:
    """The status of the nearest ancestor in the table."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def keystone_shape(status: HTTPStatus, code: str, message: str, request_id: str) -> Response:
    return JSONResponse(
        {"error": {"code": status.value, "title": status.phrase, "message": message}}, status.value
    )


_NOVA_NAMES = {
    400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
    406: "notAcceptable", 409: "conflictingRequest", 413: "overLimit", 415: "badMediaType",
    429: "overLimit", 501: "notImplemented", 503: "serviceUnavailable",
}  # fmt: skip


def nova_shape(status: HTTPStatus, code: str, message: str, request_id: str) -> Response:
    name = _NOVA_NAMES.get(status.value, "computeFault")
    return JSONResponse({name: {"code": status.value, "message": message}}, status.value)


def glance_shape(status: HTTPStatus, code: str, message: str, request_id: str) -> Response:
    """Glance answers in HTML, and its clients parse that (webob's page: title, heading, text)."""
    from html import escape

    title = f"{status.value} {status.phrase}"
    return HTMLResponse(
        f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n"
        f"  {escape(message)}<br /><br />\n\n\n </body>\n</html>",
        status.value,
    )


def kcloud_shape(status: HTTPStatus, code: str, message: str, request_id: str) -> Response:
    """Of kcloud's own API: the guidelines' list of errors, with our codes."""
    error = {
        "status": status.value, "title": status.phrase, "detail": message,
        "code": code, "request_id": request_id,
    }  # fmt: skip
    return JSONResponse({"errors": [error]}, status.value)


def install(app: FastAPI, shape: Shape) -> None:
    """Answer every error of this app in `shape`. Unknown exceptions become a 500 that says nothing inner."""

    def answer(request: Request, status: HTTPStatus, code: str, message: str) -> Response:
        identity = getattr(request.state, "request_id", "")
        response = shape(status, code, message, identity)
        # A 500 is answered outside the layer that names every other answer.
        response.headers["X-OpenStack-Request-ID"] = identity
        if status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Keystone uri="/identity"'
        return response

    def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.KcloudError)  # noqa: S101 - narrows for mypy
        return answer(request, status_of(error), error.code, error.message)

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return answer(request, HTTPStatus.BAD_REQUEST, "bad_request", validation_message(error))

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        status = HTTPStatus(error.status_code)
        response = answer(request, status, status.phrase.lower().replace(" ", "_"), str(error.detail))
        response.headers.update(error.headers or {})
        return response

    def database_busy(request: Request, error: Exception) -> Response:
        log.warning("database_unavailable", extra={"error": str(error)})
        message = "The database does not answer; nothing was changed. Try again."
        return answer(request, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", message)

    def unstorable(request: Request, error: Exception) -> Response:
        # A NUL or a lone surrogate in a text, a number of 30 digits: valid JSON that no database keeps.
        log.info("value_not_storable", extra={"error": str(error)})
        message = "A value in the request is out of range, or holds characters that cannot be stored."
        return answer(request, HTTPStatus.BAD_REQUEST, "bad_request", message)

    def unknown(request: Request, error: Exception) -> Response:
        log.error("request_failed", exc_info=error)
        message = "An unexpected error happened; it was logged under the request id of this answer."
        return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", message)

    app.add_exception_handler(errors.KcloudError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    # Nobody hears this one, and nothing of ours has failed: anybody may hang up, without any credential.
    cut_off = HTTPStatus.BAD_REQUEST, "bad_request", "The body ended before its length."
    app.add_exception_handler(ClientDisconnect, lambda request, _error: answer(request, *cut_off))
    app.add_exception_handler(OperationalError, database_busy)
    for kind in (DataError, OverflowError, UnicodeEncodeError):
        app.add_exception_handler(kind, unstorable)
    app.add_exception_handler(Exception, unknown)


def validation_message(error: RequestValidationError) -> str:
    """One sentence that names the field, in the words of OpenStack's clients."""
    return nova_sentence(first_fault(error))
