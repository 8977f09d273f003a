"""The last device goes to one server, and comes back only when its host says that it is clean."""

from dataclasses import replace

import pytest

from kcloud_api.bus import Bus
from kcloud_api.db.engine import Database
from kcloud_api.hosts import service as hosts
from kcloud_api.loops.liveness import liveness_turn
from kcloud_common.config import Conf
from kcloud_common.wire import DeviceState, PowerState
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import Obeying, ScriptedAgent, gpu
from tests.functional.servers import Tenant, eventually, make_flavor, make_image


@pytest.fixture
def tenant(cloud: Cloud) -> Tenant:
    """Whose flavor has one GPU."""
    demo = cloud.client("demo")
    flavor = make_flavor(cloud.client(), "gpu", resources__PGPU="1", trait__CUSTOM_GPU_H100="required")
    return Tenant(demo, flavor, make_image(demo))


@pytest.fixture
def agent(cloud: Cloud) -> ScriptedAgent:
    made = ScriptedAgent.enrol(cloud.client(), "host-1", [gpu()])
    made.report()
    return made


def active(tenant: Tenant, agent: ScriptedAgent, name: str) -> str:
    server = tenant.boot(name)
    eventually(lambda: [str(want.id) for want in agent.pull().servers], lambda ids: server in ids)
    agent.obey()
    tenant.wait(server, "ACTIVE")
    return server


def test_of_two_servers_for_one_device_one_runs_and_the_other_says_why_not(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    first = active(tenant, agent, "first")
    assert [claim.device for claim in agent.want(first).claims] == ["pci_0000_41_00_0"]
    second = tenant.boot("second")
    fault = tenant.wait(second, "ERROR", 5.0)["fault"]
    assert "PGPU" in fault["message"]
    assert "host-1" not in fault["message"]
    admins = cloud.client().get(f"/compute/v2.1/servers/{second}").json()["server"]["fault"]
    assert "host-1" in admins["details"]
    tenant.delete(first)
    agent.obey()
    tenant.wait_gone(first)
    agent.obey()
    active(tenant, agent, "third")


def test_a_device_is_released_only_when_its_host_says_that_the_server_is_gone(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = active(tenant, agent, "one")
    tenant.delete(server)
    want = agent.want(server)
    for report in (
        agent.says(want, PowerState.SHUTOFF, busy=True),
        agent.says(want, PowerState.NONE),
        agent.says(want, PowerState.NONE, generation=want.generation - 1, gone=True),
    ):
        agent.report(report)
        assert not tenant.is_gone(server)
        assert tenant.wait(tenant.boot("too-early"), "ERROR")["fault"]["message"].count("PGPU")
    agent.report()
    assert not tenant.is_gone(server), "a report that leaves it out does not say that it is gone"
    agent.clean("pci_0000_41_00_0")
    agent.report(agent.says(want, PowerState.NONE, gone=True))
    assert tenant.is_gone(server)
    active(tenant, agent, "two")


def test_a_device_that_its_host_quarantined_is_not_handed_out_again(
    tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = active(tenant, agent, "one")
    tenant.delete(server)
    want = agent.want(server)
    agent.devices = [gpu().model_copy(update={"state": DeviceState.QUARANTINED, "reason": "no reset"})]
    agent.report(agent.says(want, PowerState.NONE, gone=True))
    assert tenant.is_gone(server)
    assert "PGPU" in tenant.wait(tenant.boot("two"), "ERROR")["fault"]["message"]


def test_a_device_that_is_still_held_when_its_server_is_gone_waits_until_it_is_free(
    tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = active(tenant, agent, "one")
    tenant.delete(server)
    want = agent.want(server)
    agent.report(agent.says(want, PowerState.NONE, gone=True))  # its device is still reported as claimed
    assert tenant.is_gone(server)
    assert "PGPU" in tenant.wait(tenant.boot("too-early"), "ERROR")["fault"]["message"]
    agent.clean("pci_0000_41_00_0")
    agent.report()
    active(tenant, agent, "two")


def test_a_silent_host_keeps_its_claims_and_gets_nothing_new(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = active(tenant, agent, "one")
    with cloud.database.transaction() as session:
        assert hosts.mark_silent(session, -1.0) == ("host-1",)
    assert cloud.client().get("/kcloud/v1/hosts").json()["hosts"][0]["state"] == "down"
    assert tenant.show(server)["status"] == "ACTIVE"
    assert tenant.wait(tenant.boot("two"), "ERROR")["fault"]["message"]
    agent.pull()
    assert cloud.client().get("/kcloud/v1/hosts").json()["hosts"][0]["state"] == "up"
    assert [str(want.id) for want in agent.pull().servers] == [server]


def test_silence_counts_only_from_the_start_of_the_control_plane(cloud: Cloud, agent: ScriptedAgent) -> None:
    now = [0.0]
    turn = liveness_turn(cloud.database, 0.001, clock=lambda: now[0])

    def state() -> str:
        return str(cloud.client().get("/kcloud/v1/hosts").json()["hosts"][0]["state"])

    turn()
    assert state() == "up"
    now[0] = 1.0
    turn()
    assert state() == "down"


def test_a_server_asks_in_vain_on_a_host_that_is_disabled_or_has_problems(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    admin = cloud.client()
    path = f"/kcloud/v1/hosts/{agent.host_id}"
    assert admin.patch(path, json={"enabled": False, "reason": "repair"}).status_code == 200
    tenant.wait(tenant.boot("one"), "ERROR")
    assert admin.patch(path, json={"enabled": True}).status_code == 200
    agent.problems = ("libvirtd does not answer",)
    agent.report()
    tenant.wait(tenant.boot("two"), "ERROR")
    agent.problems = ()
    agent.report()
    active(tenant, agent, "three")


class DeafBus(Bus):
    """Loses every wake-up."""

    def wake(self, topics: object) -> None:
        pass


class TestWithEveryWakeUpLost:
    """Timers are the net: slower, never broken."""

    @pytest.fixture
    def bus(self) -> Bus:
        return DeafBus("memory://")

    @pytest.fixture
    def conf(self, conf: Conf) -> Conf:
        conf.compute = replace(conf.compute, place_interval=0.1)
        return conf

    def test_a_server_is_still_placed_built_and_deleted(
        self, database: Database, tenant: Tenant, agent: ScriptedAgent
    ) -> None:
        with Obeying(agent, wait=0.2):
            server = tenant.boot()
            tenant.wait(server, "ACTIVE", 15)
            tenant.delete(server)
            tenant.wait_gone(server, 15)
