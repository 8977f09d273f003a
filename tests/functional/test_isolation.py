"""Invariant I5: to another project, a thing that is there and one that is not answer in the same words."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from tests.functional.conftest import Cloud
from tests.functional.servers import NEWEST, make_flavor, make_image

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPq1GvJ6v6o3n0pZQm0l2oB9rQzq1l1cZ1Z4b8w0Y8Qp me"
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
DATA = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The demo project with one of everything, and somebody of another project."""

    stranger: httpx.Client
    project: str
    user: str
    server: str
    request: str
    image: str
    flavor: str
    hidden_flavor: str


@pytest.fixture
def two(cloud: Cloud) -> Neighbours:
    admin, demo = cloud.client(), cloud.client("demo")
    flavor, image = make_flavor(admin), make_image(demo)
    hidden = {"name": "hidden", "ram": 64, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
    made = admin.post("/compute/v2.1/flavors", json={"flavor": hidden}, headers=NEWEST)
    key = {"keypair": {"name": "mine", "public_key": KEY}}
    assert demo.post("/compute/v2.1/os-keypairs", json=key).status_code == 201
    body = {
        "name": "mine",
        "flavorRef": flavor,
        "imageRef": image,
        "metadata": {"m": "x"},
        "key_name": "mine",
    }
    server = demo.post("/compute/v2.1/servers", json={"server": body})
    assert server.status_code == 202, server.text
    return Neighbours(
        stranger=member_of_another_project(cloud),
        project=cloud.demo_project_id,
        user=admin.get("/identity/v3/users?name=demo").json()["users"][0]["id"],
        server=server.json()["server"]["id"],
        request=server.headers["X-OpenStack-Request-ID"],
        image=image,
        flavor=flavor,
        hidden_flavor=made.json()["flavor"]["id"],
    )


def member_of_another_project(cloud: Cloud) -> httpx.Client:
    admin, v3 = cloud.client(), "/identity/v3"
    project = admin.post(f"{v3}/projects", json={"project": {"name": "other"}}).json()["project"]["id"]
    made = admin.post(f"{v3}/users", json={"user": {"name": "other", "password": "other"}})
    role = admin.get(f"{v3}/roles?name=member").json()["roles"][0]["id"]
    grant = f"{v3}/projects/{project}/users/{made.json()['user']['id']}/roles/{role}"
    assert admin.put(grant).status_code == 204
    client = cloud.anonymous()
    client.headers["X-Auth-Token"] = cloud.token("other", "other")
    return client


def assert_same(ask: Callable[[str], httpx.Response], there: str, nowhere: str) -> None:
    """Refused both times, with the same status and, but for the id itself, the same words."""

    def words(answer: httpx.Response, name: str) -> tuple[int, str]:
        return answer.status_code, re.sub(r"req-[0-9a-f-]{36}", "", answer.text.replace(name, "IT"))

    seen = words(ask(there), there)
    assert seen[0] in (400, 403, 404), seen
    assert seen == words(ask(nowhere), nowhere)


@pytest.mark.parametrize(
    "path",
    [
        "", "/metadata", "/metadata/m", "/ips", "/os-interface", "/os-volume_attachments",
        "/os-security-groups", "/os-instance-actions", "/os-instance-actions/{request}",
    ],
)  # fmt: skip
def test_anothers_server_does_not_exist_to_be_read(two: Neighbours, path: str) -> None:
    rest = path.format(request=two.request)
    assert_same(lambda it: two.stranger.get(f"/compute/v2.1/servers/{it}{rest}"), two.server, str(uuid4()))


def test_anothers_server_does_not_exist_to_be_changed(two: Neighbours) -> None:
    servers, ask = "/compute/v2.1/servers", two.stranger.request
    actions: tuple[dict[str, object], ...] = (
        {"os-start": None}, {"os-stop": None}, {"reboot": {"type": "HARD"}}, {"forceDelete": None},
        {"os-getConsoleOutput": {}},
    )  # fmt: skip
    changes: list[tuple[str, str, object]] = [
        *(("POST", "/action", action) for action in actions),
        ("PUT", "", {"server": {"name": "taken"}}),
        ("DELETE", "", None),
        ("POST", "/metadata", {"metadata": {"m": "y"}}),
        ("PUT", "/metadata", {"metadata": {}}),
        ("DELETE", "/metadata/m", None),
    ]
    for method, rest, body in changes:
        assert_same(
            lambda it, m=method, r=rest, b=body: ask(m, f"{servers}/{it}{r}", json=b),  # type: ignore[misc]
            two.server,
            str(uuid4()),
        )
    assert_same(lambda it: two.stranger.get(f"{servers}?marker={it}"), two.server, str(uuid4()))


def test_no_filter_shows_anothers_servers_or_images(two: Neighbours) -> None:
    for query in (
        f"project_id={two.project}", f"tenant_id={two.project}", f"user_id={two.user}", f"uuid={two.server}",
        "deleted=1", "name=mine", "name=^m", "host=host-1", "changes-since=2000-01-01T00:00:00Z",
        "key_name=mine", f"image={two.image}", f"flavor={two.flavor}",
    ):  # fmt: skip
        answer = two.stranger.get(f"/compute/v2.1/servers/detail?{query}")
        assert (answer.status_code, answer.json()) == (200, {"servers": []}), query
    for query in ("all_tenants=1", f"all_tenants=1&project_id={two.project}"):
        assert two.stranger.get(f"/compute/v2.1/servers?{query}").status_code == 403
    for query in (
        f"owner={two.project}",
        "visibility=all",
        "visibility=shared",
        f"id={two.image}",
        "name=tiny",
    ):
        answer = two.stranger.get(f"/image/v2/images?{query}")
        assert (answer.status_code, answer.json()["images"]) == (200, []), query


def test_anothers_image_does_not_exist(two: Neighbours) -> None:
    ask, images = two.stranger.request, "/image/v2/images"
    rename = b'[{"op": "replace", "path": "/name", "value": "x"}]'
    for method, rest, content, headers in (
        ("GET", "", b"", {}), ("GET", "/file", b"", {}), ("GET", "/members", b"", {}),
        ("DELETE", "", b"", {}), ("PATCH", "", rename, PATCH), ("PUT", "/file", b"x", DATA),
        ("PUT", "/tags/x", b"", {}), ("POST", "/actions/deactivate", b"", {}),
    ):  # fmt: skip
        assert_same(
            lambda it, m=method, r=rest, c=content, h=headers: ask(  # type: ignore[misc]
                m, f"{images}/{it}{r}", content=c, headers=h
            ),
            two.image,
            str(uuid4()),
        )
    assert_same(lambda it: two.stranger.get(f"{images}?marker={it}"), two.image, str(uuid4()))

    def boot(image: str) -> httpx.Response:
        body = {"name": "x", "flavorRef": two.flavor, "imageRef": image}
        return two.stranger.post("/compute/v2.1/servers", json={"server": body})

    assert_same(boot, two.image, str(uuid4()))


def test_a_flavor_without_access_does_not_exist(two: Neighbours) -> None:
    for rest in ("", "/os-extra_specs"):
        assert_same(
            lambda it, r=rest: two.stranger.get(f"/compute/v2.1/flavors/{it}{r}"),  # type: ignore[misc]
            two.hidden_flavor,
            str(uuid4()),
        )
    shown = two.stranger.get("/compute/v2.1/flavors?is_public=none").json()["flavors"]
    assert two.hidden_flavor not in {flavor["id"] for flavor in shown}


def test_nobody_tells_which_users_projects_and_keys_there_are(two: Neighbours) -> None:
    keys, ask = "/compute/v2.1/os-keypairs", two.stranger
    assert_same(lambda it: ask.get(f"{keys}/{it}"), "mine", "none")
    for url in (f"{keys}?user_id={{}}", f"{keys}/mine?user_id={{}}", "/identity/v3/users/{}",
                "/identity/v3/users/{}/projects"):  # fmt: skip
        assert_same(lambda it, u=url: ask.get(u.format(it)), two.user, uuid4().hex)  # type: ignore[misc]
    assert_same(lambda it: ask.get(f"/identity/v3/projects/{it}"), two.project, uuid4().hex)
    assert_same(lambda it: ask.get(f"/placement/allocations/{it}"), two.server, str(uuid4()))
