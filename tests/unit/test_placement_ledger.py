"""The reason ledger: what removed which host, in a fixed order, and who came nearest."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.constraints import CODES, Constraint, plan
from kcloud_api.placement.judging import WEIGHTS, miss
from kcloud_api.placement.ledger import of_trees
from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, Group, ResourceRequest, all_of
from kcloud_api.placement.tree import Provider, Tree
from kcloud_api.placement.ways import ways
from tests.placement_oracle import WORLDS, attached, brute_force, world
from tests.thoroughness import examples

UP = frozenset({HOST_DOWN, HOST_NOT_READY})
BUSY = Stock(1, used=1)
ONE = Stock(1, max_unit=1)


def device(index: int, traits: str = "", *, under: int = 0, tree: int = 1, **stocks: Stock | int) -> Provider:
    have = {name: Stock(stock) if isinstance(stock, int) else stock for name, stock in stocks.items()}
    parent = UUID(int=100 * tree + under) if index else None
    name = f"host-{tree}-{index}" if index else f"host-{tree}"
    return Provider(UUID(int=100 * tree + index), name, 0, parent, have, frozenset(traits.split()))


def host(*devices: Provider, traits: str = "", tree: int = 1, **stocks: Stock | int) -> Tree:
    return Tree((device(0, traits, under=0, tree=tree, **stocks), *devices))


def asks(resources: dict[str, int], *, required: str = "", **facts: object) -> ResourceRequest:
    group = Group(resources, required=all_of(*required.split()), **facts)  # type: ignore[arg-type]
    return ResourceRequest({"": group}, root_forbidden=UP)


@settings(max_examples=examples(400), deadline=None)
@given(WORLDS)
def test_a_host_is_missed_exactly_when_it_has_no_candidate(seed: int) -> None:
    forest, request = world(seed)
    trees = attached(forest)
    misses = [miss(tree, request) for tree in trees]
    assert [found is None for found in misses] == [any(ways(tree, request)) for tree in trees]
    assert all(misses) == (not brute_force(forest, request))
    for found in filter(None, misses):
        assert found.removed_by in plan(request).ranks
        assert set(found.also) <= plan(request).ranks.keys()
        assert found.distance > 0


@settings(max_examples=examples(100), deadline=None)
@given(WORLDS)
def test_what_was_removed_and_what_remains_are_all_hosts(seed: int) -> None:
    forest, request = world(seed)
    cloud, limit = attached(forest), seed % 4
    ledger = of_trees(cloud, request, limit=limit)
    misses = [found for tree in cloud if (found := miss(tree, request))]
    assert ledger.hosts == len(cloud)
    assert sum(entry.removed for entry in ledger.entries) + ledger.remaining == ledger.hosts
    assert ledger.remaining == sum(any(ways(tree, request)) for tree in cloud)
    assert [entry.constraint for entry in ledger.entries] == list(plan(request).constraints)
    removed = Counter(found.removed_by for found in misses)
    assert {entry.constraint: entry.removed for entry in ledger.removing} == dict(removed)
    # Python's sort is stable: of two hosts as near, the earlier one comes first.
    assert list(ledger.nearest) == sorted(misses, key=lambda found: found.distance)[:limit]


def test_every_code_has_a_weight_and_a_place() -> None:
    assert set(CODES) == WEIGHTS.keys()
    assert len(set(CODES)) == len(CODES)


PGPU = asks({"VCPU": 1, "PGPU": 1})
TWO_NPUS = {"1": Group({"CUSTOM_NPU": 1}), "2": Group({"CUSTOM_NPU": 1})}
NPUS = ResourceRequest(TWO_NPUS)


@pytest.mark.parametrize(
    ("tree", "request_", "code", "resource_class", "needed", "has"),
    [
        (host(device(1, PGPU=BUSY), VCPU=8), PGPU, "resource_class_short", "PGPU", 1, ()),
        (host(VCPU=8), PGPU, "resource_class_absent", "PGPU", 1, ()),
        (host(device(1, PGPU=1), VCPU=8, traits=HOST_DOWN), PGPU, "host_down", "", 0, ()),
        (host(device(1, PGPU=1), VCPU=8, traits=HOST_NOT_READY), PGPU, "host_not_ready", "", 0, ()),
        (host(device(1, PGPU=1), traits=" ".join(UP), VCPU=8), PGPU, "host_down", "", 0, ()),
        (
            host(device(1, PGPU=ONE), device(2, PGPU=ONE)),
            asks({"PGPU": 2}), "not_in_one_provider", "PGPU", 2, (1, 1),
        ),
        (host(device(1, PGPU=Stock(2, used=1))), asks({"PGPU": 2}), "resource_class_short", "PGPU", 2, (1,)),
        (host(device(1, PGPU=2)), asks({"PGPU": 4}), "resource_class_too_small", "PGPU", 4, (2,)),
        (host(VGPU=Stock(8, max_unit=2)), asks({"VGPU": 4}), "above_max_unit", "VGPU", 4, (2,)),
        (host(VGPU=Stock(8, min_unit=2)), asks({"VGPU": 1}), "below_min_unit", "VGPU", 1, (2,)),
        (host(VGPU=Stock(8, step_size=2)), asks({"VGPU": 3}), "not_step_size", "VGPU", 3, (2,)),
        (host(device(1, PGPU=1)), asks({"PGPU": 1}, required="CUSTOM_A"), "trait_missing", "PGPU", 0, ()),
        (
            host(device(1, "CUSTOM_A", PGPU=BUSY), device(2, PGPU=1)),
            asks({"PGPU": 1}, required="CUSTOM_A"), "resource_class_short", "PGPU", 1, (),
        ),
        (
            host(device(1, "CUSTOM_A", PGPU=BUSY), device(2, PGPU=1), VCPU=8),
            asks({"PGPU": 1, "VCPU": 1}, required="CUSTOM_A"), "trait_taken", "", 0, (),
        ),
        (
            host(device(1, "CUSTOM_A", PGPU=1)),
            asks({"PGPU": 1}, forbidden=frozenset({"CUSTOM_A"})), "trait_forbidden", "PGPU", 0, (),
        ),
        (
            host(device(1, PGPU=1)),
            asks({"PGPU": 1}, in_tree=UUID(int=7)), "not_in_tree", "", 0, (),
        ),
        (
            host(device(1, PGPU=1)),
            asks({"PGPU": 1}, member_of=(frozenset({UUID(int=7)}),)), "aggregate_missing", "PGPU", 0, (),
        ),
        (host(device(1, CUSTOM_NPU=1)), NPUS, "resource_class_too_small", "CUSTOM_NPU", 2, (1,)),
        (
            host(device(1, CUSTOM_NPU=2)),
            ResourceRequest(TWO_NPUS, group_policy="isolate"), "not_isolated", "", 2, (1,),
        ),
        (
            host(device(1, PGPU=1), device(2, CUSTOM_NPU=1)),
            ResourceRequest({"1": Group({"PGPU": 1, "CUSTOM_NPU": 1})}), "classes_apart", "", 0, (),
        ),
        (
            host(device(1, PGPU=1, VCPU=BUSY), device(2, PGPU=BUSY, VCPU=1)),
            ResourceRequest({"1": Group({"PGPU": 1, "VCPU": 1})}), "group_apart", "", 0, (),
        ),
        (
            host(device(1, "CUSTOM_A", PGPU=1), device(2, "CUSTOM_A CUSTOM_B", PGPU=1), device(3, PGPU=1)),
            ResourceRequest(
                {
                    "1": Group({"PGPU": 1}, required=all_of("CUSTOM_B")),
                    "2": Group({"PGPU": 1}, required=all_of("CUSTOM_A", "CUSTOM_B")),
                }
            ),
            "groups_do_not_fit", "", 0, (),
        ),
    ],
)  # fmt: skip
def test_the_first_thing_that_stands_in_the_way_is_named_with_numbers(
    tree: Tree, request_: ResourceRequest, code: str, resource_class: str, needed: int, has: tuple[int, ...]
) -> None:
    found = miss(tree, request_)
    assert found is not None
    by = found.removed_by
    assert (by.code, by.resource_class, by.amount, found.has) == (code, resource_class, needed, has)


def test_the_unit_of_a_device_says_no_more_than_its_size() -> None:
    """A GPU has one unit of which one can be taken: who wants two is told of two devices, not of a limit."""
    found = miss(host(device(1, PGPU=ONE), device(2, PGPU=ONE)), asks({"PGPU": 2}))
    assert found is not None
    assert (found.removed_by.code, found.has) == ("not_in_one_provider", (1, 1))


def test_a_host_that_fails_more_is_farther_and_what_somebody_may_give_back_is_nearest() -> None:
    cloud = (
        host(tree=1, VCPU=8),
        host(device(1, tree=2, PGPU=1), tree=2, VCPU=8, traits=HOST_DOWN),
        host(device(1, tree=3, PGPU=BUSY), tree=3, VCPU=8, traits=HOST_DOWN),
        host(device(1, tree=4, PGPU=BUSY), tree=4, VCPU=8),
    )
    ledger = of_trees(cloud, PGPU)
    assert [found.host for found in ledger.nearest] == ["host-4", "host-2", "host-3", "host-1"]
    down, absent, short = ledger.removing
    assert (down.constraint, down.removed, down.remaining) == (Constraint("host_down"), 2, 2)
    assert (absent.constraint.code, absent.removed, absent.remaining) == ("resource_class_absent", 1, 1)
    assert (short.constraint.code, short.removed, short.remaining) == ("resource_class_short", 1, 0)
    assert [constraint.code for constraint in ledger.nearest[2].also] == ["resource_class_short"]


def test_equal_groups_are_one_constraint_and_a_thousand_hosts_are_not_a_thousand_lines() -> None:
    request = ResourceRequest({str(n): Group({"PGPU": 1}) for n in range(8)}, group_policy="isolate")
    ledger = of_trees((host(tree=number) for number in range(1, 1001)), request, limit=3)
    assert len(ledger.nearest) == 3
    assert len(ledger.entries) < 15
    (entry,) = ledger.removing
    assert (entry.removed, entry.constraint.groups) == (1000, tuple(map(str, range(8))))


def test_two_devices_that_are_not_under_one_subtree_are_one_and_one() -> None:
    numa = all_of("HW_NUMA_ROOT")
    nodes = (device(1, "HW_NUMA_ROOT", VCPU=8), device(2, "HW_NUMA_ROOT", VCPU=8))
    tree = host(
        nodes[0], device(3, under=1, CUSTOM_NPU=ONE), device(4, under=1, CUSTOM_NPU=Stock(1, used=1)),
        nodes[1], device(5, under=2, CUSTOM_NPU=ONE),
    )  # fmt: skip
    request = ResourceRequest(
        {"_N": Group({}, required=numa), **TWO_NPUS},
        group_policy="isolate",
        same_subtrees=(frozenset({"_N", "1", "2"}),),
    )
    found = miss(tree, request)
    assert found is not None
    assert (found.removed_by.code, found.removed_by.resource_class) == ("not_in_one_subtree", "CUSTOM_NPU")
    assert (found.removed_by.amount, found.has) == (2, (1, 1))
