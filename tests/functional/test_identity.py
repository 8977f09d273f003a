"""Keystone's API over live HTTP, with the bodies that its clients parse."""

from functools import partial
from typing import Any

import httpx
import pytest

from kcloud_api.identity.tokens import keys
from tests.functional.conftest import LOAD_NO_CERTIFICATES, Cloud

REFUSED = {
    "error": {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }
}
DEFAULT = {"id": "default"}

get = partial(httpx.get, verify=LOAD_NO_CERTIFICATES)
post = partial(httpx.post, verify=LOAD_NO_CERTIFICATES)


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("identity", "image")


def password(user: dict[str, Any], secret: str, scope: object = None) -> dict[str, Any]:
    identity = {"methods": ["password"], "password": {"user": {**user, "password": secret}}}
    return {"auth": {"identity": identity, **({"scope": scope} if scope is not None else {})}}


def by_token(token: str, scope: object = None) -> dict[str, Any]:
    identity = {"methods": ["token"], "token": {"id": token}}
    return {"auth": {"identity": identity, **({"scope": scope} if scope is not None else {})}}


def log_in(cloud: Cloud, body: object, query: str = "") -> httpx.Response:
    return post(f"{cloud.url}/identity/v3/auth/tokens{query}", json=body)


def admin_login(cloud: Cloud, scope: object = None) -> httpx.Response:
    return log_in(cloud, password({"name": "admin", "domain": DEFAULT}, cloud.passwords.admin, scope))


def project_scope(name: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": DEFAULT}}


def test_versions_are_found_without_a_token(cloud: Cloud) -> None:
    found = get(f"{cloud.url}/identity/")
    assert found.status_code == 300
    assert found.json()["versions"]["values"][0]["id"] == "v3.14"
    one = get(f"{cloud.url}/identity/v3")
    assert one.status_code == 200
    assert one.json()["version"]["links"] == [{"rel": "self", "href": f"{cloud.url}/identity/v3/"}]


def test_a_project_token_says_who_where_what_and_carries_the_catalog(cloud: Cloud) -> None:
    answer = admin_login(cloud, project_scope("admin"))
    assert answer.status_code == 201
    assert answer.headers["X-Subject-Token"].startswith("gAAAA")
    token = answer.json()["token"]
    assert token["methods"] == ["password"]
    assert token["user"]["name"] == "admin"
    assert token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert token["project"]["id"] == cloud.admin_project_id
    assert {role["name"] for role in token["roles"]} == {"admin", "manager", "member", "reader"}
    urls = {
        entry["type"]: {item["interface"]: item["url"] for item in entry["endpoints"]}
        for entry in token["catalog"]
    }
    assert urls["compute"] == dict.fromkeys(("admin", "internal", "public"), f"{cloud.url}/compute/v2.1")
    assert urls["identity"]["public"] == f"{cloud.url}/identity"
    assert urls["image"]["public"] == f"{cloud.url}/image"
    assert urls["placement"]["public"] == f"{cloud.url}/placement"
    assert urls["kcloud"]["public"] == f"{cloud.url}/kcloud"


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ({"system": {"all": True}}, "system"),
        ({"domain": {"id": "default"}}, "domain"),
        ({"domain": {"name": "Default"}}, "domain"),
        ("unscoped", None),
        (None, None),
    ],
)
def test_other_scopes(cloud: Cloud, scope: object, key: str | None) -> None:
    answer = admin_login(cloud, scope)
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert {name for name in ("project", "domain", "system") if name in token} == ({key} if key else set())
    assert ("catalog" in token) == (key is not None)
    assert ("roles" in token) == (key is not None)


def test_nocatalog_leaves_the_catalog_out(cloud: Cloud) -> None:
    body = password({"name": "admin", "domain": DEFAULT}, cloud.passwords.admin, project_scope("admin"))
    assert "catalog" not in log_in(cloud, body, "?nocatalog").json()["token"]


@pytest.mark.parametrize(
    "user",
    [
        {"name": "admin", "domain": DEFAULT},
        {"name": "nobody", "domain": DEFAULT},
        {"name": "admin", "domain": {"id": "elsewhere"}},
        {"name": "admin", "domain": {"name": "Elsewhere"}},
        {"id": "0" * 32},
    ],
)
def test_wrong_users_and_wrong_passwords_are_refused_with_the_same_words(
    cloud: Cloud, user: dict[str, Any]
) -> None:
    answer = log_in(cloud, password(user, "wrong"))
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize(
    "scope",
    [
        {"project": {"name": "nowhere", "domain": DEFAULT}},
        {"project": {"name": "admin", "domain": DEFAULT}},
        {"project": {"id": "0" * 32}},
        {"system": {"all": True}},
    ],
)
def test_a_scope_without_a_role_in_it_is_refused_with_the_same_words(cloud: Cloud, scope: object) -> None:
    answer = log_in(cloud, password({"name": "demo", "domain": DEFAULT}, cloud.passwords.demo, scope))
    assert (answer.status_code, answer.json()) == (401, REFUSED)


