"""Nova's flavors and their extra specs over live HTTP."""

from typing import Any

import httpx
import pytest

from tests.functional.conftest import Cloud


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("identity", "compute")


NEWEST = {"OpenStack-API-Version": "compute 2.96"}


def client(cloud: Cloud, user: str = "admin") -> httpx.Client:
    made = cloud.client(user, headers=NEWEST)
    made.base_url = httpx.URL(f"{cloud.url}/compute/v2.1/")
    return made


def flavor(name: str = "one", **more: object) -> dict[str, Any]:
    return {"flavor": {"name": name, "vcpus": 2, "ram": 512, "disk": 1, **more}}


def create(admin: httpx.Client, name: str = "one", /, **more: object) -> dict[str, Any]:
    answer = admin.post("flavors", json=flavor(name, **more))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["flavor"]
    return made


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["flavors"]]


def test_a_flavor_is_made_shown_described_and_deleted(cloud: Cloud) -> None:
    admin, demo = client(cloud), client(cloud, "demo")
    ephemeral = {"OS-FLV-EXT-DATA:ephemeral": 3}
    made = create(admin, "one", **{"id": "tiny", "swap": 64, "description": "small", **ephemeral})
    assert made["id"] == "tiny"
    assert (made["vcpus"], made["ram"], made["disk"], made["swap"]) == (2, 512, 1, 64)
    assert made["OS-FLV-EXT-DATA:ephemeral"] == 3
    assert made["os-flavor-access:is_public"] is True
    assert made["extra_specs"] == {}
    assert made["links"][0] == {"rel": "self", "href": f"{cloud.url}/compute/v2.1/flavors/tiny"}
    assert demo.get("flavors/tiny").json()["flavor"] == made
    changed = admin.put("flavors/tiny", json={"flavor": {"description": None}})
    assert changed.json()["flavor"]["description"] is None
    assert admin.delete("flavors/tiny").status_code == 202
    gone = admin.delete("flavors/tiny")
    assert gone.status_code == 404
    assert gone.json() == {"itemNotFound": {"code": 404, "message": "Flavor tiny could not be found."}}


