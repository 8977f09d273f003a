"""Whether a host can make the machine that a flavor asks for: cells, pages, address bits."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcloud_api.compute.guest_shape import check
from kcloud_api.scheduler.machine import Guest, Lacking, Machine, Node, Pages, Seats, seats
from kcloud_api.scheduler.topology import Chosen, Impossible, Kind, Policy, choose
from kcloud_common.errors import BadRequest
from kcloud_common.wire import GuestShape
from tests.thoroughness import examples
from tests.unit.device_choice import device, exhaustive, hosts, ids, numbers, subsets

KIB2M, KIB1G = 2048, 1 << 20


def node(number: int, cpus: int = 16, memory: int = 65536, **pages: tuple[int, int]) -> Node:
    sizes = {"small": KIB2M, "large": KIB1G}
    return Node(number, cpus, memory, {sizes[name]: Pages(*counts) for name, counts in pages.items()})


def guest(vcpus: int = 4, memory: int = 8192, **shape: str | int | None) -> Guest:
    return Guest(vcpus, memory, GuestShape.model_validate(shape))


def lacking(asked: Guest, machine: Machine) -> tuple[str, tuple[int, ...]]:
    found = seats(asked, machine)
    assert isinstance(found, Lacking), found
    return found.constraint.code, found.has


# --- cells -------------------------------------------------------------------------------------------


def test_a_host_that_says_nothing_of_its_machine_is_tried() -> None:
    assert seats(guest(numa_nodes=2, page_size="large"), Machine()) == Seats()


def test_cells_need_as_many_nodes_with_processors_and_memory() -> None:
    one = Machine((node(0),))
    blind = Machine((node(0), node(1, cpus=0), node(2, memory=0)))

    assert lacking(guest(numa_nodes=2), one) == ("too_few_numa_nodes", (1,))
    assert lacking(guest(numa_nodes=2), blind) == ("too_few_numa_nodes", (1,))
    assert lacking(guest(numa_nodes=1), Machine(())) == ("too_few_numa_nodes", (0,))
    assert seats(guest(numa_nodes=1), blind) == Seats(frozenset({0}), frozenset({1, 2}))
    assert seats(guest(), blind) == Seats(), "without cells it lies anywhere"


def test_each_cell_must_fit_into_a_node() -> None:
    machine = Machine((node(0, cpus=2), node(1, memory=2048), node(2), node(3)))

    assert seats(guest(numa_nodes=2), machine) == Seats(frozenset({0, 2, 3}))
    assert lacking(guest(vcpus=64, numa_nodes=2), machine) == ("numa_nodes_too_small", (0,))
    assert lacking(guest(memory=16384, vcpus=9, numa_nodes=3), machine) == ("numa_nodes_too_small", (2,))


# --- pages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "nodes", "left"),
    [
        ({"page_size": "large"}, (node(0), node(1)), 0),
        ({"page_size": "large"}, (node(0, small=(4095, 4095)),), 8190),
        ({"page_size": str(KIB1G)}, (node(0, small=(9999, 9999)),), 0),
        ({"page_size": "large", "numa_nodes": 2}, (node(0, large=(8, 8)), node(1, large=(3, 3))), 11264),
        ({"page_size": "large"}, (node(0, large=(16, 7)),), 7168),
    ],
)
def test_too_few_pages_are_told_with_what_is_left(
    asked: Mapping[str, object], nodes: tuple[Node, ...], left: int
) -> None:
    assert lacking(Guest(4, 8192, GuestShape.model_validate(asked)), Machine(nodes)) == (
        "too_few_free_pages",
        (left,),
    )


@pytest.mark.parametrize("size", ["any", "small", None])
def test_ordinary_pages_are_everywhere(size: str | None) -> None:
    assert guest(page_size=size).is_plain
    assert seats(guest(page_size=size), Machine((node(0),))) == Seats()


def test_devices_must_sit_where_the_cells_pages_are() -> None:
    machine = Machine((node(0, large=(8, 2)), node(1, large=(8, 8)), node(2, small=(9999, 9999))))

    assert seats(guest(page_size="large", numa_nodes=1), machine) == Seats(frozenset({1}))
    assert seats(guest(page_size="large"), machine) == Seats()


def test_a_smaller_size_serves_where_the_largest_does_not_divide_a_cell() -> None:
    machine = Machine((node(0, large=(64, 64), small=(2048, 2048)),))

    assert seats(guest(memory=1536, page_size="large", numa_nodes=1), machine) == Seats(frozenset({0}))
    assert guest(memory=1536, page_size="large").pages_of({KIB1G: 64, KIB2M: 2048}) == (KIB2M, 768)
    assert guest(memory=1536, page_size="large").pages_of({KIB1G: 64}) is None


def test_pages_promised_to_others_are_not_given_twice() -> None:
    told = (node(0, large=(16, 16)),)
    asked = guest(page_size="large")

    assert seats(asked, Machine(told, promised={KIB1G: 8})) == Seats()
    assert lacking(asked, Machine(told, promised={KIB1G: 9})) == ("too_few_free_pages", (7168,))


def test_pages_of_servers_on_their_way_count_once() -> None:
    """The report may have been made before they took theirs or after, and either way there is room."""
    asked, on_their_way = guest(page_size="large"), {KIB1G: 8}
    before, after = node(0, large=(16, 16)), node(0, large=(16, 8))

    for told in (before, after):
        assert seats(asked, Machine((told,), promised=on_their_way, moving=on_their_way)) == Seats()
    others = Machine((node(0, large=(16, 3)),), promised=on_their_way, moving={KIB1G: 4})
    assert lacking(asked, others) == ("too_few_free_pages", (7168,)), "what is not ours took some"


# --- address bits ------------------------------------------------------------------------------------


def test_bits_that_the_hosts_processors_lack_are_refused() -> None:
    asked = guest(phys_bits_mode="emulate", phys_bits=48)

    assert lacking(asked, Machine((node(0),), phys_bits=46)) == ("too_few_address_bits", (46,))
    assert seats(asked, Machine((node(0),), phys_bits=48)) == Seats()
    assert seats(asked, Machine((node(0),))) == Seats()


# --- devices on no more nodes than cells -------------------------------------------------------------


def test_even_a_spread_stays_on_as_many_nodes_as_the_guest_has() -> None:
    four = tuple(device(number, number // 2) for number in range(8))
    everything = Kind(4, ids(*range(8)))

    chosen = [choose(four, [everything], Policy.SPREAD, most) for most in (None, 4, 2)]
    assert [numbers(found.devices) for found in chosen if isinstance(found, Chosen)] == [
        [[0, 2, 4, 6]], [[0, 2, 4, 6]], [[0, 1, 2, 3]],
    ]  # fmt: skip
    refused = choose(four, [everything], Policy.PACK, 1)
    assert isinstance(refused, Impossible)
    assert (refused.needed, refused.free) == (4, (2,))


def test_devices_of_no_known_node_are_on_none_of_the_guests() -> None:
    some = (device(0, 0), device(1, None), device(2, None))

    found = choose(some, [Kind(3, ids(0, 1, 2))], Policy.PACK, 1)
    assert isinstance(found, Chosen)


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_the_choice_on_few_nodes_is_the_best_of_all_on_so_few(data: st.DataObject) -> None:
    devices = data.draw(hosts(8))
    kind = Kind(data.draw(st.integers(1, 4)), data.draw(subsets(devices)))
    policy = data.draw(st.sampled_from([Policy.PACK, Policy.SPREAD]))
    most = data.draw(st.integers(1, 2))

    found = choose(devices, [kind], policy, most)

    node_of = {each.id: each.numa_node for each in devices}
    wanted = exhaustive(devices, [kind], policy, most)
    if isinstance(found, Impossible):
        assert wanted is None
    else:
        assert wanted == found.devices
        assert len({node_of[id_] for id_ in found.devices[0]} - {None}) <= most


# --- what a flavor may say ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specs", "word"),
    [
        ({"hw:numa_nodes": "2"}, "3 vCPUs"),
        ({"hw:numa_nodes": "3", "hw:numa_mem.0": "1024"}, "hw:numa_mem.0"),
        ({"hw:numa_cpus.1": "0-2"}, "hw:numa_cpus.1"),
        ({"hw:mem_page_size": "1GB"}, "1048576 KiB"),
        ({"hw:mem_page_size": "2MB", "hw:numa_nodes": "3"}, "each of 3 NUMA nodes"),
    ],
)
def test_a_machine_that_no_host_could_make_is_refused_at_once(specs: Mapping[str, str], word: str) -> None:
    with pytest.raises(BadRequest, match=word):
        check(specs, 3, 1533)


def test_a_machine_that_shares_out_evenly_may_be_asked_for() -> None:
    check({"hw:numa_nodes": "3", "hw:mem_page_size": "2MB"}, 3, 1536)
    check({"hw:numa_nodes": "3", "hw:mem_page_size": "large"}, 3, 1536)
