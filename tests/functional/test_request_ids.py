"""One request id follows a server through API, controller and host, for whoever reads their logs."""

from collections.abc import Iterator

import pytest

from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent
from tests.functional.servers import Tenant, eventually, make_flavor, make_image
from tests.loglines import Line, logged


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    with logged() as lines:
        yield lines


def of_request(lines: list[Line], request_id: str) -> list[object]:
    return [line["event"] for line in lines if line.get("request_id") == request_id]


def test_each_step_of_a_boot_and_of_a_delete_is_logged_once_with_the_request_that_asked(
    cloud: Cloud, lines: list[Line]
) -> None:
    demo = cloud.client("demo")
    tenant = Tenant(demo, make_flavor(cloud.client()), make_image(demo))
    agent = ScriptedAgent.enrol(cloud.client(), "host-1")
    agent.report()
    asked = tenant.ask()
    server, create = asked.json()["server"]["id"], asked.headers["X-OpenStack-Request-ID"]
    (want,) = eventually(lambda: agent.pull().servers, bool)
    assert want.request_id == create
    agent.obey()
    assert tenant.show(server)["status"] == "ACTIVE"
    assert of_request(lines, create) == ["action_begun", "server_placed", "server_observed"]
    delete = demo.delete(f"/compute/v2.1/servers/{server}").headers["X-OpenStack-Request-ID"]
    assert agent.want(server).request_id == delete
    agent.obey()
    assert of_request(lines, delete) == ["action_begun", "server_observed"]


def test_a_server_that_no_host_can_take_says_so_under_the_request_that_asked(
    cloud: Cloud, lines: list[Line]
) -> None:
    demo = cloud.client("demo")
    tenant = Tenant(demo, make_flavor(cloud.client()), make_image(demo))
    asked = tenant.ask()
    tenant.wait(asked.json()["server"]["id"], "ERROR", seconds=5.0)
    assert of_request(lines, asked.headers["X-OpenStack-Request-ID"]) == [
        "action_begun",
        "server_unplaceable",
    ]
