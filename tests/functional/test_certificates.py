"""Certificates: taken when they verify and continue their chain, else the device stays out of use; read by
the tenant whose lease they followed, and by nobody else but operators."""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from kcloud_api.db.engine import Database
from kcloud_common.certificate import Certificate, Grade
from kcloud_common.signing import read_chain, sign, verify_chain
from kcloud_common.wire import DeviceState, PowerState
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent, gpu
from tests.functional.servers import Tenant, eventually, make_flavor, make_image
from tests.functional.test_isolation import member_of_another_project

GPU = "pci_0000_41_00_0"


@pytest.fixture
def database(woken_database: Database) -> Database:
    return woken_database


@pytest.fixture
def tenant(cloud: Cloud, admin: httpx.Client) -> Tenant:
    demo = cloud.client("demo")
    return Tenant(demo, make_flavor(admin, "gpu", resources__PGPU="1"), make_image(demo))


@pytest.fixture
def agent(admin: httpx.Client) -> ScriptedAgent:
    made = ScriptedAgent.enrol(admin, "host-1", [gpu()])
    made.report()
    return made


def boot(tenant: Tenant, agent: ScriptedAgent) -> str:
    server = tenant.boot()
    eventually(lambda: [str(want.id) for want in agent.pull().servers], lambda ids: server in ids)
    agent.obey()
    return server


def lease(tenant: Tenant, agent: ScriptedAgent) -> str:
    """From its begin to its end, with a certificate."""
    server = boot(tenant, agent)
    tenant.delete(server)
    agent.obey()
    assert tenant.is_gone(server)
    return server


def device(admin: httpx.Client) -> dict[str, Any]:
    (found,) = admin.get("/kcloud/v1/devices").json()["devices"]
    assert isinstance(found, dict)
    return found


def path(admin: httpx.Client) -> str:
    return f"/kcloud/v1/devices/{device(admin)['id']}/certificates"


def keys_of(answer: dict[str, Any]) -> dict[UUID, list[str]]:
    return {UUID(key["host_id"]): [key["key"]] for key in answer["keys"]}


