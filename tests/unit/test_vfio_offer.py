"""What a host offers: whole groups of what its operator's rules name, and a reason for all the rest."""

from dataclasses import replace
from pathlib import Path

import pytest

from vfio.catalogue_product import memory_trait
from vfio.device import Link, Snapshot
from vfio.groups import judge
from vfio.hostuse import in_use
from vfio.offer import OfferResult, parse_rule
from vfio.scan import DEVICES, scan
from vfio.slices.offering import offers
from vfio.testing import (
    FakeFunction,
    FakeHost,
    behind_bridge,
    eight_gpus,
    gpu_host,
    npu_host,
    two_function_group,
)

GPU = "0000:41:00.0"
AUDIO = "0000:41:00.1"
NPU = "0000:51:00.0"


def result_of(host: FakeHost, *rules: str) -> OfferResult:
    sysfs = host.sysfs()
    return offers(scan(sysfs), [parse_rule(rule) for rule in rules], in_use(sysfs))


def test_without_rules_the_known_accelerators_are_offered_and_nothing_else(tmp_path: Path) -> None:
    result = result_of(gpu_host(tmp_path))
    assert result.refusals == ()
    (offer,) = result.offers
    assert (offer.name, offer.addresses, offer.iommu_group) == ("pci_0000_41_00_0", (GPU,), 41)
    assert (offer.vendor_id, offer.product_id, offer.model) == ("10de", "20b5", "A100 PCIe 80GB")
    assert (offer.resource_class, offer.numa_node) == ("PGPU", 0)
    assert (offer.kind, offer.memory_mib) == ("gpu", 81920)
    assert offer.traits == (
        "CUSTOM_NVIDIA_A100_PCIE_80GB",
        "CUSTOM_HW_GPU_CUDA_COMPUTE_CAPABILITY_V8_0",
        "CUSTOM_MEMORY_80GIB",
        "CUSTOM_PCI_10DE_20B5",
    )


def test_companion_functions_follow_their_device(tmp_path: Path) -> None:
    (offer,) = result_of(two_function_group(tmp_path), GPU).offers
    assert offer.addresses == (GPU, AUDIO)


def test_the_offer_is_named_after_the_lowest_function_whichever_the_rule_names(tmp_path: Path) -> None:
    (offer,) = result_of(two_function_group(tmp_path), f"{AUDIO}=CUSTOM_SOUND").offers
    assert (offer.name, offer.addresses) == ("pci_0000_41_00_0", (GPU, AUDIO))
    assert (offer.product_id, offer.resource_class) == ("1aef", "CUSTOM_SOUND")


def test_two_cards_in_one_group_are_one_offer(tmp_path: Path) -> None:
    (offer,) = result_of(behind_bridge(tmp_path)).offers
    assert offer.addresses == ("0000:61:00.0", "0000:61:01.0")
    assert offer.pci_path == ("0000:00:03.0", "0000:60:00.0")
    assert [trait for trait in offer.traits if "MEMORY" in trait] == list(memory_trait(offer.memory_mib))


def test_an_offer_says_where_its_device_sits(tmp_path: Path) -> None:
    found = {offer.addresses[0]: offer for offer in result_of(eight_gpus(tmp_path)).offers}
    assert {address: (offer.numa_node, offer.pci_path[1]) for address, offer in found.items()} == {
        "0000:13:00.0": (0, "0000:11:00.0"),
        "0000:14:00.0": (0, "0000:11:00.0"),
        "0000:23:00.0": (0, "0000:21:00.0"),
        "0000:24:00.0": (0, "0000:21:00.0"),
        "0000:83:00.0": (1, "0000:81:00.0"),
        "0000:84:00.0": (1, "0000:81:00.0"),
        "0000:93:00.0": (1, "0000:91:00.0"),
        "0000:94:00.0": (1, "0000:91:00.0"),
    }
    assert found["0000:24:00.0"].pci_path == ("0000:10:03.0", "0000:21:00.0", "0000:22:01.0")
    assert {offer.link for offer in found.values()} == {Link(16.0, 16)}


