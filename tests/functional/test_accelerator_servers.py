"""Servers that ask for accelerators in each of the ways that flavors have, and their accelerator requests."""

from typing import Any

import httpx
import pytest

from kcloud_common.wire import DeviceReport
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import Obeying, ScriptedAgent, vgpus
from tests.functional.servers import NEWEST, Tenant, make_flavor, make_image

V2 = "/accelerator/v2"
WHOLE = [f"pci_0000_{bus}_00_0" for bus in ("41", "42", "43", "44")]
CUT = "pci_0000_61_00_0"
FUNCTIONS = [f"pci_0000_81_00_{number}" for number in (1, 2)]
ALIASES = (
    '{"name": "h100", "vendor_id": "10DE", "product_id": "2331", "device_type": "type-PF"}',
    '{"name": "npu-vf", "vendor_id": "1ed2", "product_id": "0001", "device_type": "type-VF"}',
    '{"name": "any-gpu", "resource_class": "pgpu", "traits": "gpu_h100"}',
    '{"name": "none-here", "vendor_id": "dead", "product_id": "beef"}',
)


@pytest.fixture
def options() -> tuple[str, ...]:
    return tuple(f"pci.alias={line}" for line in ALIASES)


def devices() -> list[DeviceReport]:
    """Four whole GPUs, one that is cut in four, and two virtual functions of an NPU."""
    traits = ("CUSTOM_GPU_H100", "CUSTOM_PCI_10DE_2331")
    whole = [
        DeviceReport(
            name=name, addresses=(f"0000:{name[9:11]}:00.0",), vendor_id="10de", product_id="2331",
            resource_class="PGPU", traits=traits,
        )
        for name in WHOLE
    ]  # fmt: skip
    functions = [
        DeviceReport.model_validate(
            {
                "name": name, "card": "pci_0000_81_00_0", "kind": "vf", "vendor_id": "1ed2",
                "product_id": "0001", "addresses": (f"0000:81:00.{name[-1]}",), "share": 500,
                "resource_class": "CUSTOM_NPU_SLICE", "traits": ("CUSTOM_PCI_1ED2_0001",),
            }
        )
        for name in FUNCTIONS
    ]  # fmt: skip
    return [*whole, *vgpus(4, CUT, traits=("CUSTOM_PCI_10DE_26B9",)), *functions]


@pytest.fixture
def admin(cloud: Cloud) -> httpx.Client:
    return cloud.client(headers={"OpenStack-API-Version": "accelerator 2.3"})


@pytest.fixture
def agent(admin: httpx.Client) -> ScriptedAgent:
    made = ScriptedAgent.enrol(admin, "h1", devices())
    made.vcpus = 64
    made.report()
    return made


def make_profile(admin: httpx.Client, name: str, *groups: dict[str, Any]) -> None:
    answer = admin.post(f"{V2}/device_profiles", json=[{"name": name, "groups": list(groups)}])
    assert answer.status_code == 201, answer.text


def held(agent: ScriptedAgent, server_id: str) -> list[str]:
    return [claim.device for claim in agent.want(server_id).claims]


