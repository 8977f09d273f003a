"""Every route of every service, found by looking: nobody gets anything without a token, and of a new route
somebody must say here whom it serves."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from kcloud_api.main import ADDED, SERVICES
from tests.functional.conftest import Cloud

NOBODY = str(UUID(int=0))

OPEN = frozenset(
    {
        "GET /identity/", "GET /identity/v3", "GET /identity/v3/", "POST /identity/v3/auth/tokens",
        "GET /compute/", "GET /compute/v2.1/", "GET /compute/v2.1",
        "GET /image/", "GET /image/versions", "GET /image/versions/",
        "GET /image/v2", "GET /image/v2/",
        "GET /placement/",
        "GET /accelerator/", "GET /accelerator/v2", "GET /accelerator/v2/",
    }
)  # fmt: skip
"""Version documents, which clients read before they have a token, and the login."""

BODIES: dict[str, Any] = {
    "POST /accelerator/v2/device_profiles": {"name": "x", "groups": [{"resources:PGPU": "1"}]},
    "POST /compute/v2.1/servers": {"server": {"name": "x", "flavorRef": "1", "imageRef": NOBODY}},
    "PUT /compute/v2.1/servers/{server_id}": {"server": {"name": "x"}},
    "POST /compute/v2.1/servers/{server_id}/action": {"os-start": None},
    "POST /compute/v2.1/servers/{server_id}/metadata": {"metadata": {}},
    "PUT /compute/v2.1/servers/{server_id}/metadata": {"metadata": {}},
    "POST /compute/v2.1/flavors": {"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 1}},
    "PUT /compute/v2.1/flavors/{flavor_id}": {"flavor": {"description": "x"}},
    "POST /compute/v2.1/flavors/{flavor_id}/os-extra_specs": {"extra_specs": {"a": "b"}},
    "POST /compute/v2.1/flavors/{flavor_id}/action": {"addTenantAccess": {"tenant": "x"}},
    "POST /identity/v3/projects": {"project": {"name": "x"}},
    "PATCH /identity/v3/projects/{project_id}": {"project": {"enabled": False}},
    "POST /identity/v3/users": {"user": {"name": "x"}},
    "PATCH /identity/v3/users/{user_id}": {"user": {"enabled": False}},
    "POST /identity/v3/roles": {"role": {"name": "x"}},
    "POST /kcloud/v1/enrol": {"host": "host-1", "secret": "s" * 40},
    "POST /kcloud/v1/enrolments": {"host": "host-1"},
    "PATCH /kcloud/v1/hosts/{host_id}": {"enabled": False},
    "POST /kcloud/v1/devices/{device_id}/action": {"maintenance": True},
    "POST /kcloud/v1/layouts": {"name": "x", "target": {"kind": "all"}, "cards": []},
    "POST /kcloud/v1/layouts/validate": {"name": "x", "target": {"kind": "all"}, "cards": []},
}
"""What says nothing wrong, where a body is looked at before it is known whose it is."""

READS = frozenset(
    {
        "/accelerator/v2/accelerator_requests", "/accelerator/v2/accelerator_requests/{request_id}",
        "/accelerator/v2/device_profiles", "/accelerator/v2/device_profiles/{profile}",
        "/compute/v2.1/extensions", "/compute/v2.1/flavors", "/compute/v2.1/flavors/detail",
        "/compute/v2.1/flavors/{flavor_id}", "/compute/v2.1/flavors/{flavor_id}/os-extra_specs",
        "/compute/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", "/compute/v2.1/limits",
        "/compute/v2.1/os-availability-zone", "/compute/v2.1/os-keypairs", "/compute/v2.1/os-keypairs/{name}",
        "/compute/v2.1/os-server-groups", "/compute/v2.1/servers", "/compute/v2.1/servers/detail",
        "/compute/v2.1/servers/{server_id}", "/compute/v2.1/servers/{server_id}/ips",
        "/compute/v2.1/servers/{server_id}/metadata", "/compute/v2.1/servers/{server_id}/metadata/{key}",
        "/compute/v2.1/servers/{server_id}/os-instance-actions",
        "/compute/v2.1/servers/{server_id}/os-instance-actions/{request_id}",
        "/compute/v2.1/servers/{server_id}/os-interface",
        "/compute/v2.1/servers/{server_id}/os-security-groups",
        "/compute/v2.1/servers/{server_id}/os-volume_attachments",
        "/identity/v3/auth/catalog", "/identity/v3/auth/domains", "/identity/v3/auth/projects",
        "/identity/v3/auth/system", "/identity/v3/auth/tokens", "/identity/v3/regions",
        "/identity/v3/regions/{region_id}",
        "/image/v2/images", "/image/v2/images/{image}", "/image/v2/images/{image}/file",
        "/image/v2/images/{image}/members", "/image/v2/info/import", "/image/v2/info/stores",
        "/image/v2/metadefs/namespaces", "/image/v2/schemas/{name}",
        "/kcloud/v1/certificates", "/kcloud/v1/devices/{device_id}/certificates", "/kcloud/v1/explain",
        "/kcloud/v1/slices",
        "/placement/openapi.json",
    }
)  # fmt: skip
"""What anybody with a role in a project may GET: his own, or what is the same for all."""

CHANGES = frozenset(
    {
        "POST /compute/v2.1/os-keypairs", "DELETE /compute/v2.1/os-keypairs/{name}",
        "DELETE /identity/v3/auth/tokens",
        "DELETE /image/v2/images/{image}", "PATCH /image/v2/images/{image}",
        "PUT /image/v2/images/{image}/file", "POST /image/v2/images/{image}/actions/{action}",
        "PUT /image/v2/images/{image}/tags/{tag}", "DELETE /image/v2/images/{image}/tags/{tag}",
    }
)  # fmt: skip
"""What he may change because it is his, not his project's; and images, which are looked for first."""


