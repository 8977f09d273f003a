"""What a token is worth is read on every request: what is given or taken counts for the next one."""

from collections.abc import Sequence

import httpx
import pytest
from sqlalchemy import event

from kcloud_api.db.engine import Database
from kcloud_api.identity.roles.service import create_role, imply
from kcloud_api.identity.tokens import keys
from tests.functional.conftest import Cloud


@pytest.fixture
def services() -> Sequence[str]:
    return ("identity", "placement")


def roles_of(client: httpx.Client) -> set[str]:
    token = client.headers["X-Auth-Token"]
    answer = client.get("/identity/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert answer.status_code == 200
    return {role["name"] for role in answer.json()["token"]["roles"]}


def test_roles_imply_others_all_the_way_even_in_a_circle(cloud: Cloud) -> None:
    admin = cloud.client()
    before = roles_of(admin)
    ids = {role["name"]: role["id"] for role in admin.get("/identity/v3/roles").json()["roles"]}
    with cloud.database.transaction() as session:
        first = create_role(session, "first")
        second = create_role(session, "second")
        imply(session, ids["reader"], first.id)
        imply(session, first.id, second.id)
        imply(session, second.id, ids["reader"])
    assert roles_of(admin) == before | {"first", "second"}


def test_a_token_is_refused_from_the_request_on_that_follows_its_end(cloud: Cloud) -> None:
    admin, demo = cloud.client(), cloud.client("demo")
    path = "/identity/v3/auth/tokens"
    subject = {"X-Subject-Token": demo.headers["X-Auth-Token"]}
    for _ in range(3):
        assert demo.get(path, headers=subject).status_code == 200
    assert admin.delete(path, headers=subject).status_code == 204
    assert demo.get(path, headers=subject).status_code == 401


def test_a_role_taken_away_is_away_for_the_next_request(cloud: Cloud) -> None:
    admin, demo = cloud.client(), cloud.client("demo")
    users = admin.get("/identity/v3/users?name=demo").json()["users"]
    held = f"/identity/v3/role_assignments?user.id={users[0]['id']}"
    assert roles_of(demo)
    for assignment in admin.get(held).json()["role_assignments"]:
        role, project = assignment["role"]["id"], assignment["scope"]["project"]["id"]
        path = f"/identity/v3/projects/{project}/users/{users[0]['id']}/roles/{role}"
        assert admin.delete(path).status_code == 204
    answer = demo.get("/identity/v3/auth/tokens", headers={"X-Subject-Token": demo.headers["X-Auth-Token"]})
    assert answer.status_code == 401


def test_a_request_with_a_token_asks_the_database_once_about_it(cloud: Cloud) -> None:
    admin = cloud.client()
    assert admin.get("/placement/resource_providers").status_code == 200
    asked: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "identity_" in statement:
            asked.append(statement)

    event.listen(cloud.database.engine, "before_cursor_execute", note)
    try:
        assert admin.get("/placement/resource_providers").status_code == 200
    finally:
        event.remove(cloud.database.engine, "before_cursor_execute", note)
    assert len(asked) == 1


def test_what_is_remembered_of_tokens_is_bounded(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr(keys, "OPENED_KEPT", 2)
    tokens = [cloud.token("demo") for _ in range(5)]
    with database.reading() as session:
        assert all(keys.unseal(session, token) for token in tokens)
        assert len(keys._ring(session).opened) <= 2
