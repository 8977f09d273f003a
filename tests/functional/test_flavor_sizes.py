"""How large a slice is, in the flavors that name it in any of their ways; and what PCI aliases name."""

from collections.abc import Iterable
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.cyborg.profiles import NewProfile, create_profile
from kcloud_api.compute.flavors.service import FlavorRecord
from kcloud_api.compute.flavors.slices import slice_specs
from kcloud_api.db.engine import Database
from kcloud_api.scheduler.aliases import read_aliases
from kcloud_common.wire import DeviceReport
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import Obeying, ScriptedAgent, vgpus
from tests.functional.servers import NEWEST, Tenant, make_flavor, make_image

HOST = UUID(int=7)
LINES = (
    '{"name": "mi300x", "vendor_id": "1002", "product_id": "74a1", "device_type": "type-PF"}',
    '{"name": "mi300x-vf", "vendor_id": "1002", "product_id": "74b5", "device_type": "type-VF"}',
    '{"name": "card-s-ids", "vendor_id": "1002", "product_id": "74a1", "device_type": "type-VF"}',
    '{"name": "quarter", "resource_class": "VGPU"}',
    '{"name": "half", "resource_class": "CUSTOM_HALF", "vendor_id": "1002", "product_id": "74b5",'
    ' "device_type": "type-VF"}',
    '{"name": "nowhere", "vendor_id": "dead", "product_id": "beef"}',
)


def functions(count: int, **facts: object) -> list[DeviceReport]:
    """An MI300X that is cut into virtual functions, which have another product's id than their card."""
    return [
        DeviceReport.model_validate(
            {
                "name": f"pci_0000_c1_02_{number}", "card": "pci_0000_c1_00_0", "kind": "vf",
                "vendor_id": "1002", "product_id": "74b5", "addresses": (f"0000:c1:02.{number}",),
                "resource_class": "CUSTOM_MI300X_VF", "share": 1000 // count, "memory_mib": 24576,
                "traits": ("CUSTOM_PCI_1002_74A1", "CUSTOM_PCI_1002_74B5"), **facts,
            }
        )
        for number in range(count)
    ]  # fmt: skip


def whole() -> DeviceReport:
    return DeviceReport(
        name="pci_0000_d1_00_0", addresses=("0000:d1:00.0",), vendor_id="1002", product_id="74a1",
        resource_class="PGPU", traits=("CUSTOM_PCI_1002_74A1",), memory_mib=196608,
    )  # fmt: skip


def said(share: int, memory: int) -> dict[str, str]:
    return {"kcloud:slice_share": str(share), "kcloud:slice_memory_mib": str(memory)}


def sizes(database: Database, asked: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    records = [FlavorRecord(str(n), f"f{n}", 1, 256, 1, extra_specs=specs) for n, specs in enumerate(asked)]
    with database.reading() as session:
        found = slice_specs(session, records, read_aliases(LINES))
    return [dict(found[record.id]) for record in records]


def test_a_flavor_says_how_large_its_slice_is_whichever_way_it_asks(any_database: Database) -> None:
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, [*vgpus(4), *functions(8), whole()])
        for name, group in (
            ("quarters", {"resources:VGPU": "2", "trait:CUSTOM_FAST": "required"}),
            ("mixed", {"resources:VGPU": "1", "resources:PGPU": "1"}),
        ):
            create_profile(session, NewProfile(name, [group]))
    quarter, eighth, card = said(250, 12288), said(125, 24576), said(1000, 196608)
    expected: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"resources:VGPU": "1"}, quarter),
        ({"accel:device_profile": "quarters"}, quarter),
        ({"accel:device_profile": "quarters", "resources:VGPU": "1"}, quarter),
        ({"accel:device_profile": "quarters", "pci_passthrough:alias": "quarter:2"}, quarter),
        ({"accel:device_profile": "mixed"}, {}),
        ({"accel:device_profile": "gone"}, {}),
        ({"pci_passthrough:alias": "quarter:1"}, quarter),
        ({"pci_passthrough:alias": "mi300x:1"}, card),
        ({"pci_passthrough:alias": "mi300x-vf:3"}, eighth),
        ({"pci_passthrough:alias": "mi300x:1,mi300x-vf:1"}, {}),
        ({"pci_passthrough:alias": "card-s-ids:1"}, {}),
        ({"pci_passthrough:alias": "half:1"}, {}),
        ({"pci_passthrough:alias": "nowhere:1"}, {}),
        ({"pci_passthrough:alias": "mi300x-vf:1,nowhere:1"}, {}),
        ({"pci_passthrough:alias": "unheard-of:1"}, {}),
        ({"pci_passthrough:alias": "no sense"}, {}),
        ({"hw:numa_nodes": "2"}, {}),
    ]
    assert sizes(any_database, [asked for asked, _ in expected]) == [size for _, size in expected]