def test_a_token_gets_a_token_for_another_scope_that_ends_no_later(cloud: Cloud) -> None:
    first = admin_login(cloud, "unscoped")
    second = log_in(cloud, by_token(first.headers["X-Subject-Token"], project_scope("admin")))
    assert second.status_code == 201
    old, new = first.json()["token"], second.json()["token"]
    assert new["expires_at"] == old["expires_at"]
    assert new["methods"] == ["token", "password"]
    assert new["audit_ids"][1] == old["audit_ids"][0]
    assert new["project"]["name"] == "admin"


def test_a_default_project_is_the_scope_of_a_login_that_names_none(cloud: Cloud) -> None:
    admin = cloud.client()
    users = admin.get("/identity/v3/users", params={"name": "demo"}).json()["users"]
    path = f"/identity/v3/users/{users[0]['id']}"
    assert admin.patch(path, json={"user": {"default_project_id": cloud.demo_project_id}}).status_code == 200
    answer = log_in(cloud, password({"id": users[0]["id"]}, cloud.passwords.demo))
    assert answer.json()["token"]["project"]["name"] == "demo"


@pytest.mark.parametrize("token", ["", "garbage", "gAAAAABnothing", "x" * 5000, "gAAAAA\u00e9"])
def test_a_wrong_token_is_refused(cloud: Cloud, token: str) -> None:
    headers = [(b"X-Auth-Token", token.encode())] if token else []
    for path in ("/identity/v3/projects", "/image/v2/images"):
        answer = get(cloud.url + path, headers=headers)
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers
    assert get(f"{cloud.url}/identity/v3/projects", headers=headers).json() == REFUSED


def test_an_expired_token_is_refused_and_may_still_be_looked_at_for_a_while(cloud: Cloud) -> None:
    admin = cloud.client()
    object.__setattr__(cloud.conf.identity, "token_seconds", -5)
    expired = cloud.token("demo")
    assert get(f"{cloud.url}/image/v2/images", headers={"X-Auth-Token": expired}).status_code == 401
    about = {"X-Subject-Token": expired}
    assert admin.get("/identity/v3/auth/tokens", headers=about).status_code == 404
    seen = admin.get("/identity/v3/auth/tokens?allow_expired=1", headers=about)
    assert seen.status_code == 200
    assert seen.json()["token"]["user"]["name"] == "demo"


