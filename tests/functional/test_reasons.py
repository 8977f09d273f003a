"""Why a server found no host: what its tenant reads, and what an operator sees."""

from typing import Any

import pytest

from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent, gpu
from tests.functional.servers import Tenant, eventually, make_flavor, make_image


@pytest.fixture
def tenant(cloud: Cloud) -> Tenant:
    demo = cloud.client("demo")
    return Tenant(demo, make_flavor(cloud.client()), make_image(demo))


@pytest.fixture
def agent(cloud: Cloud) -> ScriptedAgent:
    made = ScriptedAgent.enrol(cloud.client(), "host-1", [gpu()])
    made.report()
    return made


def fault(tenant: Tenant) -> dict[str, Any]:
    server = tenant.boot()
    found: dict[str, Any] = tenant.wait(server, "ERROR")["fault"]
    return found


def test_a_disabled_host_is_not_ready_and_a_silent_one_is_down(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    from kcloud_api.hosts import service as hosts

    path = f"/kcloud/v1/hosts/{agent.host_id}"
    assert cloud.client().patch(path, json={"enabled": False}).status_code == 200
    assert "is not ready for new servers" in fault(tenant)["message"]
    agent.devices = []
    agent.open_session()
    agent.report()
    assert "is not ready for new servers" in fault(tenant)["message"], "what it reports changes nothing"
    with cloud.database.transaction() as session:
        assert hosts.mark_silent(session, -1) == ("host-1",)
    assert "is down" in fault(tenant)["message"]
    agent.open_session()
    assert "is not ready for new servers" in fault(tenant)["message"], "it is back, and still disabled"


def test_a_server_without_a_host_is_told_why_and_only_operators_read_names(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    other = ScriptedAgent.enrol(cloud.client(), "host-2", [])
    other.report()
    tenant.flavor = make_flavor(cloud.client(), "two-gpus", resources__PGPU="2")
    found = fault(tenant)
    assert found["message"] == (
        "No valid host was found. 1 host has no PGPU; 1 host is too small for 2 PGPU, even with nothing in "
        "use. What would help: ask for less PGPU, or have a larger host added."
    )
    assert "details" not in found
    (server,) = tenant.client.get("/compute/v2.1/servers").json()["servers"]
    shown = cloud.client().get(f"/compute/v2.1/servers/{server['id']}").json()["server"]["fault"]
    assert shown["details"].splitlines() == [
        "2 hosts:",
        "  1 has no PGPU [resource_class_absent], 1 left",
        "  1 is too small for 2 PGPU, even with nothing in use [resource_class_too_small], 0 left",
        "Nearest misses:",
        "  host-1: resource_class_too_small: needs 2 PGPU, has 1 in all",
        "  host-2: resource_class_absent: has no PGPU",
    ]


def test_a_host_that_becomes_free_meanwhile_gets_the_server(
    cloud: Cloud, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the search and its explanation a host appears: nobody is told that there is none."""
    from kcloud_api.placement import explaining

    explain = explaining.ledger
    arrived: list[ScriptedAgent] = []

    def explained_late(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - whatever the real one takes
        if not arrived:
            arrived.append(ScriptedAgent.enrol(cloud.client(), "host-1"))
            arrived[0].report()
        return explain(*args, **more)

    monkeypatch.setattr(explaining, "ledger", explained_late)
    server = tenant.boot()
    tenant.wait(server, "BUILD")
    eventually(lambda: arrived and arrived[0].pull().servers, bool)
    assert "fault" not in tenant.show(server)


def test_a_server_whose_search_is_too_hard_is_told_so_and_keeps_no_other_waiting(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    admin = cloud.client()
    admin.headers["OpenStack-API-Version"] = "placement 1.39"
    admin.put("/placement/resource_classes/CUSTOM_PIECE").raise_for_status()
    size = 87_381
    for number in range(2):
        body = {"name": f"shelf-{number}", "parent_provider_uuid": str(agent.host_id)}
        shelf = admin.post("/placement/resource_providers", json=body).json()["uuid"]
        stock = {"resource_provider_generation": 0, "inventories": {"CUSTOM_PIECE": {"total": 3 * size + 2}}}
        admin.put(f"/placement/resource_providers/{shelf}/inventories", json=stock).raise_for_status()
    # Different multiples of 3 that fill two shelves which lose what is left of 3: only trying shows it.
    parts = [size // 18 + 7 * number**2 % 1009 for number in range(31)]
    parts.append(2 * size + 1 - sum(parts))
    pieces = {f"resources_{at}__CUSTOM_PIECE": str(3 * part) for at, part in enumerate(parts)}
    easy = tenant.flavor
    tenant.flavor = make_flavor(cloud.client(), "pieces", group_policy="none", **pieces)
    assert fault(tenant)["message"].startswith("It takes too long")
    tenant.flavor = easy
    server = tenant.boot()
    assert eventually(
        lambda: tenant.show(server)["OS-EXT-STS:task_state"], lambda state: state != "scheduling"
    )
    assert tenant.show(server)["status"] != "ERROR"