def test_slices_of_a_product_that_are_not_alike_have_no_one_size(any_database: Database) -> None:
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, functions(8))
        accelerator.sync_devices(session, UUID(int=8), functions(2, memory_mib=98304))
    assert sizes(any_database, [{"pci_passthrough:alias": "mi300x-vf:1"}]) == [{}]
    with any_database.transaction() as session:
        accelerator.sync_devices(session, UUID(int=8), [])
    assert sizes(any_database, [{"pci_passthrough:alias": "mi300x-vf:1"}]) == [said(125, 24576)]


def test_a_page_of_flavors_takes_as_many_questions_as_one_flavor(any_database: Database) -> None:
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, [*vgpus(4), *functions(8), whole()])
        for number in range(20):
            create_profile(session, NewProfile(f"p{number}", [{"resources:VGPU": str(number + 1)}]))
    asked: list[str] = []
    event.listen(any_database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    one = [{"accel:device_profile": "p1", "pci_passthrough:alias": "mi300x:1"}]
    sizes(any_database, one)
    few = len(asked)
    many = [
        {"accel:device_profile": f"p{n}", "pci_passthrough:alias": f"{name}:1"}
        for n in range(20)
        for name in ("mi300x", "mi300x-vf", "nowhere", "quarter")
    ]
    sizes(any_database, many)
    assert len(asked) == 2 * few


# --- over HTTP ------------------------------------------------------------------------------------------


@pytest.fixture
def options() -> tuple[str, ...]:
    return tuple(f"pci.alias={line}" for line in LINES)


def test_an_alias_for_virtual_functions_names_their_own_ids_and_one_for_cards_the_card_s(
    cloud: Cloud,
) -> None:
    admin = cloud.client()
    agent = ScriptedAgent.enrol(admin, "h1", [*functions(2), whole()])
    agent.report()
    tenant = Tenant(cloud.client("demo"), "", make_image(admin, visibility="public"))
    got: dict[str, list[str]] = {}
    for alias in ("mi300x-vf", "mi300x"):
        tenant.flavor = make_flavor(admin, alias, pci_passthrough__alias=f"{alias}:1")
        server = tenant.boot(alias)
        with Obeying(agent):
            tenant.wait(server, "ACTIVE")
        got[alias] = [claim.device for claim in agent.want(server).claims]
    assert got["mi300x"] == ["pci_0000_d1_00_0"]
    assert len(got["mi300x-vf"]) == 1
    assert got["mi300x-vf"][0].startswith("pci_0000_c1_02_")
    tenant.flavor = make_flavor(admin, "wrong", pci_passthrough__alias="card-s-ids:1")
    refused: httpx.Response = tenant.ask()
    assert refused.status_code == 400
    assert "those that the virtual functions have themselves" in refused.text


def test_a_tenant_sees_the_size_of_what_an_alias_stands_for(cloud: Cloud) -> None:
    admin, demo = cloud.client(), cloud.client("demo")
    agent = ScriptedAgent.enrol(admin, "h1", functions(8))
    agent.report()
    flavor = make_flavor(admin, "vf", pci_passthrough__alias="mi300x-vf:1")
    shown = demo.get(f"/compute/v2.1/flavors/{flavor}", headers=NEWEST).json()["flavor"]["extra_specs"]
    listed = demo.get("/compute/v2.1/flavors/detail", headers=NEWEST).json()["flavors"]
    assert shown == {"pci_passthrough:alias": "mi300x-vf:1"} | said(125, 24576)
    assert shown == {each["id"]: each["extra_specs"] for each in listed}[flavor]
