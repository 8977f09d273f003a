"""The ways in which trees can serve a request, held against an oracle that tries everything."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice, product
from uuid import UUID

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.matching import can_all_be_matched
from kcloud_api.placement.request import Effort, Group, ResourceRequest, all_of
from kcloud_api.placement.search import TooHard
from kcloud_api.placement.tree import Provider, Tree
from kcloud_api.placement.ways import Way, all_ways, ways
from tests.placement_oracle import (
    SHARES,
    WORLDS,
    Answer,
    answer,
    attached,
    brute_force,
    crowded_world,
    world,
)
from tests.thoroughness import examples

DEVICE = Group({"PGPU": 1})


def answers(found: Iterable[Way]) -> list[Answer]:
    return [answer(way.allocations(), way.mappings()) for way in found]


def host(*devices: dict[str, int], numas: int = 1) -> Tree:
    """A root, NUMA nodes below it, and the devices dealt out to these in turn."""
    root = Provider(UUID(int=1), "host", 1, None, {"VCPU": Stock(8)})
    nodes = [
        Provider(UUID(int=10 + n), f"numa{n}", 1, root.id, {}, frozenset({"HW_NUMA_ROOT"}))
        for n in range(numas)
    ]
    found = [root]
    for at, node in enumerate(nodes):
        found.append(node)
        for number, amounts in enumerate(devices):
            if number % numas == at:
                stocks = {name: Stock(total) for name, total in amounts.items()}
                found.append(Provider(UUID(int=100 + number), f"device{number}", 1, node.id, stocks))
    return Tree(tuple(found))


def isolated(count: int, group: Group = DEVICE, **more: object) -> ResourceRequest:
    groups = {f"_{n}": group for n in range(count)}
    return ResourceRequest(groups, group_policy="isolate", **more)  # type: ignore[arg-type]


@settings(max_examples=examples(2000), deadline=None)
@given(WORLDS)
def test_every_way_is_found_once_and_none_is_invented(seed: int) -> None:
    forest, request = world(seed)
    everything = brute_force(forest, request)
    event(f"answers: {min(len(everything), 3)}")
    found = answers(all_ways(attached(forest), request))
    assert len(found) == len(set(found))
    assert set(found) == everything


@pytest.mark.slow
@settings(max_examples=examples(800), deadline=None)
@given(WORLDS)
def test_where_groups_stand_in_each_others_way_none_is_lost(seed: int) -> None:
    forest, request = crowded_world(seed)
    everything = brute_force(forest, request)
    event(f"answers: {min(len(everything), 3)}")
    found = answers(all_ways(forest, request))
    assert len(found) == len(set(found))
    assert set(found) == everything


@settings(max_examples=examples(200), deadline=None)
@given(WORLDS)
def test_fewer_are_the_first_of_all(seed: int) -> None:
    forest, request = world(seed)
    trees = attached(forest)
    everything = answers(all_ways(trees, request))
    for limit in range(4):
        assert answers(islice(all_ways(trees, request), limit)) == everything[:limit]


@settings(max_examples=examples(200), deadline=None)
@given(WORLDS)
def test_another_order_finds_the_same(seed: int) -> None:
    forest, request = world(seed)
    trees = attached(forest)
    backwards = answers(all_ways(reversed(trees), request, shuffle=lambda options: options[::-1]))
    assert set(backwards) == set(answers(all_ways(trees, request)))


@pytest.mark.parametrize("groups", range(1, 9))
def test_of_eight_equal_devices_any_number_is_found_at_once(groups: int) -> None:
    tree = host(*({"PGPU": 1} for _ in range(8)))
    found = answers(islice(ways(tree, isolated(groups)), 10))
    assert len(set(found)) == min(10, [1, 8, 56][min(groups, 2)] if groups < 3 else 10)


def test_isolated_groups_are_permuted_as_clients_see_who_serves_which() -> None:
    tree = host(*({"PGPU": 1} for _ in range(4)))
    assert len(set(answers(ways(tree, isolated(3))))) == 4 * 3 * 2


@pytest.mark.parametrize("devices", [8, 64])
def test_one_device_too_few_is_found_out_without_trying_every_order(devices: int) -> None:
    tree = host(*({"PGPU": 1} for _ in range(devices)))
    assert list(ways(tree, isolated(devices + 1))) == []


@pytest.mark.parametrize("numas", [2, 4])
def test_too_few_devices_below_each_numa_node_are_found_out_soon(numas: int) -> None:
    tree = host(*({"PGPU": 1} for _ in range(16)), numas=numas)
    count = 16 // numas + 1
    groups = {f"_{n}": DEVICE for n in range(count)} | {"_NUMA": Group({}, all_of("HW_NUMA_ROOT"))}
    request = ResourceRequest(groups, group_policy="isolate", same_subtrees=(frozenset(groups),))
    assert list(ways(tree, request)) == []
    one_less = {suffix: group for suffix, group in groups.items() if suffix != "_0"}
    request = ResourceRequest(one_less, group_policy="isolate", same_subtrees=(frozenset(one_less),))
    assert len(list(islice(ways(tree, request), 10))) == 10


def test_groups_that_share_devices_but_do_not_fit_are_found_out_soon() -> None:
    tree = host(*({"VGPU": 8} for _ in range(16)))
    thirds = {f"_{n}": Group({"VGPU": 3}) for n in range(33)}
    assert list(ways(tree, ResourceRequest(thirds))) == []
    mixed = {f"_{n}": Group({"VGPU": 5 if n < 16 else 3}) for n in range(33)}
    assert list(ways(tree, ResourceRequest(mixed))) == []


def test_isolated_groups_that_want_the_same_few_devices_are_found_out_soon() -> None:
    devices = [{"PGPU": 1, "VGPU": 1} for _ in range(3)] + [{"PGPU": 1} for _ in range(20)]
    groups = {f"_{n}": DEVICE for n in range(12)} | {f"_v{n}": Group({"VGPU": 1}) for n in range(4)}
    assert list(ways(host(*devices), ResourceRequest(groups, group_policy="isolate"))) == []


def test_very_many_groups_are_no_recursion() -> None:
    groups = {f"_{n}": Group({"VGPU": 1}) for n in range(2000)}
    tree = host({"VGPU": 2000})
    assert len(list(ways(tree, ResourceRequest(groups)))) == 1
    chain = [{number, number + 1} for number in range(2000)]
    assert can_all_be_matched([*chain, {0}])
    assert not can_all_be_matched([*chain, {0}, {2000}])


@given(st.lists(st.sets(st.integers(0, 5)), max_size=5))
def test_a_matching_is_found_where_trying_everything_finds_one(wanted: list[set[int]]) -> None:
    tried = any(len(set(things)) == len(things) for things in product(*wanted))
    assert can_all_be_matched(wanted) == tried


def test_what_is_shared_serves_trees_in_the_same_aggregate_and_counts_once() -> None:
    pool = frozenset({UUID(int=0xA)})
    compute = [Provider(UUID(int=n), f"c{n}", 1, None, {"VCPU": Stock(1)}, frozenset(), pool) for n in (1, 2)]
    disk = Provider(UUID(int=9), "nfs", 1, None, {"DISK_GB": Stock(10)}, frozenset({SHARES}), pool)
    trees = attached(tuple(Tree((p,)) for p in (*compute, disk)))
    both = ResourceRequest({"": Group({"VCPU": 1, "DISK_GB": 1})})
    assert [set(way.allocations()) for way in all_ways(trees, both)] == [
        {UUID(int=1), UUID(int=9)},
        {UUID(int=2), UUID(int=9)},
    ]
    assert len(list(all_ways(trees, ResourceRequest({"": Group({"DISK_GB": 1})})))) == 1


def test_a_candidate_carries_the_generations_it_rests_on_and_who_serves_which_group() -> None:
    tree = host({"PGPU": 1})
    (way,) = ways(tree, ResourceRequest({"": Group({"VCPU": 2}), "_gpu": DEVICE}))
    candidate = way.candidate()
    assert candidate.host_id == UUID(int=1)
    assert candidate.allocations == {UUID(int=1): {"VCPU": 2}, UUID(int=100): {"PGPU": 1}}
    assert candidate.generations == {UUID(int=1): 1, UUID(int=100): 1}
    assert candidate.mappings == {"": (UUID(int=1),), "_gpu": (UUID(int=100),)}


def packing(pieces: int = 32) -> tuple[Tree, ResourceRequest]:
    """Different amounts, all multiples of 3, on two devices that lose what is left of 3: they do not fit, but
    no sum and no count shows it."""
    size = 87_381
    parts = [size // 18 + 7 * number**2 % 1009 for number in range(pieces - 1)]
    parts.append(2 * size + 1 - sum(parts))
    room = {"MEMORY_MB": 3 * size + 2}
    groups = {f"_{at}": Group({"MEMORY_MB": 3 * part}) for at, part in enumerate(parts)}
    return host(room, room), ResourceRequest(groups)


def test_a_search_that_takes_too_long_says_so() -> None:
    tree, request = packing()
    with pytest.raises(TooHard):
        next(ways(tree, request), None)


def test_the_effort_of_a_request_is_for_all_trees_and_what_is_made_of_it() -> None:
    tree, request = packing()
    effort = Effort(10)
    with pytest.raises(TooHard):
        next(ways(tree, replace(request, effort=effort)), None)
    assert effort.left < 0
    with pytest.raises(TooHard):
        next(ways(tree, replace(request, effort=effort, group_policy="none")), None)
