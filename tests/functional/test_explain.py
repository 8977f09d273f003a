"""`GET /kcloud/v1/explain`: who may ask what, and what he is told."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from kcloud_api.conf.groups import load_control_plane
from kcloud_api.placement import service as placement
from kcloud_api.placement.inventory import HostInventory, Inventory, ProviderInventory
from kcloud_common.config import Conf
from tests.functional.conftest import Cloud
from tests.functional.servers import make_flavor

SIZE = {"VCPU": Inventory(8), "MEMORY_MB": Inventory(4096), "DISK_GB": Inventory(100)}


@pytest.fixture(params=["true", "false"])
def conf(conf: Conf, request: pytest.FixtureRequest) -> Conf:
    """With the snapshot and without: both say the same."""
    given = [
        f"database.url={conf.database.url}",
        f"image.store_dir={conf.image.store_dir}",
        f"identity.password_rounds={conf.identity.password_rounds}",
    ]
    return load_control_plane(overrides=[*given, f"placement.snapshot={request.param}"])


@pytest.fixture
def hosts(cloud: Cloud) -> None:
    """host-1 is down, host-2 has two NPUs on different nodes, host-3 none."""
    with cloud.database.transaction() as session:
        for number, devices in ((1, 2), (2, 2), (3, 0)):
            host = UUID(int=number)
            children = tuple(
                ProviderInventory(
                    UUID(int=100 * number + device), f"host-{number}-{device}", {"CUSTOM_NPU": Inventory(1)}
                )
                for device in range(devices)
            )
            placement.sync_host(session, HostInventory(host, f"host-{number}", SIZE, children=children))
        placement.set_host_available(session, UUID(int=1), False)


def ask(client: httpx.Client, query: str) -> dict[str, Any]:
    answer = client.get(f"/kcloud/v1/explain?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["explanation"]
    return found


@pytest.mark.usefixtures("hosts")
def test_a_flavors_device_profile_is_part_of_what_is_asked(cloud: Cloud) -> None:
    profile = {"name": "three-npus", "groups": [{"resources:CUSTOM_NPU": "3"}]}
    made = cloud.client().post("/accelerator/v2/device_profiles", json=[profile])
    assert made.status_code == 201, made.text
    flavor = make_flavor(cloud.client(), **{"accel:device_profile": "three-npus"})
    found = ask(cloud.client(), f"flavor={flavor}")
    assert found["remaining"] == 0
    assert "CUSTOM_NPU" in found["message"]


@pytest.mark.usefixtures("hosts")
def test_an_operator_sees_what_removed_whom_and_the_nearest_miss_with_numbers(cloud: Cloud) -> None:
    found = ask(cloud.client(), "resources=VCPU:1,CUSTOM_NPU:2&limit=2")
    assert (found["hosts"], found["remaining"]) == (3, 0)
    assert found["message"] == (
        "1 host is down; 1 host has no CUSTOM_NPU; 1 host has 2 CUSTOM_NPU free only in several devices "
        "together. What would help: ask for CUSTOM_NPU in several numbered groups "
        "(resources1:CUSTOM_NPU=1, resources2:CUSTOM_NPU=1), or for less."
    )
    told = [(one["code"], one["removed"], one["remaining"]) for one in found["constraints"]]
    assert [one for one in told if one[1]] == [
        ("host_down", 1, 2), ("resource_class_absent", 1, 1), ("not_in_one_provider", 1, 0),
    ]  # fmt: skip
    nearest, second = found["nearest_misses"]
    assert nearest["host"] == {"id": str(UUID(int=2)), "name": "host-2"}
    assert nearest["has"] == [1, 1]
    assert nearest["message"] == "needs 2 CUSTOM_NPU from one provider, has 1+1"
    assert second["host"]["name"] == "host-1"
    assert [one["code"] for one in second["also"]] == ["not_in_one_provider"]


@pytest.mark.usefixtures("hosts")
def test_a_tenant_reads_the_same_counts_and_no_host_and_no_amount_of_one(cloud: Cloud) -> None:
    query = "resources=VCPU:1,CUSTOM_NPU:2"
    told, seen = (ask(cloud.client(who), query) for who in ("demo", "admin"))
    assert told["constraints"] == seen["constraints"]
    assert told["message"] == seen["message"]
    assert "host-" not in str(told)
    assert not any(str(UUID(int=number)) in str(told) for number in (1, 2, 3))
    assert all(one.keys().isdisjoint({"host", "has"}) for one in told["nearest_misses"])


@pytest.mark.usefixtures("hosts")
def test_a_tenant_may_not_ask_about_one_host_or_an_aggregate(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    for query in (
        f"resources=VCPU:1&in_tree={UUID(int=2)}",
        f"resources1=VCPU:1&member_of1={UUID(int=2)}",
        f"resources=VCPU:1&member_of=!{UUID(int=2)}",
    ):
        assert demo.get(f"/kcloud/v1/explain?{query}").status_code == 403
        assert cloud.client().get(f"/kcloud/v1/explain?{query}").status_code == 200
    assert cloud.anonymous().get("/kcloud/v1/explain?resources=VCPU:1").status_code == 401


@pytest.mark.usefixtures("hosts")
def test_a_name_that_there_is_not_is_an_error_to_operators_and_tells_tenants_nothing(cloud: Cloud) -> None:
    query = "resources=VCPU:1&required=CUSTOM_NO_SUCH"
    refused = cloud.client().get(f"/kcloud/v1/explain?{query}")
    assert (refused.status_code, "CUSTOM_NO_SUCH" in refused.text) == (400, True)
    assert ask(cloud.client("demo"), query)["remaining"] == 0


@pytest.mark.usefixtures("hosts")
def test_what_can_be_served_is_explained_too_and_down_hosts_count_when_asked_for(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    fits = ask(demo, "resources=VCPU:1")
    assert fits["message"] == "2 of 3 hosts can serve this; 1 host is down."
    assert fits["help"] == ""
    assert ask(demo, "resources=VCPU:1&all_hosts=true")["message"] == "Every host can serve this: 3."


@pytest.mark.usefixtures("hosts")
def test_a_flavor_is_explained_as_it_would_be_placed(cloud: Cloud) -> None:
    flavor = make_flavor(cloud.client(), "npus", resources__CUSTOM_NPU="3")
    found = ask(cloud.client("demo"), f"flavor={flavor}")
    assert "is too small for 3 CUSTOM_NPU, even with nothing in use" in str(found["message"])
    assert cloud.client("demo").get("/kcloud/v1/explain?flavor=none").status_code == 404


@pytest.mark.usefixtures("hosts")
def test_a_flavor_is_explained_by_its_name_to_whom_may_use_it(cloud: Cloud) -> None:
    admin, demo = cloud.client(), cloud.client("demo")
    make_flavor(admin, "npus", resources__CUSTOM_NPU="3")
    assert "too small for 3 CUSTOM_NPU" in str(ask(demo, "flavor=npus")["message"])
    flavor = {"name": "hidden", "ram": 256, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
    id_ = admin.post("/compute/v2.1/flavors", json={"flavor": flavor}).json()["flavor"]["id"]
    for named in ("hidden", id_):
        assert ask(admin, f"flavor={named}")["remaining"]
        refused = demo.get(f"/kcloud/v1/explain?flavor={named}")
        assert refused.status_code == 404
        assert f"Flavor {named} could not be found." in refused.text


def test_a_cloud_without_hosts_is_explained(cloud: Cloud) -> None:
    found = ask(cloud.client("demo"), "resources=VCPU:1")
    assert (found["hosts"], found["message"]) == (0, "This cloud has no host yet.")


@pytest.mark.parametrize(
    "query",
    [
        "", "resources=VCPU", "resources=VCPU:1&limit=101", "resources=VCPU:1&limit=-1",
        "resources=VCPU:1&limit=x", "resources=VCPU:1&all_hosts=perhaps", "nonsense=1",
        "resources=VCPU:1&flavor=1", "resources1=VCPU:1&resources2=VCPU:1",
        "&".join(f"resources{n}=VCPU:1" for n in range(33)) + "&group_policy=none",
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused(cloud: Cloud, query: str) -> None:
    assert cloud.client("demo").get(f"/kcloud/v1/explain?{query}").status_code == 400


def kcloud(cloud: Cloud, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, as the administrator of this cloud calls it."""
    auth = {
        "auth_url": f"{cloud.url}/identity/v3", "username": "admin", "password": cloud.passwords.admin,
        "project_name": "admin",
    }  # fmt: skip
    (folder / "clouds.yaml").write_text(json.dumps({"clouds": {"kcloud-admin": {"auth": auth}}}))
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml")}
    environment.pop("OS_CLOUD", None)
    command = [sys.executable, "-c", "import sys; from kcloud_cli.main import main; sys.exit(main())"]
    return subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("hosts")
