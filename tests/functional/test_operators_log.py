"""What the control plane's log says of acts: which device a server got, what operators wanted of which."""

import logging
from collections.abc import Mapping

import pytest

from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import Obeying, ScriptedAgent, gpu
from tests.functional.servers import Tenant, make_flavor, make_image

GPU = "pci_0000_81_00_0"


@pytest.fixture(autouse=True)
def _talkative(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kcloud_api")


def said(caplog: pytest.LogCaptureFixture, event: str) -> list[Mapping[str, object]]:
    return [vars(record) for record in caplog.records if record.getMessage() == event]


def test_the_log_names_the_devices_that_a_server_was_placed_with(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    admin = cloud.client()
    agent = ScriptedAgent.enrol(admin, "host-1", [gpu(GPU, "0000:81:00.0")])
    agent.report()
    image = make_image(admin, visibility="public")
    demo = cloud.client("demo")
    plain = Tenant(demo, make_flavor(admin, "plain"), image)
    with_gpu = Tenant(demo, make_flavor(admin, "gpu", resources__PGPU="1"), image)
    with Obeying(agent):
        servers = [tenant.boot() for tenant in (plain, with_gpu)]
        for tenant, server in zip((plain, with_gpu), servers, strict=True):
            tenant.wait(server, "ACTIVE")
    devices = {line["server_id"]: line.get("devices") for line in said(caplog, "server_placed")}
    assert devices == {servers[0]: None, servers[1]: GPU}


def test_the_log_tells_what_an_operator_wanted_of_a_device_and_why(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    admin = cloud.client()
    ScriptedAgent.enrol(admin, "host-1", [gpu(GPU, "0000:81:00.0")]).report()
    (device,) = admin.get("/kcloud/v1/devices").json()["devices"]
    actions: tuple[dict[str, object], ...] = (
        {"quarantine": {"reason": "it smells"}},
        {"release": {}},
        {"maintenance": True},
        {"maintenance": False},
    )
    for action in actions:
        answer = admin.post(f"/kcloud/v1/devices/{device['id']}/action", json=action)
        assert answer.status_code == 202, answer.text
    lines = said(caplog, "device_wish")
    wishes = [("quarantine", "it smells"), ("release", None), ("maintenance", None), ("use", None)]
    assert [(line["wish"], line.get("reason")) for line in lines] == wishes
    assert {(line["device"], line["device_id"]) for line in lines} == {(GPU, device["id"])}


def test_the_log_tells_of_layouts_and_of_hosts_that_are_disabled_and_deleted(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    admin = cloud.client()
    host = f"/kcloud/v1/hosts/{ScriptedAgent.enrol(admin, 'host-1', []).host_id}"
    body = {"name": "whole", "target": {"kind": "all"}, "cards": [{"match": "known", "cuts": []}]}
    made = admin.post("/kcloud/v1/layouts", json=body)
    assert made.status_code == 201, made.text
    layout = f"/kcloud/v1/layouts/{made.json()['layout']['id']}"
    assert admin.patch(layout, json={"cards": body["cards"]}).status_code == 200
    assert admin.delete(layout).status_code == 204
    told = [line for event in ("made", "changed", "removed") for line in said(caplog, f"layout_{event}")]
    assert [(line["layout"], line["version"], line["target"]) for line in told] == [
        ("whole", 1, "all"),
        ("whole", 2, "all"),
        ("whole", 2, "all"),
    ]
    assert admin.patch(host, json={"enabled": False, "reason": "a fan"}).status_code == 200
    assert admin.delete(host).status_code == 204
    assert [line["reason"] for line in said(caplog, "host_disabled")] == ["a fan"]
    assert [line["host"] for line in said(caplog, "host_deleted")] == ["host-1"]
