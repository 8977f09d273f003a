"""Routes that tell a client what this image service is: versions, schemas, and features that it lacks."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from kcloud_api.http.context import CallerDep
from kcloud_api.image import views
from kcloud_common.errors import NotFound

router = APIRouter()


@router.get("/")
@router.get("/v2")
@router.get("/v2/")
def list_versions(request: Request) -> Response:
    return JSONResponse(_versions(request), HTTPStatus.MULTIPLE_CHOICES)


@router.get("/versions")
@router.get("/versions/")
def list_versions_plainly(request: Request) -> views.View:
    return _versions(request)


@router.get("/v2/schemas/{name}")
def show_schema(request: Request, caller: CallerDep, name: str) -> views.View:
    image = views.image_schema(request.app.state.conf.image.disk_formats)
    member = views.member_schema()
    known = {
        "image": image,
        "images": views.list_schema("images", image),
        "member": member,
        "members": views.list_schema("members", member),
    }
    if name not in known:
        raise NotFound("The resource could not be found.")
    return known[name]


@router.get("/v2/info/import")
def show_import_methods(caller: CallerDep) -> views.View:
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": []}}


@router.get("/v2/info/stores")
def list_stores(caller: CallerDep) -> views.View:
    return {"stores": [{"id": "local", "default": "true", "description": "Files beside the API."}]}


@router.get("/v2/metadefs/namespaces")
def list_metadef_namespaces(caller: CallerDep) -> views.View:
    first = "/v2/metadefs/namespaces"
    return {"namespaces": [], "first": first, "schema": "/v2/schemas/metadefs/namespaces"}


def _versions(request: Request) -> views.View:
    return views.versions(str(request.base_url).rstrip("/"))
