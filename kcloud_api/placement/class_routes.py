"""Placement's routes about which resource classes there are."""

import orjson
from fastapi import APIRouter, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import policies, schemas, vocabulary
from kcloud_api.placement.exchange import RawBody, answer
from kcloud_api.placement.microversion import minor_of
from kcloud_api.placement.routing import (
    CREATED,
    NO_CONTENT,
    Json,
    located,
    mount_of,
    nothing,
    requires,
    takes,
)

router = APIRouter(prefix="/resource_classes")

PUT_MAKES = 7
"""Minor version from which PUT makes a class; before, it renames one."""


@router.get("", dependencies=[requires(policies.CLASSES_LIST)])
def list_classes(request: Request, session: SessionDep) -> Response:
    found = vocabulary.list_classes(session)
    shown = [_shown(request, each.name) for each in found]
    return answer(request, {"resource_classes": shown}, vocabulary.latest(found))


@router.post("", dependencies=[requires(policies.CLASSES_CREATE)], openapi_extra=takes(schemas.CLASS_WRITE))
def create_class(request: Request, session: SessionDep, raw: RawBody) -> Response:
    name = schemas.CLASS_WRITE.body(raw)["name"]
    vocabulary.create_class(session, name)
    return located(request, _path(request, name))


@router.get("/{name}", dependencies=[requires(policies.CLASSES_SHOW)])
def show_class(request: Request, session: SessionDep, name: str) -> Response:
    return answer(request, _shown(request, name), vocabulary.get_class(session, name).updated_at)


@router.put("/{name}", dependencies=[requires(policies.CLASSES_UPDATE)])
def put_class(request: Request, session: SessionDep, name: str, raw: RawBody) -> Response:
    if minor_of(request) < PUT_MAKES:
        new_name = schemas.CLASS_WRITE.body(raw)["name"]
        vocabulary.rename_class(session, name, new_name)
        return answer(request, _shown(request, new_name))
    # A standard class is refused in these words too.
    schemas.CLASS_WRITE.body(orjson.dumps({"name": name}))
    new = vocabulary.ensure_class(session, name)
    return located(request, _path(request, name), CREATED if new else NO_CONTENT)


@router.delete("/{name}", dependencies=[requires(policies.CLASSES_DELETE)])
def delete_class(session: SessionDep, name: str) -> Response:
    vocabulary.delete_class(session, name)
    return nothing()


def _path(request: Request, name: str) -> str:
    return f"{mount_of(request)}/resource_classes/{name}"


def _shown(request: Request, name: str) -> Json:
    return {"name": name, "links": [{"rel": "self", "href": _path(request, name)}]}
