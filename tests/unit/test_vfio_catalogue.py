"""What the catalogue says of devices, what it may not say, and how an operator's file is laid over it."""

import re
import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import os_resource_classes
import os_traits
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.placement.names import TRAIT_ALIASES, canonical_class, canonical_trait
from vfio import catalogue_words as words
from vfio.catalogue import Catalogue, Product, builtin, extended, parse
from vfio.catalogue_fields import FIELDS
from vfio.catalogue_files import load
from vfio.catalogue_host import host_resources
from vfio.catalogue_pim import upmem_ranks
from vfio.device import PciDevice, Snapshot
from vfio.rules import KNOWN, parse_rule
from vfio.slices.offering import offers
from vfio.testing import FakeHost

DOC = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8")
SHIPPED = (Path(__file__).parents[2] / "vfio" / "catalogue.toml").read_text(encoding="utf-8")
CARD = PciDevice(
    address="0000:41:00.0", vendor=0, product=0, subsystem_vendor=0, subsystem_product=0, class_code=0x120000,
    revision=0, driver=None, driver_override=None, iommu_group=41, numa_node=0, pci_path=(), bars=(),
    sriov_total_vfs=0, sriov_num_vfs=0, physfn=None, reset_methods=(), is_bridge=False, boot_vga=False,
    link=None,
)  # fmt: skip
ACME = 'version = 2\n[[vendor]]\nid = "1234"\nname = "ACME"\nkind = "npu"\n'


def card(ids: str, **facts: object) -> PciDevice:
    vendor, product = (int(part, 16) for part in ids.split(":"))
    return replace(CARD, vendor=vendor, product=product, **facts)  # type: ignore[arg-type]


def product(ids: str) -> Product:
    return builtin().describe(card(ids))


def all_products(catalogue: Catalogue) -> list[Product]:
    listed = (*catalogue.products.values(), *catalogue.boards.values(), *catalogue.vfs.values())
    return [*listed, *catalogue.vendors.values()]


# --- what ships ---------------------------------------------------------------------------------------


def test_traits_are_standard_ones_or_custom() -> None:
    standard = set(os_traits.get_traits())
    for found in all_products(builtin()):
        for trait in found.traits:
            assert trait in standard or re.fullmatch(r"CUSTOM_[A-Z0-9_]{1,248}", trait), trait


def test_resource_classes_are_standard_ones_or_custom() -> None:
    names = {
        name for found in builtin().products.values() for name in (found.resource_class, found.slice_class)
    }
    for name in names | set(words.WHOLE_CLASS.values()) | set(words.SLICE_CLASS.values()):
        assert name in os_resource_classes.STANDARDS or re.fullmatch(r"CUSTOM_[A-Z0-9_]+", name), name


def test_each_fact_has_a_source_that_is_no_dangling_name() -> None:
    for found in all_products(builtin()):
        for fact, source in found.source.items():
            assert source, (found.model, fact)
            for part in source.split("; "):
                assert not re.fullmatch(r"[a-z0-9-]+", part), (found.model, fact, part)


def test_no_fact_stands_on_a_source_that_nobody_has_looked_into() -> None:
    for found in all_products(builtin()):
        for fact, source in found.source.items():
            assert "unchecked" not in source, (found.model, fact)


