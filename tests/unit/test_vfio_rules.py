"""The operator's rules and the catalogue: what parses, what does not, and what fits which device."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vfio import catalogue
from vfio.catalogue_words import KINDS
from vfio.device import PciDevice, checked_address
from vfio.rules import KNOWN, OfferRule, parse_rule
from vfio.scan import scan
from vfio.testing import npu_host

HEX = "0123456789abcdef"
NAMES = st.text("ABCXYZ019_", min_size=1, max_size=20)
ADDRESSES = st.builds(
    "{:0{}x}:{:02x}:{:02x}.{:x}".format,
    st.integers(0, 0xFFFF),
    st.integers(4, 8),
    st.integers(0, 255),
    st.integers(0, 31),
    st.integers(0, 7),
)
MATCHES = st.one_of(
    st.just(OfferRule()),
    st.builds(OfferRule, ids=st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))),
    st.builds(OfferRule, class_prefix=st.text(HEX, min_size=4, max_size=4)),
    st.builds(OfferRule, class_prefix=st.text(HEX, min_size=6, max_size=6)),
    st.builds(OfferRule, address=ADDRESSES),
)
RULES = st.one_of(
    MATCHES,
    st.builds(
        lambda rule, name, traits: replace(rule, resource_class=name, traits=tuple(traits)),
        MATCHES,
        NAMES,
        st.lists(NAMES, max_size=3),
    ),
    st.builds(lambda rule, kind: replace(rule, kind=kind), MATCHES, st.sampled_from(sorted(KINDS))),
)


@pytest.fixture
def npu(tmp_path: Path) -> PciDevice:
    return scan(npu_host(tmp_path).sysfs()).devices["0000:51:00.0"]


@given(ADDRESSES)
def test_every_address_that_the_kernel_prints_is_one(text: str) -> None:
    assert checked_address(text) == text


@given(st.text())
def test_any_other_text_is_refused_or_is_exactly_an_address(text: str) -> None:
    try:
        assert checked_address(text) == text
        assert text == text.strip().lower()
    except ValueError:
        pass


@pytest.mark.parametrize(
    "text", ["41:00.0", "0000:41:20.0", "0000:41:00.8", "0000:41:00.0\n", "0000:41:00.A", ""]
)
def test_nearly_an_address_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a PCI address"):
        checked_address(text)


@given(RULES)
def test_a_rule_reads_back_as_it_prints(rule: OfferRule) -> None:
    assert parse_rule(str(rule)) == rule


@given(st.text())
def test_any_text_is_a_rule_that_prints_and_parses_again_or_an_error(text: str) -> None:
    try:
        rule = parse_rule(text)
    except ValueError:
        return
    assert parse_rule(str(rule)) == rule


def test_an_address_needs_no_word_before_it_and_case_does_not_matter() -> None:
    assert (
        parse_rule("0000:41:00.0")
        == parse_rule(" ADDRESS:0000:41:00.0 ")
        == OfferRule(address="0000:41:00.0")
    )
    assert parse_rule("10DE:20B5=PGPU, CUSTOM_X") == OfferRule(
        ids=(0x10DE, 0x20B5), resource_class="PGPU", traits=("CUSTOM_X",)
    )


@pytest.mark.parametrize(
    "text",
    [
        "10de",
        "class:12",
        "class:12000",
        "*",
        "10de:20b5=",
        "10de:20b5=pgpu",
        "known=A,",
        "known=kind:tpu",
        "known=kind:",
    ],
)
def test_a_rule_that_says_nothing_sensible_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rule "):
        parse_rule(text)


@pytest.mark.parametrize("text", ["1ed2:0001", "class:1200", "class:120000", "0000:51:00.0", "known"])
def test_each_kind_of_rule_fits_the_device_it_describes(npu: PciDevice, text: str) -> None:
    assert parse_rule(text).fits(npu, catalogue.builtin())


@pytest.mark.parametrize("text", ["1ed2:0002", "class:0302", "class:120001", "0000:51:00.1"])
def test_a_rule_does_not_fit_another_device(npu: PciDevice, text: str) -> None:
    assert not parse_rule(text).fits(npu, catalogue.builtin())


def test_the_catalogue_names_known_accelerators_for_placement(npu: PciDevice) -> None:
    product = catalogue.builtin().accelerator(npu)
    assert product is not None
    assert (product.model, product.resource_class) == ("RNGD", "CUSTOM_NPU")
    assert product.traits == ("CUSTOM_FURIOSAAI_RNGD", "CUSTOM_MEMORY_48GIB", "CUSTOM_PCI_1ED2_0001")
    assert catalogue.builtin().describe(npu) == product


def test_an_unlisted_processing_accelerator_is_an_npu(npu: PciDevice) -> None:
    unknown = replace(npu, vendor=0x1E36, product=0xBEEF)
    assert KNOWN.fits(unknown, catalogue.builtin())
    product = catalogue.builtin().describe(unknown)
    assert (product.model, product.resource_class) == ("ENFLAME 1e36:beef", "CUSTOM_NPU")
    assert product.traits == ("CUSTOM_ENFLAME", "CUSTOM_PCI_1E36_BEEF")


def test_an_unlisted_display_is_offered_only_by_name_and_then_is_a_gpu(npu: PciDevice) -> None:
    display = replace(npu, vendor=0x10DE, product=0xBEEF, class_code=0x030000)
    assert not KNOWN.fits(display, catalogue.builtin())
    assert catalogue.builtin().describe(display).resource_class == "PGPU"


def test_anything_else_gets_a_class_of_its_own(npu: PciDevice) -> None:
    device = replace(npu, vendor=0x1234, product=0x11E8, class_code=0x00FF00)
    assert catalogue.builtin().describe(device).resource_class == "CUSTOM_PCI_1234_11E8"


def test_a_virtual_function_is_not_offered_by_itself(npu: PciDevice) -> None:
    assert not KNOWN.fits(replace(npu, physfn="0000:51:00.0"), catalogue.builtin())


def test_every_name_in_the_catalogue_is_one_that_placement_takes() -> None:
    for product in catalogue.builtin().products.values():
        for name in (product.resource_class, *product.traits):
            assert parse_rule(f"known={name}").resource_class == name