def test_a_name_is_no_id_so_that_clients_look_among_the_names(cloud: Cloud) -> None:
    admin = client(cloud)
    made = create(admin, "by-name")
    missing = admin.get("flavors/by-name")
    assert missing.status_code == 404
    assert missing.json()["itemNotFound"]["message"] == "Flavor by-name could not be found."
    assert admin.get(f"flavors/{made['id']}").status_code == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "Invalid input for field/attribute name. Value: . '' should be non-empty"),
        (
            {"name": "n" * 300},
            f"Invalid input for field/attribute name. Value: {'n' * 300}. '{'n' * 300}' is too long",
        ),
        ({"vcpus": 0}, "Invalid input for field/attribute vcpus. Value: 0. 0 is less than the minimum of 1"),
        ({"ram": 0}, "Invalid input for field/attribute ram. Value: 0. 0 is less than the minimum of 1"),
        ({"disk": -1}, "Invalid input for field/attribute disk. Value: -1. -1 is less than the minimum of 0"),
        ({"ram": "x"}, "Invalid input for field/attribute ram. Value: x. 'x' is not of type 'integer'"),
        ({"id": "a/b"}, "Invalid input for field/attribute id. Value: a/b. 'a/b' does not match"),
    ],
)
def test_sizes_and_names_have_novas_limits(cloud: Cloud, change: dict[str, object], message: str) -> None:
    answer = client(cloud).post("flavors", json={"flavor": flavor()["flavor"] | change})
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["code"] == 400
    assert answer.json()["badRequest"]["message"].startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Malformed request body"),
        (b"{}", "'flavor' is a required property"),
        (
            b'{"flavor": {"name": "x"}}',
            "Invalid input for field/attribute flavor. Value: {'name': 'x'}. 'ram' is a required property",
        ),
        (
            b'{"flavour": {}, "flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 1}}',
            "Additional properties",
        ),
    ],
)
def test_malformed_bodies_are_refused_in_novas_words(cloud: Cloud, body: bytes, message: str) -> None:
    answer = client(cloud).post("flavors", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"].startswith(message)


def test_names_and_ids_are_unique(cloud: Cloud) -> None:
    admin = client(cloud)
    create(admin, "one", id="1")
    same_name = admin.post("flavors", json=flavor("one"))
    assert same_name.status_code == 409
    assert same_name.json() == {
        "conflictingRequest": {"code": 409, "message": "Flavor with name one already exists."}
    }
    same_id = admin.post("flavors", json=flavor("two", id=1))
    assert same_id.json()["conflictingRequest"]["message"] == "Flavor with ID 1 already exists."
    assert names(admin.get("flavors")) == ["one"]


def test_tenants_may_not_make_or_change_flavors(cloud: Cloud) -> None:
    admin, demo = client(cloud), client(cloud, "demo")
    made = create(admin)
    refused = demo.post("flavors", json=flavor("mine"))
    assert refused.status_code == 403
    assert refused.json()["forbidden"]["message"] == (
        "Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed."
    )
    assert demo.delete(f"flavors/{made['id']}").status_code == 403
    assert demo.post(f"flavors/{made['id']}/os-extra_specs", json={"extra_specs": {}}).status_code == 403


def test_extra_specs_are_added_changed_and_removed(cloud: Cloud) -> None:
    admin, demo = client(cloud), client(cloud, "demo")
    made = create(admin)
    path = f"flavors/{made['id']}/os-extra_specs"
    specs = {"resources:PGPU": "1", "trait:CUSTOM_X": "required"}
    assert admin.post(path, json={"extra_specs": specs}).json() == {"extra_specs": specs}
    assert demo.get(path).json() == {"extra_specs": specs}
    assert demo.get(f"flavors/{made['id']}").json()["flavor"]["extra_specs"] == specs
    assert names(demo.get("flavors/detail")) == ["one"]
    assert admin.put(f"{path}/resources:PGPU", json={"resources:PGPU": "2"}).json() == {"resources:PGPU": "2"}
    assert demo.get(f"{path}/resources:PGPU").json() == {"resources:PGPU": "2"}
    mismatch = admin.put(f"{path}/resources:PGPU", json={"other": "2"})
    assert mismatch.json()["badRequest"]["message"] == "Request body and URI mismatch"
    assert admin.delete(f"{path}/resources:PGPU").status_code == 200
    missing = demo.get(f"{path}/resources:PGPU")
    assert missing.status_code == 404
    assert missing.json()["itemNotFound"]["message"] == (
        f"Flavor {made['id']} has no extra specs with key resources:PGPU."
    )
    assert admin.delete(f"{path}/resources:PGPU").status_code == 404
    assert demo.get(path).json() == {"extra_specs": {"trait:CUSTOM_X": "required"}}
    for bad in ({"a/b": "x"}, {"k": "v" * 256}, {"k": {"deep": 1}}):
        assert admin.post(path, json={"extra_specs": bad}).status_code == 400


def test_lists_are_filtered_sorted_and_paged(cloud: Cloud) -> None:
    admin = client(cloud)
    for name, ram, disk in (("c", 128, 1), ("a", 256, 2), ("b", 512, 0)):
        create(admin, name, id=f"id-{name}", ram=ram, disk=disk)
    assert names(admin.get("flavors")) == ["a", "b", "c"]
    assert names(admin.get("flavors?sort_key=memory_mb&sort_dir=desc")) == ["b", "a", "c"]
    assert names(admin.get("flavors/detail?minRam=200&minDisk=1")) == ["a"]
    first = admin.get("flavors?limit=2")
    assert names(first) == ["a", "b"]
    following = first.json()["flavors_links"][0]
    assert following["rel"] == "next"
    assert names(admin.get(following["href"])) == ["c"]
    for query in ("limit=x", "marker=nothing", "is_public=maybe", "minRam=lots", "sort_key=colour"):
        assert admin.get(f"flavors?{query}").status_code == 400, query


def test_a_private_flavor_is_there_only_for_those_who_may_use_it(cloud: Cloud) -> None:
    admin, demo = client(cloud), client(cloud, "demo")
    made = create(admin, "private", **{"os-flavor-access:is_public": False})
    path = f"flavors/{made['id']}"
    there, nowhere = demo.get(path), demo.get("flavors/nowhere")
    assert there.status_code == nowhere.status_code == 404
    assert there.text.replace(made["id"], "nowhere") == nowhere.text
    assert names(demo.get("flavors?is_public=None")) == []
    assert demo.get(f"{path}/os-extra_specs").status_code == 404
    assert names(admin.get("flavors")) == []
    assert names(admin.get("flavors?is_public=None")) == ["private"]
    assert names(admin.get("flavors?is_public=false")) == ["private"]

    grant = {"addTenantAccess": {"tenant": cloud.demo_project_id}}
    listed = admin.post(f"{path}/action", json=grant)
    assert listed.status_code == 200
    assert listed.json() == {"flavor_access": [{"flavor_id": made["id"], "tenant_id": cloud.demo_project_id}]}
    assert admin.post(f"{path}/action", json=grant).status_code == 409
    assert admin.get(f"{path}/os-flavor-access").json() == listed.json()
    assert names(demo.get("flavors")) == ["private"]
    assert demo.get(path).status_code == 200
    assert demo.post(f"{path}/action", json=grant).status_code == 403

    revoke = {"removeTenantAccess": {"tenant": cloud.demo_project_id}}
    assert admin.post(f"{path}/action", json=revoke).json() == {"flavor_access": []}
    assert admin.post(f"{path}/action", json=revoke).status_code == 404
    assert demo.get(path).status_code == 404

    public = create(admin, "public")
    assert admin.get(f"flavors/{public['id']}/os-flavor-access").status_code == 404
    assert admin.post(f"flavors/{public['id']}/action", json=grant).status_code == 409


@pytest.mark.parametrize(
    ("specs", "key"),
    [
        ({"kcloud:device_policy": "scatter"}, "kcloud:device_policy"),
        ({"hw:pci_numa_affinity_policy": "strict"}, "hw:pci_numa_affinity_policy"),
        (
            {"hw:pci_numa_affinity_policy": "required", "kcloud:device_policy": "spread"},
            "kcloud:device_policy",
        ),
    ],
)
def test_a_device_policy_that_there_is_not_is_refused_by_its_key(
    cloud: Cloud, specs: dict[str, str], key: str
) -> None:
    admin = client(cloud)
    path = f"flavors/{create(admin)['id']}/os-extra_specs"
    refused = admin.post(path, json={"extra_specs": specs})
    assert refused.status_code == 400
    assert key in refused.json()["badRequest"]["message"]
    assert admin.get(path).json() == {"extra_specs": {}}


def test_a_device_policy_may_not_come_to_contradict_another(cloud: Cloud) -> None:
    admin = client(cloud)
    path = f"flavors/{create(admin)['id']}/os-extra_specs"
    kept = {"kcloud:device_policy": "spread"}
    assert admin.post(path, json={"extra_specs": kept}).status_code == 200
    novas = {"hw:pci_numa_affinity_policy": "required"}
    assert admin.put(f"{path}/hw:pci_numa_affinity_policy", json=novas).status_code == 400
    assert admin.get(path).json() == {"extra_specs": kept}
    assert admin.put(f"{path}/kcloud:device_policy", json={"kcloud:device_policy": "pack"}).status_code == 200
    assert admin.put(f"{path}/hw:pci_numa_affinity_policy", json=novas).status_code == 200