LISTED = {
    "10de": "1db1 1db4 1db5 1db6 1eb8 20b0 20f1 20b1 20b2 20b5 20b7 20bd 20f3 20f5 2235 2236 2237 25b6 27b8 "
    "27b6 26b5 26b9 26ba 2330 2331 2321 2322 2324 2329 2335 233b 2342 2348 2901 2909 2920 29bc 2941 3182 "
    "31c2 2bb5 2c3a 1af1 22a3",
    "1002": "66a1 738c 738e 740f 740c 7408 74a0 74a1 74a2 74a8 74a5 74a9 75a0 75a3 75a8",
    "8086": "56c0 56c1 56c2 0bd5 0bd6 0b69 0bd7 0bd8 0bd9 0bda 0bdb e211 e212 e222 e223 4940 4942 4944 4946 "
    "4948 0b25",
    "1da3": "0001 0030 1000 1010 1020 1060 1063",
    "1ed2": "0000 0001 0002 2222",
    "1eff": "1020 1110 1120 1210 1220 1250 2030 2130 2230 0010 1150",
    "1ff4": "0100 0101 0102 0110 0111 0112 2001",
    "1e52": "401e b140 faca",
    "17cb": "a100",
    "1ac1": "089a",
    "1f82": "0011",
    "1d22": "3684 3685",
}
FUNCTIONS = {
    "1002": "74b5=74a1 74b6=74a2 74bc=74a8 74b9=74a5 74bd=74a9 75b3=75a3",
    "8086": "4941=4940 4943=4942 4945=4944 4947=4946 4949=4948",
    "1eff": "1021=1020 1111=1110 1121=1120 1211=1210 1221=1220 1251=1250 2031=2030 2131=2130 2231=2230 "
    "0011=0010 1151=1150",
}
MAKERS_ALONE = ("1f56", "209f", "1de0", "1e60", "1e36", "1e3e", "1ed5", "cabc", "1d95")


@pytest.mark.parametrize("vendor", LISTED)
def test_each_listed_card_is_there_with_a_name_and_a_kind(vendor: str) -> None:
    for device in LISTED[vendor].split():
        found = builtin().products[int(vendor, 16), int(device, 16)]
        assert found.vf_of is None, device
        assert found.kind in words.KINDS, device
        assert device not in found.model.lower() or "rbln" in found.model.lower(), device


@pytest.mark.parametrize("vendor", FUNCTIONS)
def test_each_listed_virtual_function_belongs_to_its_card(vendor: str) -> None:
    for pair in FUNCTIONS[vendor].split():
        function, _, of = pair.partition("=")
        assert builtin().products[int(vendor, 16), int(function, 16)].vf_of == split(f"{vendor}:{of}")


@pytest.mark.parametrize("vendor", MAKERS_ALONE)
def test_an_unlisted_accelerator_of_a_known_maker_bears_its_name(vendor: str) -> None:
    assert product(f"{vendor}:fffe").model.endswith(f" {vendor}:fffe")
    assert product(f"{vendor}:fffe").kind in words.KINDS


def test_openkcloud_s_names_stand_for_traits_that_the_cards_have() -> None:
    named = {int(id_, 16): name for name, id_ in TRAIT_ALIASES.items()}
    found = {
        f"CUSTOM_{named[vendor]}_{device:04X}": known.traits
        for (vendor, device), known in builtin().products.items()
        if vendor in named
    }
    assert {"CUSTOM_FURIOSA_0000", "CUSTOM_REBELLIONS_1220", "CUSTOM_NVIDIA_20B5"} <= found.keys()
    for name, traits in found.items():
        assert canonical_trait(name) in traits
    assert {canonical_class("CUSTOM_AICHIP")} == {
        product(ids).resource_class for ids in ("1ed2:0001", "1eff:1220")
    }


def test_each_named_source_is_used() -> None:
    sources = tomllib.loads(SHIPPED)["sources"]
    body = SHIPPED.partition("# --- NVIDIA")[2]
    assert [name for name in sources if not re.search(rf'["; ]{name}[";]', body)] == []


def test_the_makers_of_accelerators_are_all_there() -> None:
    assert {found.model for found in builtin().vendors.values()} >= {
        "NVIDIA", "AMD", "INTEL", "HABANA", "FURIOSAAI", "REBELLIONS", "SAPEON", "DEEPX", "MOBILINT",
        "TENSTORRENT", "QUALCOMM", "GROQ", "CORAL", "HAILO", "D_MATRIX", "ENFLAME", "ILUVATAR",
        "MOORE_THREADS", "CAMBRICON", "GRAPHCORE", "BAIDU",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ids", "kind", "memory_mib"),
    [
        ("10de:20b5", "gpu", 81920), ("10de:2335", "gpu", 144384), ("10de:26b9", "gpu", 49152),
        ("1002:74a1", "gpu", 196608), ("8086:56c0", "gpu", 16384), ("8086:4940", "qat", None),
        ("1da3:1060", "npu", 131072), ("1ed2:0001", "npu", 49152), ("1eff:1250", "npu", None),
        ("10de:22a3", "companion", None), ("10ee:505c", "fpga", None),
    ],
)  # fmt: skip
def test_well_known_cards_have_their_kind_and_memory(ids: str, kind: str, memory_mib: int | None) -> None:
    assert (product(ids).kind, product(ids).memory_mib) == (kind, memory_mib)


