"""Which of a host's devices a server gets."""

from random import Random

import pytest
from hypothesis import given, settings

from kcloud_api.scheduler.device_tree import Level, tree_of
from kcloud_api.scheduler.topology import Chosen, Device, Impossible, Kind, Policy, choose, is_tractable
from tests.unit.device_choice import cases, device, exhaustive, host, ids, numbers


def pick(devices: tuple[Device, ...], count: int, policy: Policy, *taken: int) -> list[int]:
    """The numbers of the devices that a request for so many alike gets."""
    everything = ids(*range(len(devices)))
    found = choose(devices, [Kind(count, everything - ids(*taken), everything)], policy)
    assert isinstance(found, Chosen), found
    (chosen,) = numbers(found.devices)
    return chosen


def refusal(devices: tuple[Device, ...], count: int, policy: Policy, *taken: int) -> Impossible:
    everything = ids(*range(len(devices)))
    found = choose(devices, [Kind(count, everything - ids(*taken), everything)], policy)
    assert isinstance(found, Impossible), found
    return found


EIGHT = host(2, 2, 2, 2)
"""Two switches of two on each of two nodes: devices 0 1 | 2 3 and 4 5 | 6 7."""
SIXTEEN = host(4, 4, 4, 4)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(cases())
def test_every_policy_chooses_as_an_exhaustive_search(
    case: tuple[tuple[Device, ...], tuple[Kind, ...]],
) -> None:
    devices, kinds = case
    for policy in Policy:
        found = choose(devices, kinds, policy)
        best = exhaustive(devices, kinds, policy)
        assert (found.devices if isinstance(found, Chosen) else None) == best


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("seed", range(4))
def test_so_it_does_on_sixteen_devices(policy: Policy, seed: int) -> None:
    chance = Random(seed)
    shape = chance.choice([(8, 8), (4, 4, 4, 4), (2, 2, 4, 8), (3, 5, 1, 1, 6)])
    devices = host(*shape)
    everything = ids(*range(16))
    free = frozenset(id_ for id_ in everything if chance.random() < 0.8)
    for count in (1, 2, 4, 7):
        kinds = [Kind(count, free, everything)]
        found = choose(devices, kinds, policy)
        assert (found.devices if isinstance(found, Chosen) else None) == exhaustive(devices, kinds, policy)


@settings(max_examples=50, deadline=None)
@given(cases())
def test_the_order_in_which_devices_are_told_does_not_matter(
    case: tuple[tuple[Device, ...], tuple[Kind, ...]],
) -> None:
    devices, kinds = case
    for policy in Policy:
        assert choose(devices, kinds, policy) == choose(devices[::-1], kinds, policy)


@settings(max_examples=50, deadline=None)
@given(cases())
def test_a_refusal_never_says_that_one_place_had_enough(
    case: tuple[tuple[Device, ...], tuple[Kind, ...]],
) -> None:
    devices, kinds = case
    for policy in Policy:
        found = choose(devices, kinds, policy)
        if isinstance(found, Impossible):
            assert found.needed == sum(kind.count for kind in kinds)
            assert all(0 < free < found.needed for free in found.free)
            assert list(found.free) == sorted(found.free, reverse=True)


def test_pack_keeps_to_one_switch_and_leaves_whole_ones_whole() -> None:
    assert pick(EIGHT, 2, Policy.PACK) == [0, 1]
    assert pick(EIGHT, 1, Policy.PACK, 0, 5) == [1], "the switch that is in use already"
    assert pick(EIGHT, 2, Policy.PACK, 0, 5) == [2, 3], "one switch is better than two halves"
    assert pick(EIGHT, 4, Policy.PACK, 0) == [4, 5, 6, 7], "one node is better than two"


def test_pack_takes_the_smallest_switch_that_fits() -> None:
    assert pick(host(4, 2), 2, Policy.PACK) == [4, 5]
    assert pick(host(8, 4, 3, 2), 3, Policy.PACK) == [12, 13, 14]


def test_pack_would_rather_fill_a_switch_that_is_in_use_than_break_a_small_one() -> None:
    assert pick(host(2, 4), 2, Policy.PACK, 2, 3) == [4, 5]


def test_spread_goes_over_nodes_first_then_over_switches() -> None:
    assert pick(EIGHT, 2, Policy.SPREAD) == [0, 4]
    assert pick(EIGHT, 4, Policy.SPREAD) == [0, 2, 4, 6]
    assert pick(EIGHT, 1, Policy.SPREAD, 0) == [4], "the node that is used least"


