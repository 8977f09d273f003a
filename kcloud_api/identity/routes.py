"""The identity service: Keystone's v3 API under one application."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from kcloud_api.http.app import service_app
from kcloud_api.http.errors import keystone_shape
from kcloud_api.http.invalid import first_fault
from kcloud_api.identity.api import catalog, projects, roles, tokens, users
from kcloud_api.identity.api.auth_body import MALFORMED
from kcloud_api.identity.api.views import base_url
from kcloud_common.errors import BadRequest


def build() -> FastAPI:
    app = service_app("identity", keystone_shape)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_api_route("/", _versions, methods=["GET"])
    app.add_api_route("/v3", _version, methods=["GET"])
    app.add_api_route("/v3/", _version, methods=["GET"])
    for module in (tokens, projects, users, roles, catalog):
        app.include_router(module.router)
    return app


def _versions(request: Request) -> Response:
    body = {"versions": {"values": [_v3(request)]}}
    return JSONResponse(body, 300, {"Location": f"{base_url(request)}/"})


def _version(request: Request) -> Response:
    return JSONResponse({"version": _v3(request)})


def _v3(request: Request) -> dict[str, object]:
    media = {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base_url(request)}/"}],
        "media-types": [media],
    }


def _invalid(request: Request, error: Exception) -> Response:
    """An invalid body in Keystone's words."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - narrows for mypy
    fault = first_fault(error)
    if fault.malformed:
        message = f"Expecting to find valid JSON in request body. {MALFORMED}"
    elif fault.path[-1:] == ("password",):
        message = f"Invalid input for field '{'/'.join(fault.path)}'"
    elif fault.path:
        message = f"Invalid input for field '{'/'.join(fault.path)}': {fault.reason}"
    else:
        message = fault.reason
    return keystone_shape(HTTPStatus.BAD_REQUEST, BadRequest.code, message, "")