def test_the_chain_of_a_device_can_be_verified_from_what_operators_get(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    servers = [lease(tenant, agent) for _ in range(3)]
    answer = admin.get(path(admin))
    chain = read_chain(answer.content)
    assert [certificate.generation for certificate in chain] == [1, 2, 3]
    assert verify_chain(chain, keys_of(answer.json())) == []
    assert [about["server_id"] for about in answer.json()["about"]] == servers
    assert answer.json()["keys"] == admin.get(f"/kcloud/v1/hosts/{agent.host_id}/keys").json()["keys"]
    first = admin.get(f"{path(admin)}?limit=2").json()
    rest = admin.get(first["certificates_links"][0]["href"]).json()
    assert first["certificates"] + rest["certificates"] == answer.json()["certificates"]
    assert "certificates_links" not in rest
    assert (device(admin)["generation"], device(admin)["certified_generation"]) == (3, 3)


def test_a_tenant_reads_those_of_its_own_leases_and_nobody_elses(
    cloud: Cloud, admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    stranger = member_of_another_project(cloud)
    mine = lease(tenant, agent)
    other = Tenant(stranger, tenant.flavor, make_image(stranger))
    url, nowhere = path(admin), f"/kcloud/v1/devices/{uuid4()}/certificates"
    refused = stranger.get(url)
    assert refused.status_code == stranger.get(nowhere).status_code == 404
    theirs = lease(other, agent)
    for client, server in ((tenant.client, mine), (stranger, theirs)):
        answer = client.get(url)
        (certificate,) = read_chain(answer.content)
        assert verify_chain([certificate], keys_of(answer.json()), whole=False) == []
        assert [about["server_id"] for about in answer.json()["about"]] == [server]
        assert client.get("/kcloud/v1/certificates").json() == answer.json()
        assert client.get(f"/kcloud/v1/certificates?server_id={server}").json() == answer.json()
        not_mine = theirs if server == mine else mine
        assert client.get(f"/kcloud/v1/certificates?server_id={not_mine}").json()["certificates"] == []
    whole = admin.get(url).json()
    marker = whole["about"][1]["id"]
    assert tenant.client.get(f"{url}?marker={marker}").status_code == 400, "another's is no marker"
    assert tenant.client.get(f"{url}?marker={uuid4()}").status_code == 400
    assert len(whole["certificates"]) == 2
    assert cloud.anonymous().get(url).status_code == 401
    assert tenant.client.get(f"/kcloud/v1/hosts/{agent.host_id}/keys").status_code == 403


def test_a_tenant_may_ask_while_its_lease_lasts_and_after_the_host_is_gone(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = boot(tenant, agent)
    url = path(admin)
    assert tenant.client.get(url).json()["certificates"] == []
    tenant.delete(server)
    agent.obey()
    assert admin.delete(f"/kcloud/v1/hosts/{agent.host_id}").status_code == 204
    for client in (tenant.client, admin):
        answer = client.get(url).json()
        assert len(answer["certificates"]) == 1
        assert answer["keys"], "what it was signed with is still vouched for"


def end_without_certificate(tenant: Tenant, agent: ScriptedAgent) -> None:
    server = boot(tenant, agent)
    tenant.delete(server)
    want = agent.want(server)
    agent.change(GPU, state=DeviceState.FREE, claim_id=None)
    agent.report(agent.says(want, PowerState.NONE, gone=True))
    assert tenant.is_gone(server)


def test_without_a_certificate_the_next_lease_does_not_start(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    end_without_certificate(tenant, agent)
    assert "PGPU" in tenant.wait(tenant.boot(), "ERROR")["fault"]["message"]
    assert "not certified" in device(admin)["held_back"]
    agent.devices = []
    agent.report()
    agent.devices = [gpu()]
    agent.report()
    assert "not certified" in device(admin)["held_back"], "a device that went and came is as it was"
    agent.clean(GPU)
    agent.change(GPU, generation=1)
    agent.report()
    assert "refused" not in device(admin)["held_back"]


def forgeries(certificate: Certificate, seed: bytes) -> dict[str, Certificate]:
    def signed(**facts: object) -> Certificate:
        return sign(certificate.model_copy(update=facts), seed)

    return {
        "another hand": sign(certificate, b"x" * 32),
        "altered": certificate.model_copy(update={"grade": Grade.A}),
        "another device": signed(device="pci_1"),
        "another host": signed(host_id=uuid4()),
        "another product": signed(product_id="ffff"),
        "a lease to come": signed(generation=9),
        "an older lease": signed(generation=0),
        "a gap": signed(sequence=3),
        "no chain": signed(previous="1" * 64),
    }


def test_a_certificate_that_does_not_hold_is_kept_nowhere_and_frees_nothing(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    lease(tenant, agent)
    end_without_certificate(tenant, agent)
    right = agent.certificate(agent.devices[0], None, generation=2)
    for how, forged in forgeries(right, agent.seed).items():
        agent.change(GPU, certificate=forged)
        agent.report()
        assert "certificate was refused" in device(admin)["held_back"], how
        assert len(admin.get(path(admin)).json()["certificates"]) == 1, how
    assert "PGPU" in tenant.wait(tenant.boot(), "ERROR")["fault"]["message"]
    agent.change(GPU, certificate=right)
    agent.report()
    assert device(admin)["held_back"] == ""
    boot(tenant, agent)


def test_a_certificate_that_is_repeated_is_taken_once_and_an_old_one_never_again(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    lease(tenant, agent)
    old = agent.chains[GPU]
    agent.devices = [gpu().model_copy(update={"generation": 1, "certificate": old, "numa_node": 1})]
    agent.report()
    assert len(admin.get(path(admin)).json()["certificates"]) == 1
    assert device(admin)["held_back"] == ""
    lease(tenant, agent)
    end_without_certificate(tenant, agent)
    agent.change(GPU, certificate=old)
    agent.report()
    assert "certificate was refused" in device(admin)["held_back"]
    assert len(admin.get(path(admin)).json()["certificates"]) == 2


def test_a_living_claim_is_freed_by_no_certificate(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = boot(tenant, agent)
    agent.clean(GPU)
    agent.report()
    assert device(admin)["claim"]["server_id"] == server
    assert "PGPU" in tenant.wait(tenant.boot(), "ERROR")["fault"]["message"]
    # Its host takes it up again for the same lease: what was certified is used again.
    agent.obey()
    want = agent.want(server)
    tenant.delete(server)
    want = agent.want(server)
    agent.change(GPU, state=DeviceState.FREE, claim_id=None, certificate=None)
    agent.report(agent.says(want, PowerState.NONE, gone=True))
    assert tenant.is_gone(server)
    assert "not certified" in device(admin)["held_back"]


def test_a_lease_that_never_reached_its_host_needs_no_certificate(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = tenant.boot()
    eventually(lambda: [str(want.id) for want in agent.pull().servers], lambda ids: server in ids)
    tenant.delete(server)
    agent.report(agent.says(agent.want(server), PowerState.NONE, gone=True))
    assert tenant.is_gone(server)
    assert (device(admin)["generation"], device(admin)["held_back"]) == (1, "")
    boot(tenant, agent)
    assert device(admin)["generation"] == 2


def test_a_host_cannot_speak_of_anothers_devices(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    end_without_certificate(tenant, agent)
    liar = ScriptedAgent.enrol(admin, "host-2", [gpu()])
    right = agent.certificate(agent.devices[0], None, generation=1)
    liar.change(GPU, certificate=right)
    liar.report()
    shown = {each["host"]: each for each in admin.get("/kcloud/v1/devices").json()["devices"]}
    assert "not certified" in shown["host-1"]["held_back"]
    assert len(shown) == 2
    assert admin.get("/kcloud/v1/certificates").json()["certificates"] == []


def test_a_changed_key_is_kept_beside_the_old_one(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    lease(tenant, agent)
    agent.name = "with another key"
    lease(tenant, agent)
    answer = admin.get(path(admin))
    keys = [key["key"] for key in answer.json()["keys"]]
    assert len(keys) == 2
    assert verify_chain(read_chain(answer.content), {agent.host_id: keys}) == []
    assert "host_key_changed" in {record.getMessage() for record in caplog.records}


def test_a_host_reports_certificates_of_its_own_devices_and_in_their_order_only(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    """What a hostile host may try: another's path, swapped devices, leases that are still to come."""
    other = gpu("pci_0000_81_00_0", "0000:81:00.0")
    agent.devices.append(other)
    agent.report()
    end_without_certificate(tenant, agent)
    used = next(each for each in admin.get("/kcloud/v1/devices").json()["devices"] if each["generation"])
    liar = ScriptedAgent.enrol(admin, "host-2", [gpu()])
    guessed = {"X-Kcloud-Host-Id": str(agent.host_id), "X-Kcloud-Host-Secret": "t" * 40}
    for headers in (liar.headers, guessed):
        answer = admin.put(f"/kcloud/v1/hosts/{agent.host_id}/report", headers=headers, json={})
        assert answer.status_code == 401
    held = {each.name: each for each in agent.devices}
    idle = next(name for name in held if name != used["name"])
    ahead = agent.certificate(held[used["name"]], None, generation=99)
    swapped = agent.certificate(held[idle], None, generation=1)
    for wrong in (ahead, swapped):
        agent.change(used["name"], certificate=wrong)
        agent.report()
        shown = {
            each["name"]: each
            for each in admin.get("/kcloud/v1/devices").json()["devices"]
            if each["host"] == "host-1"
        }
        assert "refused" in shown[used["name"]]["held_back"]
    assert admin.get("/kcloud/v1/certificates").json()["certificates"] == []


def test_a_lease_that_a_host_makes_up_certifies_none_that_comes_after_it(
    admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    agent.change(GPU, generation=7)
    agent.clean(GPU)
    agent.report()
    assert device(admin)["certified_generation"] == 7
    end_without_certificate(tenant, agent)
    assert device(admin)["generation"] == 8
    assert "not certified" in device(admin)["held_back"]
    old = agent.chains[GPU]
    agent.change(GPU, certificate=old)
    agent.report()
    assert "not certified" in device(admin)["held_back"]


def test_a_stranger_learns_neither_that_there_are_leases_nor_how_many(
    cloud: Cloud, admin: httpx.Client, tenant: Tenant, agent: ScriptedAgent
) -> None:
    server = boot(tenant, agent)
    stranger = member_of_another_project(cloud)
    claim, known = device(admin)["claim"]["id"], device(admin)
    assert stranger.get("/accelerator/v2/accelerator_requests").json()["arqs"] == []
    assert stranger.get(f"/accelerator/v2/accelerator_requests?instance={server}").json()["arqs"] == []
    for path_ in (
        f"/accelerator/v2/accelerator_requests/{claim}",
        f"/kcloud/v1/devices/{known['id']}/certificates",
        f"/compute/v2.1/servers/{server}",
    ):
        seen, nowhere = stranger.get(path_), stranger.get(re.sub(r"[0-9a-f-]{36}", str(uuid4()), path_))
        assert seen.status_code == nowhere.status_code == 404, path_
    for path_ in ("devices", f"devices/{known['id']}", "cards", "hosts", f"hosts/{agent.host_id}/keys"):
        assert stranger.get(f"/kcloud/v1/{path_}").status_code == 403, path_
    answer = stranger.post(f"/kcloud/v1/devices/{known['id']}/action", json={"release": {}})
    assert answer.status_code == 403
    tenant.delete(server)
    agent.obey()
    marker = admin.get(path(admin)).json()["about"][0]["id"]
    for narrowed in (f"server_id={server}", "limit=1"):
        assert stranger.get(f"/kcloud/v1/certificates?{narrowed}").json()["certificates"] == []
    seen, nowhere = (stranger.get(f"/kcloud/v1/certificates?marker={id_}") for id_ in (marker, uuid4()))
    assert seen.status_code == nowhere.status_code == 400