def test_a_wide_card_in_a_narrow_slot_has_a_narrow_link(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    port = FakeFunction("0000:00:04.0", 0x8086, 0x3420, 0x060400, driver="pcieport", group=4, link=(8.0, 8))
    card = FakeFunction(
        "0000:71:00.0", 0x10DE, 0x20B5, 0x030200, driver="nouveau", group=71, path=(port.address,),
        link=(16.0, 16),
    )  # fmt: skip
    host.add(port, card)
    links = {offer.addresses[0]: offer.link for offer in result_of(host).offers}
    assert links == {GPU: Link(16.0, 16), "0000:71:00.0": Link(8.0, 8)}


def test_a_rule_names_the_class_and_adds_traits(tmp_path: Path) -> None:
    (offer,) = result_of(gpu_host(tmp_path), "class:0302=CUSTOM_AICHIP,CUSTOM_RACK_7", "known").offers
    assert offer.resource_class == "CUSTOM_AICHIP"
    assert offer.traits[-2:] == ("CUSTOM_PCI_10DE_20B5", "CUSTOM_RACK_7")


def test_a_card_that_shares_its_group_with_a_stranger_is_refused_with_names_and_a_way_out(
    tmp_path: Path,
) -> None:
    host = gpu_host(tmp_path)
    host.add(FakeFunction("0000:42:00.0", 0x8086, 0x10C9, 0x020000, driver="igb", group=41))
    result = result_of(host)
    assert result.offers == ()
    (refusal,) = result.refusals
    assert (refusal.code, refusal.addresses) == ("group_shared", (GPU,))
    for word in (
        "group 41",
        GPU,
        "0000:42:00.0 (8086:10c9, class 0200, driver igb)",
        "ACS",
        "offer that device",
    ):
        assert word in refusal.reason


def test_a_member_that_is_no_pci_device_blocks_its_group(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    host.put("sys/kernel/iommu_groups/41/devices/arm-smmu-thing/uevent", "")
    (refusal,) = result_of(host).refusals
    assert "arm-smmu-thing is not a PCI device" in refusal.reason


def test_bridges_and_idle_chipset_functions_do_not_block_a_group(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    host.add(FakeFunction("0000:40:00.0", 0x8086, 0x2020, 0x060000, group=41))
    host.add(FakeFunction("0000:40:01.0", 0x8086, 0x2030, 0x060400, driver="pcieport", group=41))
    (offer,) = result_of(host).offers
    assert offer.addresses == (GPU,)


def test_a_chipset_function_with_a_driver_blocks_its_group(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    host.add(FakeFunction("0000:40:00.0", 0x8086, 0x2020, 0x060000, driver="skx_edac", group=41))
    assert [refusal.code for refusal in result_of(host).refusals] == ["group_shared"]


@pytest.mark.parametrize(
    ("rule", "why"), [("0000:01:00.0", "its disk holds /"), ("class:0200", "enp2s0 has the default route")]
)
def test_no_rule_gives_away_the_boot_disk_or_the_host_s_nic(tmp_path: Path, rule: str, why: str) -> None:
    result = result_of(gpu_host(tmp_path), rule)
    assert result.offers == ()
    (refusal,) = result.refusals
    assert refusal.code == "in_use"
    assert why in refusal.reason


def test_a_bridge_is_never_offered(tmp_path: Path) -> None:
    assert result_of(gpu_host(tmp_path), "class:0604") == OfferResult((), ())


def test_a_card_with_virtual_functions_is_refused_whole_and_they_are_a_layout_s(tmp_path: Path) -> None:
    host = npu_host(tmp_path)
    host.sysfs().write(f"{DEVICES}/{NPU}/sriov_numvfs", "2")
    result = result_of(host)
    assert result.offers == ()
    assert [refusal.code for refusal in result.refusals] == ["virtual_functions"]
    assert "sriov_numvfs" in result.refusals[0].reason
    assert result_of(host, "class:1200") == result
    by_address = result_of(host, "0000:51:10.1")
    assert by_address.offers == ()
    (refusal,) = by_address.refusals
    assert (refusal.code, refusal.addresses) == ("virtual_function", ("0000:51:10.1",))
    assert f"address:{NPU}" in refusal.reason


def test_a_virtual_function_whose_card_another_host_has_is_offered_by_a_rule(tmp_path: Path) -> None:
    """As in a guest that was given one."""
    host = gpu_host(tmp_path)
    function = FakeFunction("0000:61:00.0", 0x1002, 0x74B5, 0x120000, group=61)
    host.add(function)
    (offer,) = result_of(host, "1002:74b5").offers
    assert offer.addresses == ("0000:61:00.0",)


def test_without_an_iommu_the_reason_says_how_to_get_one(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.add(FakeFunction(GPU, 0x10DE, 0x20B5, 0x030200))
    (refusal,) = result_of(host).refusals
    assert refusal.code == "no_iommu_group"
    assert "intel_iommu=on" in refusal.reason


def test_a_rule_for_an_address_that_is_not_there_is_told(tmp_path: Path) -> None:
    (refusal,) = result_of(gpu_host(tmp_path), "0000:99:00.0").refusals
    assert (refusal.code, refusal.addresses) == ("no_such_device", ("0000:99:00.0",))


def test_members_of_different_classes_need_a_rule_that_makes_them_one(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    host.add(FakeFunction("0000:42:00.0", 0x1ED2, 0x0001, 0x120000, group=41))
    (refusal,) = result_of(host).refusals
    assert refusal.code == "mixed_classes"
    assert "CUSTOM_NPU, PGPU" in refusal.reason
    (offer,) = result_of(host, "10de:20b5=CUSTOM_PAIR", "1ed2:0001=CUSTOM_PAIR").offers
    assert offer.addresses == (GPU, "0000:42:00.0")


def test_the_driver_that_a_device_is_on_does_not_change_the_offer(tmp_path: Path) -> None:
    snapshot = scan(gpu_host(tmp_path).sysfs())
    bound = replace(snapshot.devices[GPU], driver="vfio-pci", driver_override="vfio-pci")
    other = Snapshot({**snapshot.devices, GPU: bound}, snapshot.groups, snapshot.boot_id)
    assert offers(other, (), {}) == offers(snapshot, (), {})


def test_a_viable_verdict_has_no_reason_and_an_unknown_group_no_members(tmp_path: Path) -> None:
    snapshot = scan(gpu_host(tmp_path).sysfs())
    verdict = judge(snapshot, 41, {GPU}, {})
    assert verdict.viable
    assert verdict.reason == ""
    assert judge(snapshot, 999, set(), {}).endpoints == ()
