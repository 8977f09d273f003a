"""Routes of users."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from kcloud_api.http.context import CallerDep
from kcloud_api.http.transaction import SessionDep
from kcloud_api.identity.api import views
from kcloud_api.identity.api.access import require
from kcloud_api.identity.api.paging import PageDep, page_of
from kcloud_api.identity.api.projects import filters
from kcloud_api.identity.projects.service import get_domain
from kcloud_api.identity.service import DEFAULT_DOMAIN, remove_user
from kcloud_api.identity.users import service
from kcloud_api.identity.users.service import NewUser

router = APIRouter(prefix="/v3/users")

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S")]
Password = Annotated[str, Field(max_length=4096)]


class UserCreate(BaseModel):
    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    name: Name
    domain_id: str | None = None
    password: Password | None = None
    enabled: StrictBool = True
    default_project_id: str | None = None
    description: str | None = None
    email: str | None = None


class UserUpdate(BaseModel):
    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    name: Name | None = None
    password: Password | None = None
    enabled: StrictBool | None = None
    default_project_id: str | None = None
    description: str | None = None
    email: str | None = None


@router.get("")
def list_users(request: Request, session: SessionDep, caller: CallerDep, page: PageDep) -> views.View:
    require(request, caller, "list_users")
    found = service.users(session, filters(request, "name", "domain_id", "enabled"), page)
    return page_of(request, "users", page, found, views.user)


@router.post("", status_code=201)
def create_user(
    request: Request, session: SessionDep, caller: CallerDep, user: Annotated[UserCreate, Body(embed=True)]
) -> views.View:
    require(request, caller, "create_user")
    domain_id = user.domain_id or caller.domain_id or DEFAULT_DOMAIN
    get_domain(session, domain_id)
    rest = user.model_dump(exclude_unset=True, exclude={"name", "domain_id", "password", "enabled"})
    new = NewUser(user.name, domain_id, user.password, user.enabled, attributes=rest)
    record = service.create_user(session, new, rounds=_rounds(request))
    return {"user": views.user(request, record)}


@router.get("/{user_id}")
def show_user(request: Request, session: SessionDep, caller: CallerDep, user_id: str) -> views.View:
    require(request, caller, "get_user", {"user_id": user_id})
    return {"user": views.user(request, service.get_user(session, user_id))}


@router.patch("/{user_id}")
def update_user(
    request: Request,
    session: SessionDep,
    caller: CallerDep,
    user_id: str,
    user: Annotated[UserUpdate, Body(embed=True)],
) -> views.View:
    require(request, caller, "update_user", {"user_id": user_id})
    changes = user.model_dump(exclude_unset=True)
    changes.pop("domain_id", None)
    record = service.update_user(session, user_id, changes, rounds=_rounds(request))
    return {"user": views.user(request, record)}


@router.delete("/{user_id}", status_code=204)
def delete_user(request: Request, session: SessionDep, caller: CallerDep, user_id: str) -> Response:
    require(request, caller, "delete_user", {"user_id": user_id})
    remove_user(session, user_id)
    return Response(status_code=204)


def _rounds(request: Request) -> int:
    return int(request.app.state.conf.identity.password_rounds)
