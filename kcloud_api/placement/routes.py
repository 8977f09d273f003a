"""The placement service: the OpenStack Placement API, served under /placement or alone at /."""

from fastapi import APIRouter, FastAPI, Request, Response

from kcloud_api.http.app import service_app
from kcloud_api.http.context import CallerDep
from kcloud_api.placement import (
    aggregate_routes,
    allocation_routes,
    candidate_routes,
    class_routes,
    inventory_routes,
    provider_routes,
    reshaper_routes,
    trait_routes,
    usage_routes,
)
from kcloud_api.placement.cors import Cors
from kcloud_api.placement.description import description
from kcloud_api.placement.exchange import answer
from kcloud_api.placement.faults import shape
from kcloud_api.placement.microversion import MAJOR, NEWEST, OLDEST, Microversions
from kcloud_api.placement.routing import mount_of

versions = APIRouter()

PARTS = (
    provider_routes,
    inventory_routes,
    aggregate_routes,
    trait_routes,
    class_routes,
    allocation_routes,
    usage_routes,
    reshaper_routes,
    candidate_routes,
)


def build() -> FastAPI:
    app = service_app("placement", shape)
    app.add_middleware(Microversions)
    app.add_middleware(Cors)
    app.include_router(versions)
    for part in PARTS:
        app.include_router(part.router)
    return app


@versions.get("/", response_model=None)
def list_versions(request: Request) -> Response:
    """Open to everybody, as discovery must be."""
    version = {
        "id": f"v{MAJOR}.{OLDEST}",
        "min_version": f"{MAJOR}.{OLDEST}",
        "max_version": f"{MAJOR}.{NEWEST}",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": ""}],
    }
    return answer(request, {"versions": [version]})


@versions.get("/openapi.json", response_model=None)
def describe(request: Request, caller: CallerDep) -> Response:
    """What can be asked, for programs; for everybody with a token."""
    return answer(request, description(request.app.openapi(), mount_of(request)))
