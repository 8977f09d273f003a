"""Why a server found no host: what its tenant reads, and what an operator sees."""

from typing import Any

import pytest

from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent, gpu
from tests.functional.servers import Tenant, make_flavor, make_image


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
