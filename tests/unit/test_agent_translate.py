"""From a want to a complete domain, and to what the guest may read about itself."""

import base64
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from hypervisor_drivers.spec import DiskSpec, HostdevSpec, NicSpec
from kcloud_compute.actions import MakeConfigDrive
from kcloud_compute.execute import guest_facts
from kcloud_compute.translate import domain_spec
from tests.unit.agent_world import GUEST, HOST, claim, claim_id, server_id, want

GPU, OTHER = claim(1, "pci_0000_41_00_0"), claim(2, "pci_0000_42_00_0")


def test_a_domain_has_everything_that_the_server_wants() -> None:
    wanted = want(claims=(GPU, OTHER), vcpus=4, memory_mib=2048)
    spec = domain_spec(wanted, replace(HOST, virt_type="kvm", network="net7"))
    folder = PurePosixPath(f"/state/servers/{wanted.id}")
    assert spec.uuid == wanted.id
    assert spec.name == f"kcloud-{wanted.id}"
    assert spec.title == "web"
    assert (spec.vcpus, spec.memory_mib, spec.virt_type) == (4, 2048, "kvm")
    assert spec.disks == (
        DiskSpec(folder / "disk.qcow2", "qcow2"),
        DiskSpec(folder / "config.iso", "raw", device="cdrom"),
    )
    assert spec.nics == (NicSpec("fa:16:3e:00:00:01", "net7"),)
    assert spec.console_log == folder / "console.log"
    assert spec.metadata.project_id == "p1"
    assert spec.metadata.claims == (claim_id(1), claim_id(2))


def test_devices_keep_the_order_of_claims_and_of_their_functions() -> None:
    spec = domain_spec(want(claims=(OTHER, GPU)), HOST)
    expected = ("0000:42:00.0", "0000:41:00.0", "0000:41:00.1")
    assert spec.hostdevs == tuple(HostdevSpec(address) for address in expected)


def test_paths_come_from_the_id_and_never_from_a_name() -> None:
    spec = domain_spec(want(name="../../etc/passwd"), HOST)
    assert all("passwd" not in str(disk.path) for disk in spec.disks)
    assert "passwd" not in spec.name


def test_a_guest_reads_its_keys_and_its_user_data() -> None:
    guest = GUEST.model_copy(update={"key_name": "mine", "public_key": "ssh-ed25519 AAAA"})
    facts = guest_facts(MakeConfigDrive(server_id(1), "web", guest, want().ports))
    assert facts.public_keys == {"mine": "ssh-ed25519 AAAA"}
    assert facts.user_data == base64.b64decode(GUEST.user_data or "")
    assert [nic.mac for nic in facts.nics] == ["fa:16:3e:00:00:01"]


def test_user_data_that_is_no_base64_is_refused() -> None:
    guest = GUEST.model_copy(update={"user_data": "not base64!"})
    with pytest.raises(ValueError, match="base64"):
        guest_facts(MakeConfigDrive(server_id(1), "web", guest, ()))
