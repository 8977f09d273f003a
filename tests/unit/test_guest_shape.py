"""The shape of a guest around its devices: what a flavor may say, and what a host makes of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcloud_api.compute.guest_shape import guest_shape
from kcloud_common.errors import BadRequest
from kcloud_common.wire import GuestShape
from kcloud_compute.guest_shape import (
    FunctionFacts,
    HostNode,
    HostShape,
    Unfit,
    address_space,
    bits_for,
    cell_of,
    cells,
    page_kib,
    start_seconds,
)
from tests.thoroughness import examples

GIB = 1 << 30
H100 = FunctionFacts((128 * GIB, 32 << 20), 0)
SMALL = FunctionFacts((16 << 10,), 1)
TWO_NODES = HostShape(
    (
        HostNode(0, "0-15", 262144, {2048: 1000, 1048576: 64}),
        HostNode(1, "16-31", 262144, {2048: 1000, 1048576: 64}),
        HostNode(2, "", 131072, {}),
    ),
    phys_bits=46,
)


# --- the flavor's words ------------------------------------------------------------------------------


def test_a_flavor_without_such_words_leaves_the_shape_to_the_host() -> None:
    assert guest_shape({"resources:PGPU": "1"}) == GuestShape()


@pytest.mark.parametrize(
    ("text", "page"),
    [("large", "large"), ("2048", "2048"), ("2MB", "2048"), ("1GB", "1048576"), ("1 GiB", "1048576")],
)
def test_page_sizes_are_words_or_amounts(text: str, page: str) -> None:
    assert guest_shape({"hw:mem_page_size": text}).page_size == page


@pytest.mark.parametrize(
    "specs",
    [
        {"hw:numa_nodes": "0"},
        {"hw:numa_nodes": "two"},
        {"hw:numa_nodes": "65"},
        {"hw:mem_page_size": "huge"},
        {"hw:mem_page_size": "0"},
        {"hw:mem_page_size": "9999999999GB"},
        {"hw:maxphysaddr_mode": "host"},
        {"hw:maxphysaddr_mode": "emulate"},
        {"hw:maxphysaddr_bits": "46"},
        {"hw:maxphysaddr_mode": "emulate", "hw:maxphysaddr_bits": "65"},
    ],
)
def test_a_wrong_word_is_refused_by_its_name(specs: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as refused:
        guest_shape(specs)
    assert any(key in refused.value.message for key in specs)


# --- room for BARs -----------------------------------------------------------------------------------


def test_small_bars_need_no_word() -> None:
    assert address_space(4096, [SMALL] * 8, GuestShape(), TWO_NODES) is None


def test_eight_large_cards_get_a_window_of_twice_their_bars() -> None:
    found = address_space(1 << 20, [H100] * 8, GuestShape(), TWO_NODES)

    assert found is not None
    assert found.hole64_mib == 4 << 20  # 8 x 128 GiB, doubled, and up to the next power of two for the rest
    assert found.phys_bits is None


def test_a_host_with_too_few_bits_says_so_before_the_guest_loses_a_card() -> None:
    with pytest.raises(Unfit, match=r"43 bits.*and has 39"):
        address_space(1 << 20, [H100] * 8, GuestShape(), HostShape(phys_bits=39))


def test_told_bits_are_the_limit_where_they_are_emulated() -> None:
    shape = GuestShape(phys_bits_mode="emulate", phys_bits=42)

    found = address_space(65536, [H100], shape, TWO_NODES)
    assert found is not None
    assert found.phys_bits == 42
    with pytest.raises(Unfit, match="hw:maxphysaddr_bits"):
        address_space(1 << 20, [H100] * 8, shape, TWO_NODES)


@settings(max_examples=examples(100))
@given(st.integers(64, 1 << 23), st.integers(15, 23))
def test_all_memory_and_the_window_are_within_the_bits(memory_mib: int, hole: int) -> None:
    bits = bits_for(memory_mib, 1 << hole)

    assert memory_mib + (1 << hole) <= 1 << (bits - 20)
    assert bits_for(memory_mib + 1024, 1 << hole) >= bits


# --- NUMA --------------------------------------------------------------------------------------------


def test_cells_lie_on_the_nodes_of_the_devices_first() -> None:
    made = cells(5, 8192, GuestShape(numa_nodes=2), TWO_NODES, [1])

    assert [(cell.host_node, cell.vcpus, cell.memory_mib, cell.host_cpus) for cell in made] == [
        (0, (0, 1, 2), 4096, "0-15"),
        (1, (3, 4), 4096, "16-31"),
    ]
    assert (cell_of(1, made), cell_of(0, made), cell_of(None, made), cell_of(1, ())) == (1, 0, None, None)


def test_one_cell_lies_where_the_device_is() -> None:
    assert [cell.host_node for cell in cells(2, 4096, GuestShape(numa_nodes=1), TWO_NODES, [1, 1])] == [1]


@pytest.mark.parametrize(
    ("count", "vcpus", "memory", "devices", "words"),
    [
        (1, 2, 4096, [0, 1], "hw:numa_nodes=2"),
        (3, 4, 4096 * 3, [], "host has 2"),
        (2, 1, 4096, [], "evenly"),
        (2, 2, 4097, [], "evenly"),
    ],
)
def test_what_cannot_be_shared_out_is_refused_with_the_reason(
    count: int, vcpus: int, memory: int, devices: list[int], words: str
) -> None:
    with pytest.raises(Unfit, match=words):
        cells(vcpus, memory, GuestShape(numa_nodes=count), TWO_NODES, devices)


# --- hugepages and time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "memory", "page"),
    [
        (None, 4096, None),
        ("small", 4096, None),
        ("large", 4096, 1048576),
        ("large", 3000, 2048),
        ("2048", 2048, 2048),
    ],
)
def test_pages_are_of_the_size_that_was_asked_for(asked: str | None, memory: int, page: int | None) -> None:
    assert page_kib(memory, GuestShape(page_size=asked), TWO_NODES) == page


@pytest.mark.parametrize(("asked", "memory"), [("large", 1 << 20), ("1048576", 1500), ("16384", 4096)])
def test_pages_that_the_host_lacks_are_refused_with_what_it_has(asked: str, memory: int) -> None:
    with pytest.raises(Unfit, match="128 of 1048576 KiB"):
        page_kib(memory, GuestShape(page_size=asked), TWO_NODES)


def test_a_start_may_take_longer_with_more_memory_and_more_bars() -> None:
    least = start_seconds(4096, [SMALL], None)

    assert start_seconds(1 << 20, [SMALL], None) > 500 + least
    assert start_seconds(1 << 20, [SMALL], 1048576) < start_seconds(1 << 20, [SMALL], None) / 3
    assert start_seconds(4096, [H100] * 8, None) > 500 + least