@dataclass(frozen=True, slots=True)
class Route:
    service: str
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} /{self.service}{self.path}"

    def ask(self, client: httpx.Client) -> httpx.Response:
        path = "/".join(NOBODY if part.startswith("{") else part for part in self.path.split("/"))
        url = f"/{self.service}{path}" + ("?count=0" if path.endswith("/console") else "")
        body = BODIES.get(str(self), {}) if self.method in ("POST", "PUT", "PATCH") else None
        return client.request(self.method, url, json=body)


def routes() -> Iterator[Route]:
    for service, module in SERVICES.items():
        app: FastAPI = import_module(module).build()
        for prefix, added in ADDED.get(service, ()):
            app.include_router(import_module(added).router, prefix=prefix)
        for found in iter_route_contexts(app.routes):
            assert found.path is not None
            for method in sorted(found.methods or ()):
                yield Route(service, method, found.path)


EVERY = tuple(routes())


def test_the_routes_were_found() -> None:
    assert len(EVERY) > 150
    assert {route.service for route in EVERY} == SERVICES.keys()
    assert {str(route) for route in EVERY} >= OPEN | BODIES.keys()


def test_without_a_token_every_route_but_the_open_ones_is_401(cloud: Cloud) -> None:
    client = cloud.anonymous()
    answers = {str(route): route.ask(client).status_code for route in EVERY if str(route) not in OPEN}
    assert {route: status for route, status in answers.items() if status != 401} == {}


def reader(cloud: Cloud) -> httpx.Client:
    """A client of a new user who is a reader in a project of his own, and nothing else."""
    admin, domain = cloud.client(), {"id": "default"}
    v3 = "/identity/v3"
    project = admin.post(f"{v3}/projects", json={"project": {"name": "quiet"}}).json()["project"]["id"]
    user = {"name": "quiet", "password": "quiet"}
    user_id = admin.post(f"{v3}/users", json={"user": user}).json()["user"]["id"]
    role = admin.get(f"{v3}/roles?name=reader").json()["roles"][0]["id"]
    assert admin.put(f"{v3}/projects/{project}/users/{user_id}/roles/{role}").status_code == 204
    password = {"user": {"name": "quiet", "password": "quiet", "domain": domain}}
    auth = {
        "identity": {"methods": ["password"], "password": password},
        "scope": {"project": {"id": project}},
    }
    client = cloud.anonymous()
    answer = client.post(f"{v3}/auth/tokens", json={"auth": auth})
    client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
    # Before a version knows of a route, there is none: 404.
    client.headers["OpenStack-API-Version"] = "placement latest"
    return client


def test_a_reader_is_refused_everything_but_what_readers_may(cloud: Cloud) -> None:
    """403 for what the policy keeps from him, 401 where a host's credential is asked for. The rest is listed:
    there he gets his own, or a 404 for this id of nothing."""
    client = reader(cloud)
    answers = {
        str(route): route.ask(client).status_code
        for route in EVERY
        if str(route) not in OPEN and route.method != "HEAD"
    }
    passed = {route for route, status in answers.items() if status not in (401, 403)}
    assert sorted(passed) == sorted({f"GET {path}" for path in READS} | CHANGES)
    assert not {route for route in passed & CHANGES if answers[route] < 400}