def test_what_no_public_source_confirms_is_not_claimed() -> None:
    for vendor in (0x1F56, 0x209F, 0x1FF4, 0x1DA3, 0x1E52, 0x1EFF):
        ours = [found for (owner, _), found in builtin().products.items() if owner == vendor]
        assert {found.partitions for found in [*ours, builtin().vendors[vendor]]} == {frozenset()}
    assert [
        found for (owner, _), found in builtin().products.items() if owner == 0x1ED2 and found.vf_of
    ] == []
    assert 0x1C5C not in builtin().vendors


# --- resets, cuts, companions --------------------------------------------------------------------------


@pytest.mark.parametrize("ids", ["1002:74a1", "1002:75a3"])
def test_a_card_that_a_reset_breaks_allows_none_but_its_functions_do(ids: str) -> None:
    assert product(ids).reset_methods == ()
    assert "reset_breaks_until_reboot" in product(ids).quirks
    (function,) = [found for found in builtin().products.values() if found.vf_of == split(ids)]
    assert function.reset_methods is None
    assert function.quirks == frozenset()


def split(ids: str) -> tuple[int, int]:
    return int(ids[:4], 16), int(ids[5:], 16)


def test_a_card_without_function_level_reset_has_the_bus_alone() -> None:
    assert product("17cb:a100").reset_methods == ("bus",)
    assert {"no_flr", "few_msi"} <= product("17cb:a100").quirks


def test_most_cards_leave_the_choice_of_reset_to_the_kernel() -> None:
    assert product("10de:20b5").reset_methods is None


def test_nvidia_s_cards_say_how_they_are_cut_on_which_kernel() -> None:
    l40s = product("10de:26b9")
    assert l40s.partitions == {"mdev", "vendor-vfio"}
    assert "6.8" in l40s.notes["vendor-vfio"]
    assert product("10de:1db4").partitions == {"mdev"}
    assert product("10de:2330").companions == ("10de:22a3",)


# --- finding the product --------------------------------------------------------------------------------


def test_a_virtual_function_with_an_id_of_its_own_is_known_and_never_an_accelerator_by_itself() -> None:
    function = card("1002:74b5")
    found = builtin().describe(function)
    assert (found.model, found.vf_of, found.resource_class) == ("MI300X VF", (0x1002, 0x74A1), "VGPU")
    assert found.traits == ("CUSTOM_AMD_MI300X", "CUSTOM_PCI_1002_74B5")
    assert builtin().accelerator(function) is None


def test_a_virtual_function_with_its_card_s_id_is_a_slice_of_it() -> None:
    function = card("1ed2:0001", physfn="0000:41:00.0")
    found = builtin().describe(function)
    assert (found.resource_class, found.vf_of, found.memory_mib) == (
        "CUSTOM_NPU_SLICE",
        (0x1ED2, 0x0001),
        None,
    )
    assert found.traits == ("CUSTOM_FURIOSAAI_RNGD", "CUSTOM_PCI_1ED2_0001")
    assert builtin().accelerator(function) is None


def test_a_board_is_told_from_others_with_the_same_chip_by_its_subsystem() -> None:
    n300 = card("1e52:401e", subsystem_vendor=0x1E52, subsystem_product=0x0014)
    assert (builtin().describe(n300).model, builtin().describe(n300).memory_mib) == ("Wormhole n300", 24576)
    assert builtin().describe(n300).quirks == {"memory_outlives_reset"}
    assert builtin().describe(card("1e52:401e")).model == "Wormhole"


