"""The config drive's files, in the layout that cloud-init's ConfigDrive source reads."""

import json
from dataclasses import replace
from uuid import UUID

from hypervisor_drivers.cloudinit import GuestFacts, GuestNic, config_drive_files

FACTS = GuestFacts(
    uuid=UUID(int=7),
    hostname="web-1.novalocal",
    name="web 1",
    project_id="5f0e7a1b6c9d4e2f8a3b0c1d2e3f4a5b",
    public_keys={"laptop": "ssh-ed25519 AAAA me@laptop"},
    metadata={"rôle": "front"},
    user_data=b"#cloud-config\n\xff",
    nics=(GuestNic("fa:16:3e:00:00:01"), GuestNic("fa:16:3e:00:00:02")),
)


def _read(facts: GuestFacts, path: str) -> dict[str, object]:
    content: dict[str, object] = json.loads(config_drive_files(facts)[path])
    return content


def test_the_instance_is_told_from_others_by_its_uuid() -> None:
    assert _read(FACTS, "openstack/latest/meta_data.json")["uuid"] == str(FACTS.uuid)
    assert _read(FACTS, "ec2/latest/meta-data.json")["instance-id"] == str(FACTS.uuid)


def test_keys_come_both_by_name_and_as_a_list() -> None:
    meta_data = _read(FACTS, "openstack/latest/meta_data.json")

    assert meta_data["public_keys"] == {"laptop": "ssh-ed25519 AAAA me@laptop"}
    assert meta_data["keys"] == [{"name": "laptop", "type": "ssh", "data": "ssh-ed25519 AAAA me@laptop"}]


def test_metadata_of_the_server_is_under_meta() -> None:
    assert _read(FACTS, "openstack/latest/meta_data.json")["meta"] == {"rôle": "front"}


def test_user_data_travels_byte_for_byte() -> None:
    assert config_drive_files(FACTS)["openstack/latest/user_data"] == FACTS.user_data


def test_a_server_without_user_data_or_key_has_none_on_its_drive() -> None:
    plain = replace(FACTS, user_data=None, public_keys={})

    assert "openstack/latest/user_data" not in config_drive_files(plain)
    assert not {"public_keys", "keys"} & _read(plain, "openstack/latest/meta_data.json").keys()


def test_every_nic_is_found_by_its_mac_and_asks_by_dhcp() -> None:
    network_data = _read(FACTS, "openstack/latest/network_data.json")

    assert network_data == {
        "links": [
            {"id": "nic0", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:01"},
            {"id": "nic1", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:02"},
        ],
        "networks": [
            {"id": "network0", "type": "ipv4_dhcp", "link": "nic0", "network_id": "network0"},
            {"id": "network1", "type": "ipv4_dhcp", "link": "nic1", "network_id": "network1"},
        ],
        "services": [],
    }


def test_the_same_facts_give_the_same_bytes() -> None:
    assert config_drive_files(FACTS) == config_drive_files(replace(FACTS))
