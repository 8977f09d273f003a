"""What a slice says of itself: memory, share and traits are its own, not those of its whole card."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.slice_bench import BENCHES, CARD, NPU, T4, bench, gpu, vendor_gpu
from vfio.catalogue_product import memory_trait
from vfio.journal import Journal
from vfio.rules import parse_rule
from vfio.scan import scan
from vfio.sim import cards as sim_cards
from vfio.sim.function import Board, Cutting, Sriov, VgpuType
from vfio.slices.cards import cards
from vfio.slices.model import Ability, Card, Cut, Kind, Plan, Policy, Sharing, Slice
from vfio.slices.records import LayoutJournal
from vfio.slices.slicer import Slicer
from vfio.slices.vgpus import instance_share
from vfio.slices.whole import not_whole
from vfio.testing import FakeHost


def memory_traits(each: Slice) -> set[str]:
    return {trait for trait in each.traits if trait.startswith("CUSTOM_MEMORY_")}


# --- memory ---------------------------------------------------------------------------------------------


def test_a_quarter_of_a_card_has_the_trait_of_a_quarter_of_its_memory(tmp_path: Path) -> None:
    scene = bench(
        tmp_path, Kind.MDEV, gpu(product=0x1EB8, board=T4), Plan((Cut(Kind.MDEV, "nvidia-222", 4),)), None
    )
    (whole,) = scene.slices()
    assert (whole.memory_mib, memory_traits(whole)) == (16384, {"CUSTOM_MEMORY_16GIB"})
    for each in scene.apply():
        assert (each.memory_mib, memory_traits(each)) == (4096, {"CUSTOM_MEMORY_4GIB"})
        assert "CUSTOM_NVIDIA_T4" in each.traits


@pytest.mark.parametrize("name", BENCHES)
def test_each_slice_has_the_trait_of_its_own_memory_and_of_no_other(tmp_path: Path, name: str) -> None:
    for each in BENCHES[name](tmp_path).apply():
        assert memory_traits(each) == set(memory_trait(each.memory_mib))


def test_a_slice_whose_memory_nobody_knows_has_no_trait_of_it(tmp_path: Path) -> None:
    for each in BENCHES["vf"](tmp_path).apply():
        assert (each.memory_mib, memory_traits(each)) == (None, set())


def test_a_trait_that_a_layout_names_stays(tmp_path: Path) -> None:
    scene = BENCHES["mdev"](tmp_path)
    made = scene.apply(Plan((Cut(Kind.MDEV, "nvidia-222", 1, traits=("CUSTOM_MEMORY_FAST",)),)))
    assert "CUSTOM_MEMORY_FAST" in made[0].traits


@pytest.mark.parametrize(
    ("mib", "trait"),
    [
        (4864, "CUSTOM_MEMORY_5GIB"),
        (96246, "CUSTOM_MEMORY_94GIB"),
        (512, "CUSTOM_MEMORY_512MIB"),
        (1536, "CUSTOM_MEMORY_1536MIB"),
    ],
)
def test_memory_is_named_as_it_is_called_and_never_by_far_more_than_it_is(mib: int, trait: str) -> None:
    assert memory_trait(mib) == (trait,)


def test_no_memory_has_no_trait() -> None:
    assert memory_trait(None) == memory_trait(0) == ()


# --- how it is cut --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("whole", set()),
        ("vf", {"CUSTOM_PARTITION_VF"}),
        ("mdev", {"CUSTOM_PARTITION_MDEV"}),
        ("mdev on MIG", {"CUSTOM_PARTITION_MDEV", "CUSTOM_PARTITION_MIG"}),
        ("vendor vf on MIG", {"CUSTOM_PARTITION_VENDOR_VF", "CUSTOM_PARTITION_MIG"}),
        ("xe vf", {"CUSTOM_PARTITION_XE_VF"}),
    ],
)
def test_a_slice_says_how_its_card_is_partitioned(tmp_path: Path, name: str, modes: set[str]) -> None:
    for each in BENCHES[name](tmp_path).apply():
        assert {trait for trait in each.traits if trait.startswith("CUSTOM_PARTITION_")} == modes


# --- ids ------------------------------------------------------------------------------------------------


def test_a_virtual_function_is_told_by_its_own_ids_and_by_its_card_s(tmp_path: Path) -> None:
    function = replace(sim_cards.MI300X, address=CARD, group=41)
    scene = bench(tmp_path, Kind.VF, function, Plan((Cut(Kind.VF, count=1),)), "vfio-pci")
    (each,) = scene.apply()
    assert (each.vendor_id, each.product_id) == ("1002", "74b5")
    assert {"CUSTOM_PCI_1002_74A1", "CUSTOM_PCI_1002_74B5"} <= set(each.traits)


def test_a_vendor_s_function_has_the_ids_that_the_kernel_shows_of_it(tmp_path: Path) -> None:
    board = Board(Cutting.VENDOR_VFIO, "nvidia", 24576, (VgpuType(7, "NVIDIA A10-24Q", 24576, 1),))
    function = gpu(
        product=0x2236, total_vfs=2, vf_product=0x2299, sriov=Sriov(driver="nvidia", offset=4), board=board
    )
    scene = bench(tmp_path, Kind.VENDOR_VF, function, Plan((Cut(Kind.VENDOR_VF, "7", 1),)), "nvidia")
    (each,) = scene.apply()
    assert each.product_id == "2299"
    assert {"CUSTOM_PCI_10DE_2236", "CUSTOM_PCI_10DE_2299"} <= set(each.traits)


# --- shares ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mdev on MIG", "vendor vf on MIG"])
def test_an_instance_of_two_parts_is_two_sevenths_of_its_card(tmp_path: Path, name: str) -> None:
    assert sorted(each.share for each in BENCHES[name](tmp_path).apply()) == [285, 285, 428]


def test_a_single_instance_has_its_parts_and_not_all_of_the_card(tmp_path: Path) -> None:
    scene = BENCHES["vendor vf on MIG"](tmp_path)
    alone = Plan((scene.plan.cuts[1],))
    assert [each.share for each in scene.apply(alone)] == [428]


def card_of(folder: Path, product: int) -> Card:
    host = FakeHost(folder)
    host.add(gpu(product=product))
    (found,) = cards(scan(host.sysfs()))
    return found


@pytest.mark.parametrize(
    ("product", "name", "gib", "share"),
    [
        (0x20B0, "A100X-1-5C", 5, 142),
        (0x20B0, "A100X-1-5CME", 5, 142),
        (0x20B0, "A100X-1-10C", 10, 142),
        (0x20B0, "A100X-7-40C", 40, 1000),
        (0x20B7, "A30-1-6C", 6, 250),
        (0x20B7, "A30-4-24C", 24, 1000),
        (0x2330, "H100XM-4-40C", 40, 571),
        (0x2BB5, "RTX Pro 6000 Blackwell DC-1-24Q", 24, 250),
        (0x2BB5, "RTX Pro 6000 Blackwell DC-1-12Q", 12, 125),
        (0x2BB5, "RTX Pro 6000 Blackwell DC-4-24Q", 24, 250),
        (0x20F3, "A800-2-20C", 20, 250),
    ],
)
def test_a_mig_backed_type_has_its_instance_s_part_of_the_card(
    tmp_path: Path, product: int, name: str, gib: int, share: int
) -> None:
    """The last rows: vGPUs that take turns on one instance, and a card of which nobody knows the parts."""
    ability = Ability(Kind.VENDOR_VF, name=f"NVIDIA {name}", memory_mib=gib * 1024)
    assert instance_share(card_of(tmp_path, product), ability) == share


def test_of_a_card_that_nobody_knows_a_mig_backed_type_has_an_equal_part(tmp_path: Path) -> None:
    types = (VgpuType(7, "NVIDIA X-1-10C", 10240, 4, mig=True),)
    board = Board(Cutting.VENDOR_VFIO, "nvidia", 0, types, mig=True)
    function = vendor_gpu(board, vfs=4)
    plan = Plan((Cut(Kind.VENDOR_VF, "7", 2),))
    scene = bench(tmp_path, Kind.VENDOR_VF, replace(function, product=0x9999), plan, "nvidia")
    assert [each.share for each in scene.apply()] == [250, 250]


def test_slices_that_take_turns_have_what_their_policy_promises(tmp_path: Path) -> None:
    scene = BENCHES["mdev"](tmp_path)
    cut = Cut(Kind.MDEV, "nvidia-222", 2)
    assert [each.share for each in scene.apply(Plan((cut,)))] == [500, 500]
    fixed = Plan((cut,), Sharing(Policy.FIXED))
    assert [each.share for each in scene.apply(fixed)] == [250, 250]


def test_accelerators_of_two_classes_in_one_group_are_handed_out_only_when_rules_make_them_one(
    tmp_path: Path,
) -> None:
    host = FakeHost(tmp_path)
    host.add(gpu(), replace(NPU, address="0000:42:00.0"))
    sysfs = host.sysfs()
    slicer = Slicer(sysfs, Journal(tmp_path / "claims"), LayoutJournal(tmp_path / "layouts"))
    sight = slicer.look()
    (apart,) = cards(sight.snapshot)
    assert slicer.slices(apart, sight) == ()
    assert "different resource classes (CUSTOM_NPU, PGPU)" in not_whole(apart, sight)
    rules = [parse_rule("10de:26b9=CUSTOM_PAIR"), parse_rule("1ed2:0001=CUSTOM_PAIR")]
    (pair,) = cards(sight.snapshot, rules)
    (both,) = slicer.slices(pair, sight)
    assert (both.resource_class, both.addresses) == ("CUSTOM_PAIR", (CARD, "0000:42:00.0"))
    assert (both.memory_mib, memory_traits(both)) == (98304, {"CUSTOM_MEMORY_96GIB"})
    assert {"CUSTOM_NVIDIA_L40S", "CUSTOM_FURIOSAAI_RNGD"} <= set(both.traits)