def test_the_command_prints_the_ledger_and_the_nearest_misses(cloud: Cloud, tmp_path: Path) -> None:
    told = kcloud(cloud, tmp_path, "explain", "resources=VCPU:1,CUSTOM_NPU:2", "--limit", "2")
    assert told.returncode == 1
    assert told.stdout.splitlines() == [
        "3 hosts, of which 0 can serve this.",
        "",
        "REMOVED  LEFT  REASON                 THESE HOSTS",
        "1        2     host_down              is down",
        "1        1     resource_class_absent  has no CUSTOM_NPU",
        "1        0     not_in_one_provider    has 2 CUSTOM_NPU free only in several devices together",
        "",
        "NEAREST  REASON               THIS HOST",
        "host-2   not_in_one_provider  needs 2 CUSTOM_NPU from one provider, has 1+1",
        "host-1   host_down            is down; also has 2 CUSTOM_NPU free only in several devices together",
        "",
        "What would help: ask for CUSTOM_NPU in several numbered groups (resources1:CUSTOM_NPU=1, "
        "resources2:CUSTOM_NPU=1), or for less.",
    ]
    refused = kcloud(cloud, tmp_path, "explain", "resources=NOTHING:1")
    assert (refused.returncode, "NOTHING" in refused.stderr) == (1, True)
    assert kcloud(cloud, tmp_path, "explain", "resources=VCPU:1").returncode == 0
    assert kcloud(cloud, tmp_path, "explain").returncode == 2
