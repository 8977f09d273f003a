"""The placement service: the OpenStack Placement API, served under /placement or alone at /."""

from http import HTTPStatus

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from kcloud_api.http.app import service_app
from kcloud_api.http.errors import placement_shape
from kcloud_api.placement import allocation_routes, candidate_routes, provider_routes, vocabulary_routes
from kcloud_api.placement.microversion import MAJOR, NEWEST, OLDEST, Microversions

CODES = {
    "already_exists": "placement.duplicate_name",
    "stale_generation": "placement.concurrent_update",
}
"""The codes that placement's clients know, by ours."""

versions = APIRouter()


def build() -> FastAPI:
    app = service_app("placement", _shape)
    app.add_middleware(Microversions)
    app.include_router(versions)
    for module in (provider_routes, allocation_routes, candidate_routes, vocabulary_routes):
        app.include_router(module.router)
    return app


@versions.get("/")
def list_versions() -> dict[str, object]:
    """Open to everybody, as discovery must be."""
    version = {
        "id": f"v{MAJOR}.0",
        "min_version": f"{MAJOR}.{OLDEST}",
        "max_version": f"{MAJOR}.{NEWEST}",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": ""}],
    }
    return {"versions": [version]}


def _shape(status: HTTPStatus, code: str, message: str, request_id: str) -> Response:
    known = code if code.startswith("placement.") else CODES.get(code, "placement.undefined_code")
    return placement_shape(status, known, message, request_id)
