"""The shape of a guest around its devices: what a flavor may say, and what a host makes of it."""

from dataclasses import replace
from math import ceil, log2
from pathlib import Path

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
    page_kib,
    seated,
    start_seconds,
)
from kcloud_compute.host_shape import read_shape
from kcloud_compute.machine_report import machine_report
from tests.thoroughness import examples
from vfio.scan import scan
from vfio.sim.trees import build

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


def facts_of(folder: Path, tree: str, product: int) -> list[FunctionFacts]:
    """Of the cards of one product, as the agent reads them off a simulated host."""
    devices = scan(build(tree, folder / tree).sysfs()).devices.values()
    return [
        FunctionFacts(tuple(bar.size for bar in device.bars if bar.is_64bit), device.numa_node)
        for device in devices
        if device.product == product
    ]


def rule_of_thumb(memory_mib: int, functions: list[FunctionFacts]) -> tuple[int, int]:
    """Twice the BARs, each rounded up to a power of two, in MiB; and the address bits for them above the
    memory. The least that will do."""
    window = sum(2 * (1 << ceil(log2(bar))) for each in functions for bar in each.bars) >> 20
    return window, ceil(log2((memory_mib + window) << 20))


@pytest.mark.parametrize("memory_gib", [16, 256, 1008, 2048])
@pytest.mark.parametrize(
    ("parts", "window_tib"),
    [
        ([("hgx-h100", 0x2330)], 4),
        ([("mi300x-x8", 0x74A1)], 8),
        ([("hgx-h100", 0x2330), ("rngd-x8", 0x0001)], 4),
        ([("ca22", 0x1220)], 0.5),
    ],
)
def test_the_window_of_simulated_hosts_is_what_the_rule_says_and_little_more(
    tmp_path: Path, parts: list[tuple[str, int]], window_tib: float, memory_gib: int
) -> None:
    functions = [each for part in parts for each in facts_of(tmp_path, *part)]
    memory = memory_gib << 10
    found = address_space(memory, functions, GuestShape(), HostShape(phys_bits=52))
    window, bits = rule_of_thumb(memory, functions)

    assert len(functions) == 8 * len(parts)
    assert found is not None
    assert found.hole64_mib == window_tib * (1 << 20)
    assert window <= found.hole64_mib < 2 * window
    assert bits <= bits_for(memory, found.hole64_mib) <= bits + 2


def test_a_window_that_would_be_beyond_the_bits_for_its_roundness_alone_is_cut() -> None:
    """Two cards of 64 GiB on a desktop's processor: 256 GiB of window beside 64 GiB of memory."""
    cards = [FunctionFacts((64 * GIB, 32 << 20))] * 2
    found = address_space(65536, cards, GuestShape(), HostShape(phys_bits=39))

    assert found is not None
    assert found.hole64_mib == 257 << 10
    with pytest.raises(Unfit, match=r"and has 39"):
        address_space(65536, cards * 2, GuestShape(), HostShape(phys_bits=39))


# --- NUMA --------------------------------------------------------------------------------------------


def test_cells_lie_on_the_nodes_of_the_devices_first() -> None:
    made, page = seated(5, 8192, GuestShape(numa_nodes=2), TWO_NODES, [1])

    assert page is None
    assert [(cell.host_node, cell.vcpus, cell.memory_mib, cell.host_cpus) for cell in made] == [
        (0, (0, 1, 2), 4096, "0-15"),
        (1, (3, 4), 4096, "16-31"),
    ]
    assert (cell_of(1, made), cell_of(0, made), cell_of(None, made), cell_of(1, ())) == (1, 0, None, None)


def test_one_cell_lies_where_the_device_is() -> None:
    made, _ = seated(2, 4096, GuestShape(numa_nodes=1), TWO_NODES, [1, 1])
    assert [cell.host_node for cell in made] == [1]


def test_one_cell_without_devices_lies_where_most_is_free() -> None:
    first, second, _ = TWO_NODES.nodes
    host = replace(TWO_NODES, nodes=(replace(first, free_mib=1000), replace(second, free_mib=200_000)))
    made, _ = seated(2, 4096, GuestShape(numa_nodes=1), host, [])
    assert [cell.host_node for cell in made] == [1]


