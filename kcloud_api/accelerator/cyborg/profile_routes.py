"""Device profiles over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, Field, StrictInt, StrictStr
from starlette.exceptions import HTTPException

from kcloud_api.accelerator.cyborg import policies, profiles, shown
from kcloud_api.accelerator.cyborg.card_routes import base_of
from kcloud_api.accelerator.cyborg.microversion import PROFILE_BY_NAME
from kcloud_api.accelerator.cyborg.profiles import NewProfile
from kcloud_api.accelerator.cyborg.shown import Json
from kcloud_api.http.context import CallerDep
from kcloud_api.http.microversions import version_of
from kcloud_api.http.paging import PagingDep, next_links
from kcloud_api.http.policy import allow
from kcloud_api.http.transaction import SessionDep
from kcloud_common.errors import BadRequest, NotFound

router = APIRouter(prefix="/device_profiles")


class ProfileBody(BaseModel):
    """Fields that kcloud does not know are left alone, as Cyborg does."""

    name: str = ""
    groups: Annotated[list[dict[str, StrictStr | StrictInt]], Field(max_length=1024)] = []
    description: Annotated[str, Field(max_length=65535)] | None = None
    uuid: UUID | None = None


@router.get("")
def list_profiles(request: Request, session: SessionDep, caller: CallerDep, paging: PagingDep) -> Json:
    """`name`: one, or several with commas."""
    allow(request, caller, policies.PROFILES_LIST)
    asked = request.query_params.get("name")
    names = asked.split(",") if asked is not None else None
    found, more = profiles.profile_page(session, names=names, limit=paging.limit, marker=paging.marker)
    views = [shown.profile(record, base_of(request)) for record in found]
    links = {"device_profiles_links": next_links(request, found[-1].id)} if more else {}
    return {"device_profiles": views, **links}


@router.post("", status_code=201)
def create_profile(
    request: Request,
    session: SessionDep,
    caller: CallerDep,
    body: Annotated[list[ProfileBody] | ProfileBody, Body()],
) -> Json:
    """A list of one, as Cyborg's clients send it, or the profile alone."""
    allow(request, caller, policies.PROFILES_CREATE)
    asked = body if isinstance(body, list) else [body]
    if len(asked) != 1:
        raise BadRequest("Only one device profile allowed per POST request for now.")
    one = asked[0]
    if not one.name:
        raise BadRequest("DeviceProfile name needed.", field="name")
    new = NewProfile(name=one.name, groups=one.groups, description=one.description, id=one.uuid)
    return shown.profile(profiles.create_profile(session, new), base_of(request))


@router.get("/{profile}")
def show_profile(request: Request, session: SessionDep, caller: CallerDep, profile: str) -> dict[str, Any]:
    """By id, or since 2.2 by name."""
    allow(request, caller, policies.PROFILES_SHOW)
    if not _is_id(profile) and version_of(request) < PROFILE_BY_NAME:
        message = f"Request not acceptable. The minimal required API version should be {PROFILE_BY_NAME}"
        raise HTTPException(406, message)
    return {"device_profile": shown.profile(profiles.get_profile(session, profile), base_of(request))}


@router.delete("", status_code=204)
def delete_profiles(request: Request, session: SessionDep, caller: CallerDep) -> None:
    """`value`: an id, or names with commas."""
    allow(request, caller, policies.PROFILES_DELETE)
    value = request.query_params.get("value")
    if not value:
        raise BadRequest("Say with value= which device profiles are meant.", field="value")
    profiles.delete_profiles(session, value.split(","))


@router.delete("/{profile}", status_code=204)
def delete_profile(request: Request, session: SessionDep, caller: CallerDep, profile: str) -> None:
    """By id, or by names with commas."""
    allow(request, caller, policies.PROFILES_DELETE)
    if not profile.strip(","):
        raise NotFound("Device Profile not found with no name.")
    profiles.delete_profiles(session, profile.split(","))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