def test_a_virtual_function_of_a_board_is_called_after_the_board() -> None:
    text = (
        ACME
        + '[vendor.device]\n"0002/1234:0001" = { model = "Two Max" }\n"0001/1234:0001" = { vf_of = "0003" }\n'
    )
    text += '0001 = { vf_of = "0003" }\n0003 = { model = "Three" }\n'
    catalogue = parse(text)
    board = card("1234:0002", subsystem_vendor=0x1234, subsystem_product=1)
    assert catalogue.describe(board).model == "Two Max"
    function = catalogue.describe(replace(board, physfn="0000:41:00.0"))
    assert (function.model, function.resource_class) == ("Two Max", "CUSTOM_NPU_SLICE")
    assert catalogue.describe(replace(board, product=1)).vf_of == (0x1234, 0x0003)
    assert catalogue.describe(card("1234:0002")).model == "ACME 1234:0002"


@pytest.mark.parametrize(("ids", "name"), [("1f56:0100", "SAPEON"), ("209f:0001", "MOBILINT")])
def test_a_maker_of_whom_only_the_name_is_known_has_its_processing_accelerators_offered(
    ids: str, name: str
) -> None:
    assert KNOWN.fits(card(ids), builtin())
    found = product(ids)
    assert (found.model, found.resource_class) == (f"{name} {ids}", "CUSTOM_NPU")
    assert found.traits[0] == f"CUSTOM_{name}"


def test_a_maker_of_many_things_lends_an_unlisted_one_its_name_alone() -> None:
    found = product("8086:7d1d")
    assert (found.model, found.kind, found.resource_class) == ("INTEL 8086:7d1d", "npu", "CUSTOM_NPU")
    network = builtin().describe(card("8086:10c9", class_code=0x020000))
    assert (network.model, network.resource_class) == ("8086:10c9", "CUSTOM_PCI_8086_10C9")
    assert network.slice_class == "CUSTOM_PCI_8086_10C9_SLICE"


@pytest.mark.parametrize("ids", ["10de:22a3", "8086:4940", "8086:0b25"])
def test_what_serves_the_host_or_another_card_is_offered_only_by_name(ids: str) -> None:
    assert not KNOWN.fits(card(ids), builtin())
    assert parse_rule(ids).fits(card(ids), builtin())


def test_describing_a_listed_device_builds_nothing() -> None:
    for device in (card("10de:20b5"), card("10de:20b5", physfn="0000:41:00.0"), card("1002:74b5")):
        assert builtin().describe(device) is builtin().describe(replace(device))


# --- files of an operator -------------------------------------------------------------------------------


def test_a_later_file_wins_fact_by_fact() -> None:
    first = ACME + '[vendor.device]\n0001 = { model = "One", memory_mib = 1024, scrub = "recreate" }\n'
    second = 'version = 2\n[[vendor]]\nid = "1234"\n[vendor.device]\n0001 = { memory_mib = 2048 }\n'
    found = extended({"first": first, "second": second}).products[0x1234, 0x0001]
    assert (found.model, found.memory_mib, found.scrub) == ("One", 2048, "recreate")
    assert (found.source["model"], found.source["memory_mib"]) == ("first", "second")


def test_an_operator_can_put_devices_into_a_family_of_ours() -> None:
    text = (
        'version = 2\n[[vendor]]\nid = "10de"\n[vendor.device]\n26b8 = { family = "ada", model = "L40G" }\n'
    )
    catalogue = extended({"mine": text})
    found = catalogue.products[0x10DE, 0x26B8]
    assert found.kind == "gpu"
    assert found.partitions == {"mdev", "vendor-vfio"}
    assert catalogue.products[0x10DE, 0x26B9] == builtin().products[0x10DE, 0x26B9]


def test_the_kernel_s_resets_can_be_allowed_again() -> None:
    text = 'version = 2\n[[vendor]]\nid = "1002"\n[vendor.device]\n74a1 = { reset_methods = ["default"] }\n'
    assert extended({"mine": text}).products[0x1002, 0x74A1].reset_methods is None


