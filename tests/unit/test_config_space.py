"""What the bytes of a configuration space say, whatever they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thoroughness import examples
from vfio.config_space import AER, MSIX, PCIE, PM, ConfigSpace, damage, differences, parse


def config(*, size: int = 4096, product: int = 0x20B5, flr: bool = True, vendor: int = 0x10DE) -> bytearray:
    """A GPU's: power management, PCI Express and MSI-X, then AER and ACS."""
    data = bytearray(4096)

    def put(offset: int, value: int, length: int = 2) -> None:
        data[offset : offset + length] = value.to_bytes(length, "little")

    put(0x00, vendor)
    put(0x02, product)
    put(0x04, 0x0006)
    put(0x06, 0x0010)
    put(0x09, 0x030200, 3)
    put(0x10, 0xE000_000C, 4)
    put(0x18, 0x0000_000C, 4)
    data[0x34] = 0x60
    put(0x60, PM | 0x68 << 8)
    put(0x64, 0x0003)
    put(0x68, PCIE | 0xC8 << 8)
    put(0x6C, 1 << 28 if flr else 0, 4)
    put(0x7A, 4 | 16 << 4)
    put(0xC8, MSIX)
    put(0xCA, 0x8005)
    put(0x100, AER | 2 << 16 | 0x148 << 20, 4)
    put(0x148, 0x000D | 1 << 16, 4)
    put(0x14C, 0x005F)
    put(0x14E, 0x001D)
    return data[:size]


def test_the_header_and_capabilities_are_read() -> None:
    read = parse(bytes(config()))
    assert (read.vendor, read.product, read.class_code, read.header_type) == (0x10DE, 0x20B5, 0x030200, 0)
    assert read.bars[:3] == (0xE000_000C, 0, 0x0000_000C)
    assert [known for known, _ in read.capabilities] == [PM, PCIE, MSIX]
    assert read.extended == ((AER, 0x100), (0x000D, 0x148))
    assert read.flr
    assert read.link == (16.0, 16)
    assert read.power_state == 3
    assert read.acs == (0x005F, 0x001D)


def test_a_function_without_a_reset_of_its_own_says_so() -> None:
    assert not parse(bytes(config(flr=False))).flr


def test_advanced_features_can_reset_a_conventional_function() -> None:
    data = config(flr=False)
    data[0x60:0x64] = bytes([0x13, 0, 6, 0b11])
    assert parse(bytes(data)).flr
    data[0x63] = 0b01
    assert not parse(bytes(data)).flr


@pytest.mark.parametrize("size", [64, 256])
def test_what_ordinary_users_may_see_is_enough_for_the_header(size: int) -> None:
    read = parse(bytes(config(size=size)))
    assert (read.vendor, read.product) == (0x10DE, 0x20B5)
    assert read.extended == ()
    assert read.flr == (size == 256)
    assert read.acs is None


def test_a_virtual_function_without_ids_of_its_own_is_alive() -> None:
    data = config(vendor=0xFFFF, product=0xFFFF)
    assert damage(bytes(data)) is None
    assert parse(bytes(data)).vendor == 0xFFFF


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff" * 4096, "all-ones"),
        (b"\xff" * 64, "all-ones"),
        (b"", "short"),
        (bytes(config(size=63)), "short"),
        (bytes(64), "no-vendor"),
        (bytes(config())[:14] + b"\x7f" + bytes(config())[15:], "header-7f"),
        (bytes(config())[:14] + b"\xff" + bytes(config())[15:], "header-7f"),
        (bytes(config())[:14] + b"\x05" + bytes(config())[15:], "header-unknown"),
    ],
)
def test_bytes_of_no_living_function_are_told_by_what_is_wrong(data: bytes, code: str) -> None:
    found = damage(data)
    assert found is not None
    assert found.code == code
    with pytest.raises(ValueError, match=r"\w"):
        parse(data)


def test_what_a_reset_did_not_leave_is_named() -> None:
    before, after = config(), config(product=0x20B6)
    after[0x10:0x14] = bytes(4)
    after[0x34] = 0x68
    found = differences(parse(bytes(before)), parse(bytes(after)))
    assert [line.partition(" was ")[0] for line in found] == ["device", "BARs", "capabilities"]
    assert differences(parse(bytes(before)), parse(bytes(before))) == ()


def test_readings_of_different_length_are_compared_as_far_as_both_go() -> None:
    whole, half = parse(bytes(config())), parse(bytes(config(size=256)))
    assert differences(whole, half) == ()
    assert differences(half, whole) == ()


@pytest.mark.parametrize("offset", [0x60, 0x68])
def test_a_chain_that_loops_ends(offset: int) -> None:
    data = config()
    data[offset + 1] = 0x60
    assert len(parse(bytes(data)).capabilities) <= 2


def test_a_chain_of_extended_capabilities_that_loops_ends() -> None:
    data = config()
    data[0x102:0x104] = (0x1001).to_bytes(2, "little")
    assert len(parse(bytes(data)).extended) == 1


def facts(read: ConfigSpace) -> tuple[object, ...]:
    return read.flr, read.link, read.power_state, read.acs


@settings(deadline=None, max_examples=examples(400))
@given(
    flips=st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), max_size=40),
    size=st.sampled_from([64, 65, 100, 255, 256, 257, 300, 4096]),
)
def test_any_bytes_are_read_or_refused_and_nothing_else(flips: list[tuple[int, int]], size: int) -> None:
    data = config()
    for offset, value in flips:
        data[offset] = value
    cut = bytes(data[:size])
    if damage(cut) is None:
        assert len(facts(parse(cut))) == 4
        assert differences(parse(cut), parse(cut)) == ()
