"""The shapes in which identity's records leave: Keystone's attributes, each with a link to itself."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fastapi import Request

from kcloud_api.identity.catalog.service import CatalogEntry, EndpointRecord, RegionRecord, ServiceRecord
from kcloud_api.identity.projects.service import DomainRecord, ProjectRecord
from kcloud_api.identity.roles.service import RoleRecord
from kcloud_api.identity.users.service import UserRecord

View = dict[str, Any]


def base_url(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}/v3"


def collection(request: Request, name: str, views: Iterable[View]) -> View:
    links = {"next": None, "self": str(request.url), "previous": None}
    return {"links": links, name: list(views)}


def domain(request: Request, record: DomainRecord) -> View:
    return {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "enabled": record.enabled,
        "tags": [],
        "options": {},
        "links": _self(request, "domains", record.id),
    }


def project(request: Request, record: ProjectRecord) -> View:
    return {
        **record.extra,
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id,
        "parent_id": record.parent_id,
        "description": record.description,
        "enabled": record.enabled,
        "is_domain": False,
        "tags": record.extra.get("tags", []),
        "options": {},
        "links": _self(request, "projects", record.id),
    }


def user(request: Request, record: UserRecord) -> View:
    optional = {
        "default_project_id": record.default_project_id,
        "description": record.description,
        "email": record.email,
    }
    return {
        **record.extra,
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id,
        "enabled": record.enabled,
        "password_expires_at": None,
        "options": {},
        **{key: value for key, value in optional.items() if value is not None},
        "links": _self(request, "users", record.id),
    }


def role(request: Request, record: RoleRecord) -> View:
    return {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "domain_id": None,
        "options": {},
        "links": _self(request, "roles", record.id),
    }


def region(request: Request, record: RegionRecord) -> View:
    return {
        "id": record.id,
        "description": record.description,
        "parent_region_id": record.parent_region_id,
        "links": _self(request, "regions", record.id),
    }


def service(request: Request, record: ServiceRecord) -> View:
    return {
        "id": record.id,
        "type": record.type,
        "name": record.name,
        "description": record.description,
        "enabled": record.enabled,
        "links": _self(request, "services", record.id),
    }


def endpoint(request: Request, record: EndpointRecord) -> View:
    return {
        "id": record.id,
        "service_id": record.service_id,
        "region": record.region_id,
        "region_id": record.region_id,
        "interface": record.interface,
        "url": record.url,
        "enabled": record.enabled,
        "links": _self(request, "endpoints", record.id),
    }


def catalog(entries: Iterable[CatalogEntry], project_id: str | None) -> list[View]:
    """The catalog as a token carries it; `$(project_id)s` in a URL becomes the token's project."""
    return [
        {
            "id": entry.service.id,
            "type": entry.service.type,
            "name": entry.service.name,
            "endpoints": [
                {
                    "id": item.id,
                    "interface": item.interface,
                    "region": item.region_id,
                    "region_id": item.region_id,
                    "url": item.url.replace("$(project_id)s", project_id or ""),
                }
                for item in entry.endpoints
            ],
        }
        for entry in entries
    ]


def moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _self(request: Request, plural: str, record_id: str) -> Mapping[str, str]:
    return {"self": f"{base_url(request)}/{plural}/{record_id}"}