def test_own_facts_win_over_the_family_s_and_those_over_the_vendor_s() -> None:
    text = ACME + (
        'scrub = "none"\nquirks = ["d3cold"]\n[vendor.family.f]\nscrub = "recreate"\npartitions = ["mdev"]\n'
        '[vendor.device]\n0001 = { family = "f", model = "One", partitions = ["sriov"] }\n'
    )
    found = parse(text).products[0x1234, 0x0001]
    assert found.scrub == "recreate"
    assert found.partitions == {"sriov"}
    assert found.quirks == {"d3cold"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("version = 1", ("version", "1 is not known")),
        ("version = 2\n[vendors]", ("vendors", "no table")),
        ("version = 2\nnonsense", ("'='",)),
        ('version = 2\n[[vendor]]\nid = "10DE"', ("vendor 1", "id")),
        ('version = 2\n[[vendor]]\nid = "1234"', ("vendor 1234", "name", "missing")),
        (ACME + '[[vendor]]\nid = "1234"', ("vendor 1234", "id", "twice")),
        (ACME.replace("npu", "tpu"), ("vendor 1234", "kind", "'tpu'")),
        (ACME + "colour = 3", ("vendor 1234", "colour", "no field")),
        (ACME + '[vendor.device]\n000A = { model = "x" }', ("vendor 1234", "device 1234:000A")),
        (ACME + "[vendor.device]\n0001 = { }", ("device 1234:0001", "model", "missing")),
        (ACME + '[vendor.device]\n0001 = "x"', ("device 1234:0001", "entry", "table")),
        (
            ACME + '[vendor.device]\n0001 = { model = "x", family = "no" }',
            ("0001", "family", "no family 'no'"),
        ),
        (ACME + '[vendor.device]\n0001 = { vf_of = "0002" }', ("0001", "vf_of", "1234:0002")),
        (
            ACME + '[vendor.device]\n0001 = { model = "x", memory_mib = "80G" }',
            ("1234:0001", "memory_mib", "MiB"),
        ),
        (
            ACME + '[vendor.device]\n0001 = { model = "x", quirks = ["odd"] }',
            ("1234:0001", "quirks", "'odd'"),
        ),
        (
            ACME + '[vendor.device]\n0001 = { model = "x", reset_methods = ["hit"] }',
            ("reset_methods", "'hit'"),
        ),
        (ACME + '[vendor.device]\n0001 = { model = "x", scrub = "soap" }', ("scrub", "'soap'")),
        (ACME + '[vendor.device]\n0001 = { model = "x", companions = ["audio"] }', ("companions", "'audio'")),
        (ACME + '[vendor.device]\n0001 = { model = "x", traits = ["lower"] }', ("traits", "'lower'")),
        (ACME + '[vendor.family.f]\npartitions = ["mig"]', ("family f", "partitions", "'mig'")),
    ],
)
def test_a_mistake_is_refused_with_its_file_entry_and_field(text: str, where: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"^mine\.toml: ") as refused:
        parse(text, "mine.toml")
    for word in where:
        assert word in str(refused.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(FIELDS)), VALUES)
def test_a_field_takes_a_value_or_says_what_it_wants(name: str, value: object) -> None:
    with suppress(ValueError):
        FIELDS[name](value)


def test_files_are_read_in_order_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(ACME + '[vendor.device]\n0001 = { model = "One" }\n')
    assert load([mine]).products[0x1234, 0x0001].source["model"] == str(mine)
    assert load() is builtin()
    with pytest.raises(ValueError, match=r"none\.toml"):
        load([mine, tmp_path / "none.toml"])


# --- the page about it ----------------------------------------------------------------------------------


def example() -> str:
    found = re.search(r"```toml example\n(.*?)```", DOC, re.DOTALL)
    assert found
    return found[1]