def arqs(client: httpx.Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"{V2}/accelerator_requests{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["arqs"]
    return found


def test_a_server_gets_its_device_whichever_way_its_flavor_asks_for_it(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    make_profile(
        admin,
        "both",
        {"resources:VGPU": "2"},
        {"resources:PGPU": "1", "trait:CUSTOM_PCI_10DE_2331": "required"},
    )
    gpus, mdevs = set(WHOLE), {device.name for device in vgpus(4, CUT)}
    ways: dict[str, tuple[str, list[set[str]]]] = {
        "accel__device_profile": ("both", [mdevs, mdevs, gpus]),
        "pci_passthrough__alias": ("h100:1, npu-vf:2", [gpus, set(FUNCTIONS), set(FUNCTIONS)]),
        "resources__PGPU": ("1", [gpus]),
        "resources__VGPU": ("1", [mdevs]),
        "resources__CUSTOM_NPU_SLICE": ("0", []),
    }
    tenant = Tenant(cloud.client("demo"), "", make_image(admin, visibility="public"))
    with Obeying(agent):
        for number, (key, (value, _)) in enumerate(ways.items()):
            tenant.flavor = make_flavor(admin, f"f{number}", **{key: value})
            tenant.wait(tenant.boot(f"s{number}"), "ACTIVE")
        tenant.flavor = make_flavor(admin, "by-class", pci_passthrough__alias="any-gpu:1")
        tenant.wait(tenant.boot("by-class"), "ACTIVE")
    found = {want.name: sorted(claim.device for claim in want.claims) for want in agent.pull().servers}
    for number, (_, wanted) in enumerate(ways.values()):
        got = found[f"s{number}"]
        assert len(got) == len(wanted)
        assert all(any(device in devices for devices in wanted) for device in got)
    taken = [device for each in found.values() for device in each]
    assert len(set(taken)) == len(taken) == 3 + 3 + 1 + 1 + 1


def test_a_server_by_a_profile_has_accelerator_requests_that_only_its_project_sees(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    make_profile(admin, "both", {"resources:PGPU": "1"}, {"resources:VGPU": "1"})
    flavor = make_flavor(admin, "f", accel__device_profile="both", resources__CUSTOM_NPU_SLICE="1")
    demo = cloud.client("demo")
    tenant = Tenant(demo, flavor, make_image(admin, visibility="public"))
    foreign = Tenant(admin, flavor, tenant.image)
    server, other = tenant.boot(), foreign.boot()
    resolved = f"?instance={server}&bind_state=resolved"
    assert demo.get(f"{V2}/accelerator_requests{resolved}").status_code == 423
    with Obeying(agent):
        tenant.wait(server, "ACTIVE")
        foreign.wait(other, "ACTIVE")
    mine = arqs(demo)
    assert {each["instance_uuid"] for each in mine} == {server}
    assert (
        arqs(demo, resolved)
        == mine
        == arqs(demo, f"?instance={server}")
        == arqs(demo, "?bind_state=resolved")
    )
    assert arqs(demo, f"?instance={other}") == []
    seen = [(each["device_profile_group_id"], each["attach_handle_type"], each["state"]) for each in mine]
    assert sorted(seen) == [(0, "PCI", "Bound"), (1, "MDEV", "Bound")]
    for each in mine:
        assert (each["device_profile_name"], each["project_id"]) == ("both", cloud.demo_project_id)
        assert (each["hostname"], each["device_rp_uuid"], each["attach_handle_info"]) == (None, None, {})
        assert demo.get(f"{V2}/accelerator_requests/{each['uuid']}").json() == each

    everything = arqs(admin)
    assert {each["instance_uuid"] for each in everything} == {server, other}
    pages = admin.get(f"{V2}/accelerator_requests?limit=1").json()
    rest = admin.get(pages["arqs_links"][0]["href"]).json()
    assert pages["arqs"] + rest["arqs"] == everything
    claims = {str(claim.id): claim for claim in agent.want(server).claims}
    for each in everything:
        if each["instance_uuid"] == other:
            assert demo.get(f"{V2}/accelerator_requests/{each['uuid']}").status_code == 404
            marker = demo.get(f"{V2}/accelerator_requests?marker={each['uuid']}")
            assert marker.status_code == 400, "another's is no marker"
            continue
        claim = claims[each["uuid"]]
        assert each["hostname"] == "h1"
        where = {"uuid": str(claim.mdev), "asked_type": "nvidia-558"}
        if claim.mdev is None:
            where = {"domain": "0000", "bus": claim.device[9:11], "device": "00", "function": "0"}
        assert each["attach_handle_info"] == where

    tenant.delete(server)
    with Obeying(agent):
        tenant.wait_gone(server)
    assert arqs(demo) == []
    assert {each["instance_uuid"] for each in arqs(admin)} == {other}


def test_clients_neither_make_nor_bind_nor_delete_accelerator_requests(cloud: Cloud) -> None:
    for client in (cloud.client(), cloud.client("demo")):
        for method in ("POST", "PATCH", "DELETE"):
            refused = client.request(method, f"{V2}/accelerator_requests?instance={cloud.demo_project_id}")
            assert refused.status_code == 403
            assert "follow servers" in refused.text
        for query in ("?instance=x", "?bind_state=started"):
            assert client.get(f"{V2}/accelerator_requests{query}").status_code == 400


def test_what_a_flavor_asks_for_in_vain_is_refused_with_its_name(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    make_profile(admin, "soon-gone", {"resources:PGPU": "1"})
    flavor = make_flavor(admin, "f")
    specs = f"/compute/v2.1/flavors/{flavor}/os-extra_specs"
    for key, value, said in (
        ("accel:device_profile", "nobody", "nobody could not be found"),
        ("pci_passthrough:alias", "nobody:1", "PCI alias nobody is not defined"),
        ("pci_passthrough:alias", "h100", "NAME:COUNT"),
        ("pci_passthrough:alias", "h100:0", "NAME:COUNT"),
        ("pci_passthrough:alias", "h100:60,any-gpu:60", "64 devices at most"),
    ):
        refused = admin.post(specs, json={"extra_specs": {key: value}})
        assert refused.status_code == 400
        assert said in refused.json()["badRequest"]["message"]
    assert admin.get(specs).json() == {"extra_specs": {}}

    tenant = Tenant(cloud.client("demo"), flavor, make_image(admin, visibility="public"))
    assert (
        admin.post(specs, json={"extra_specs": {"pci_passthrough:alias": "none-here:1"}}).status_code == 200
    )
    refused = tenant.ask()
    assert refused.status_code == 400
    assert "none-here: devices dead:beef (whole) are offered by no host" in refused.text

    gone = make_flavor(admin, "gone", accel__device_profile="soon-gone")
    tenant.flavor = gone
    waiting = tenant.boot()
    assert admin.delete(f"{V2}/device_profiles/soon-gone").status_code == 204
    refused = tenant.ask()
    assert refused.status_code == 400
    assert "soon-gone could not be found" in refused.text
    with Obeying(agent):
        tenant.wait(waiting, "ACTIVE")
    assert held(agent, waiting) == [WHOLE[0]]
    assert [each["device_profile_name"] for each in arqs(tenant.client)] == ["soon-gone"]

    make_profile(admin, "too-much", {"resources:PGPU": "2"})
    tenant.flavor = make_flavor(admin, "much", accel__device_profile="too-much")
    failed = tenant.wait(tenant.boot(), "ERROR")
    assert "PGPU" in failed["fault"]["message"]


def test_a_disabled_device_is_offered_to_nobody_until_it_is_enabled(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    by_address = {
        card["std_board_info"].split("0000:")[-1][:2]: card["uuid"]
        for card in admin.get(f"{V2}/devices?vendor=10de").json()["devices"]
    }
    card = by_address["41"]
    url = f"{V2}/devices/{card}"
    assert cloud.client("demo").post(f"{url}/disable").status_code == 403
    for _twice in range(2):
        assert admin.post(f"{url}/disable").status_code == 200
        assert admin.get(url).json()["status"] == "maintaining"
    assert [want.maintenance for want in agent.pull().devices if want.name == WHOLE[0]] == [True]
    stock = admin.get(f"/placement/resource_providers/{card}/inventories", headers=NEWEST).json()
    assert stock["inventories"]["PGPU"]["reserved"] == 1
    assert admin.post(f"{url}/enable").status_code == 200
    assert admin.get(url).json()["status"] == "enabled"
    stock = admin.get(f"/placement/resource_providers/{card}/inventories", headers=NEWEST).json()
    assert stock["inventories"]["PGPU"]["reserved"] == 0
    assert admin.post(f"{V2}/devices/{cloud.demo_project_id}/enable").status_code == 404
