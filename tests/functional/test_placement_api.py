"""The Placement API over HTTP, served alone with noauth2."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx
import pytest
from sqlmodel import SQLModel

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.db.engine import Database
from kcloud_api.http.live import LiveServer, listen
from kcloud_api.main import build_app
from kcloud_api.placement import service as placement
from kcloud_api.placement.inventory import HostInventory, Inventory, ProviderInventory

HOST = UUID(int=1)
GPU = UUID(int=2)
UNKNOWN = UUID(int=9)
NEWEST = "placement 1.39"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Database]]:
    """One server for all tests of this module; `database` empties its tables."""
    url = f"sqlite:///{tmp_path_factory.mktemp('placement')}/kcloud.db"
    conf = load_control_plane(overrides=[f"database.url={url}", "placement.auth_strategy=noauth2"])
    database, bus = Database(url), Bus("memory://")
    server = LiveServer(build_app(database, conf, bus, ["placement"]), listen("127.0.0.1", 0))
    SQLModel.metadata.create_all(database.engine)
    server.start()
    yield server.url, database
    server.close()
    bus.close()
    database.close()


@pytest.fixture(scope="module")
def client(served: tuple[str, Database]) -> Iterator[httpx.Client]:
    headers = {"X-Auth-Token": "admin", "OpenStack-API-Version": NEWEST}
    with httpx.Client(base_url=served[0], headers=headers) as made:
        yield made


@pytest.fixture(autouse=True)
def database(served: tuple[str, Database]) -> Database:
    """With empty tables."""
    with served[1].transaction() as session:
        for table in SQLModel.metadata.sorted_tables:
            if table.name.startswith("placement_"):
                session.exec(table.delete())
    return served[1]


@pytest.fixture
def host(database: Database) -> None:
    gpu = ProviderInventory(GPU, "h1_gpu", {"PGPU": Inventory(1)}, frozenset({"CUSTOM_H100"}))
    root = {"VCPU": Inventory(8, allocation_ratio=2.0), "MEMORY_MB": Inventory(4096, reserved=512)}
    with database.transaction() as session:
        placement.sync_host(
            session, HostInventory(HOST, "h1", root, frozenset({"COMPUTE_ACCELERATORS"}), (gpu,))
        )


def at(minor: int) -> dict[str, str]:
    return {"OpenStack-API-Version": f"placement 1.{minor}"}


def error_of(answer: httpx.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    assert error["status"] == answer.status_code
    assert error["request_id"].startswith("req-")
    return answer.status_code, error["code"]


def test_versions_are_open_and_every_answer_says_its_version(client: httpx.Client) -> None:
    answer = client.get("/", headers={"X-Auth-Token": ""})
    (version,) = answer.json()["versions"]
    assert (version["id"], version["min_version"], version["max_version"]) == ("v1.0", "1.0", "1.39")
    assert answer.headers["OpenStack-API-Version"] == NEWEST
    assert "openstack-api-version" in answer.headers["Vary"].lower()


@pytest.mark.parametrize(
    ("asked", "status", "answered"),
    [
        ("placement 1.14", 200, "placement 1.14"),
        ("placement latest", 200, NEWEST),
        ("compute 2.1, placement 1.20", 200, "placement 1.20"),
        ("compute 2.1", 200, "placement 1.0"),
        ("placement 1.40", 406, NEWEST),
        ("placement 2.0", 406, NEWEST),
        ("placement one", 400, NEWEST),
    ],
)
def test_the_version_header_is_read_and_echoed(
    client: httpx.Client, asked: str, status: int, answered: str
) -> None:
    answer = client.get("/resource_providers", headers={"OpenStack-API-Version": asked})
    assert (answer.status_code, answer.headers["OpenStack-API-Version"]) == (status, answered)


def test_only_operators_and_services_may_look(client: httpx.Client, host: None) -> None:
    for path in ("/resource_providers", f"/resource_providers/{HOST}/inventories", "/traits"):
        assert error_of(client.get(path, headers={"X-Auth-Token": "demo"}))[0] == 403
        assert error_of(client.get(path, headers={"X-Auth-Token": ""}))[0] == 401
    mine = client.get("/usages?project_id=demo", headers={"X-Auth-Token": "demo", "X-Roles": "reader"})
    assert mine.json() == {"usages": {}}
    other = client.get("/usages?project_id=x", headers={"X-Auth-Token": "demo", "X-Roles": "reader"})
    assert other.status_code == 403


def test_a_host_is_shown_with_its_tree(client: httpx.Client, host: None) -> None:
    (root, gpu) = client.get(f"/resource_providers?in_tree={GPU}").json()["resource_providers"]
    assert (root["name"], root["parent_provider_uuid"]) == ("h1", None)
    assert (gpu["parent_provider_uuid"], gpu["root_provider_uuid"]) == (str(HOST), str(HOST))
    assert {link["rel"] for link in gpu["links"]} == {
        "self", "inventories", "usages", "aggregates", "traits", "allocations",
    }  # fmt: skip
    assert client.get(f"/resource_providers/{HOST}").json() == root
    old = client.get(f"/resource_providers/{HOST}", headers=at(0)).json()
    assert {link["rel"] for link in old["links"]} == {"self", "inventories", "usages"}
    assert "root_provider_uuid" not in old
    inventories = client.get(f"/resource_providers/{HOST}/inventories").json()["inventories"]
    assert inventories["VCPU"] == {
        "total": 8, "reserved": 0, "min_unit": 1, "max_unit": 8, "step_size": 1, "allocation_ratio": 2.0,
    }  # fmt: skip
    assert client.get(f"/resource_providers/{GPU}/traits").json()["traits"] == ["CUSTOM_H100"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=h1", ["h1"]),
        (f"uuid={GPU}", ["h1_gpu"]),
        ("resources=PGPU:1", ["h1_gpu"]),
        ("resources=VCPU:9", []),
        ("required=CUSTOM_H100", ["h1_gpu"]),
        ("required=!CUSTOM_H100", ["h1"]),
        ("name=nobody", []),
    ],
)
def test_providers_are_listed_by_what_is_asked(
    client: httpx.Client, host: None, query: str, names: list[str]
) -> None:
    found = client.get(f"/resource_providers?{query}").json()["resource_providers"]
    assert [provider["name"] for provider in found] == names


@pytest.mark.parametrize(
    "path",
    [
        "/resource_providers?color=red",
        "/resource_providers?uuid=1",
        "/allocation_candidates?resources=VCPU",
        "/allocation_candidates?resources=VCPU:0",
        "/allocation_candidates?resources=vcpu:1",
        "/allocation_candidates?resources=CUSTOM_NOT_MADE:1",
        "/allocation_candidates?resources=VCPU:1&required=CUSTOM_NOT_MADE",
        "/allocation_candidates?resources=VCPU:1&limit=0",
        "/allocation_candidates?resources1=VCPU:1&resources2=VCPU:1",
        "/allocation_candidates?resources=VCPU:1&group_policy=maybe",
        "/traits?name=H100",
        "/usages",
    ],
)
def test_a_bad_query_is_refused_by_name(client: httpx.Client, host: None, path: str) -> None:
    assert error_of(client.get(path)) == (400, "placement.undefined_code")


def test_a_query_for_nothing_is_refused_with_a_code_of_its_own(client: httpx.Client, host: None) -> None:
    nothing = client.get("/allocation_candidates")
    assert error_of(nothing) == (400, "placement.query.missing_value")
    lonely = client.get("/allocation_candidates?resources=VCPU:1&required1=CUSTOM_H100")
    assert error_of(lonely) == (400, "placement.query.bad_value")


@pytest.mark.parametrize(
    "path", [f"/resource_providers/{UNKNOWN}", "/resource_providers/no-uuid", "/resource_classes/NO", "/no"]
)
def test_what_is_not_there_is_not_found(client: httpx.Client, path: str) -> None:
    assert error_of(client.get(path))[0] == 404


def test_candidates_say_who_serves_which_group(client: httpx.Client, host: None) -> None:
    query = "resources=VCPU:2,MEMORY_MB:1024&resources_gpu=PGPU:1&required_gpu=CUSTOM_H100"
    answer = client.get(f"/allocation_candidates?{query}").json()
    assert answer["allocation_requests"] == [
        {
            "allocations": {
                str(HOST): {"resources": {"VCPU": 2, "MEMORY_MB": 1024}},
                str(GPU): {"resources": {"PGPU": 1}},
            },
            "mappings": {"": [str(HOST)], "_gpu": [str(GPU)]},
        }
    ]
    summary = answer["provider_summaries"][str(HOST)]
    assert summary["resources"] == {
        "MEMORY_MB": {"capacity": 3584, "used": 0}, "VCPU": {"capacity": 16, "used": 0},
    }  # fmt: skip
    assert summary["root_provider_uuid"] == str(HOST)
    none = client.get(f"/allocation_candidates?{query}&root_required=!COMPUTE_ACCELERATORS").json()
    assert none == {"allocation_requests": [], "provider_summaries": {}}


def test_a_consumer_takes_and_gives_back(client: httpx.Client, host: None) -> None:
    consumer = f"/allocations/{uuid4()}"
    want = {
        "allocations": {str(HOST): {"resources": {"VCPU": 2}}, str(GPU): {"resources": {"PGPU": 1}}},
        "project_id": "p", "user_id": "u", "consumer_generation": None, "consumer_type": "INSTANCE",
    }  # fmt: skip
    assert client.get(consumer).json() == {"allocations": {}}
    assert client.put(consumer, json=want).status_code == 204
    held = client.get(consumer).json()
    assert (held["consumer_generation"], held["consumer_type"]) == (1, "INSTANCE")
    assert held["allocations"][str(GPU)]["resources"] == {"PGPU": 1}
    assert client.get(f"/resource_providers/{GPU}/usages").json()["usages"] == {"PGPU": 1}
    assert len(client.get(f"/resource_providers/{GPU}/allocations").json()["allocations"]) == 1
    assert client.get("/usages?project_id=p").json()["usages"] == {
        "INSTANCE": {"consumer_count": 1, "VCPU": 2, "PGPU": 1}
    }
    assert client.get("/usages?project_id=p", headers=at(37)).json()["usages"] == {"VCPU": 2, "PGPU": 1}
    assert error_of(client.put(consumer, json=want)) == (409, "placement.concurrent_update")
    other = client.put(f"/allocations/{uuid4()}", json=want)
    assert error_of(other) == (409, "placement.undefined_code")
    assert client.put(consumer, json=want | {"consumer_generation": 1}).status_code == 204
    assert client.get(consumer).json()["consumer_generation"] == 2
    assert error_of(client.delete(f"/resource_providers/{GPU}")) == (409, "placement.resource_provider.inuse")
    assert client.delete(consumer).status_code == 204
    assert error_of(client.delete(consumer))[0] == 404
    assert client.get(f"/resource_providers/{GPU}/usages").json()["usages"] == {"PGPU": 0}


def test_a_provider_is_made_filled_and_removed(client: httpx.Client) -> None:
    made = client.post("/resource_providers", json={"name": "rack"}).json()
    here = f"/resource_providers/{made['uuid']}"
    again = client.post("/resource_providers", json={"name": "rack"})
    assert error_of(again) == (409, "placement.duplicate_name")
    child = client.post("/resource_providers", json={"name": "c", "parent_provider_uuid": made["uuid"]})
    assert child.json()["root_provider_uuid"] == made["uuid"]
    assert client.post("/resource_providers", json={"name": "old"}, headers=at(19)).status_code == 201
    assert client.put("/resource_classes/CUSTOM_WATT").status_code == 201
    assert client.put("/resource_classes/CUSTOM_WATT").status_code == 204
    body = {"resource_provider_generation": 0, "inventories": {"CUSTOM_WATT": {"total": 100}}}
    filled = client.put(f"{here}/inventories", json=body)
    assert (filled.status_code, filled.json()["resource_provider_generation"]) == (200, 1)
    stale = client.put(f"{here}/inventories", json=body)
    assert error_of(stale) == (409, "placement.concurrent_update")
    assert client.put("/traits/CUSTOM_COLD").status_code == 201
    traits = {"resource_provider_generation": 1, "traits": ["CUSTOM_COLD", "HW_NUMA_ROOT"]}
    assert client.put(f"{here}/traits", json=traits).json()["resource_provider_generation"] == 2
    assert client.get("/traits?associated=true&name=startswith:CUSTOM").json() == {"traits": ["CUSTOM_COLD"]}
    assert error_of(client.delete("/traits/CUSTOM_COLD"))[0] == 409
    assert error_of(client.delete(here)) == (409, "placement.resource_provider.cannot_delete_parent")
    renamed = client.put(here, json={"name": "rack-1"}).json()
    assert (renamed["name"], renamed["parent_provider_uuid"]) == ("rack-1", None)
    assert client.delete(f"/resource_providers/{child.json()['uuid']}").status_code == 204
    assert client.delete(here).status_code == 204
    assert client.delete("/traits/CUSTOM_COLD").status_code == 204
    assert client.delete("/resource_classes/CUSTOM_WATT").status_code == 204


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("POST", "/resource_providers", {"name": ""}),
        ("POST", "/resource_providers", {"name": "x" * 201}),
        ("POST", "/resource_providers", {"name": "x", "colour": "red"}),
        ("POST", "/resource_providers", {"name": "x", "parent_provider_uuid": str(uuid4())}),
        ("POST", "/resource_classes", {"name": "WATT"}),
        ("PUT", "/traits/COLD", None),
        ("PUT", f"/resource_providers/{HOST}/inventories",
         {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 0}}}),
        ("PUT", f"/resource_providers/{HOST}/inventories",
         {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 1, "reserved": 2}}}),
        ("PUT", f"/resource_providers/{HOST}/inventories",
         {"resource_provider_generation": 0, "inventories": {"CUSTOM_NEVER_MADE": {"total": 1}}}),
        ("PUT", f"/resource_providers/{HOST}/traits",
         {"resource_provider_generation": 0, "traits": ["CUSTOM_NEVER_MADE"]}),
        ("PUT", f"/allocations/{UNKNOWN}", {"allocations": {}}),
        ("PUT", f"/allocations/{UNKNOWN}",
         {"allocations": {str(uuid4()): {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u",
          "consumer_generation": None, "consumer_type": "INSTANCE"}),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_and_changes_nothing(
    client: httpx.Client, host: None, verb: str, path: str, body: object
) -> None:
    before = client.get(f"/resource_providers/{HOST}").json()
    assert error_of(client.request(verb, path, json=body))[0] == 400
    assert client.get(f"/resource_providers/{HOST}").json() == before


def test_broken_json_is_a_bad_request(client: httpx.Client) -> None:
    answer = client.post("/resource_providers", content=b"{", headers={"Content-Type": "application/json"})
    assert error_of(answer)[0] == 400
