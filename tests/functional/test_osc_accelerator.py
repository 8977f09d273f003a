"""python-cyborgclient, the accelerator plugin of the `openstack` client, unmodified; openstacksdk's proxy."""

from pathlib import Path

import openstack
import openstack.exceptions
import pytest

from tests.e2e.openstack_client import OpenStack
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import Obeying, ScriptedAgent, gpu, vgpus
from tests.functional.servers import Tenant, make_flavor, make_image
from tests.functional.test_real_clients import clouds_yaml

# The SDK warns of its own insides.
pytestmark = [
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

CUT = "pci_0000_61_00_0"
GROUPS = '[{"resources:PGPU": "1", "trait:CUSTOM_GPU_H100": "required"}]'
NEWEST = ("--os-accelerator-api-version", "2.3")


def boot(cloud: Cloud, profile: str) -> str:
    """A server of the demo user by this profile, on a host with a whole GPU and a cut one."""
    admin = cloud.client()
    agent = ScriptedAgent.enrol(admin, "h1", [gpu(), *vgpus(4, CUT)])
    agent.report()
    flavor = make_flavor(admin, accel__device_profile=profile)
    tenant = Tenant(cloud.client("demo"), flavor, make_image(admin, visibility="public"))
    server = tenant.boot()
    with Obeying(agent):
        tenant.wait(server, "ACTIVE")
    return server


@pytest.mark.client
def test_the_openstack_command_drives_profiles_devices_and_requests(cloud: Cloud, tmp_path: Path) -> None:
    file = clouds_yaml(cloud, tmp_path)
    admin, demo = (OpenStack(file, user, tmp_path / "transcript") for user in ("admin", "demo"))
    profile = ("accelerator", "device", "profile")

    made = admin.json(*profile, "create", "h100", GROUPS, "--description", "one H100")
    assert (made["name"], made["description"]) == ("h100", "one H100")
    assert made["groups"] == [{"resources:PGPU": "1", "trait:CUSTOM_GPU_H100": "required"}]
    assert demo.json(*NEWEST, *profile, "show", "h100") == made
    assert [row["name"] for row in demo.json(*profile, "list", "--long")] == ["h100"]
    assert "403" in demo(*profile, "create", "mine", GROUPS, fails=True)
    assert "GPUS" in admin(*profile, "create", "x", '[{"resources:GPUS": "1"}]', fails=True)

    server = boot(cloud, "h100")
    devices = admin.json(*NEWEST, "accelerator", "device", "list", "--long")
    by_address = {row["std_board_info"][-14:-2]: row for row in devices}
    whole = by_address["0000:41:00.0"]
    assert len(devices) == 2
    assert (whole["type"], whole["hostname"], whole["status"]) == ("GPU", "h1", "enabled")
    admin("accelerator", "device", "disable", whole["uuid"])
    shown = admin.json(*NEWEST, "accelerator", "device", "show", whole["uuid"])
    assert shown == {**whole, "status": "maintaining", "updated_at": shown["updated_at"]}
    assert "403" in demo("accelerator", "device", "list", fails=True)

    deployables = admin.json("accelerator", "deployable", "list", "--long")
    assert {row["name"]: row["num_accelerators"] for row in deployables} == {
        "h1_pci_0000_41_00_0": 1,
        f"h1_{CUT}": 4,
    }
    one = admin.json("accelerator", "deployable", "show", deployables[0]["uuid"])
    assert one["name"] == deployables[0]["name"]
    attributes = admin.json("accelerator", "device", "attribute", "list")
    classes = [row for row in attributes if row["key"] == "rc"]
    assert {row["value"] for row in classes} == {"PGPU", "VGPU"}
    attribute = admin.json("accelerator", "device", "attribute", "show", classes[0]["uuid"])
    assert attribute["value"] == classes[0]["value"]

    (arq,) = demo.json("accelerator", "arq", "list", "--long")
    assert (arq["state"], arq["device_profile_name"], arq["instance_uuid"]) == ("Bound", "h100", server)
    assert (arq["attach_handle_type"], arq["hostname"]) == ("PCI", None)
    assert admin.json("accelerator", "arq", "show", arq["uuid"])["attach_handle_info"] == {
        "domain": "0000", "bus": "41", "device": "00", "function": "0"
    }  # fmt: skip
    assert "follow servers" in demo("accelerator", "arq", "create", "h100", fails=True)

    admin(*profile, "delete", made["uuid"])
    assert "not found" in admin(*profile, "delete", made["uuid"], fails=True)


def connect(cloud: Cloud, user: str) -> openstack.connection.Connection:
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        region_name="RegionOne",
        auth_url=f"{cloud.url}/identity",
        username=user,
        password=getattr(cloud.passwords, user),
        project_name=user,
        user_domain_id="default",
        project_domain_id="default",
        accelerator_default_microversion="2.3",
    )


def test_openstacksdk_finds_the_service_and_what_it_has(cloud: Cloud) -> None:
    admin, demo = connect(cloud, "admin"), connect(cloud, "demo")
    group = {"resources:PGPU": "1"}
    made = admin.accelerator.create_device_profile(name="gpu", groups=[group])
    assert demo.accelerator.get_device_profile("gpu").groups == [group]
    server = boot(cloud, "gpu")
    (arq,) = demo.accelerator.accelerator_requests(instance=server)
    assert demo.accelerator.get_accelerator_request(arq.uuid).state == "Bound"
    (whole,) = (card for card in admin.accelerator.devices(limit=1) if "41:00" in card.std_board_info)
    assert whole.status == "enabled"
    (cut,) = (card for card in admin.accelerator.deployables() if card.num_accelerators == 4)
    assert admin.accelerator.get_deployable(cut.id).name == cut.name
    keys = {attribute.key for attribute in admin.accelerator.attributes(deployable_id=cut.id)}
    assert keys == {"rc"}
    with pytest.raises(openstack.exceptions.ForbiddenException, match="follow servers"):
        demo.accelerator.create_accelerator_request(device_profile_name="gpu")
    with pytest.raises(openstack.exceptions.ForbiddenException):
        list(demo.accelerator.devices())
    admin.accelerator.delete_device_profile(made.uuid, ignore_missing=False)
    with pytest.raises(openstack.exceptions.NotFoundException, match="gpu"):
        admin.accelerator.get_device_profile("gpu")
    for connection in (admin, demo):
        connection.close()
