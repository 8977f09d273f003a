"""The image service: Glance's v2 API under one application."""

import json
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from kcloud_api.db.engine import Database
from kcloud_api.http.app import service_app
from kcloud_api.http.context import CallerDep
from kcloud_api.http.errors import glance_shape
from kcloud_api.http.invalid import first_fault
from kcloud_api.http.transaction import SessionDep
from kcloud_api.image import discovery, service, store, transfer, views
from kcloud_api.image.access import BriefCallerDep, image_id_of, require, require_visibility, target_of
from kcloud_api.image.attributes import checked
from kcloud_api.image.patch import MEDIA, apply_patch, read_patch
from kcloud_api.image.query import read_listing
from kcloud_common.errors import BadRequest, Forbidden, NotFound

router = APIRouter(prefix="/v2/images")


def build() -> FastAPI:
    app = service_app("image", glance_shape)
    app.add_exception_handler(RequestValidationError, _invalid)
    for module_router in (discovery.router, transfer.router, router):
        app.include_router(module_router)
    return app


@router.get("")
def list_images(request: Request, session: SessionDep, caller: CallerDep) -> views.View:
    require(request, caller, "get_images", {"project_id": caller.project_id})
    query = request.query_params.multi_items()
    listing = read_listing(query)
    return views.images(service.list_images(session, caller, listing), query, listing.limit)


@router.post("", status_code=201)
def create_image(
    request: Request, session: SessionDep, caller: CallerDep, document: Annotated[dict[str, Any], Body()]
) -> Response:
    attributes = checked(document, request.app.state.conf.image.disk_formats)
    owner = attributes.pop("owner", None) or caller.project_id
    require(request, caller, "add_image", {"project_id": owner})
    require_visibility(request, caller, attributes.get("visibility"), owner)
    view = views.image(service.create_image(session, owner, attributes))
    location = f"{str(request.base_url).rstrip('/')}{view['self']}"
    return JSONResponse(view, HTTPStatus.CREATED, {"Location": location})


@router.get("/{image}")
def show_image(request: Request, session: SessionDep, caller: CallerDep, image: str) -> views.View:
    record = service.visible_image(session, caller, image_id_of(image))
    require(request, caller, "get_image", target_of(record))
    return views.image(record)


async def raw_body(request: Request) -> bytes:
    return await request.body()


@router.patch("/{image}")
def update_image(
    request: Request,
    session: SessionDep,
    caller: CallerDep,
    image: str,
    body: Annotated[bytes, Depends(raw_body)],
) -> views.View:
    conf = request.app.state.conf.image
    changes = read_patch(_json(body), _draft(request), conf.disk_formats)
    record = service.visible_image(session, caller, image_id_of(image))
    require(request, caller, "modify_image", target_of(record))
    before = service.base_attributes(record)
    base, properties = apply_patch(before, record.properties, changes)
    if base["owner"] != record.owner and not caller.is_admin:
        raise Forbidden("Owner can't be updated by non admin.")
    if base["visibility"] != record.visibility:
        require_visibility(request, caller, base["visibility"], record.owner)
    return views.image(service.update_image(session, record.id, service.Update(base, properties)))


@router.delete("/{image}", status_code=204)
def delete_image(request: Request, caller: BriefCallerDep, image: str) -> Response:
    database: Database = request.app.state.database
    with database.transaction() as session:
        try:
            record = service.visible_image(session, caller, image_id_of(image))
        except NotFound:
            raise NotFound(f"Failed to find image {image} to delete") from None
        require(request, caller, "delete_image", target_of(record))
        service.delete_image(session, record.id)
        gone = service.to_purge(session)
    # Only now: data removed before the commit could be missed by an image that stays.
    for image_id in gone:
        store.remove(request.app.state.conf.image, image_id)
    with database.transaction() as session:
        service.purge(session, gone)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/{image}/actions/{action}", status_code=204)
def act_on_image(
    request: Request, session: SessionDep, caller: CallerDep, image: str, action: str
) -> Response:
    if action not in ("deactivate", "reactivate"):
        raise NotFound("The resource could not be found.")
    record = service.visible_image(session, caller, image_id_of(image))
    require(request, caller, action, target_of(record))
    service.set_active(session, record.id, active=action == "reactivate")
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.api_route("/{image}/tags/{tag}", methods=["PUT", "DELETE"], status_code=204)
def tag_image(request: Request, session: SessionDep, caller: CallerDep, image: str, tag: str) -> Response:
    record = service.visible_image(session, caller, image_id_of(image))
    require(request, caller, "modify_image", target_of(record))
    if request.method == "PUT":
        tags = checked({"tags": [*record.tags, tag]}, ())["tags"]
    elif tag in record.tags:
        tags = [kept for kept in record.tags if kept != tag]
    else:
        raise NotFound(f"Tag {tag} could not be found.")
    base = service.base_attributes(record) | {"tags": tags}
    service.update_image(session, record.id, service.Update(base, record.properties))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/{image}/members")
def list_members(request: Request, session: SessionDep, caller: CallerDep, image: str) -> views.View:
    record = service.visible_image(session, caller, image_id_of(image))
    require(request, caller, "get_members", target_of(record))
    return {"members": [], "schema": "/v2/schemas/members"}


def _draft(request: Request) -> int:
    media = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media not in MEDIA:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Image PATCH expects Content-Type one of: {', '.join(sorted(MEDIA))}",
            {"Accept-Patch": ", ".join(sorted(MEDIA))},
        )
    return MEDIA[media]


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("Malformed JSON in request body.") from error


def _invalid(request: Request, error: Exception) -> Response:
    """An invalid body in Glance's words."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - narrows for mypy
    fault = first_fault(error)
    message = (
        "Malformed JSON in request body."
        if fault.malformed
        else f"Provided object does not match schema 'image': {fault.reason}"
    )
    return glance_shape(HTTPStatus.BAD_REQUEST, BadRequest.code, message, "")