def test_tokens_are_looked_at_checked_and_handed_back(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    mine = {"X-Subject-Token": demo.headers["X-Auth-Token"]}
    seen = demo.get("/identity/v3/auth/tokens", headers=mine)
    assert seen.status_code == 200
    assert seen.headers["X-Subject-Token"] == mine["X-Subject-Token"]
    assert seen.json()["token"]["user"]["name"] == "demo"
    checked = demo.head("/identity/v3/auth/tokens", headers=mine)
    assert (checked.status_code, checked.content) == (200, b"")

    others = {"X-Subject-Token": cloud.token("admin")}
    refused = demo.get("/identity/v3/auth/tokens", headers=others)
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == (
        "You are not authorized to perform the requested action: identity:validate_token."
    )
    assert demo.delete("/identity/v3/auth/tokens", headers=others).status_code == 403

    assert demo.delete("/identity/v3/auth/tokens", headers=mine).status_code == 204
    assert demo.get("/image/v2/images").status_code == 401
    gone = cloud.client().get("/identity/v3/auth/tokens", headers=mine)
    assert gone.status_code == 404
    assert gone.json()["error"]["message"] == "Could not find token: Failed to validate token."


def test_tokens_outlive_a_rotation_of_the_keys(cloud: Cloud) -> None:
    before = cloud.client("demo")
    with cloud.database.transaction() as session:
        keys.rotate(session)
    after = cloud.client("demo")
    assert before.get("/image/v2/images").status_code == 200
    assert after.get("/image/v2/images").status_code == 200


def test_a_new_password_or_a_disabled_user_or_project_ends_tokens(cloud: Cloud) -> None:
    admin = cloud.client()
    user = admin.get("/identity/v3/users", params={"name": "demo"}).json()["users"][0]

    demo = cloud.client("demo")
    assert admin.patch(f"/identity/v3/users/{user['id']}", json={"user": {"password": "new"}}).is_success
    assert demo.get("/image/v2/images").status_code == 401
    token = cloud.token("demo", "new")

    project = f"/identity/v3/projects/{cloud.demo_project_id}"
    assert admin.patch(project, json={"project": {"enabled": False}}).json()["project"]["enabled"] is False
    assert get(f"{cloud.url}/image/v2/images", headers={"X-Auth-Token": token}).status_code == 401
    assert admin.patch(project, json={"project": {"enabled": True}}).is_success
    assert get(f"{cloud.url}/image/v2/images", headers={"X-Auth-Token": token}).status_code == 200

    assert admin.patch(f"/identity/v3/users/{user['id']}", json={"user": {"enabled": False}}).is_success
    assert get(f"{cloud.url}/image/v2/images", headers={"X-Auth-Token": token}).status_code == 401
    body = password({"name": "demo", "domain": DEFAULT}, "new")
    assert log_in(cloud, body).json() == REFUSED


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Expecting to find valid JSON in request body."),
        (b"{}", "Expecting to find auth in request body."),
        (b'{"auth": {}}', "Invalid input for field 'auth': 'identity' is a required property"),
        (b'{"auth": {"identity": {"methods": ["password"]}}}', "Expecting to find password in identity."),
        (
            b'{"auth": {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}}}',
            "Invalid input for field identity/password/user: id or name must be present.",
        ),
        (
            b'{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin"}}}}}',
            "Expecting to find domain in user.",
        ),
        (
            b'{"auth": {"identity": {"methods": ["password"], "password": {"user": {"password": 12345}}}}}',
            "Invalid input for field 'auth/identity/password/user/password'",
        ),
    ],
)
def test_malformed_logins_are_told_what_is_missing(cloud: Cloud, body: bytes, message: str) -> None:
    answer = post(
        f"{cloud.url}/identity/v3/auth/tokens", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)
    assert "12345" not in answer.text


def test_an_unknown_method_is_refused(cloud: Cloud) -> None:
    answer = log_in(cloud, {"auth": {"identity": {"methods": ["palmistry"]}}})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "Attempted to authenticate with an unsupported method."


def test_a_second_tenant_is_made_with_a_project_a_user_and_a_grant(cloud: Cloud) -> None:
    admin = cloud.client()
    project = admin.post("/identity/v3/projects", json={"project": {"name": "other", "note": "kept"}})
    assert project.status_code == 201
    assert project.json()["project"]["domain_id"] == "default"
    assert project.json()["project"]["note"] == "kept"
    project_id = project.json()["project"]["id"]
    made = admin.post(
        "/identity/v3/users", json={"user": {"name": "eve", "password": "secret", "email": "e"}}
    )
    assert made.status_code == 201
    assert "password" not in made.json()["user"]
    user_id = made.json()["user"]["id"]
    role_id = admin.get("/identity/v3/roles", params={"name": "member"}).json()["roles"][0]["id"]
    grant = f"/identity/v3/projects/{project_id}/users/{user_id}/roles/{role_id}"

    assert admin.head(grant).status_code == 404
    assert admin.put(grant).status_code == 204
    assert admin.put(grant).status_code == 204
    assert admin.head(grant).status_code == 204
    listed = admin.get(f"/identity/v3/projects/{project_id}/users/{user_id}/roles").json()["roles"]
    assert [role["name"] for role in listed] == ["member"]
    found = admin.get(
        "/identity/v3/role_assignments", params={"user.id": user_id, "include_names": "true"}
    ).json()["role_assignments"]
    assert found[0]["scope"]["project"]["name"] == "other"
    assert found[0]["role"]["name"] == "member"

    login = password({"name": "eve", "domain": DEFAULT}, "secret", project_scope("other"))
    eve = log_in(cloud, login)
    assert {role["name"] for role in eve.json()["token"]["roles"]} == {"member", "reader"}
    headers = {"X-Auth-Token": eve.headers["X-Subject-Token"]}
    own = get(f"{cloud.url}/identity/v3/auth/projects", headers=headers).json()["projects"]
    assert [item["name"] for item in own] == ["other"]

    assert admin.delete(grant).status_code == 204
    assert get(f"{cloud.url}/identity/v3/auth/projects", headers=headers).status_code == 401
    assert admin.delete(grant).status_code == 404
    assert admin.delete(f"/identity/v3/users/{user_id}").status_code == 204
    assert admin.delete(f"/identity/v3/projects/{project_id}").status_code == 204
    assert admin.get(f"/identity/v3/projects/{project_id}").status_code == 404


