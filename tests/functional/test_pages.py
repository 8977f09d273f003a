"""No list is without an end: users, projects, roles, hypervisors and a server's actions come in pages."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from kcloud_api.compute import actions
from kcloud_api.compute.actions import Asker
from kcloud_api.identity.roles.tables import Assignment
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent, gpu
from tests.functional.servers import NEWEST, Tenant, make_flavor, make_image

OLD_ACTIONS = {"OpenStack-API-Version": "compute 2.57"}
IDENTITY = "/identity/v3"


def create(admin: httpx.Client, kind: str, count: int) -> None:
    for number in range(count):
        answer = admin.post(f"{IDENTITY}/{kind}s", json={kind: {"name": f"{kind}-{number}"}})
        assert answer.status_code == 201, answer.text


def walked(admin: httpx.Client, kind: str, query: str) -> tuple[list[str], int]:
    """The ids on all pages in the order in which they came, and how many pages there were."""
    found, pages, url = [], 0, f"{IDENTITY}/{kind}?{query}"
    while url:
        answer = admin.get(url).json()
        found += [view["id"] for view in answer[kind]]
        url, pages = answer["links"]["next"], pages + 1
    return found, pages


@pytest.mark.parametrize("kind", ["user", "project", "role"])
def test_what_identity_lists_comes_in_pages_by_id(cloud: Cloud, kind: str) -> None:
    admin = cloud.client()
    create(admin, kind, 3)
    whole, _ = walked(admin, f"{kind}s", "")
    assert len(whole) >= 4
    assert walked(admin, f"{kind}s", "limit=2") == (whole, (len(whole) + 1) // 2)
    assert walked(admin, f"{kind}s", f"limit={len(whole)}") == (whole, 1)
    assert walked(admin, f"{kind}s", f"marker={whole[-1]}")[0] == []
    assert walked(admin, f"{kind}s", f"limit=1&name={kind}-1")[1] == 1
    for wrong in ("x", "-1", str(2**31), "9" * 5000):
        assert admin.get(f"{IDENTITY}/{kind}s?limit={wrong}").status_code == 400


def test_a_client_that_knows_no_pages_is_told_that_it_does_not_see_all(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kcloud_api.identity.api.paging.LARGEST_PAGE", 2)
    monkeypatch.setattr("kcloud_api.identity.api.roles.MOST_ASSIGNMENTS", 2)
    admin = cloud.client()
    create(admin, "user", 2)
    users = admin.get(f"{IDENTITY}/users").json()
    assert (len(users["users"]), users["truncated"]) == (2, True)
    assert "truncated" not in admin.get(f"{IDENTITY}/users?limit=1").json()
    for query in ("", "?include_names"):
        held = admin.get(f"{IDENTITY}/role_assignments{query}").json()
        assert (len(held["role_assignments"]), held["truncated"]) == (2, True)
    mine = admin.get(f"{IDENTITY}/role_assignments?scope.project.id={cloud.admin_project_id}").json()
    assert "truncated" not in mine


def test_an_assignment_of_what_was_just_deleted_keeps_no_list_from_its_reader(cloud: Cloud) -> None:
    """Who grants a role while another deletes the user, on a database with several writers."""
    admin = cloud.client()
    url = f"{IDENTITY}/role_assignments?include_names"
    before = admin.get(url).json()["role_assignments"]
    (user,) = admin.get(f"{IDENTITY}/users?name=demo").json()["users"]
    (role,) = admin.get(f"{IDENTITY}/roles?name=reader").json()["roles"]
    nobody = uuid4().hex
    left = [
        {"user_id": nobody, "role_id": role["id"], "scope_kind": "system", "scope_id": "all"},
        {"user_id": user["id"], "role_id": nobody, "scope_kind": "system", "scope_id": "all"},
        {"user_id": user["id"], "role_id": role["id"], "scope_kind": "project", "scope_id": nobody},
        {"user_id": user["id"], "role_id": role["id"], "scope_kind": "domain", "scope_id": nobody},
    ]
    for number, facts in enumerate(left, start=1):
        with cloud.database.transaction() as session:
            session.add(Assignment(**facts))
        assert admin.get(url).json()["role_assignments"] == before, facts
        plain = admin.get(f"{IDENTITY}/role_assignments").json()["role_assignments"]
        assert len(plain) == len(before) + number


def test_an_own_list_of_projects_has_pages_too(cloud: Cloud) -> None:
    admin = cloud.client()
    (role,) = admin.get(f"{IDENTITY}/roles?name=member").json()["roles"]
    (user,) = admin.get(f"{IDENTITY}/users?name=demo").json()["users"]
    create(admin, "project", 2)
    for project in admin.get(f"{IDENTITY}/projects").json()["projects"]:
        admin.put(f"{IDENTITY}/projects/{project['id']}/users/{user['id']}/roles/{role['id']}")
    first = cloud.client("demo").get(f"{IDENTITY}/auth/projects?limit=2").json()
    assert len(first["projects"]) == 2
    rest = cloud.client("demo").get(first["links"]["next"]).json()
    assert not {each["id"] for each in rest["projects"]} & {each["id"] for each in first["projects"]}


def test_hypervisors_come_in_pages_since_clients_know_of_them(cloud: Cloud) -> None:
    admin = cloud.client()
    for name in ("c", "a", "b"):
        ScriptedAgent.enrol(admin, name, [gpu()]).report()
    for path in ("/compute/v2.1/os-hypervisors", "/compute/v2.1/os-hypervisors/detail"):
        first = admin.get(f"{path}?limit=2", headers=NEWEST).json()
        assert [each["hypervisor_hostname"] for each in first["hypervisors"]] == ["a", "b"]
        (link,) = first["hypervisors_links"]
        rest = admin.get(link["href"], headers=NEWEST).json()
        assert [each["hypervisor_hostname"] for each in rest["hypervisors"]] == ["c"]
        assert "hypervisors_links" not in rest
        old = admin.get(f"{path}?limit=2", headers={"OpenStack-API-Version": "compute 2.32"}).json()
        assert len(old["hypervisors"]) == 3
        assert "hypervisors_links" not in old
        assert admin.get(f"{path}?marker={uuid4()}", headers=NEWEST).status_code == 400
        named = admin.get(f"{path}?hypervisor_hostname_pattern=a", headers=NEWEST).json()
        assert [each["hypervisor_hostname"] for each in named["hypervisors"]] == ["a"]
        both = admin.get(f"{path}?hypervisor_hostname_pattern=a&limit=1", headers=NEWEST)
        assert both.status_code == 400


def test_a_servers_actions_come_in_pages_newest_first(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    tenant = Tenant(demo, make_flavor(cloud.client()), make_image(demo))
    server = tenant.boot()
    # Whoever refuses it for want of a host ends all that was asked of it until then.
    tenant.wait(server, "ERROR")
    began = tenant.actions(server)
    path = f"/compute/v2.1/servers/{server}/os-instance-actions"
    now = datetime.now(UTC) + timedelta(minutes=1)
    with cloud.database.transaction() as session:
        for number in range(4):
            # Two at a time at one moment: the order must not depend on it.
            at = now + timedelta(seconds=number // 2)
            asker = Asker(f"req-{number}", "project", "user")
            actions.begin(session, UUID(server), actions.REBOOT, asker, now=at)
    found, url = [], f"{path}?limit=2"
    while url:
        answer = demo.get(url, headers=NEWEST).json()
        found.append([each["request_id"] for each in answer["instanceActions"]])
        url = next((link["href"] for link in answer.get("links", ())), "")
    assert [set(page) for page in found] == [
        {"req-2", "req-3"}, {"req-0", "req-1"}, {began[0]["request_id"]},
    ]  # fmt: skip
    assert demo.get(f"{path}?marker=req-9", headers=NEWEST).status_code == 400
    old = demo.get(f"{path}?limit=1&marker=req-9", headers=OLD_ACTIONS).json()
    assert (len(old["instanceActions"]), "links" in old) == (5, False)
    later = (now + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    earlier = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def changed(query: str, headers: dict[str, str] = NEWEST) -> set[str]:
        answer = demo.get(f"{path}?{query}", headers=headers)
        assert answer.status_code == 200, answer.text
        return {each["request_id"] for each in answer.json()["instanceActions"]}

    assert changed(f"changes-since={later}") == {"req-2", "req-3"}
    assert changed(f"changes-since={earlier}&changes-before={earlier}") == {"req-0", "req-1"}
    assert changed(f"changes-since={later}&limit=1") <= {"req-2", "req-3"}
    before_66 = {"OpenStack-API-Version": "compute 2.65"}
    assert changed(f"changes-since={earlier}&changes-before={earlier}", before_66) >= {"req-0", "req-3"}
    for wrong in ("changes-since=soon", f"changes-since={later}&changes-before={earlier}"):
        refused = demo.get(f"{path}?{wrong}", headers=NEWEST)
        assert (refused.status_code, "changes-since" in refused.text) == (400, True)


def test_no_page_of_actions_is_skipped_or_doubled_where_a_client_asks_all_under_one_request_id(
    cloud: Cloud,
) -> None:
    """Its own id is kept, and some give one to a whole piece of work."""
    demo = cloud.client("demo")
    tenant = Tenant(demo, make_flavor(cloud.client()), make_image(demo))
    server = tenant.boot()
    tenant.wait(server, "ERROR")
    (began,) = tenant.actions(server)
    path = f"/compute/v2.1/servers/{server}/os-instance-actions"
    now = datetime.now(UTC) + timedelta(minutes=1)
    with cloud.database.transaction() as session:
        for number, request_id in enumerate(["req-a", "req-b", "req-a", "req-a", "req-b"]):
            asker = Asker(request_id, "project", "user")
            at = now + timedelta(seconds=number)
            actions.begin(session, UUID(server), actions.REBOOT, asker, now=at)
    found, url = list[str](), f"{path}?limit=2"
    while url and len(found) < 20:
        answer = demo.get(url, headers=NEWEST).json()
        found += [each["request_id"] for each in answer["instanceActions"]]
        url = next((link["href"] for link in answer.get("links", ())), "")
    assert found == ["req-b", "req-a", "req-a", "req-b", "req-a", began["request_id"]]
    after = demo.get(f"{path}?marker=req-b", headers=NEWEST).json()["instanceActions"]
    assert [each["request_id"] for each in after] == ["req-a", began["request_id"]], "after its oldest"
    shown = demo.get(f"{path}/req-a", headers=NEWEST).json()["instanceAction"]
    newest = next(each for each in tenant.actions(server) if each["request_id"] == "req-a")
    assert shown["start_time"] == newest["start_time"]
    assert demo.get(f"{path}?marker={uuid4()}", headers=NEWEST).status_code == 400
