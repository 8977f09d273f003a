"""The life of a server over real HTTP, with a scripted host."""

from dataclasses import replace

import pytest

from kcloud_common.config import Conf
from kcloud_common.wire import PowerState
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import Obeying, ScriptedAgent, gpu
from tests.functional.servers import NEWEST, Tenant, eventually, make_flavor, make_image


@pytest.fixture
def tenant(cloud: Cloud) -> Tenant:
    demo = cloud.client("demo")
    return Tenant(demo, make_flavor(cloud.client()), make_image(demo))


@pytest.fixture
def agent(cloud: Cloud) -> ScriptedAgent:
    made = ScriptedAgent.enrol(cloud.client(), "host-1", [gpu()])
    made.report()
    return made


def test_a_server_is_placed_built_shown_stopped_started_rebooted_and_deleted(
    tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = tenant.boot(metadata={"role": "web"}, user_data="aGk=", description="first")
    assert tenant.show(server)["status"] == "BUILD"
    want = eventually(lambda: agent.pull().servers, lambda wants: len(wants) == 1)[0]
    assert str(want.id) == server
    assert want.guest is not None
    assert want.guest.user_data == "aGk="
    assert agent.call("GET", f"images/{tenant.image}").content == b"\x00" * 1024 * 1024

    agent.report(agent.says(want, PowerState.NONE, busy=True, step="image"))
    assert tenant.show(server)["OS-EXT-STS:task_state"] == "spawning"
    agent.obey()
    view = tenant.show(server)
    assert view["status"] == "ACTIVE"
    assert view["OS-EXT-STS:power_state"] == 1
    assert view["addresses"]["kcloud"][0]["addr"] == "192.168.222.10"
    assert view["addresses"]["kcloud"][0]["OS-EXT-IPS-MAC:mac_addr"].startswith("fa:16:3e")
    assert view["metadata"] == {"role": "web"}
    assert view["flavor"]["original_name"] == "small"
    assert view["OS-SRV-USG:launched_at"] is not None

    assert tenant.act(server, "os-stop").status_code == 202
    assert tenant.show(server)["OS-EXT-STS:task_state"] == "powering-off"
    agent.obey()
    assert tenant.show(server)["status"] == "SHUTOFF"
    assert tenant.act(server, "os-start").status_code == 202
    agent.obey()
    assert tenant.show(server)["status"] == "ACTIVE"
    assert tenant.act(server, "reboot", {"type": "HARD"}).status_code == 202
    assert tenant.show(server)["status"] == "HARD_REBOOT"
    agent.obey()
    assert tenant.show(server)["status"] == "ACTIVE"

    tenant.delete(server)
    assert tenant.show(server)["OS-EXT-STS:task_state"] == "deleting"
    tenant.delete(server)
    agent.obey()
    assert tenant.is_gone(server)
    assert agent.pull().servers == ()

    told = [(action["action"], action["message"]) for action in tenant.actions(server)]
    assert told == [("delete", None), ("reboot", None), ("start", None), ("stop", None), ("create", None)]


def test_an_action_has_steps_that_ended_well(tenant: Tenant, agent: ScriptedAgent) -> None:
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    agent.obey()
    request_id = tenant.actions(server)[0]["request_id"]
    path = f"/compute/v2.1/servers/{server}/os-instance-actions/{request_id}"
    action = tenant.client.get(path, headers=NEWEST).json()["instanceAction"]
    assert [(event["event"], event["result"]) for event in action["events"]] == [
        ("conductor_schedule_and_build_instances", "Success"),
        ("compute__do_build_and_run_instance", "Success"),
    ]
    assert "host" not in action["events"][1]
    assert tenant.client.get(path.replace(request_id, "req-none")).status_code == 404


def test_a_fault_on_the_host_is_an_error_with_words_for_the_tenant_and_details_for_operators(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = tenant.boot()
    want = eventually(lambda: agent.pull().servers, bool)[0]
    agent.report(agent.fails(want, "The image does not match its checksum.", "sha512 of /var/lib/x"))
    view = tenant.wait(server, "ERROR")
    assert view["fault"]["message"] == "The image does not match its checksum."
    assert "details" not in view["fault"]
    admins = cloud.client().get(f"/compute/v2.1/servers/{server}", headers=NEWEST).json()["server"]
    assert "host-1" in admins["fault"]["details"]
    assert admins["OS-EXT-SRV-ATTR:host"] == "host-1"
    assert tenant.actions(server)[0]["message"] == "Error"
    agent.report(agent.says(want, PowerState.RUNNING))
    assert tenant.show(server)["status"] == "ERROR", "a late success may not hide the fault"
    tenant.delete(server)
    agent.obey()
    assert tenant.is_gone(server)


def test_a_server_in_error_recovers_by_a_hard_reboot(tenant: Tenant, agent: ScriptedAgent) -> None:
    server = tenant.boot()
    want = eventually(lambda: agent.pull().servers, bool)[0]
    agent.report(agent.fails(want))
    assert tenant.act(server, "os-start").status_code == 409
    assert tenant.act(server, "reboot", {"type": "HARD"}).status_code == 202
    assert tenant.show(server)["status"] == "ERROR"
    agent.obey()
    view = tenant.show(server)
    assert (view["status"], view.get("fault")) == ("ACTIVE", None)


def test_a_guest_that_powers_itself_off_is_shutoff_and_stays_so(tenant: Tenant, agent: ScriptedAgent) -> None:
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    agent.obey()
    want = agent.want(server)
    agent.report(agent.says(want, PowerState.SHUTOFF))
    assert tenant.show(server)["status"] == "SHUTOFF"
    agent.report(agent.says(want, PowerState.RUNNING))
    assert tenant.show(server)["status"] == "SHUTOFF", "it is to stay off: Nova's power sync"
    assert agent.want(server).power == "off"
    assert [action["action"] for action in tenant.actions(server)] == ["stop", "create"]
    agent.obey()
    assert tenant.act(server, "os-start").status_code == 202
    agent.obey()
    assert tenant.show(server)["status"] == "ACTIVE"


def test_a_host_that_reboots_keeps_its_servers_and_their_claims(tenant: Tenant, agent: ScriptedAgent) -> None:
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    agent.obey()
    agent.boot_id = agent.host_id
    agent.open_session()
    want = agent.want(server)
    agent.report(agent.says(want, PowerState.SHUTOFF))
    assert tenant.show(server)["status"] == "SHUTOFF"
    assert [str(want.id) for want in agent.pull().servers] == [server]


def test_a_server_that_waits_for_a_host_is_deleted_at_once(cloud: Cloud, tenant: Tenant) -> None:
    server = tenant.boot()
    view = tenant.wait(server, "ERROR")
    assert "No valid host was found" in view["fault"]["message"]
    tenant.delete(server)
    assert tenant.is_gone(server)
    assert tenant.client.delete(f"/compute/v2.1/servers/{server}").status_code == 404


def test_the_console_log_comes_fresh_from_the_host(tenant: Tenant, agent: ScriptedAgent) -> None:
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    agent.obey()

    def upload() -> None:
        for want in agent.assignment.servers if agent.assignment else ():
            if want.console_count:
                log = f"line one\nanswer {want.console_count}\n".encode()
                params = {"count": want.console_count}
                path = f"servers/{want.id}/console"
                assert agent.call("PUT", path, params=params, content=log).status_code == 204

    with Obeying(agent, also=upload):
        whole = tenant.act(server, "os-getConsoleOutput", {})
        last = tenant.act(server, "os-getConsoleOutput", {"length": 1})
    assert whole.json() == {"output": "line one\nanswer 1\n"}
    assert last.json() == {"output": "answer 2\n"}


class TestWithAHostThatSendsNoLog:
    @pytest.fixture
    def conf(self, conf: Conf) -> Conf:
        conf.compute = replace(conf.compute, console_wait=0.2)
        return conf

    def test_the_console_log_is_what_there_is(self, tenant: Tenant, agent: ScriptedAgent) -> None:
        server = tenant.boot()
        eventually(lambda: agent.pull().servers, bool)
        agent.obey()
        assert tenant.act(server, "os-getConsoleOutput", {}).json() == {"output": ""}

    def test_a_server_without_a_host_has_no_log(self, tenant: Tenant) -> None:
        server = tenant.boot()
        tenant.wait(server, "ERROR")
        answer = tenant.act(server, "os-getConsoleOutput", {})
        assert answer.status_code == 409
        assert answer.json()["conflictingRequest"]["message"] == f"Instance {server} is not ready"


def test_several_servers_of_one_request_are_numbered(tenant: Tenant, agent: ScriptedAgent) -> None:
    tenant.boot("many", min_count=2, max_count=3)
    eventually(lambda: agent.pull().servers, lambda wants: len(wants) == 3)
    agent.obey()
    found = tenant.client.get("/compute/v2.1/servers", headers=NEWEST).json()["servers"]
    assert sorted(server["name"] for server in found) == ["many-1", "many-2", "many-3"]
