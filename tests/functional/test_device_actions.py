"""What operators do with single devices, and what tenants are shown of slices."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from kcloud_common.wire import ChainHead, DeviceState, DeviceWant, Health, PowerState
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent, gpu, vgpus
from tests.functional.servers import NEWEST, Tenant, eventually, make_flavor, make_image

GPU = "pci_0000_81_00_0"


@pytest.fixture
def agent(admin: httpx.Client) -> ScriptedAgent:
    made = ScriptedAgent.enrol(admin, "host-1", [gpu(GPU, "0000:81:00.0"), *vgpus(4)])
    made.report()
    return made


@pytest.fixture
def tenant(cloud: Cloud, admin: httpx.Client) -> Tenant:
    demo = cloud.client("demo")
    return Tenant(demo, make_flavor(admin, "gpu", resources__PGPU="1"), make_image(demo))


def shown(admin: httpx.Client, name: str = GPU) -> dict[str, Any]:
    (found,) = [each for each in admin.get("/kcloud/v1/devices").json()["devices"] if each["name"] == name]
    assert isinstance(found, dict)
    return found


def act(admin: httpx.Client, **action: object) -> int:
    return admin.post(f"/kcloud/v1/devices/{shown(admin)['id']}/action", json=action).status_code


def reserved(admin: httpx.Client) -> int:
    provider = shown(admin)["card_id"]
    stocks = admin.get(f"/placement/resource_providers/{provider}/inventories").json()["inventories"]
    amount: int = stocks["PGPU"]["reserved"]
    return amount


def boot(tenant: Tenant, agent: ScriptedAgent) -> str:
    server = tenant.boot()
    eventually(lambda: [str(want.id) for want in agent.pull().servers], lambda ids: server in ids)
    agent.obey()
    return server


def test_maintenance_takes_effect_at_once_and_is_told_to_the_host(
    admin: httpx.Client, agent: ScriptedAgent, tenant: Tenant
) -> None:
    before = agent.pull().generation
    assert act(admin, maintenance=True) == 202
    assert agent.pull().generation == before + 1
    assert agent.pull().devices == (DeviceWant(name=GPU, maintenance=True),)
    assert (reserved(admin), shown(admin)["maintenance"]) == (1, True)
    assert "maintenance" in shown(admin)["held_back"]
    tenant.wait(tenant.boot(), "ERROR")
    agent.change(GPU, state=DeviceState.MAINTENANCE)
    agent.report()
    assert act(admin, maintenance=False) == 202
    assert agent.pull().devices == ()
    assert reserved(admin) == 1, "until its host says that it is free"
    agent.change(GPU, state=DeviceState.FREE)
    agent.report()
    assert reserved(admin) == 0
    boot(tenant, agent)


def test_an_operators_quarantine_lasts_until_its_host_has_done_the_burn_in(
    admin: httpx.Client, agent: ScriptedAgent, tenant: Tenant
) -> None:
    assert act(admin, release={}) == 409
    assert act(admin, quarantine={"reason": "it smells"}) == 202
    assert (reserved(admin), shown(admin)["quarantine_reason"]) == (1, "it smells")
    agent.change(GPU, release_count=7)
    agent.report()
    assert reserved(admin) == 1, "no operator has asked for a burn-in yet"
    assert act(admin, release={}) == 202
    wanted = shown(admin)["release_count"]
    assert agent.pull().devices == (DeviceWant(name=GPU, release_count=wanted),)
    assert reserved(admin) == 1
    agent.change(GPU, state=DeviceState.SANITISING)
    agent.report()
    agent.clean(GPU)
    agent.change(GPU, release_count=wanted)
    agent.report()
    assert (reserved(admin), shown(admin)["quarantine_reason"]) == (0, "")
    boot(tenant, agent)


def test_what_its_host_quarantined_comes_back_with_a_certificate(
    admin: httpx.Client, agent: ScriptedAgent, tenant: Tenant
) -> None:
    server = boot(tenant, agent)
    assert act(admin, release={}) == 409, "it is not in quarantine"
    tenant.delete(server)
    sick = Health(aer_fatal=3, evidence="3 fatal errors")
    agent.change(GPU, state=DeviceState.QUARANTINED, claim_id=None, reason="no reset", health=sick)
    agent.report(agent.says(agent.want(server), PowerState.NONE, gone=True))
    assert (shown(admin)["state"], shown(admin)["reason"]) == ("quarantined", "no reset")
    assert shown(admin)["health"]["evidence"] == "3 fatal errors"
    assert act(admin, release={}) == 202
    assert agent.pull().devices == (DeviceWant(name=GPU, release_count=1, chain=ChainHead(generation=1)),)
    agent.change(GPU, state=DeviceState.FREE, release_count=1)
    agent.report()
    assert "not certified" in shown(admin)["held_back"]
    agent.clean(GPU)
    agent.report()
    assert shown(admin)["held_back"] == ""
    boot(tenant, agent)


def test_a_host_that_has_forgotten_everything_is_trusted_again_after_a_burn_in(
    admin: httpx.Client, agent: ScriptedAgent, tenant: Tenant
) -> None:
    for _ in range(2):
        tenant.delete(boot(tenant, agent))
        agent.obey()
    server = boot(tenant, agent)
    tenant.delete(server)
    want = agent.want(server)
    agent.chains.clear()
    agent.leases.clear()
    agent.change(GPU, state=DeviceState.FREE, claim_id=None, generation=0, certificate=None)
    agent.report(agent.says(want, PowerState.NONE, gone=True))
    agent.clean(GPU)
    agent.report()
    assert "refused" in shown(admin)["held_back"]
    assert act(admin, release={}) == 202
    agent.change(GPU, numa_node=1)
    agent.report()
    assert shown(admin)["held_back"] != "", "the same certificate is none of a burn-in that was asked for"
    agent.clean(GPU)
    agent.change(GPU, release_count=1)
    agent.report()
    assert shown(admin)["held_back"] == ""
    chains = admin.get(f"/kcloud/v1/devices/{shown(admin)['id']}/certificates").json()["about"]
    assert [about["chain"] for about in chains] == [0, 0, 1, 1]
    assert boot(tenant, agent)
    assert shown(admin)["generation"] == 4, "leases are numbered on"


def test_an_action_says_exactly_one_thing_of_a_device_that_is_there(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    mistakes: tuple[dict[str, object], ...] = (
        {}, {"maintenance": True, "release": {}}, {"maintenance": None}, {"quarantine": {"reason": ""}},
        {"quarantine": {}}, {"explode": {}}, {"release": {"now": "x"}},
    )  # fmt: skip
    for wrong in mistakes:
        assert act(admin, **wrong) == 400, wrong
    unknown = f"/kcloud/v1/devices/{uuid4()}/action"
    assert admin.post(unknown, json={"maintenance": True}).status_code == 404
    refused = cloud.client("demo").post(unknown, json={"maintenance": True})
    assert refused.status_code == 403


def test_devices_are_narrowed_by_card_and_kind_and_missing_ones_left_out(
    admin: httpx.Client, agent: ScriptedAgent, tenant: Tenant
) -> None:
    def names(query: str) -> list[str]:
        return [each["name"] for each in admin.get(f"/kcloud/v1/devices?{query}").json()["devices"]]

    assert names("kind=whole") == names(f"card={GPU}") == [GPU]
    assert names("kind=mdev") == names("card=pci_0000_41_00_0") == [each.name for each in vgpus(4)]
    tenant.delete(boot(tenant, agent))
    agent.obey()
    agent.devices = vgpus(4)
    agent.report()
    assert (names("card=" + GPU), names("state=missing")) == ([], [GPU])


def test_tenants_see_sorts_of_slices_and_no_numbers(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    other = ScriptedAgent.enrol(admin, "host-2", [gpu(GPU, "0000:81:00.0"), *vgpus(2)])
    other.report()
    answer = cloud.client("demo").get("/kcloud/v1/slices")
    found = {(each["resource_class"], each["share"]): each for each in answer.json()["slices"]}
    assert found.keys() == {("PGPU", 1000), ("VGPU", 250), ("VGPU", 500)}
    quarter = found["VGPU", 250]
    assert (quarter["memory_mib"], quarter["policy"], quarter["quantum_us"]) == (12288, "equal", 2000)
    assert not any(word in answer.text for word in ("host", "count", "pci_", "mdev_", str(agent.host_id)))
    other.devices = []
    other.report()
    left = cloud.client("demo").get("/kcloud/v1/slices").json()["slices"]
    assert {(each["resource_class"], each["share"]) for each in left} == {("PGPU", 1000), ("VGPU", 250)}
    first = cloud.client("demo").get("/kcloud/v1/slices?limit=1").json()
    rest = cloud.client("demo").get(first["slices_links"][0]["href"]).json()
    assert first["slices"] + rest["slices"] == left


def test_a_server_with_a_slice_gets_its_mediated_device(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    demo = cloud.client("demo")
    vgpu = Tenant(demo, make_flavor(admin, "vgpu", resources__VGPU="1"), make_image(demo))
    server = boot(vgpu, agent)
    (claim,) = agent.want(server).claims
    first = vgpus(4)[0]
    assert (claim.device, claim.kind, claim.mdev, claim.generation) == (first.name, "mdev", first.mdev, 1)
    assert vgpu.wait(server, "ACTIVE")


def test_flavors_say_how_large_their_slices_are(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    demo = cloud.client("demo")
    kept = {"resources:VGPU": "2"}
    flavor = make_flavor(admin, "vgpu", resources__VGPU="2")
    plain = make_flavor(admin, "plain")

    def specs(which: str) -> dict[str, str]:
        shown = demo.get(f"/compute/v2.1/flavors/{which}", headers=NEWEST).json()["flavor"]["extra_specs"]
        listed = demo.get("/compute/v2.1/flavors/detail", headers=NEWEST).json()["flavors"]
        assert shown == {each["id"]: each["extra_specs"] for each in listed}[which]
        assert isinstance(shown, dict)
        return shown

    sizes = {"kcloud:slice_share": "250", "kcloud:slice_memory_mib": "12288"}
    assert (specs(flavor), specs(plain)) == (kept | sizes, {})
    other = ScriptedAgent.enrol(admin, "host-2", vgpus(2))
    other.report()
    assert specs(flavor) == kept, "they are not all alike"
