"""Hosts over real HTTP: enrolment, credentials, fencing, strays, and the assignment that is held open."""

import threading
import time
from uuid import uuid4

import httpx
import pytest

from kcloud_common.wire import PowerState, Presence, ServerReport
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import SECRET, ScriptedAgent, enrolment_token, gpu
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


def enrol(cloud: Cloud, token: str, host: str = "host-1", secret: str = SECRET) -> httpx.Response:
    return httpx.post(
        f"{cloud.url}/kcloud/v1/enrol",
        headers={"X-Kcloud-Enrol-Token": token},
        json={"host": host, "secret": secret},
    )


def test_a_token_enrols_one_host_once_and_its_repeat_is_the_same_host(cloud: Cloud) -> None:
    token = enrolment_token(cloud.client(), "host-1")
    first = enrol(cloud, token)
    assert first.status_code == 200
    assert enrol(cloud, token).json() == first.json()
    assert enrol(cloud, token, secret="t" * 40).status_code == 401
    assert enrol(cloud, "nonsense").status_code == 401
    assert enrol(cloud, enrolment_token(cloud.client(), "host-2"), host="host-3").status_code == 400


def test_a_host_that_enrols_again_keeps_its_id_and_loses_its_old_secret(
    cloud: Cloud, agent: ScriptedAgent
) -> None:
    again = enrol(cloud, enrolment_token(cloud.client(), "host-1"), secret="t" * 40)
    assert again.json()["host_id"] == str(agent.host_id)
    assert agent.call("POST", "session").status_code == 401


def test_an_expired_token_enrols_nobody(cloud: Cloud) -> None:
    from kcloud_api.hosts import enrolling

    with cloud.database.transaction() as session:
        made = enrolling.create_token(session, "host-1", ttl=-1)
    assert enrol(cloud, made.token).status_code == 401


def test_only_operators_make_tokens_and_see_hosts(cloud: Cloud, agent: ScriptedAgent) -> None:
    demo = cloud.client("demo")
    assert demo.post("/kcloud/v1/enrolments", json={"host": "x"}).status_code == 403
    assert demo.get("/kcloud/v1/hosts").status_code == 403
    assert cloud.anonymous().get("/kcloud/v1/hosts").status_code == 401
    assert demo.get("/compute/v2.1/os-hypervisors").status_code == 403


