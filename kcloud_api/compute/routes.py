"""The compute service: Nova's v2.1 API."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request

from kcloud_api.compute import action_routes, server_routes, side_routes
from kcloud_api.compute.flavors.routes import router as flavors
from kcloud_api.compute.keypairs.routes import router as keypairs
from kcloud_api.compute.microversion import COMPUTE, NEWEST, OLDEST
from kcloud_api.http.app import service_app
from kcloud_api.http.errors import nova_shape
from kcloud_api.http.microversions import Microversions

PREFIX = "/v2.1"

versions = APIRouter()


def build() -> FastAPI:
    """What operators ask of hosts (os-hypervisors, os-services) is added by the composition root."""
    app = service_app("compute", nova_shape)
    app.add_middleware(Microversions, dialect=COMPUTE, shape=nova_shape)
    app.include_router(versions)
    for router in (server_routes.router, action_routes.router, side_routes.router, flavors, keypairs):
        app.include_router(router, prefix=PREFIX)
    return app


@versions.get("/")
def list_versions(request: Request) -> dict[str, Any]:
    return {"versions": [_version(request)]}


@versions.get("/v2.1")
@versions.get("/v2.1/")
def show_version(request: Request) -> dict[str, Any]:
    media = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
    return {"version": {**_version(request), "media-types": [media]}}


def _version(request: Request) -> dict[str, Any]:
    base = str(request.base_url).rstrip("/")
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(NEWEST),
        "min_version": str(OLDEST),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{base}/v2.1/"}],
    }
