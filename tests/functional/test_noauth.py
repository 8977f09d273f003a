"""noauth2: upstream's scheme for trials, header by header, and only on loopback."""

import httpx
import pytest
from fastapi import FastAPI

from kcloud_api.db.engine import Database
from kcloud_api.http import noauth
from kcloud_api.http.app import service_app
from kcloud_api.http.context import CallerDep
from kcloud_api.http.errors import kcloud_shape
from kcloud_common.errors import BadRequest
from tests.functional.conftest import Serve


@pytest.fixture
def url(database: Database, serve: Serve) -> str:
    app: FastAPI = service_app("test", kcloud_shape)
    app.state.database = database
    app.state.authenticate = noauth.authenticate

    @app.get("/me")
    def me(caller: CallerDep) -> dict[str, object]:
        return {
            "user": caller.user_id,
            "project": caller.project_id,
            "roles": sorted(caller.roles),
            "system": caller.system,
        }

    return serve(app)


def me(url: str, **headers: str) -> dict[str, object]:
    answer = httpx.get(
        f"{url}/me", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    assert answer.status_code == 200
    found: dict[str, object] = answer.json()
    return found


def test_the_user_admin_has_the_role_admin_and_what_it_implies(url: str) -> None:
    assert me(url, X_Auth_Token="admin") == {
        "user": "admin",
        "project": "admin",
        "roles": ["admin", "manager", "member", "reader"],
        "system": False,
    }


def test_any_other_user_has_no_role_and_the_project_that_the_token_names(url: str) -> None:
    assert me(url, X_Auth_Token="alice:p1") == {
        "user": "alice", "project": "p1", "roles": [], "system": False,
    }  # fmt: skip
    assert me(url, X_Auth_Token="alice")["project"] == "alice"


def test_headers_replace_roles_and_project(url: str) -> None:
    found = me(url, X_Auth_Token="admin:p1", X_Roles="reader, member", X_Project_Id="p2")
    assert (found["roles"], found["project"]) == (["member", "reader"], "p2")
    assert me(url, X_Auth_Token="admin", X_Roles="")["roles"] == []


def test_system_scope_has_no_project(url: str) -> None:
    found = me(url, X_Auth_Token="admin:p1", OpenStack_System_Scope="all")
    assert (found["system"], found["project"]) == (True, None)


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": ""}, {"X-Auth-Token": ":p1"}])
def test_without_a_user_it_is_401_in_the_services_shape(url: str, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{url}/me", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["status"] == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_served(host: str) -> None:
    noauth.require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "", "example.org"])
def test_anything_else_is_refused(host: str) -> None:
    with pytest.raises(BadRequest, match="loopback"):
        noauth.require_loopback(host)