def test_a_device_beside_a_node_without_processors_is_in_no_cell() -> None:
    made, _ = seated(2, 4096, GuestShape(numa_nodes=1), TWO_NODES, [2])
    assert [cell.host_node for cell in made] == [0]
    assert cell_of(2, made) is None


def test_each_cells_pages_are_on_its_own_node() -> None:
    first, second, _ = TWO_NODES.nodes
    poor = replace(first, hugepages_free={2048: 4096, 1048576: 1})
    host = replace(TWO_NODES, nodes=(poor, replace(second, hugepages_free={2048: 1024, 1048576: 64})))
    large = GuestShape(numa_nodes=2, page_size="large")

    assert seated(2, 4096, large, host, [])[1] == 2048, "1 GiB is left on one node only"
    alone = GuestShape(numa_nodes=1, page_size="1048576")
    made, page = seated(2, 4096, alone, host, [])
    assert ([cell.host_node for cell in made], page) == ([1], 1048576)
    with pytest.raises(
        Unfit, match="NUMA node 0, where its devices are, has no room for 2 vCPUs and 4096 MiB in"
    ):
        seated(2, 4096, alone, host, [0])
    with pytest.raises(Unfit, match="1 NUMA nodes of the host have room"):
        seated(2, 4096, replace_size(large, "1048576"), host, [])


def replace_size(shape: GuestShape, size: str) -> GuestShape:
    return shape.model_copy(update={"page_size": size})


@pytest.mark.parametrize(
    ("count", "vcpus", "memory", "devices", "words"),
    [
        (1, 2, 4096, [0, 1], "hw:numa_nodes=2"),
        (3, 4, 4096 * 3, [], "host has 2"),
        (2, 1, 4096, [], "evenly"),
        (2, 2, 4097, [], "evenly"),
        (2, 2, 600_000, [], "0 NUMA nodes of the host have room for 1 vCPUs and 300000 MiB"),
        (1, 17, 4096, [1], "NUMA node 1, where its devices are, has no room for 17 vCPUs"),
    ],
)
def test_what_cannot_be_shared_out_is_refused_with_the_reason(
    count: int, vcpus: int, memory: int, devices: list[int], words: str
) -> None:
    with pytest.raises(Unfit, match=words):
        seated(vcpus, memory, GuestShape(numa_nodes=count), TWO_NODES, devices)


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
    least = start_seconds(4096, [SMALL])

    assert start_seconds(1 << 20, [SMALL]) > 500 + least
    assert start_seconds(4096, [H100] * 8) > 500 + least


# --- what a host says of itself ----------------------------------------------------------------------


def test_a_host_reads_its_nodes_pages_and_bits_and_says_so(tmp_path: Path) -> None:
    host = build("hgx-h100", tmp_path)
    pool = "sys/devices/system/node/node1/hugepages/hugepages-1048576kB"
    host.put(f"{pool}/nr_hugepages", "64\n")
    host.put(f"{pool}/free_hugepages", "48\n")
    host.put("proc/cpuinfo", "processor : 0\naddress sizes\t: 46 bits physical, 48 bits virtual\n")

    shape = read_shape(host.sysfs())
    told = machine_report(shape, "kvm")

    assert [(node.hugepages_free, node.hugepages) for node in shape.nodes] == [
        ({}, {}), ({1048576: 48}, {1048576: 64}),
    ]  # fmt: skip
    assert all(0 < node.free_mib < node.memory_mib for node in shape.nodes)
    assert [(node.number, node.cpus, len(node.pages)) for node in told.nodes] == [
        (node.number, node.cpu_count, node.number) for node in shape.nodes
    ]
    assert (told.nodes[1].pages[0].free, told.nodes[1].pages[0].total) == (48, 64)
    assert told.phys_bits == 46
    assert machine_report(shape, "qemu").phys_bits is None
    assert sum(node.cpu_count for node in shape.nodes) > 1


def test_what_is_free_makes_no_host_another() -> None:
    """Or all of a report would be made anew at each turn."""
    first = TWO_NODES.nodes[0]
    assert replace(first, free_mib=1) == replace(first, free_mib=2)


@pytest.mark.parametrize(("text", "count"), [("", 0), ("0", 1), ("0-15,32-47", 32), ("3,5,7-8", 4)])
def test_processors_are_counted(text: str, count: int) -> None:
    assert HostNode(0, text, 1, {}).cpu_count == count
