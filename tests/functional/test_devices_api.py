"""What operators see of devices over HTTP."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx
import pytest

from kcloud_api.accelerator import policies
from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.accelerator.routes import router
from kcloud_api.db.engine import Database
from kcloud_api.http import noauth
from kcloud_api.http.app import service_app
from kcloud_api.http.errors import kcloud_shape
from kcloud_api.http.policy import Enforcer
from kcloud_api.placement import service as placement
from kcloud_api.placement.inventory import HostInventory
from kcloud_common.config import Conf
from kcloud_common.wire import DeviceReport, DeviceState
from tests.functional.conftest import Serve

HOST = UUID(int=1)
SERVER = UUID(int=7)


@pytest.fixture
def client(database: Database, conf: Conf, serve: Serve) -> Iterator[httpx.Client]:
    app = service_app("kcloud", kcloud_shape)
    app.include_router(router, prefix="/v1")
    app.state.database = database
    app.state.conf = conf
    app.state.authenticate = noauth.authenticate
    app.state.enforcer = Enforcer(policies.RULES)
    with database.transaction() as session:
        placement.sync_host(session, HostInventory(HOST, "h1", {}))
        accelerator.sync_devices(session, HOST, [device("a"), device("b", DeviceState.QUARANTINED)])
        accelerator.claim(session, SERVER, {provider_id(HOST, "a"): {"PGPU": 1}})
    with httpx.Client(base_url=serve(app), headers={"X-Auth-Token": "admin"}) as made:
        yield made


def device(name: str, state: DeviceState = DeviceState.FREE) -> DeviceReport:
    return DeviceReport(
        name=name, addresses=("0000:01:00.0",), vendor_id="10de", product_id="2330",
        resource_class="PGPU", state=state, reason="" if state is DeviceState.FREE else "would not reset",
    )  # fmt: skip


def test_an_operator_sees_devices_with_host_state_and_holder(client: httpx.Client) -> None:
    (held, bad) = client.get("/v1/devices").json()["devices"]
    assert (held["host"], held["name"], held["claim"]["server_id"]) == ("h1", "a", str(SERVER))
    assert (bad["state"], bad["reason"], bad["claim"]) == ("quarantined", "would not reset", None)
    assert client.get(f"/v1/devices/{held['id']}").json() == {"device": held}
    assert client.get("/v1/devices?host=h1&state=quarantined").json() == {"devices": [bad]}
    assert client.get("/v1/devices?host=other").json() == {"devices": []}


def test_a_tenant_sees_no_device_and_a_stranger_none(client: httpx.Client) -> None:
    assert client.get("/v1/devices", headers={"X-Auth-Token": "demo"}).status_code == 403
    assert client.get("/v1/devices", headers={"X-Auth-Token": ""}).status_code == 401
    for unknown in (uuid4(), "no-uuid"):
        assert client.get(f"/v1/devices/{unknown}").status_code == 404


def test_devices_come_in_pages_of_a_thousand_at_most_and_are_narrowed_first(
    client: httpx.Client, database: Database
) -> None:
    with database.transaction() as session:
        for number in (2, 3):
            host = UUID(int=number)
            placement.sync_host(session, HostInventory(host, f"h{number}", {}))
            accelerator.sync_devices(session, host, [device(f"d{index}") for index in range(4)])
    everything = client.get("/v1/devices").json()
    assert len(everything["devices"]) == 10
    assert "devices_links" not in everything

    def pages(query: str) -> list[list[str]]:
        found, url = [], f"/v1/devices?{query}"
        while url:
            page = client.get(url).json()
            found.append([f"{one['host']} {one['name']}" for one in page["devices"]])
            url = page.get("devices_links", [{}])[0].get("href", "")
        return found

    assert [len(page) for page in pages("limit=4")] == [4, 4, 2]
    assert [name for page in pages("limit=4") for name in page] == [
        f"{one['host']} {one['name']}" for one in everything["devices"]
    ]
    assert pages("limit=2&host=h3") == [["h3 d0", "h3 d1"], ["h3 d2", "h3 d3"]]
    assert pages(f"limit=3&host={UUID(int=2)}&state=free") == [["h2 d0", "h2 d1", "h2 d2"], ["h2 d3"]]


@pytest.mark.parametrize(
    "query", ["limit=-1", f"limit={'9' * 5000}", "limit=x", "marker=x", f"marker={SERVER}"]
)
def test_a_page_that_cannot_be_is_refused(client: httpx.Client, query: str) -> None:
    assert client.get(f"/v1/devices?{query}").status_code == 400
