"""Cyborg's API over HTTP: cards as devices, deployables and attributes, and device profiles."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.cyborg import cards as reading
from kcloud_api.accelerator.cyborg import profiles
from kcloud_api.accelerator.cyborg.cards import CardQuery
from kcloud_api.accelerator.cyborg.profiles import NewProfile
from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.compute import accelerator_requests
from kcloud_api.compute.accelerator_requests import RequestQuery
from kcloud_api.compute.states import State
from kcloud_api.compute.tables import ServerRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.placement import service as placement
from kcloud_api.placement.inventory import HostInventory
from kcloud_api.scheduler.profiles import as_extra_specs
from kcloud_common.errors import AlreadyExists, NotFound
from kcloud_common.wire import CardReport, DeviceReport, SliceKind
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import gpu, vgpus

HOST, OTHER = UUID(int=1), UUID(int=2)
NEWEST = {"OpenStack-API-Version": "accelerator 2.3"}
V2 = "/accelerator/v2"
GROUPS: list[dict[str, Any]] = [{"resources:PGPU": "1", "trait:CUSTOM_GPU_H100": "required"}]


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("identity", "accelerator")


@pytest.fixture
def cards(cloud: Cloud) -> dict[str, str]:
    """A whole GPU and a cut one on one host, an NPU on another: ids by what they are."""
    with cloud.database.transaction() as session:
        placement.sync_host(session, HostInventory(HOST, "h1", {}))
        placement.sync_host(session, HostInventory(OTHER, "h2", {}))
        accelerator.sync_devices(session, HOST, [gpu(), *vgpus(4, "pci_0000_61_00_0")])
        accelerator.sync_devices(session, OTHER, [npu()])
        card = CardReport(
            name="pci_0000_61_00_0", address="0000:61:00.0", vendor_id="10de", product_id="26b9",
            model="L40S", serial="123", memory_mib=49152,
        )  # fmt: skip
        accelerator.sync_cards(session, HOST, [card])
    found = {"gpu": (HOST, "pci_0000_41_00_0"), "cut": (HOST, "pci_0000_61_00_0"), "npu": (OTHER, "npu0")}
    return {name: str(provider_id(*where)) for name, where in found.items()}


def npu() -> DeviceReport:
    return DeviceReport(
        name="npu0", addresses=("0000:01:00.0",), vendor_id="1ed2", product_id="0001",
        resource_class="CUSTOM_NPU", traits=("CUSTOM_FURIOSAAI_RNGD",),
    )  # fmt: skip


def fault(answer: httpx.Response) -> str:
    """What an answer complains of, out of JSON inside JSON."""
    said: str = json.loads(answer.json()["error_message"])["faultstring"]
    return said


def ids(answer: httpx.Response, name: str) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {view["uuid"] for view in answer.json()[name]}


def test_version_documents_are_for_everybody_and_headers_say_the_range(cloud: Cloud) -> None:
    anybody = cloud.anonymous()
    root = anybody.get("/accelerator").json()
    assert root["versions"] == [root["default_version"]]
    assert (root["default_version"]["id"], root["default_version"]["max_version"]) == ("v2", "2.3")
    for path in (V2, V2 + "/"):
        answer = anybody.get(path)
        told = answer.json()
        assert (told["id"], told["min_version"], told["max_version"]) == ("v2.0", "2.0", "2.3")
        assert told["links"] == [{"rel": "self", "href": f"{cloud.url}{V2}"}]
        assert answer.headers["OpenStack-API-Version"] == "accelerator 2.0"
        assert answer.headers["OpenStack-API-Maximum-Version"] == "2.3"
    assert anybody.get(V2, headers=NEWEST).headers["OpenStack-API-Version"] == "accelerator 2.3"
    for wrong in ("accelerator 2.4", "accelerator 1.0", "accelerator x"):
        refused = anybody.get(V2, headers={"OpenStack-API-Version": wrong})
        assert refused.status_code == 406
        assert fault(refused)


def test_cards_are_devices_with_their_host_and_status_since_2_3(cloud: Cloud, cards: dict[str, str]) -> None:
    admin = cloud.client()
    assert ids(admin.get(f"{V2}/devices"), "devices") == set(cards.values())
    old = admin.get(f"{V2}/devices/{cards['cut']}").json()
    assert "status" not in old
    cut = admin.get(f"{V2}/devices/{cards['cut']}", headers=NEWEST).json()
    assert cut == {**old, "status": "enabled"}
    assert (cut["type"], cut["vendor"], cut["model"], cut["hostname"]) == ("GPU", "10de", "L40S", "h1")
    assert json.loads(cut["std_board_info"]) == {"product_id": "26b9", "address": "0000:61:00.0"}
    assert json.loads(cut["vendor_board_info"]) == {"serial": "123", "memory_mib": 49152}
    assert cut["links"] == [{"rel": "self", "href": f"{cloud.url}{V2}/devices/{cards['cut']}"}]


def test_lists_of_cards_are_narrowed(cloud: Cloud, cards: dict[str, str]) -> None:
    admin = cloud.client()
    queries: dict[str, set[str]] = {
        "type=GPU": {"gpu", "cut"},
        "type=AICHIP": {"npu"},
        "type=QAT": set(),
        "vendor=1ed2": {"npu"},
        "hostname=h1": {"gpu", "cut"},
        "hostname=nowhere": set(),
        "vendor=10de&hostname=h2": set(),
        "filters.field=hostname&filters.value=h2": {"npu"},
    }
    for query, wanted in queries.items():
        for name in ("devices", "deployables"):
            found = ids(admin.get(f"{V2}/{name}?{query}"), name)
            assert found == {cards[each] for each in wanted}, query


def test_lists_of_cards_come_in_pages(cloud: Cloud, cards: dict[str, str]) -> None:
    admin, found, url = cloud.client(), [], f"{V2}/devices?limit=2"
    pages = 0
    while url:
        page = admin.get(url).json()
        found += [view["uuid"] for view in page["devices"]]
        url = page.get("devices_links", [{"href": ""}])[0]["href"]
        pages += 1
    assert (pages, found) == (2, sorted(cards.values()))


def test_deployables_say_how_many_accelerators_a_card_gives(cloud: Cloud, cards: dict[str, str]) -> None:
    admin = cloud.client()
    cut = admin.get(f"{V2}/deployables/{cards['cut']}").json()
    assert (cut["name"], cut["num_accelerators"]) == ("h1_pci_0000_61_00_0", 4)
    assert (cut["device_id"], cut["rp_uuid"]) == (cards["cut"], cards["cut"])
    assert {"rc": "VGPU"} in json.loads(cut["attributes_list"])
    refused = admin.patch(f"{V2}/deployables/{cards['cut']}/program", json=[])
    assert refused.status_code == 403
    assert "FPGA" in fault(refused)


def test_attributes_are_classes_and_traits_and_each_is_found_by_its_id(
    cloud: Cloud, cards: dict[str, str]
) -> None:
    admin = cloud.client()
    listed = admin.get(f"{V2}/attributes").json()["attributes"]
    assert len({view["uuid"] for view in listed}) == len(listed)
    for view in listed:
        assert admin.get(f"{V2}/attributes/{view['uuid']}").json() == view
    of_gpu = admin.get(f"{V2}/attributes?deployable_id={cards['gpu']}").json()["attributes"]
    assert [(view["key"], view["value"]) for view in of_gpu] == [
        ("rc", "PGPU"),
        ("trait0", "CUSTOM_GPU_H100"),
    ]
    classes = admin.get(f"{V2}/attributes?key=rc").json()["attributes"]
    assert {view["value"] for view in classes} == {"PGPU", "VGPU", "CUSTOM_NPU"}
    assert admin.post(f"{V2}/attributes", json={}).status_code == 403
    assert "hosts report" in fault(admin.delete(f"{V2}/attributes/{listed[0]['uuid']}"))


def test_what_there_is_not_is_not_found(cloud: Cloud, cards: dict[str, str]) -> None:
    admin = cloud.client()
    for name in ("devices", "deployables", "attributes", "device_profiles"):
        for unknown in (str(uuid4()), "nothing"):
            answer = admin.get(f"{V2}/{name}/{unknown}", headers=NEWEST)
            assert answer.status_code == 404
            assert unknown in fault(answer)


def test_hardware_is_for_operators(cloud: Cloud, cards: dict[str, str]) -> None:
    demo = cloud.client("demo")
    for name in ("devices", "deployables", "attributes"):
        assert demo.get(f"{V2}/{name}").status_code == 403
        assert demo.get(f"{V2}/{name}/{cards['gpu']}").status_code == 403


def test_a_device_profile_is_made_read_and_deleted(cloud: Cloud) -> None:
    admin, demo = cloud.client(headers=NEWEST), cloud.client("demo", headers=NEWEST)
    body = {"name": "h100", "groups": [{"resources: PGPU": 1, "trait:CUSTOM_GPU_H100": "required"}]}
    made = admin.post(f"{V2}/device_profiles", json=[body])
    assert made.status_code == 201, made.text
    profile = made.json()
    assert (profile["name"], profile["groups"], profile["description"]) == ("h100", GROUPS, None)
    alone = admin.post(f"{V2}/device_profiles", json={"name": "two", "groups": GROUPS, "description": "x"})
    assert alone.json()["description"] == "x"
    for called in (profile["uuid"], "h100"):
        assert demo.get(f"{V2}/device_profiles/{called}").json() == {"device_profile": profile}
    assert demo.get(f"{V2}/device_profiles").json() == {"device_profiles": [profile, alone.json()]}
    assert demo.get(f"{V2}/device_profiles?name=h100,three").json() == {"device_profiles": [profile]}
    again = admin.post(f"{V2}/device_profiles", json=[body])
    assert again.status_code == 409
    assert "h100 already exists" in fault(again)
    assert admin.delete(f"{V2}/device_profiles/{profile['uuid']}").status_code == 204
    assert admin.delete(f"{V2}/device_profiles/h100").status_code == 404
    assert admin.delete(f"{V2}/device_profiles?value=two,three").status_code == 404
    assert ids(demo.get(f"{V2}/device_profiles"), "device_profiles") == {alone.json()["uuid"]}
    assert admin.delete(f"{V2}/device_profiles?value=two").status_code == 204
    assert demo.get(f"{V2}/device_profiles").json() == {"device_profiles": []}


def test_before_2_2_a_device_profile_is_shown_by_its_id_only(cloud: Cloud) -> None:
    admin = cloud.client()
    made = admin.post(f"{V2}/device_profiles", json=[{"name": "h100", "groups": GROUPS}]).json()
    assert admin.get(f"{V2}/device_profiles/{made['uuid']}").status_code == 200
    refused = admin.get(f"{V2}/device_profiles/h100")
    assert refused.status_code == 406
    assert "2.2" in fault(refused)


def test_a_device_profile_that_makes_no_sense_is_refused_with_the_reason(cloud: Cloud) -> None:
    admin = cloud.client()
    for profile, said in (
        ({"groups": GROUPS}, "name needed"),
        ({"name": "a b", "groups": GROUPS}, "of the form"),
        ({"name": "x"}, "needs groups"),
        ({"name": "x", "groups": [{"resources:PGPU": "0"}]}, "0 is invalid"),
        ({"name": "x", "groups": "PGPU"}, "not of type"),
    ):
        answer = admin.post(f"{V2}/device_profiles", json=[profile])
        assert answer.status_code == 400
        assert said in fault(answer)


def test_only_operators_change_device_profiles(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    assert demo.post(f"{V2}/device_profiles", json=[{"name": "x", "groups": GROUPS}]).status_code == 403
    assert demo.delete(f"{V2}/device_profiles/x").status_code == 403
    assert cloud.client().post(f"{V2}/device_profiles", json=[]).status_code == 400


def test_what_is_read_is_the_same_on_each_database(any_database: Database) -> None:
    whole, cut = provider_id(HOST, "pci_0000_41_00_0"), provider_id(HOST, "pci_0000_61_00_0")
    server = uuid4()
    with any_database.transaction() as session:
        placement.sync_host(session, HostInventory(HOST, "h1", {}))
        accelerator.sync_devices(session, HOST, [gpu(), *vgpus(4, "pci_0000_61_00_0")])
        accelerator.claim(session, server, {whole: {"PGPU": 1}, cut: {"VGPU": 2}}, project_id="p")
        asked = as_extra_specs([{"resources:VGPU": "2"}, {"resources:PGPU": "1"}])
        flavor = {"id": "f", "name": "f", "vcpus": 1, "ram_mib": 1, "disk_gib": 0, "asked": asked}
        now = utcnow()
        session.add(
            ServerRow(
                id=server, project_id="p", user_id="u", name="s", state=State.BUILDING, flavor=flavor,
                device_profile="both", image_id=uuid4(), image={}, reservation_id="r", host_id=HOST,
                host_name="h1", created_at=now, updated_at=now,
            )
        )  # fmt: skip
        made = profiles.create_profile(session, NewProfile("both", GROUPS))
    with pytest.raises(AlreadyExists), any_database.transaction() as session:
        profiles.create_profile(session, NewProfile("both", GROUPS))
    with any_database.transaction() as session:
        query = CardQuery(limit=5, type="GPU", vendor="10de", host="h1")
        found, more = reading.card_page(session, query)
        assert ([card.id for card in found], more) == (sorted([whole, cut]), False)
        rest, _ = reading.card_page(session, CardQuery(limit=5, marker=found[0].id))
        assert rest == found[1:]
        assert reading.classes_of_product(session, "10de", "2331", [SliceKind.WHOLE]) == ("PGPU",)
        listed, _ = accelerator_requests.request_page(session, RequestQuery(limit=5, project_id="p"))
        assert [(each.state, each.group) for each in listed] == [("BindStarted", 0)] * 2 + [
            ("BindStarted", 1)
        ]
        assert accelerator_requests.find_request(session, listed[0].id) == listed[0]
        assert accelerator_requests.request_page(session, RequestQuery(5, "other")) == ((), False)
        assert not accelerator_requests.awaits_place(session, server, "p")
        page = profiles.profile_page(session, names=None, limit=1, marker=None)
        assert page == ((made,), False)
        profiles.delete_profiles(session, ["both"])
        with pytest.raises(NotFound):
            profiles.get_profile(session, str(made.id))