def test_the_example_of_the_page_does_what_it_says() -> None:
    catalogue = extended({"example": example()})
    aimx = catalogue.accelerator(card("1c5c:2a20", class_code=0xFF0000))
    assert aimx is not None
    assert (aimx.kind, aimx.resource_class, aimx.reset_methods) == ("pim", "CUSTOM_PIM", ("bus",))
    assert aimx.traits == ("CUSTOM_SKHYNIX_AIMX", "CUSTOM_MEMORY_32GIB", "CUSTOM_PCI_1C5C_2A20")
    mi300x = catalogue.products[0x1002, 0x74A1]
    assert (mi300x.reset_methods, mi300x.quirks, mi300x.memory_mib) == (("flr",), frozenset(), 196608)
    assert mi300x.source["reset_methods"] == "our ticket 4711"
    assert catalogue.products[0x1F56, 0x0100].kind == "npu"


def test_the_page_s_first_example_is_a_catalogue() -> None:
    found = re.search(r"```toml\n(.*?)```", DOC, re.DOTALL)
    assert found
    products = parse(found[1]).products
    assert products[0x1234, 0x0003].vf_of == (0x1234, 0x0002)
    assert products[0x1234, 0x0002].source["partitions"] == "https://acme.example/second"


def test_the_page_has_every_word_that_an_entry_may_use() -> None:
    for word in (*FIELDS, *words.KINDS, *words.PARTITIONS, *words.SCRUBS, words.ANY_RESET):
        assert re.search(rf"`[^`]*\b{re.escape(word)}\b[^`]*`", DOC), word
    for quirk, meaning in words.QUIRKS.items():
        assert f"| `{quirk}` | {meaning} |" in DOC.replace("`d3cold_allowed`", "d3cold_allowed"), quirk
    for kind, name in words.WHOLE_CLASS.items():
        assert f"| `{kind}` | `{name}` | `{words.SLICE_CLASS[kind]}` |" in DOC


# --- processing in memory -------------------------------------------------------------------------------


def test_an_operator_s_rule_says_that_a_card_is_pim() -> None:
    device = card("1c5c:2a20", class_code=0xFF0000)
    snapshot = Snapshot({device.address: device}, {41: (device.address,)})
    (offer,) = offers(snapshot, [parse_rule("1c5c:2a20=kind:pim")], {}).offers
    assert (offer.kind, offer.resource_class, offer.memory_mib) == ("pim", "CUSTOM_PIM", None)
    (named,) = offers(snapshot, [parse_rule("1c5c:2a20=kind:pim,CUSTOM_AIM,CUSTOM_X")], {}).offers
    assert (named.kind, named.resource_class, named.traits[-1]) == ("pim", "CUSTOM_AIM", "CUSTOM_X")


def test_upmem_ranks_are_counted_and_handed_to_nobody() -> None:
    found = upmem_ranks({"dpu_rank0": "0\n", "dpu_rank1": "1\n", "uevent": ""}, declared=40)
    assert found is not None
    assert (found.total, found.reserved, found.used, found.declared) == (2, 2, 1, False)
    assert found.resource_class == "CUSTOM_PIM_UPMEM_RANK"


def test_the_ranks_that_a_host_has_are_read_from_its_driver(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    assert host_resources(host.sysfs()) == ()
    host.put("sys/class/dpu_rank/dpu_rank0/is_owned", "1\n")
    host.put("sys/class/dpu_rank/dpu_rank1/uevent", "")
    (found,) = host_resources(host.sysfs())
    assert (found.total, found.used) == (2, None)
    (declared,) = host_resources(FakeHost(tmp_path / "other").sysfs(), upmem_declared=4)
    assert (declared.total, declared.declared) == (4, True)


def test_an_operator_s_count_stands_where_the_kernel_shows_no_ranks() -> None:
    found = upmem_ranks({}, declared=40)
    assert found is not None
    assert (found.total, found.reserved, found.used, found.declared) == (40, 40, None, True)
    assert upmem_ranks({}) is None
    unread = upmem_ranks({"dpu_rank0": ""})
    assert unread is not None
    assert unread.used is None