def test_same_switch_is_all_or_nothing() -> None:
    assert pick(SIXTEEN, 4, Policy.SAME_SWITCH, 1) == [4, 5, 6, 7]
    assert pick(SIXTEEN, 3, Policy.SAME_SWITCH, 9) == [8, 10, 11], "best fit: the one with three left"
    no = refusal(SIXTEEN, 4, Policy.SAME_SWITCH, 0, 5, 6, 9, 12)
    assert (no.within, no.needed, no.free, no.total) == (Level.SWITCH, 4, (3, 3, 3, 2), 4)
    assert refusal(SIXTEEN, 5, Policy.SAME_SWITCH).total == 4


def test_same_switch_knows_switches_below_switches() -> None:
    cascade = tuple(
        device(number, 0, "root", "top", *(["low"] if number in (2, 3) else [])) for number in range(6)
    )
    assert pick(cascade, 2, Policy.SAME_SWITCH) == [2, 3], "the lowest switch"
    assert pick(cascade, 4, Policy.SAME_SWITCH) == [0, 1, 4, 5], "and only the upper one, where that will do"
    assert pick(cascade, 6, Policy.SAME_SWITCH) == [0, 1, 2, 3, 4, 5]


def test_devices_below_no_switch_are_not_on_the_same_one() -> None:
    bare = tuple(Device(device(n).id, f"0000:00:0{n}.0", 0) for n in range(3))
    assert pick(bare, 1, Policy.SAME_SWITCH) == [0]
    assert refusal(bare, 2, Policy.SAME_SWITCH).free == (1, 1, 1)


def test_same_numa_takes_the_node_with_least_to_spare() -> None:
    assert pick(EIGHT, 2, Policy.SAME_NUMA, 4) == [6, 7]
    assert pick(EIGHT, 3, Policy.SAME_NUMA, 0) == [1, 2, 3]
    no = refusal(EIGHT, 4, Policy.SAME_NUMA, 0, 6, 7)
    assert (no.within, no.free, no.total) == (Level.NODE, (3, 2), 4)


def test_a_machine_that_names_no_node_has_one() -> None:
    assert pick(tuple(device(n, None) for n in range(4)), 4, Policy.SAME_NUMA) == [0, 1, 2, 3]


def test_a_device_of_unknown_node_is_near_to_none_whose_node_is_known() -> None:
    devices = (device(0, None), device(1, None), device(2, 1))
    assert refusal(devices, 2, Policy.SAME_NUMA).free == (1, 1, 1)


def test_too_few_devices_are_too_few_for_every_policy() -> None:
    for policy in Policy:
        no = refusal(EIGHT, 3, policy, 0, 1, 2, 3, 4, 5)
        assert (no.within, no.needed, no.free, no.total) == (Level.HOST, 3, (2,), 8)


def test_of_equal_choices_the_faster_link_wins_then_the_lower_address() -> None:
    devices = tuple(device(n, 0, f"switch-{n // 2}", bandwidth=16 + 16 * (n in (4, 5))) for n in range(6))
    assert pick(devices, 2, Policy.SAME_SWITCH) == [4, 5]
    assert pick(devices, 1, Policy.PACK, 5) == [4]
    assert pick(devices[:4], 2, Policy.PACK) == [0, 1]


def test_devices_of_several_kinds_are_chosen_together() -> None:
    gpus, npus = ids(0, 2, 4, 6), ids(3, 5, 7)
    found = choose(EIGHT, [Kind(1, gpus), Kind(1, npus)], Policy.SAME_SWITCH)
    assert isinstance(found, Chosen)
    assert numbers(found.devices) == [[2], [3]]
    found = choose(EIGHT, [Kind(2, gpus), Kind(2, npus)], Policy.PACK)
    assert isinstance(found, Chosen)
    assert numbers(found.devices) == [[4, 6], [5, 7]]


def test_a_device_serves_one_group_only() -> None:
    assert isinstance(choose(EIGHT, [Kind(1, ids(0)), Kind(1, ids(0))], Policy.PACK), Impossible)


def test_the_tree_leaves_out_bridges_that_tell_nothing_apart() -> None:
    tree = tree_of(host(2, 1))
    (first, second) = tree.branches
    assert [branch.level for branch in first.branches] == [Level.SWITCH]
    assert [branch.level for branch in first.branches[0].branches] == [Level.DEVICE, Level.DEVICE]
    assert [branch.level for branch in second.branches] == [Level.SWITCH]


def test_what_is_too_varied_to_search_is_known_beforehand() -> None:
    assert is_tractable([8])
    assert is_tractable([1] * 9)
    assert not is_tractable([1] * 10)
