"""Placement's routes about the names of traits and resource classes."""

from fastapi import APIRouter, Request, Response

from kcloud_api.http.transaction import SessionDep
from kcloud_api.placement import policies, vocabulary
from kcloud_api.placement.bodies import ClassCreate
from kcloud_api.placement.routing import CREATED, NO_CONTENT, Json, mount_of, requires
from kcloud_common.errors import AlreadyExists, BadRequest, NotFound

router = APIRouter()


@router.get("/traits", dependencies=[requires(policies.TRAITS_LIST)])
def list_traits(session: SessionDep, name: str | None = None, associated: str | None = None) -> Json:
    among, prefix = None, ""
    if name is not None:
        operator, separator, operand = name.partition(":")
        if not separator or operator not in ("in", "startswith"):
            raise BadRequest('Badly formatted name parameter. Expected "in:" or "startswith:".', field="name")
        among = frozenset(operand.split(",")) if operator == "in" else None
        prefix = operand if operator == "startswith" else ""
    if associated is not None and associated.lower() not in ("true", "false"):
        raise BadRequest('The query parameter "associated" must be "true" or "false".', field="associated")
    used = associated.lower() == "true" if associated is not None else None
    return {"traits": list(vocabulary.list_traits(session, among=among, prefix=prefix, used=used))}


@router.get("/traits/{name}", status_code=NO_CONTENT, dependencies=[requires(policies.TRAITS_SHOW)])
def show_trait(session: SessionDep, name: str) -> None:
    if not vocabulary.trait_exists(session, name):
        raise NotFound(f"No such trait(s): {name}.")


@router.put("/traits/{name}", dependencies=[requires(policies.TRAITS_UPDATE)])
def put_trait(request: Request, session: SessionDep, name: str) -> Response:
    new = vocabulary.ensure_trait(session, name)
    return _made(f"{mount_of(request)}/traits/{name}", new=new)


@router.delete("/traits/{name}", status_code=NO_CONTENT, dependencies=[requires(policies.TRAITS_UPDATE)])
def delete_trait(session: SessionDep, name: str) -> None:
    vocabulary.delete_trait(session, name)


@router.get("/resource_classes", dependencies=[requires(policies.CLASSES_LIST)])
def list_classes(request: Request, session: SessionDep) -> Json:
    return {"resource_classes": [_class(request, name) for name in vocabulary.list_classes(session)]}


@router.post("/resource_classes", dependencies=[requires(policies.CLASSES_UPDATE)])
def create_class(request: Request, session: SessionDep, body: ClassCreate) -> Response:
    if not vocabulary.ensure_class(session, body.name):
        raise AlreadyExists(f"Conflicting resource class already exists: {body.name}")
    return _made(f"{mount_of(request)}/resource_classes/{body.name}", new=True)


@router.get("/resource_classes/{name}", dependencies=[requires(policies.CLASSES_SHOW)])
def show_class(request: Request, session: SessionDep, name: str) -> Json:
    if not vocabulary.class_exists(session, name):
        raise NotFound(f"No such resource class: {name}")
    return _class(request, name)


@router.put("/resource_classes/{name}", dependencies=[requires(policies.CLASSES_UPDATE)])
def put_class(request: Request, session: SessionDep, name: str) -> Response:
    new = vocabulary.ensure_class(session, name)
    return _made(f"{mount_of(request)}/resource_classes/{name}", new=new)


@router.delete(
    "/resource_classes/{name}", status_code=NO_CONTENT, dependencies=[requires(policies.CLASSES_UPDATE)]
)
def delete_class(session: SessionDep, name: str) -> None:
    vocabulary.delete_class(session, name)


def _class(request: Request, name: str) -> Json:
    href = f"{mount_of(request)}/resource_classes/{name}"
    return {"name": name, "links": [{"rel": "self", "href": href}]}


def _made(location: str, *, new: bool) -> Response:
    return Response(status_code=CREATED if new else NO_CONTENT, headers={"Location": location})