def test_a_credential_opens_its_own_host_and_nothing_else(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    other = ScriptedAgent.enrol(cloud.client(), "host-2")
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    for path in ("assignment", f"images/{tenant.image}"):
        stolen = httpx.get(f"{cloud.url}/kcloud/v1/hosts/{agent.host_id}/{path}", headers=other.headers)
        assert stolen.status_code == 401
    assert other.call("GET", f"images/{tenant.image}").status_code == 404
    assert other.call("PUT", f"servers/{server}/console?count=1", content=b"x").status_code == 404
    wrong = {**agent.headers, "X-Kcloud-Host-Secret": "t" * 40}
    url = f"{cloud.url}/kcloud/v1/hosts/{agent.host_id}/assignment"
    assert httpx.get(url, headers=wrong).status_code == 401
    assert httpx.get(url).status_code == 401
    want = agent.want(server)
    other.report(ServerReport(id=want.id, generation=9, power_state=PowerState.RUNNING))
    assert tenant.show(server)["status"] == "BUILD", "another host's word does not count"


def test_a_report_of_a_replaced_agent_or_one_overtaken_is_refused(
    tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = tenant.boot()
    want = eventually(lambda: agent.pull().servers, bool)[0]
    running = agent.says(want, PowerState.RUNNING)
    assert not agent.report(running, sequence=0).accepted
    old = agent.epoch
    agent.open_session()
    assert not agent.report(running, epoch=old, sequence=100).accepted
    assert tenant.show(server)["status"] == "BUILD"
    assert agent.report(running, sequence=1).accepted
    assert tenant.show(server)["status"] == "ACTIVE"
    assert not agent.report(agent.fails(want), sequence=1).accepted
    assert tenant.show(server)["status"] == "ACTIVE"


def test_a_server_that_should_not_be_there_is_assigned_as_absent_until_it_is_gone(
    tenant: Tenant, agent: ScriptedAgent
) -> None:
    stray = ServerReport(id=uuid4(), generation=0, power_state=PowerState.RUNNING)
    agent.report(stray)
    want = agent.want(str(stray.id))
    assert want.presence is Presence.ABSENT
    before = agent.pull().generation
    agent.report(stray)
    assert agent.pull().generation == before, "it is noted once"
    agent.report(
        ServerReport(id=stray.id, generation=want.generation, power_state=PowerState.NONE, gone=True)
    )
    assert agent.pull().servers == ()


def test_a_deleted_server_that_comes_back_is_a_stray(tenant: Tenant, agent: ScriptedAgent) -> None:
    server = tenant.boot()
    want = eventually(lambda: agent.pull().servers, bool)[0]
    agent.obey()
    tenant.delete(server)
    agent.obey()
    assert agent.pull().servers == ()
    agent.report(agent.says(want, PowerState.RUNNING))
    assert agent.want(server).presence is Presence.ABSENT
    assert tenant.is_gone(server)


def test_the_assignment_is_held_open_until_it_changes(tenant: Tenant, agent: ScriptedAgent) -> None:
    agent.pull()
    answered: list[float] = []

    def hold() -> None:
        agent.pull(wait=20)
        answered.append(time.monotonic())

    holding = threading.Thread(target=hold)
    holding.start()
    began = time.monotonic()
    tenant.boot()
    holding.join(20)
    assert answered[0] - began < 5
    assert len(agent.assignment.servers if agent.assignment else ()) == 1


def test_a_held_assignment_ends_with_its_wait_and_is_the_same(agent: ScriptedAgent) -> None:
    before = agent.pull()
    began = time.monotonic()
    assert agent.pull(wait=0.3) == before
    assert time.monotonic() - began >= 0.3


def test_a_console_log_that_is_too_large_is_refused(tenant: Tenant, agent: ScriptedAgent) -> None:
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    path = f"servers/{server}/console?count=0"
    headers = {**agent.headers, "Content-Type": "application/octet-stream"}
    url = f"/kcloud/v1/hosts/{agent.host_id}/{path}"
    assert agent.client.put(url, headers=headers, content=b"x" * 262144).status_code == 204
    assert agent.client.put(url, headers=headers, content=b"x" * 262145).status_code == 413


def test_a_host_shows_what_it_reported_and_is_deleted_only_when_it_holds_nothing(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    admin = cloud.client()
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    agent.obey()
    path = f"/kcloud/v1/hosts/{agent.host_id}"
    shown = admin.get(path).json()
    assert (shown["name"], shown["state"], shown["ready"]) == ("host-1", "up", True)
    assert shown["report"]["vcpus"] == 8
    assert shown["devices"][0]["resource_class"] == "PGPU"
    assert admin.delete(path).status_code == 409
    tenant.delete(server)
    agent.obey()
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404
    assert agent.call("POST", "session").status_code == 401
    assert admin.get("/placement/resource_providers").json() == {"resource_providers": []}
    again = ScriptedAgent.enrol(admin, "host-1")
    again.report()
    assert again.host_id != agent.host_id


def test_hypervisors_and_services_are_read_from_hosts(
    cloud: Cloud, tenant: Tenant, agent: ScriptedAgent
) -> None:
    admin = cloud.client()
    tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    found = admin.get("/compute/v2.1/os-hypervisors/detail", headers=NEWEST).json()["hypervisors"][0]
    assert (found["hypervisor_hostname"], found["hypervisor_version"]) == ("host-1", 1002003)
    assert "vcpus" not in found
    old = admin.get(
        f"/compute/v2.1/os-hypervisors/{agent.host_id}",
        headers={"OpenStack-API-Version": "compute 2.87"},
    ).json()["hypervisor"]
    assert (old["vcpus"], old["vcpus_used"], old["running_vms"]) == (8, 1, 1)
    sums = admin.get("/compute/v2.1/os-hypervisors/statistics").json()["hypervisor_statistics"]
    assert (sums["count"], sums["vcpus"], sums["vcpus_used"]) == (1, 8, 1)
    assert admin.get("/compute/v2.1/os-hypervisors/host-1").status_code == 404
    services = admin.get("/compute/v2.1/os-services").json()["services"]
    assert [(service["binary"], service["state"]) for service in services] == [("nova-compute", "up")]
    zones = tenant.client.get("/compute/v2.1/os-availability-zone").json()["availabilityZoneInfo"]
    assert zones[0]["zoneName"] == "nova"


def test_hosts_come_in_pages_by_name(cloud: Cloud) -> None:
    for name in ("c", "a", "b"):
        assert enrol(cloud, enrolment_token(cloud.client(), name), name).status_code == 200
    admin = cloud.client()
    first = admin.get("/kcloud/v1/hosts?limit=2").json()
    assert [host["name"] for host in first["hosts"]] == ["a", "b"]
    rest = admin.get(first["hosts_links"][0]["href"]).json()
    assert [host["name"] for host in rest["hosts"]] == ["c"]
    assert "hosts_links" not in rest
    assert admin.get(f"/kcloud/v1/hosts?marker={uuid4()}").status_code == 400


def test_a_host_that_makes_servers_up_loses_them_some_at_a_time(agent: ScriptedAgent) -> None:
    made_up = [ServerReport(id=uuid4(), generation=0, power_state=PowerState.RUNNING) for _ in range(250)]
    agent.report(*made_up)
    first = {want.id for want in agent.pull().servers}
    assert len(first) == 100
    agent.report(*[report for report in made_up if report.id not in first])
    second = {want.id for want in agent.pull().servers}
    assert len(second) == 100
    assert not first & second


def test_no_word_of_a_host_breaks_what_operators_are_shown(cloud: Cloud, agent: ScriptedAgent) -> None:
    agent.problems = ("p" * 100_000,) * 5
    agent.report()
    path = f"/hosts/{agent.host_id}"
    report = {
        "epoch": agent.epoch, "sequence": 100, "boot_id": str(uuid4()), "assignment_generation": 0,
        "hypervisor_type": "t" * 9000, "hypervisor_version": "9" * 9000,
        "vcpus": 1, "memory_mib": 1, "disk_gib": 1,
    }  # fmt: skip
    assert agent.call("PUT", "report", json=report).status_code == 200
    old = {"OpenStack-API-Version": "compute 2.87"}
    admin = cloud.client()
    assert admin.get("/compute/v2.1/os-hypervisors/detail", headers=old).status_code == 200
    assert len(admin.get(f"/kcloud/v1{path}").content) < 50_000
    for wrong in ({"vcpus": -1}, {"memory_mib": 2**31}, {"sequence": 2**63}, {"disk_gib": 10**30}):
        answer = agent.call("PUT", "report", json={**report, "sequence": 101, **wrong})
        assert answer.status_code == 400, wrong
