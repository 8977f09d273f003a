"""The accelerator service: Cyborg's v2 API, over what hosts report and servers hold."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request

from kcloud_api.accelerator.cyborg.card_routes import base_of
from kcloud_api.accelerator.cyborg.card_routes import router as cards
from kcloud_api.accelerator.cyborg.faults import cyborg_shape
from kcloud_api.accelerator.cyborg.microversion import ACCELERATOR, NEWEST, OLDEST
from kcloud_api.accelerator.cyborg.profile_routes import router as profiles
from kcloud_api.http.app import service_app
from kcloud_api.http.microversions import Microversions

PREFIX = "/v2"

versions = APIRouter()


def build() -> FastAPI:
    """Accelerator requests, and what operators do with cards, are added by the composition root: they read
    what is layered above."""
    app = service_app("accelerator", cyborg_shape)
    app.add_middleware(Microversions, dialect=ACCELERATOR, shape=cyborg_shape)
    app.include_router(versions)
    for router in (cards, profiles):
        app.include_router(router, prefix=PREFIX)
    return app


@versions.get("/")
def list_versions(request: Request) -> dict[str, Any]:
    one = {**_version(request), "id": "v2"}
    return {
        "name": "OpenStack Cyborg API",
        "description": "Accelerators of kcloud: cards, what they are cut into, and what servers ask of them.",
        "versions": [one],
        "default_version": one,
    }


@versions.get("/v2")
@versions.get("/v2/")
def show_version(request: Request) -> dict[str, Any]:
    return _version(request)


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v2.0",
        "status": "CURRENT",
        "min_version": str(OLDEST),
        "max_version": str(NEWEST),
        "links": [{"rel": "self", "href": f"{base_of(request)}/v2"}],
    }
