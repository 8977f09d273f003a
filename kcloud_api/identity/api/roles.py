"""Routes of roles, of grants (a user's roles on a project, a domain or the system), and of assignments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, Field

from kcloud_api.http.context import CallerDep
from kcloud_api.http.transaction import SessionDep
from kcloud_api.identity.api import views
from kcloud_api.identity.api.access import require
from kcloud_api.identity.api.paging import PageDep, page_of
from kcloud_api.identity.projects.service import (
    DomainRecord,
    ProjectRecord,
    domains,
    get_domain,
    get_project,
    projects,
)
from kcloud_api.identity.roles import service
from kcloud_api.identity.roles.service import AssignmentRecord, RoleRecord, Scope
from kcloud_api.identity.users.service import UserRecord, get_user, users
from kcloud_common.errors import NotFound

router = APIRouter(prefix="/v3")

ON_PROJECT = "/projects/{project_id}/users/{user_id}/roles"
ON_DOMAIN = "/domains/{domain_id}/users/{user_id}/roles"
ON_SYSTEM = "/system/users/{user_id}/roles"
MOST_ASSIGNMENTS = 10_000
"""In one answer: Keystone has no pages of these. Who meets it selects by user, role or scope."""


class RoleCreate(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S")]
    description: str | None = None


@router.get("/roles")
def list_roles(
    request: Request, session: SessionDep, caller: CallerDep, page: PageDep, name: str | None = None
) -> views.View:
    require(request, caller, "list_roles")
    return page_of(request, "roles", page, service.roles(session, name, page), views.role)


@router.post("/roles", status_code=201)
def create_role(
    request: Request, session: SessionDep, caller: CallerDep, role: Annotated[RoleCreate, Body(embed=True)]
) -> views.View:
    require(request, caller, "create_role")
    return {"role": views.role(request, service.create_role(session, role.name, role.description))}


@router.get("/roles/{role_id}")
def show_role(request: Request, session: SessionDep, caller: CallerDep, role_id: str) -> views.View:
    require(request, caller, "get_role")
    return {"role": views.role(request, service.get_role(session, role_id))}


@router.delete("/roles/{role_id}", status_code=204)
def delete_role(request: Request, session: SessionDep, caller: CallerDep, role_id: str) -> Response:
    require(request, caller, "delete_role")
    service.delete_role(session, role_id)
    return Response(status_code=204)


@router.get("/role_assignments")
def list_role_assignments(request: Request, session: SessionDep, caller: CallerDep) -> views.View:
    require(request, caller, "list_role_assignments")
    found = service.assignments(session, _assignment_filters(request), limit=MOST_ASSIGNMENTS + 1)
    # A bare `?include_names` asks for them too.
    with_names = request.query_params.get("include_names", "0").lower() not in ("0", "false", "no", "off")
    kept = found[:MOST_ASSIGNMENTS]
    names = _names(session, kept) if with_names else None
    shown = (_assignment(request, item, names) for item in kept if names is None or names.know(item))
    view = views.collection(request, "role_assignments", shown)
    return view if len(found) <= MOST_ASSIGNMENTS else {**view, "truncated": True}


@router.get(ON_PROJECT)
@router.get(ON_DOMAIN)
@router.get(ON_SYSTEM)
def list_grants(request: Request, session: SessionDep, caller: CallerDep, user_id: str) -> views.View:
    require(request, caller, "list_grants")
    found = service.held_directly(session, user_id, _checked_scope(request, session, user_id))
    return views.collection(request, "roles", (views.role(request, record) for record in found))


@router.put(ON_PROJECT + "/{role_id}", status_code=204)
@router.put(ON_DOMAIN + "/{role_id}", status_code=204)
@router.put(ON_SYSTEM + "/{role_id}", status_code=204)
def create_grant(
    request: Request, session: SessionDep, caller: CallerDep, user_id: str, role_id: str
) -> Response:
    require(request, caller, "create_grant")
    service.grant(session, user_id, _checked_scope(request, session, user_id), role_id)
    return Response(status_code=204)


@router.api_route(ON_PROJECT + "/{role_id}", methods=["GET", "HEAD"], status_code=204)
@router.api_route(ON_DOMAIN + "/{role_id}", methods=["GET", "HEAD"], status_code=204)
@router.api_route(ON_SYSTEM + "/{role_id}", methods=["GET", "HEAD"], status_code=204)
def check_grant(
    request: Request, session: SessionDep, caller: CallerDep, user_id: str, role_id: str
) -> Response:
    require(request, caller, "check_grant")
    scope = _checked_scope(request, session, user_id)
    held = {record.id for record in service.held_directly(session, user_id, scope)}
    if role_id not in held:
        raise NotFound(service.no_assignment(user_id, scope, role_id))
    return Response(status_code=204)


@router.delete(ON_PROJECT + "/{role_id}", status_code=204)
@router.delete(ON_DOMAIN + "/{role_id}", status_code=204)
@router.delete(ON_SYSTEM + "/{role_id}", status_code=204)
def revoke_grant(
    request: Request, session: SessionDep, caller: CallerDep, user_id: str, role_id: str
) -> Response:
    require(request, caller, "revoke_grant")
    service.revoke(session, user_id, _checked_scope(request, session, user_id), role_id)
    return Response(status_code=204)


def _checked_scope(request: Request, session: SessionDep, user_id: str) -> Scope:
    """The scope that the path names. Raises NotFound for an unknown user, project or domain."""
    get_user(session, user_id)
    path = request.path_params
    if "project_id" in path:
        return Scope("project", get_project(session, path["project_id"]).id)
    if "domain_id" in path:
        return Scope("domain", get_domain(session, path["domain_id"]).id)
    return Scope("system", service.SYSTEM)


SELECTS = {
    "user.id": ("user_id", None),
    "role.id": ("role_id", None),
    "scope.project.id": ("scope_id", "project"),
    "scope.domain.id": ("scope_id", "domain"),
    "scope.system": ("scope_id", "system"),
}
"""Query parameter to the column that it selects on, and the kind of scope that it means."""


def _assignment_filters(request: Request) -> dict[str, object]:
    found: dict[str, object] = {}
    for parameter, (column, kind) in SELECTS.items():
        value = request.query_params.get(parameter)
        if value is not None:
            found[column] = service.SYSTEM if kind == "system" else value
            if kind is not None:
                found["scope_kind"] = kind
    return found


@dataclass(frozen=True, slots=True)
class Names:
    """What some assignments speak of, as far as it is there: it is read after them, and whoever deletes a
    user while another grants him a role leaves an assignment of nobody."""

    users: Mapping[str, UserRecord]
    projects: Mapping[str, ProjectRecord]
    domains: Mapping[str, DomainRecord]
    roles: Mapping[str, RoleRecord]

    def know(self, record: AssignmentRecord) -> bool:
        scopes = {"project": self.projects, "domain": self.domains}.get(record.scope.kind)
        there = scopes is None or record.scope.id in scopes
        return there and record.user_id in self.users and record.role_id in self.roles

    def domain(self, domain_id: str) -> dict[str, str]:
        return {"id": domain_id, "name": self.domains[domain_id].name}


def _names(session: SessionDep, found: Sequence[AssignmentRecord]) -> Names:
    on = frozenset(item.scope.id for item in found if item.scope.kind == "project")
    held_by = frozenset(item.user_id for item in found)
    return Names(
        {user.id: user for user in users(session, {"ids": held_by})},
        {project.id: project for project in projects(session, {"ids": on})},
        {domain.id: domain for domain in domains(session)},
        {role.id: role for role in service.roles(session)},
    )


def _assignment(request: Request, record: AssignmentRecord, names: Names | None) -> views.View:
    scope: dict[str, Any] = {record.scope.kind: {"id": record.scope.id}}
    user: dict[str, Any] = {"id": record.user_id}
    role: dict[str, Any] = {"id": record.role_id}
    if record.scope.kind == "system":
        scope = {"system": {"all": True}}
    if names is not None:
        held_by = names.users[record.user_id]
        user |= {"name": held_by.name, "domain": names.domain(held_by.domain_id)}
        role["name"] = names.roles[record.role_id].name
        if record.scope.kind == "project":
            on = names.projects[record.scope.id]
            scope["project"] |= {"name": on.name, "domain": names.domain(on.domain_id)}
        elif record.scope.kind == "domain":
            scope["domain"] = names.domain(record.scope.id)
    link = f"{views.base_url(request)}/role_assignments"
    return {"scope": scope, "user": user, "role": role, "links": {"assignment": link}}
