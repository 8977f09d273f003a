"""Routes of domains and projects."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from kcloud_api.http.context import CallerDep
from kcloud_api.http.transaction import SessionDep
from kcloud_api.identity.api import views
from kcloud_api.identity.api.access import require
from kcloud_api.identity.api.paging import PageDep, page_of
from kcloud_api.identity.pages import Page
from kcloud_api.identity.projects import service
from kcloud_api.identity.projects.service import NewProject
from kcloud_api.identity.roles.service import assignments
from kcloud_api.identity.service import DEFAULT_DOMAIN, remove_project
from kcloud_api.identity.users.service import get_user

router = APIRouter(prefix="/v3")

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"\S")]


class ProjectCreate(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: Name
    domain_id: str | None = None
    parent_id: str | None = None
    description: str | None = None
    enabled: StrictBool = True


class ProjectUpdate(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: Name | None = None
    description: str | None = None
    enabled: StrictBool | None = None


@router.get("/domains")
def list_domains(
    request: Request, session: SessionDep, caller: CallerDep, page: PageDep, name: str | None = None
) -> views.View:
    require(request, caller, "list_domains")
    return page_of(request, "domains", page, service.domains(session, name, page), views.domain)


@router.get("/domains/{domain_id}")
def show_domain(request: Request, session: SessionDep, caller: CallerDep, domain_id: str) -> views.View:
    at_home = get_user(session, caller.user_id).domain_id == domain_id
    target = {"domain_id": domain_id, "user_id": caller.user_id if at_home else None}
    require(request, caller, "get_domain", target)
    return {"domain": views.domain(request, service.get_domain(session, domain_id))}


@router.get("/projects")
def list_projects(request: Request, session: SessionDep, caller: CallerDep, page: PageDep) -> views.View:
    require(request, caller, "list_projects")
    wanted = filters(request, "name", "domain_id", "parent_id", "enabled")
    return page_of(request, "projects", page, service.projects(session, wanted, page), views.project)


@router.post("/projects", status_code=201)
def create_project(
    request: Request,
    session: SessionDep,
    caller: CallerDep,
    project: Annotated[ProjectCreate, Body(embed=True)],
) -> views.View:
    require(request, caller, "create_project")
    new = NewProject(
        name=project.name,
        domain_id=project.domain_id or caller.domain_id or DEFAULT_DOMAIN,
        parent_id=project.parent_id,
        description=project.description or "",
        enabled=project.enabled,
        extra=_extra(project),
    )
    return {"project": views.project(request, service.create_project(session, new))}


@router.get("/projects/{project_id}")
def show_project(request: Request, session: SessionDep, caller: CallerDep, project_id: str) -> views.View:
    # Policy first, on the id alone: who may not look must not learn whether it exists.
    require(request, caller, "get_project", {"project_id": project_id})
    return {"project": views.project(request, service.get_project(session, project_id))}


@router.patch("/projects/{project_id}")
def update_project(
    request: Request,
    session: SessionDep,
    caller: CallerDep,
    project_id: str,
    project: Annotated[ProjectUpdate, Body(embed=True)],
) -> views.View:
    require(request, caller, "update_project", {"project_id": project_id})
    changes = project.model_dump(exclude_unset=True)
    return {"project": views.project(request, service.update_project(session, project_id, changes))}


@router.delete("/projects/{project_id}", status_code=204)
def delete_project(request: Request, session: SessionDep, caller: CallerDep, project_id: str) -> Response:
    require(request, caller, "delete_project", {"project_id": project_id})
    remove_project(session, project_id)
    return Response(status_code=204)


@router.get("/users/{user_id}/projects")
def list_projects_of_user(
    request: Request, session: SessionDep, caller: CallerDep, page: PageDep, user_id: str
) -> views.View:
    require(request, caller, "list_user_projects", {"user_id": user_id})
    get_user(session, user_id)
    return _projects_of(request, session, page, user_id)


@router.get("/auth/projects")
def list_own_projects(request: Request, session: SessionDep, caller: CallerDep, page: PageDep) -> views.View:
    return _projects_of(request, session, page, caller.user_id)


@router.get("/auth/domains")
def list_own_domains(request: Request, session: SessionDep, caller: CallerDep) -> views.View:
    held = {
        item.scope.id for item in assignments(session, {"user_id": caller.user_id, "scope_kind": "domain"})
    }
    found = (record for record in service.domains(session) if record.id in held)
    return views.collection(request, "domains", (views.domain(request, record) for record in found))


@router.get("/auth/system")
def show_own_system(request: Request, session: SessionDep, caller: CallerDep) -> views.View:
    held = assignments(session, {"user_id": caller.user_id, "scope_kind": "system"})
    return {"system": [{"all": True}] if held else [], "links": {"self": str(request.url)}}


def _projects_of(request: Request, session: SessionDep, page: Page, user_id: str) -> views.View:
    held = assignments(session, {"user_id": user_id, "scope_kind": "project"})
    wanted = {"ids": frozenset(item.scope.id for item in held), "enabled": True}
    return page_of(request, "projects", page, service.projects(session, wanted, page), views.project)


def filters(request: Request, *known: str) -> dict[str, object]:
    """The query parameters that select by exact value; others are Keystone's to ignore."""
    found: dict[str, object] = {
        key: request.query_params[key] for key in known if key in request.query_params
    }
    if "enabled" in found:
        found["enabled"] = str(found["enabled"]).lower() not in ("0", "false", "no", "off")
    return found


def _extra(model: BaseModel) -> dict[str, Any]:
    return dict(model.model_extra or {})