def test_members_see_themselves_and_nothing_else(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    token = demo.get(
        "/identity/v3/auth/tokens", headers={"X-Subject-Token": demo.headers["X-Auth-Token"]}
    ).json()["token"]
    assert demo.get(f"/identity/v3/users/{token['user']['id']}").json()["user"]["name"] == "demo"
    assert demo.get(f"/identity/v3/projects/{cloud.demo_project_id}").json()["project"]["name"] == "demo"
    assert demo.get("/identity/v3/domains/default").json()["domain"]["name"] == "Default"
    assert demo.get(f"/identity/v3/users/{token['user']['id']}/projects").status_code == 200
    for path in ("projects", "users", "domains", "roles", "services", "endpoints", "role_assignments"):
        answer = demo.get(f"/identity/v3/{path}")
        assert answer.status_code == 403, path
        assert answer.json()["error"]["message"] == (
            f"You are not authorized to perform the requested action: identity:list_{path}."
        )
    there = demo.get(f"/identity/v3/projects/{cloud.admin_project_id}")
    nowhere = demo.get(f"/identity/v3/projects/{'0' * 32}")
    assert (there.status_code, there.json()) == (nowhere.status_code, nowhere.json())
    assert demo.post("/identity/v3/users", json={"user": {"name": "mallory"}}).status_code == 403


def test_the_catalog_and_its_parts_are_read(cloud: Cloud) -> None:
    admin = cloud.client()
    assert {entry["type"] for entry in admin.get("/identity/v3/auth/catalog").json()["catalog"]} >= {
        "identity",
        "compute",
    }
    compute = admin.get("/identity/v3/services", params={"type": "compute"}).json()["services"]
    assert [item["name"] for item in compute] == ["nova"]
    assert admin.get(f"/identity/v3/services/{compute[0]['id']}").json()["service"]["type"] == "compute"
    missing = admin.get("/identity/v3/services/nova")
    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == "Could not find service: nova."
    params = {"service_id": compute[0]["id"], "interface": "public"}
    endpoints = admin.get("/identity/v3/endpoints", params=params).json()["endpoints"]
    assert [item["url"] for item in endpoints] == [f"{cloud.url}/compute/v2.1"]
    assert admin.get("/identity/v3/regions/RegionOne").json()["region"]["id"] == "RegionOne"
    assert [item["id"] for item in admin.get("/identity/v3/regions").json()["regions"]] == ["RegionOne"]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("projects", {"project": {"name": "demo"}}, 409, "Conflict occurred attempting to store project - "
         "Duplicate entry found with name demo at domain ID default."),
        ("users", {"user": {"name": "demo"}}, 409, "Conflict occurred attempting to store user - "
         "Duplicate entry found with name demo at domain ID default."),
        ("projects", {"project": {"name": "n" * 300}}, 400,
         f"Invalid input for field 'project/name': '{'n' * 300}' is too long"),
        ("projects", {"project": {"name": ""}}, 400,
         "Invalid input for field 'project/name': '' should be non-empty"),
        ("projects", {"project": {}}, 400,
         "Invalid input for field 'project': 'name' is a required property"),
        ("users", {"user": {"name": "x", "domain_id": "mars"}}, 404, "Could not find domain: mars."),
        ("users", {"user": {"name": "x", "enabled": "yes"}}, 400,
         "Invalid input for field 'user/enabled': 'yes' is not of type 'boolean'"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_in_keystones_words(
    cloud: Cloud, path: str, body: object, status: int, message: str
) -> None:
    answer = cloud.client().post(f"/identity/v3/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, message)


@pytest.mark.parametrize("name", ["default_project_id", "description", "email"])
def test_a_users_attribute_that_is_no_text_is_refused(cloud: Cloud, name: str) -> None:
    admin, body = cloud.client(), {"name": "odd", "password": "p", name: {"a": 1}}
    assert admin.post("/identity/v3/users", json={"user": body}).status_code == 400
    made = admin.post("/identity/v3/users", json={"user": {**body, name: "text"}})
    assert (made.status_code, made.json()["user"][name]) == (201, "text")
    url = f"/identity/v3/users/{made.json()['user']['id']}"
    assert admin.patch(url, json={"user": {name: 5}}).status_code == 400
    assert name not in admin.patch(url, json={"user": {name: None}}).json()["user"]
