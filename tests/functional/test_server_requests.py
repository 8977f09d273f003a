"""Requests about servers that are wrong, of others, or many: Nova's words, and nothing is left behind."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, func, select

from kcloud_api.compute.tables import ActionRow, ServerRow
from kcloud_common.config import Conf
from tests.functional.conftest import Cloud
from tests.functional.servers import NEWEST, Tenant, make_flavor, make_image


@pytest.fixture
def tenant(cloud: Cloud) -> Tenant:
    demo = cloud.client("demo")
    return Tenant(demo, make_flavor(cloud.client()), make_image(demo))


def rows(cloud: Cloud) -> tuple[int, int]:
    with cloud.database.reading() as session:
        servers = session.exec(select(func.count(col(ServerRow.id)))).one()
        return servers, session.exec(select(func.count(col(ActionRow.id)))).one()


NOBODY = str(UUID(int=9))
BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "x" * 256}, "Invalid input for field/attribute name"),
    ({"name": ""}, "Invalid input for field/attribute name"),
    ({"name": "  "}, "Invalid input for field/attribute name"),
    ({"name": 7}, "7 is not of type 'string'"),
    ({"name": None}, "'name' is a required property"),
    ({"flavorRef": None}, "'flavorRef' is a required property"),
    ({"flavorRef": "none-such"}, "Flavor none-such could not be found."),
    ({"imageRef": NOBODY}, "Can not find requested image"),
    ({"imageRef": "no-id"}, "Invalid imageRef provided."),
    ({"imageRef": ""}, "Missing imageRef attribute"),
    ({"key_name": "none-such"}, "Invalid key_name provided."),
    ({"user_data": "not base64!"}, "is not a 'base64'"),
    ({"user_data": "QUFB" * 20000}, "Invalid input for field/attribute user_data"),
    ({"metadata": {"k": "v" * 256}}, "is too long"),
    ({"metadata": {"k": 1}}, "1 is not of type 'string'"),
    ({"networks": [{"uuid": NOBODY}]}, f"Network {NOBODY} could not be found."),
    ({"networks": "all"}, "Invalid input for field/attribute"),
    ({"min_count": 0}, "0 is less than the minimum of 1"),
    ({"min_count": 3, "max_count": 2}, "min_count must be <= max_count"),
    ({"max_count": 100000}, "max_count may be"),
    ({"availability_zone": "mars"}, "The requested availability zone is not available"),
    ({"personality": []}, "Additional properties are not allowed ('personality' was unexpected)"),
    ({"block_device_mapping_v2": [{"source_type": "volume"}]}, "Block Device Mapping is Invalid"),
]


def test_a_bad_request_is_refused_in_novas_words_and_leaves_nothing(cloud: Cloud, tenant: Tenant) -> None:
    for wrong, words in BAD:
        answer = tenant.ask(**{"name": "one", **wrong})
        assert answer.status_code == 400, (wrong, answer.text)
        fault = answer.json()["badRequest"]
        assert fault["code"] == 400
        assert words in fault["message"], (wrong, fault["message"])
    post = tenant.client.post
    for body in (b"{", b"[]", b'{"server": []}', b"{}", b'"x"', b"\xff\xfe"):
        answer = post("/compute/v2.1/servers", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, (body, answer.text)
        assert answer.json()["badRequest"]["message"]
    assert rows(cloud) == (0, 0)


def test_a_flavor_too_small_for_the_image_is_refused(cloud: Cloud, tenant: Tenant) -> None:
    for limits, words in (
        ({"min_ram": 1024}, "Flavor's memory is too small for requested image."),
        ({"min_disk": 10}, "Flavor's disk is smaller than the minimum size specified in image metadata."),
    ):
        tenant.image = make_image(tenant.client, **limits)
        answer = tenant.ask()
        assert answer.status_code == 400
        assert words in answer.json()["badRequest"]["message"]
    queued = tenant.client.post(
        "/image/v2/images", json={"name": "empty", "disk_format": "raw", "container_format": "bare"}
    )
    tenant.image = queued.json()["id"]
    assert "is not active" in tenant.ask().json()["badRequest"]["message"]


def test_anothers_server_does_not_exist(cloud: Cloud, tenant: Tenant) -> None:
    admin = Tenant(cloud.client(), tenant.flavor, make_image(cloud.client()))
    theirs = admin.boot("theirs")
    path = f"/compute/v2.1/servers/{theirs}"
    client = tenant.client
    answers = [
        client.get(path),
        client.delete(path),
        client.put(path, json={"server": {"name": "mine"}}),
        client.post(f"{path}/action", json={"os-stop": None}),
        client.post(f"{path}/action", json={"os-getConsoleOutput": {}}),
        client.get(f"{path}/os-instance-actions"),
        client.get(f"{path}/metadata"),
        client.get(f"{path}/os-volume_attachments"),
        client.get(f"{path}/os-interface"),
    ]
    for answer in answers:
        assert answer.status_code == 404, (answer.request.url, answer.text)
        assert answer.json()["itemNotFound"]["message"] == f"Instance {theirs} could not be found."
    for params in ({}, {"all_tenants": "0"}, {"project_id": cloud.admin_project_id}, {"uuid": theirs}):
        assert client.get("/compute/v2.1/servers", params=params).json() == {"servers": []}
    assert client.get("/compute/v2.1/servers", params={"all_tenants": "1"}).status_code == 403
    assert client.get("/compute/v2.1/servers", params={"marker": theirs}).status_code == 400
    assert client.get("/compute/v2.1/servers/no-id").status_code == 404
    assert cloud.anonymous().get(path).status_code == 401
    bad = cloud.anonymous().get(path, headers={"X-Auth-Token": "nonsense"})
    assert bad.status_code == 401
    assert admin.show(theirs)["name"] == "theirs"


def test_what_a_server_cannot_do_now_is_a_conflict(tenant: Tenant) -> None:
    server = tenant.boot()
    for action, value in (("os-start", None), ("os-stop", None), ("reboot", {"type": "SOFT"})):
        answer = tenant.act(server, action, value)
        assert answer.status_code == 409, answer.text
        assert f"instance {server} while it is in" in answer.json()["conflictingRequest"]["message"]
    assert tenant.act(server, "reboot", {"type": "MAYBE"}).status_code == 400
    assert tenant.act(server, "fly").json()["badRequest"]["message"] == "There is no such action: fly"
    empty = tenant.client.post(f"/compute/v2.1/servers/{server}/action", json={})
    assert empty.status_code == 400


def test_pages_follow_each_other_by_their_links(cloud: Cloud, tenant: Tenant) -> None:
    tenant.boot("page", min_count=5)
    seen: list[str] = []
    url = "/compute/v2.1/servers/detail?limit=2"
    pages = 0
    while url:
        answer = tenant.client.get(url, headers=NEWEST).json()
        seen += [server["name"] for server in answer["servers"]]
        assert len(answer["servers"]) <= 2
        url = answer.get("servers_links", [{"href": ""}])[0]["href"]
        pages += 1
    assert pages == 3
    assert sorted(seen) == [f"page-{number}" for number in range(1, 6)]


def test_lists_are_filtered(cloud: Cloud, tenant: Tenant) -> None:
    tenant.boot("web-1")
    tenant.boot("web-2")
    tenant.boot("db_1")

    def names(**params: str) -> list[str]:
        answer = tenant.client.get("/compute/v2.1/servers", params=params)
        assert answer.status_code == 200, answer.text
        return sorted(server["name"] for server in answer.json()["servers"])

    assert names(name="web") == ["web-1", "web-2"]
    assert names(name="^db.1$") == ["db_1"]
    assert names(name="b_") == ["db_1"]
    assert names(flavor=tenant.flavor) == ["db_1", "web-1", "web-2"]
    assert names(flavor="other") == []
    assert names(image=tenant.image, name="db") == ["db_1"]
    assert names(status="ACTIVE") == []
    assert names(status="NONSENSE") == []
    assert names(sort_key="display_name", sort_dir="asc", limit="1") == ["db_1"]
    assert tenant.client.get("/compute/v2.1/servers", params={"name": "("}).status_code == 400
    assert tenant.client.get("/compute/v2.1/servers", params={"limit": "x"}).status_code == 400
    admin = cloud.client()
    everyones = admin.get("/compute/v2.1/servers", params={"all_tenants": "1"}).json()["servers"]
    assert len(everyones) == 3
    assert admin.get("/compute/v2.1/servers").json() == {"servers": []}


def test_a_server_is_renamed_and_its_metadata_changed(tenant: Tenant) -> None:
    server = tenant.boot(metadata={"a": "1"})
    path = f"/compute/v2.1/servers/{server}"
    client = tenant.client
    assert client.put(path, json={"server": {"name": "two"}}).json()["server"]["name"] == "two"
    assert client.put(path, json={"server": {"name": "x" * 300}}).status_code == 400
    assert client.post(f"{path}/metadata", json={"metadata": {"b": "2"}}).json()["metadata"] == {
        "a": "1",
        "b": "2",
    }
    assert client.delete(f"{path}/metadata/a").status_code == 204
    assert client.get(f"{path}/metadata/a").status_code == 404
    assert client.get(f"{path}/metadata").json() == {"metadata": {"b": "2"}}


def test_versions_are_told_and_spoken(cloud: Cloud, tenant: Tenant) -> None:
    anonymous = cloud.anonymous()
    versions = anonymous.get("/compute/").json()["versions"]
    assert (versions[0]["min_version"], versions[0]["version"]) == ("2.1", "2.100")
    assert anonymous.get("/compute/v2.1/").json()["version"]["id"] == "v2.1"
    server = tenant.boot()
    path = f"/compute/v2.1/servers/{server}"
    newest = tenant.client.get(path, headers={"X-OpenStack-Nova-API-Version": "2.100"})
    assert newest.headers["OpenStack-API-Version"] == "compute 2.100"
    assert newest.headers["X-OpenStack-Nova-API-Version"] == "2.100"
    assert "OpenStack-API-Version" in newest.headers["Vary"]
    oldest = tenant.client.get(path)
    assert oldest.headers["OpenStack-API-Version"] == "compute 2.1"
    assert oldest.json()["server"]["flavor"]["id"] == tenant.flavor
    assert "description" not in oldest.json()["server"]
    assert "scheduler_hints" in newest.json()["server"]
    refused = tenant.client.get(path, headers={"OpenStack-API-Version": "compute 2.101"})
    assert refused.status_code == 406
    assert refused.json()["notAcceptable"]["message"].startswith("Version 2.101 is not supported")


def test_what_clients_ask_around_a_server_is_there(tenant: Tenant) -> None:
    server = tenant.boot()
    path = f"/compute/v2.1/servers/{server}"
    get = tenant.client.get
    assert get(f"{path}/os-volume_attachments").json() == {"volumeAttachments": []}
    assert get(f"{path}/os-security-groups").json() == {"security_groups": []}
    assert get(f"{path}/os-interface").json() == {"interfaceAttachments": []}
    assert get(f"{path}/ips").json() == {"addresses": {}}
    assert get("/compute/v2.1/extensions").json() == {"extensions": []}
    assert get("/compute/v2.1/limits").json()["limits"]["absolute"]["totalInstancesUsed"] == 1
    assert get("/compute/v2.1/os-server-groups").json() == {"server_groups": []}


class TestFlavorsWithoutADiskAreForAdmins:
    @pytest.fixture
    def conf(self, conf: Conf, tmp_path: Path) -> Conf:
        rules = tmp_path / "policy.yaml"
        rules.write_text('"os_compute_api:servers:create:zero_disk_flavor": "role:admin"')
        conf.api = replace(conf.api, policy_file=str(rules))
        return conf

    def test_where_the_policy_says_so_nobody_else_gets_a_server_of_one(
        self, cloud: Cloud, tenant: Tenant
    ) -> None:
        flavor = {"name": "diskless", "ram": 256, "vcpus": 1, "disk": 0}
        made = cloud.client().post("/compute/v2.1/flavors", json={"flavor": flavor}, headers=NEWEST)
        diskless = made.json()["flavor"]["id"]
        assert Tenant(tenant.client, diskless, tenant.image).ask().status_code == 403
        assert tenant.client.get("/compute/v2.1/servers").json() == {"servers": []}
        assert tenant.ask().status_code == 202
        admin = cloud.client()
        assert Tenant(admin, diskless, make_image(admin)).ask().status_code == 202
